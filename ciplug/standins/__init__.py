"""Local stand-ins for what ciplug talks to, all on loopback: an OIDC issuer and a real OpenBao, for demo and tests."""
