"""Bringing a deploy platform to what the vault holds: plan, apply, verify, redeploy."""
