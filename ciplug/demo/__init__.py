"""``ciplug demo``: the whole story against a real OpenBao and a local OIDC issuer, checked as it is told."""
