"""A small manifest, and what `ciplug policy` writes for it in each of its forms."""

from __future__ import annotations

from typing import Final

QUICK_START: Final = """\
version = 1
[vault]
address = "https://vault.acme.dev:8200"
audience = "https://vault.acme.dev"
shared = ["common"]
[project]
github = "acme/shop"
github_id = 74
[environments.dev]
path = "app/dev"
[secrets.DATABASE_URL]
ref = "db#url"
[secrets.NPM_TOKEN]
ref = "//common/npm#token"
[jobs.test]
environment = "dev"
secrets = ["DATABASE_URL", "NPM_TOKEN"]
"""
POLICY: Final = """\
# Written by `ciplug policy` for jobs.test of acme/shop (github:74)
path "secret/data/app/dev/db" { capabilities = ["read"] }
path "secret/data/common/npm" { capabilities = ["read"] }
"""
ROLE: Final = """\
{
  "role_type": "jwt",
  "user_claim": "sub",
  "user_claim_json_pointer": false,
  "bound_audiences": [
    "https://vault.acme.dev"
  ],
  "bound_subject": "",
  "bound_claims": {
    "iss": "https://token.actions.githubusercontent.com",
    "repository_id": "74",
    "event_name": [
      "deployment",
      "merge_group",
      "pull_request",
      "push",
      "release",
      "repository_dispatch",
      "schedule",
      "workflow_dispatch"
    ]
  },
  "bound_claims_type": "string",
  "claim_mappings": {
    "actor": "actor",
    "environment": "environment",
    "event_name": "event_name",
    "job_workflow_ref": "job_workflow_ref",
    "ref": "ref",
    "repository": "repository",
    "run_id": "run_id"
  },
  "groups_claim": "",
  "allowed_redirect_uris": [],
  "clock_skew_leeway": 0,
  "expiration_leeway": 0,
  "not_before_leeway": 0,
  "token_policies": [
    "shop-test"
  ],
  "token_policies_template_claims": false,
  "token_no_default_policy": false,
  "token_type": "service",
  "token_ttl": 300,
  "token_max_ttl": 300,
  "token_explicit_max_ttl": 0,
  "token_period": 0,
  "token_num_uses": 0,
  "token_bound_cidrs": [],
  "token_strictly_bind_ip": false
}
"""
TERRAFORM: Final = """\
resource "vault_policy" "shop-test" {
  name = "shop-test"

  policy = <<-EOT
    # Written by `ciplug policy` for jobs.test of acme/shop (github:74)
    path "secret/data/app/dev/db" { capabilities = ["read"] }
    path "secret/data/common/npm" { capabilities = ["read"] }
  EOT
}

resource "vault_jwt_auth_backend_role" "shop-test_github" {
  backend                 = "jwt"
  role_name               = "shop-test"
  role_type               = "jwt"
  user_claim              = "sub"
  user_claim_json_pointer = false
  bound_audiences         = ["https://vault.acme.dev"]
  bound_subject           = ""
  bound_claims_type       = "string"
  groups_claim            = ""
  allowed_redirect_uris   = []
  clock_skew_leeway       = 0
  expiration_leeway       = 0
  not_before_leeway       = 0
  token_policies          = [vault_policy.shop-test.name]
  token_no_default_policy = false
  token_type              = "service"
  token_ttl               = 300
  token_max_ttl           = 300
  token_explicit_max_ttl  = 0
  token_period            = 0
  token_num_uses          = 0
  token_bound_cidrs       = []

  bound_claims = {
    "iss"           = "https://token.actions.githubusercontent.com"
    "repository_id" = "74"
    "event_name"    = "deployment,merge_group,pull_request,push,release,repository_dispatch,schedule,workflow_dispatch"
  }

  claim_mappings = {
    "actor"            = "actor"
    "environment"      = "environment"
    "event_name"       = "event_name"
    "job_workflow_ref" = "job_workflow_ref"
    "ref"              = "ref"
    "repository"       = "repository"
    "run_id"           = "run_id"
  }
}
"""
TEXT: Final = (
    f"# bao policy write shop-test policies/shop-test.hcl\n{POLICY}\n"
    f"# bao write auth/jwt/role/shop-test @roles/jwt/shop-test.json  # GitHub Actions\n{ROLE}"
)
