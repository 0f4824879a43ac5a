"""The vault's rights that a manifest implies: a policy and a role for each job and target, and nothing more."""
