"""Slim HTTP on ``http.client``: one deadline, no redirects, no secret in any text it raises."""
