from __future__ import annotations

import json
import shlex

import hcl2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug import manifest
from ciplug.errors import UsageError
from ciplug.policy import hcl, render
from ciplug.policy.deriving import derive
from ciplug.policy.model import Implied, Policy, Role
from ciplug.vault.admin_auth import JwtRole

QUICK_START = """\
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
POLICY = """\
# Written by `ciplug policy` for jobs.test of acme/shop (github:74)
path "secret/data/app/dev/db" { capabilities = ["read"] }
path "secret/data/common/npm" { capabilities = ["read"] }
"""
ROLE = """\
{
  "role_type": "jwt",
  "user_claim": "sub",
  "bound_audiences": [
    "https://vault.acme.dev"
  ],
  "bound_claims_type": "string",
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
  "claim_mappings": {
    "actor": "actor",
    "environment": "environment",
    "event_name": "event_name",
    "job_workflow_ref": "job_workflow_ref",
    "ref": "ref",
    "repository": "repository",
    "run_id": "run_id"
  },
  "token_policies": [
    "shop-test"
  ],
  "token_type": "service",
  "token_ttl": 300,
  "token_max_ttl": 300
}
"""
TERRAFORM = """\
resource "vault_policy" "shop-test" {
  name = "shop-test"

  policy = <<-EOT
    # Written by `ciplug policy` for jobs.test of acme/shop (github:74)
    path "secret/data/app/dev/db" { capabilities = ["read"] }
    path "secret/data/common/npm" { capabilities = ["read"] }
  EOT
}

resource "vault_jwt_auth_backend_role" "shop-test_github" {
  backend           = "jwt"
  role_name         = "shop-test"
  role_type         = "jwt"
  user_claim        = "sub"
  bound_audiences   = ["https://vault.acme.dev"]
  bound_claims_type = "string"
  token_policies    = [vault_policy.shop-test.name]
  token_type        = "service"
  token_ttl         = 300
  token_max_ttl     = 300

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


def quick_start() -> Implied:
    return derive(manifest.parse(QUICK_START, "m"))


def one(
    claims: dict[str, object] | None = None, *, name: str = "shop-test", mount: str = "jwt", owner: str = "jobs.test"
) -> Implied:
    """One policy with one role, bound to `claims`."""
    bound = {"iss": "i"} if claims is None else claims
    jwt = JwtRole(name=name, bound_audiences=("v",), bound_claims=bound, policies=(name,))
    return Implied(
        policies=(Policy(name=name, owner=owner, project="acme/shop", rules={"a": frozenset({"read"})}),),
        roles=(Role(host="github", mount=mount, policy=name, jwt=jwt),),
    )


def test_there_is_a_file_for_each_policy_and_role() -> None:
    assert render.files(quick_start()) == {"policies/shop-test.hcl": POLICY, "roles/jwt/shop-test.json": ROLE}


def test_the_text_is_the_files_below_the_commands_that_write_them() -> None:
    assert render.text(quick_start()) == (
        f"# bao policy write shop-test policies/shop-test.hcl\n{POLICY}\n"
        f"# bao write auth/jwt/role/shop-test @roles/jwt/shop-test.json  # GitHub Actions\n{ROLE}"
    )


def test_the_commands_name_the_namespace() -> None:
    commands = [line for line in render.text(quick_start(), "acme/team").splitlines() if line.startswith("# bao")]
    assert commands == [
        "# bao policy write -namespace=acme/team shop-test policies/shop-test.hcl",
        "# bao write -namespace=acme/team auth/jwt/role/shop-test @roles/jwt/shop-test.json  # GitHub Actions",
    ]


@pytest.mark.parametrize("mount", ["jwt;id", "$(id)", "`id`", "a'b", "a&b"])
def test_a_mount_cannot_be_a_command(mount: str) -> None:
    line = next(line for line in render.text(one(mount=mount)).splitlines() if line.startswith("# bao write"))
    words = shlex.split(line.removeprefix("# ").partition("  # ")[0])
    assert words == ["bao", "write", f"auth/{mount}/role/shop-test", f"@roles/{mount}/shop-test.json"]


def test_the_document_has_all_of_it_for_programs() -> None:
    found = json.loads(render.document(quick_start(), "acme"))
    assert found == {
        "format": 1,
        "namespace": "acme",
        "policies": [
            {
                "name": "shop-test",
                "owner": "jobs.test",
                "rules": {"secret/data/app/dev/db": ["read"], "secret/data/common/npm": ["read"]},
                "hcl": POLICY,
            }
        ],
        "roles": [{"name": "shop-test", "host": "github", "mount": "jwt", "role": json.loads(ROLE)}],
        "notes": [],
    }


def test_terraform_has_a_resource_for_each_policy_and_role() -> None:
    assert render.terraform(quick_start()) == TERRAFORM


def test_terraform_resources_name_the_namespace() -> None:
    shown = render.terraform(quick_start(), "acme/team")
    assert shown.count('  namespace = "acme/team"\n  name      = "shop-test"\n') == 1
    assert shown.count('  namespace         = "acme/team"\n  backend           = "jwt"\n') == 1


def test_nothing_depends_on_when_it_is_written() -> None:
    ways = (render.text, render.document, render.terraform)
    assert [way(quick_start()) for way in ways] == [way(quick_start()) for way in ways]


@pytest.mark.parametrize("value", [42, True, "a,b", " a", ["a", 1], ["a", "b,c"]], ids=str)
def test_a_claim_that_the_provider_would_change_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="cannot express the claim x of role shop-test") as caught:
        render.terraform(one({"iss": "i", "x": value}))
    assert "--apply" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('"', '"\\""'),
        ("\\", '"\\\\"'),
        ("a\nb", '"a\\nb"'),
        ("${file(1)}", '"$${file(1)}"'),
        ("%{ if true }", '"%%{ if true }"'),
        ("$${x}", '"$$${x}"'),
        ("\x00\x1b", '"\\u0000\\u001b"'),
        ("\u2028", '"\\u2028"'),
        ("é$%{", '"é$%%{"'),
    ],
)
def test_a_string_of_terraform_says_only_itself(value: str, written: str) -> None:
    shown = render.terraform(one({"x": f"a{value}b"}))
    assert f'    "x" = "a{written[1:-1]}b"\n' in shown


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: "," not in text and text == text.strip()
)


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS)
def test_no_claim_adds_anything_to_the_resources(name: str, value: str) -> None:
    resources = hcl2.loads(render.terraform(one({name: value})))["resource"]
    assert len(resources) == 2
    role = resources[1]['"vault_jwt_auth_backend_role"']['"shop-test_github"']
    assert len(role["bound_claims"]) == 1
    assert role["token_ttl"] == 300


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS)
def test_no_claim_adds_anything_to_the_json(name: str, value: str) -> None:
    [role] = json.loads(render.document(one({name: value})))["roles"]
    assert role["role"]["bound_claims"] == {name: value}


def test_a_job_whose_name_is_a_template_stays_a_comment() -> None:
    shown = render.terraform(one(owner="jobs.${file(1)} %{ for }"))
    assert "    # Written by `ciplug policy` for jobs.$${file(1)} %%{ for } of acme/shop\n" in shown
    assert hcl.parse(hcl.render(one(owner="jobs.${file(1)}").policies[0])) == {"a": {"read"}}


def test_resources_have_legal_names_of_their_own() -> None:
    names = ["a.b", "a_b", "a_b_2", "1a", "_1a", "a-b"]
    every = [one(name=name) for name in names]
    shown = render.terraform(
        Implied(
            policies=tuple(policy for each in every for policy in each.policies),
            roles=tuple(role for each in every for role in each.roles),
        )
    )
    blocks = hcl2.loads(shown)["resource"]
    policies = [name.strip('"') for block in blocks for name in block.get('"vault_policy"', ())]
    assert len(set(policies)) == len(names)
    assert all(name[0].isalpha() or name[0] == "_" for name in policies)
    assert all(name.replace("_", "a").replace("-", "a").isalnum() for name in policies)
    assert [block['"vault_policy"'][f'"{name}"']["name"] for block, name in zip(blocks, policies, strict=False)] == [
        f'"{name}"' for name in names
    ]
