from __future__ import annotations

import json
import shlex
from dataclasses import replace

import hcl2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug import manifest
from ciplug.errors import UsageError
from ciplug.policy import hcl, render
from ciplug.policy.deriving import derive
from ciplug.policy.model import Implied, Policy, Role
from ciplug.vault.admin_auth import JwtRole, document
from tests.fakes.policy_texts import POLICY, QUICK_START, ROLE, TERRAFORM, TEXT


def quick_start() -> Implied:
    return derive(manifest.parse(QUICK_START, "m"))


def one(
    claims: dict[str, object] | None = None, *, name: str = "shop-test", mount: str = "jwt", owner: str = "jobs.test"
) -> Implied:
    """One policy with one role, bound to `claims`."""
    bound = {"iss": "i"} if claims is None else claims
    jwt = JwtRole(name=name, bound_audiences=("v",), bound_claims=bound, policies=(name,))
    return Implied(
        policies=(
            Policy(name=name, owner=owner, project="acme/shop", ids=("github:74",), rules={"a": frozenset({"read"})}),
        ),
        roles=(Role(host="github", mount=mount, policy=name, jwt=jwt),),
    )


def test_there_is_a_file_for_each_policy_and_role() -> None:
    assert render.files(quick_start()) == {"policies/shop-test.hcl": POLICY, "roles/jwt/shop-test.json": ROLE}


def test_the_text_is_the_files_below_the_commands_that_write_them() -> None:
    assert render.text(quick_start()) == TEXT


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
    assert shown.count('  namespace               = "acme/team"\n  backend                 = "jwt"\n') == 1


def test_several_capabilities_are_in_one_order_in_every_form() -> None:
    keeping = frozenset({"update", "read", "create", "patch", "list", "delete"})
    listed = ["create", "delete", "list", "patch", "read", "update"]
    implied = one()
    implied = replace(implied, policies=(replace(implied.policies[0], rules={"b": keeping, "a": {*keeping}}),))
    lines = [f'path "{path}" {{ capabilities = {json.dumps(listed)} }}' for path in ("a", "b")]
    shown = "\n".join(lines)
    assert f"(github:74)\n{shown}\n\n#" in render.text(implied)
    assert f"(github:74)\n    {lines[0]}\n    {lines[1]}\n  EOT" in render.terraform(implied)
    [found] = json.loads(render.document(implied))["policies"]
    assert list(found["rules"].items()) == [("a", listed), ("b", listed)]


def test_a_role_is_written_with_every_field_of_the_api() -> None:
    """What is left out of a write stays as somebody made it."""
    [role] = quick_start().roles
    assert json.loads(ROLE) == document(role.jwt)
    of_openbao = {"token_policies_template_claims", "token_strictly_bind_ip"}
    resource = render.terraform(quick_start()).partition("vault_jwt_auth_backend_role")[2]
    named = {line.split()[0] for line in resource.splitlines() if line.startswith("  ") and line[2] not in " }"}
    assert named == document(role.jwt).keys() - of_openbao | {"backend", "role_name"}


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
    assert "    # Written by `ciplug policy` for jobs.$${file(1)} %%{ for } of acme/shop (github:74)\n" in shown
    assert hcl.read(hcl.render(one(owner="jobs.${file(1)}").policies[0])).rules == {"a": {"read"}}


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
