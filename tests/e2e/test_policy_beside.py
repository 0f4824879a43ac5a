"""``ciplug policy`` beside what others made in the same vault, and what an earlier manifest has left there."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from ciplug.vault.admin_auth import JwtRole
from tests.e2e.policy_setting import AUDIENCE, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_what_somebody_else_made_is_never_touched(setting: Setting) -> None:
    foreign = 'path "secret/*" { capabilities = ["read"] }\n'
    setting.admin.write_policy(setting.test, foreign)
    role = JwtRole(name=setting.deploy, bound_audiences=("x",), bound_claims={}, policies=("other",))
    setting.admin.jwt.write_role(role, setting.mount)
    before = setting.role()
    for counted in ("1 to create, 3 left alone", "3 left alone"):
        ran = setting.policy("--apply", "--yes")
        assert ran.status == 10
        assert f"! foreign  policy {setting.test}  ciplug did not write it" in ran.out
        assert f"! foreign  role {setting.mount}/{setting.test}  its policy {setting.test} is not ciplug's" in ran.out
        assert f"! foreign  role {setting.mount}/{setting.deploy}  it gives other, not {setting.deploy}" in ran.out
        assert f"    to go on: --adopt {setting.test}, or delete it: bao policy delete {setting.test}\n" in ran.out
        assert ran.out.splitlines()[-1] == counted
    stored = setting.admin.read_policy(setting.test)
    assert stored is not None
    assert stored.text == foreign
    assert setting.role() == before
    assert setting.admin.jwt.roles(setting.mount) == (setting.deploy,)


def test_a_policy_of_another_project_with_the_same_name_is_named(setting: Setting) -> None:
    text = setting.manifest.read_text(encoding="utf-8")
    for number in (74, 99):
        named = f'github_id = {number}\nname = "{setting.name}"'
        setting.manifest.write_text(text.replace(f'github = "acme/{setting.name}"', named), encoding="utf-8")
        ran = setting.policy("--apply", "--yes")
        assert ran.status == (0 if number == 74 else 10)
    server = setting.issuer.url.removeprefix("http://")
    project = f"{setting.name} (github:{server}:74)"
    found = f"other  policy {setting.test}: ciplug wrote it for another project, {project}"
    assert found in setting.policy("--check").out.splitlines()


def test_a_policy_is_not_made_for_a_role_that_waits_for_it(setting: Setting) -> None:
    """Whoever may write roles, and no policies, would be given the rights of the job under conditions of their own."""
    role = JwtRole(
        name=setting.deploy, bound_audiences=(AUDIENCE,), bound_claims={"actor": "me"}, policies=(setting.deploy,)
    )
    setting.admin.jwt.write_role(role, setting.mount)
    ran = setting.policy("--apply", "--yes")
    assert ran.status == 10
    assert setting.admin.read_policy(setting.deploy) is None
    assert setting.admin.read_policy(setting.test) is not None


def test_a_policy_is_not_made_or_widened_for_a_role_that_nothing_implies(setting: Setting) -> None:
    role = JwtRole(name="mine", bound_audiences=(AUDIENCE,), bound_claims={"actor": "me"}, policies=(setting.deploy,))
    setting.admin.jwt.write_role(role, setting.mount)
    foreign = f"! foreign  policy {setting.deploy}  {setting.mount}/mine would get its rights"
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, foreign in ran.out) == (10, True)
    assert setting.admin.read_policy(setting.deploy) is None
    setting.ask("DELETE", f"auth/{setting.mount}/role/mine")
    setting.applied()
    setting.admin.jwt.write_role(role, setting.mount)
    before = setting.admin.read_policy(setting.deploy)
    text = setting.manifest.read_text(encoding="utf-8").replace(
        "[jobs.test]", '[secrets.KEY]\nref = "key#k"\n[jobs.test]'
    )
    setting.manifest.write_text(f'{text[:-2]}, "KEY"]\n', encoding="utf-8")
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, foreign in ran.out) == (10, True)
    assert setting.admin.read_policy(setting.deploy) == before


def test_another_role_that_gives_the_same_rights_is_found(setting: Setting) -> None:
    setting.applied()
    role = JwtRole(
        name="mine",
        bound_audiences=("x",),
        bound_claims={},
        policies=("a", setting.deploy, setting.test),
    )
    setting.admin.jwt.write_role(role, setting.mount)
    text = f"role {setting.mount}/mine: it gives {setting.deploy}, {setting.test}; nothing implies it"
    ran = setting.policy("--check")
    assert (ran.status, ran.out.splitlines()) == (20, [f"more   {text}"])
    ran = setting.policy("--apply")
    assert (ran.status, f"? unimplied  {text}" in ran.out) == (0, True)
    document = json.loads(setting.policy("--apply", "--format", "json").out)
    both = [setting.deploy, setting.test]
    assert document["unimplied"] == [{"name": f"{setting.mount}/mine", "policies": both}]


def test_a_role_of_another_project_with_the_same_names_is_not_left_over(setting: Setting) -> None:
    setting.applied()
    text = setting.manifest.read_text(encoding="utf-8")
    other = f"{setting.mount}-b"
    setting.admin.jwt.enable(other)
    moved = text.replace(setting.mount, other).replace(f"acme/{setting.name}", f"other/{setting.name}")
    setting.manifest.write_text(moved, encoding="utf-8")
    ran = setting.policy("--apply")
    assert "? left over" not in ran.out
    assert f"? unimplied  role {setting.mount}/{setting.test}: it gives {setting.test}; nothing implies it" in ran.out
    setting.manifest.write_text(text.replace(setting.mount, other), encoding="utf-8")
    assert f"? left over  role {setting.mount}/{setting.test}: " in setting.policy("--apply").out


def test_a_role_at_another_auth_mount_that_gives_the_same_rights_is_found(setting: Setting) -> None:
    setting.applied()
    other = f"{setting.mount}-old"
    setting.admin.jwt.enable(other)
    for name in ("mine", setting.deploy):
        role = JwtRole(name=name, bound_audiences=("x",), bound_claims={}, policies=(setting.deploy,))
        setting.admin.jwt.write_role(role, other)
    ran = setting.policy("--check")
    assert (ran.status, ran.out.splitlines()) == (
        20,
        [
            f"more   role {other}/{setting.deploy}: it is left over: nothing implies it any more",
            f"more   role {other}/mine: it gives {setting.deploy}; nothing implies it",
        ],
    )
    setting.ask("DELETE", f"sys/auth/{other}")
    assert setting.policy("--check").status == 0


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("{name}-{{{{.environment}}}}", ("deploy", "test")),
        ("{{{{ .team }}}}-deploy", ("deploy",)),
        ("{{{{.a}}}}{name}-te{{{{.b}}}}", ("test",)),
        ('{{{{if .a}}}}{{{{"{name}-deploy"}}}}{{{{else}}}}x{{{{end}}}}', ("deploy",)),
        ("{{{{if .a}}}}{name}-deploy{{{{else}}}}{{{{.b}}}}{{{{end}}}}", ("deploy",)),
    ],
)
def test_a_role_with_a_template_that_fits_a_policy_gives_it(
    setting: Setting, template: str, given: tuple[str, ...]
) -> None:
    setting.applied()
    names = ", ".join(f"{setting.name}-{job}" for job in given)
    text = f"role {setting.mount}/mine: it gives {names}; nothing implies it"
    with template_role(setting, template.format(name=setting.name)):
        ran, planned = setting.policy("--check"), setting.policy("--apply")
    assert (ran.status, ran.out.splitlines()) == (20, [f"more   {text}"])
    assert f"? unimplied  {text}" in planned.out


def test_a_claim_fills_in_the_name_of_a_policy(setting: Setting) -> None:
    """What the vault does with a template that is found."""
    setting.applied()
    token = setting.issuer.mint({"sub": "me", "environment": "deploy"}, audience=AUDIENCE)
    body = {"role": "mine", "jwt": token}
    with template_role(setting, f"{setting.name}-{{{{.environment}}}}"):
        login = httpx.post(f"{setting.bao.address}/v1/auth/{setting.mount}/login", json=body, timeout=20)
    assert setting.deploy in login.json()["auth"]["token_policies"]


@pytest.mark.parametrize("template", ["{{.team}}", "{{ .a }}{{ .b }}", "{{if .a}}x{{end}}", '{{"}}"}}x'])
def test_a_template_that_claims_fill_alone_is_told_of(setting: Setting, template: str) -> None:
    setting.applied()
    with template_role(setting, template):
        ran = setting.policy("--check")
    note = f"what a role gives cannot be told where claims are all of a policy's name: {setting.mount}/mine"
    assert (ran.status, ran.out, ran.err.count(note)) == (0, "", 1)


def test_a_template_that_fits_no_policy_is_in_order(setting: Setting) -> None:
    setting.applied()
    with template_role(setting, f"{setting.name}-{{{{.team}}}}-x"):
        ran = setting.policy("--check")
    assert (ran.status, ran.out, "cannot be told" in ran.err) == (0, "", False)


def test_a_name_like_a_template_is_none_where_claims_are_not_filled_in(setting: Setting) -> None:
    setting.applied()
    setting.write_role("mine", f"{setting.name}-{{{{.environment}}}}", "{{.team}}")
    ran = setting.policy("--check")
    assert (ran.status, ran.out, "cannot be told" in ran.err) == (0, "", False)


@contextmanager
def template_role(setting: Setting, template: str) -> Iterator[None]:
    """A role that somebody made by hand, into whose policy the vault fills claims; others share this vault."""
    setting.write_role("mine", "x")
    place = f"auth/{setting.mount}/role/mine"
    fields = {"token_policies": [template], "token_policies_template_claims": True}
    setting.ask("POST", place, setting.ask("GET", place) | fields)
    try:
        yield
    finally:
        setting.ask("DELETE", place)


def test_what_nothing_implies_any_more_is_named_with_the_commands_to_delete_it(setting: Setting) -> None:
    setting.applied()
    setting.admin.write_policy(f"{setting.name}-others", 'path "a" { capabilities = ["read"] }')
    text = setting.manifest.read_text(encoding="utf-8")
    setting.manifest.write_text(text[: text.index("[jobs.deploy]")], encoding="utf-8")
    mark = setting.bao.mark()
    ran = setting.policy("--apply", "--yes")
    role = f"{setting.mount}/{setting.deploy}"
    assert (ran.status, ran.out.splitlines()) == (
        0,
        [
            "= 2 up to date",
            f"? left over  role {role}: to delete it: bao delete auth/{setting.mount}/role/{setting.deploy}",
            f"? left over  policy {setting.deploy}: to delete it: bao policy delete {setting.deploy}",
            "nothing to do",
        ],
    )
    assert setting.writes_since(mark) == []
    ran = setting.policy("--check", "--format", "json")
    assert ran.status == 20
    assert [(one["grade"], one["what"]) for one in json.loads(ran.out)["findings"]] == [
        ("more", "role"),
        ("more", "policy"),
    ]


def test_what_is_not_of_this_project_is_not_left_over(setting: Setting) -> None:
    setting.applied()
    stored = setting.admin.read_policy(setting.deploy)
    assert stored is not None
    setting.admin.write_policy(f"{setting.name}-x", stored.text.replace(f"acme/{setting.name}", "acme/other"))
    ran = setting.policy("--check")
    assert (ran.status, ran.out) == (0, "")


def test_a_left_over_role_with_more_than_its_own_policy_is_one_that_nothing_implies(setting: Setting) -> None:
    setting.applied()
    setting.change_role(token_policies=[setting.deploy, setting.test])
    text = setting.manifest.read_text(encoding="utf-8")
    setting.manifest.write_text(text[: text.index("[jobs.deploy]")], encoding="utf-8")
    ran = setting.policy("--check")
    given = f"it gives {setting.deploy}, {setting.test}; nothing implies it"
    assert (ran.status, ran.out.splitlines()) == (
        20,
        [
            f"more   policy {setting.deploy}: it is left over: nothing implies it any more",
            f"more   role {setting.mount}/{setting.deploy}: {given}",
        ],
    )


def test_a_policy_that_a_role_gives_is_known_by_its_mark_without_the_right_to_list(setting: Setting) -> None:
    setting.applied()
    stored = setting.admin.read_policy(setting.test)
    assert stored is not None
    setting.admin.write_policy(f"old-{setting.name}", stored.text)
    setting.write_role("mine", f"old-{setting.name}")
    rights = 'path "sys/policies/acl/*" { capabilities = ["read"] }\n'
    rights += f'path "auth/{setting.mount}/role/*" {{ capabilities = ["read", "list"] }}\n'
    setting.admin.write_policy(f"{setting.name}x", rights)
    token = setting.admin.create_token(policies=[f"{setting.name}x"]).reveal().decode()
    ran = setting.policy("--check", token=token)
    given = f"role {setting.mount}/mine: it gives old-{setting.name}; nothing implies it"
    assert (ran.status, ran.out.splitlines()) == (
        20,
        [f"more   policy old-{setting.name}: it is left over: nothing implies it any more", f"more   {given}"],
    )
    assert "what is left over of policies that no role gives was not looked for: LIST" in ran.err


def test_a_default_policy_that_opens_records_of_a_job_is_found(setting: Setting) -> None:
    setting.applied()
    default = setting.admin.read_policy("default")
    assert default is not None
    wide = f'path "{setting.kv}/data/app/prod/*" {{ capabilities = ["read"] }}'
    setting.admin.write_policy("default", f"{default.text}\n{wide}\n")
    try:
        ran = setting.policy("--check")
    finally:
        setting.admin.write_policy("default", default.text)
    text = f"every token has it, and {wide} is also for {setting.kv}/data/app/prod/db"
    assert (ran.status, ran.out.splitlines()) == (20, [f"more   policy default: {text}"])


def test_what_somebody_wrote_into_a_role_cannot_speak_to_the_ci_host(setting: Setting) -> None:
    setting.applied()
    setting.change_role(bound_claims={"ref": "x\n::error::y\u2028::add-mask::z ##[command]"}, user_claim="a\n::b")
    for options in (("--check",), ("--apply",), ("--check", "--format", "json")):
        ran = setting.policy(*options)
        assert ran.status in {2, 20}
        assert not [line for line in (ran.out + ran.err).splitlines() if line.lstrip().startswith("::")]
        assert "##[" not in ran.out
    document = json.loads(ran.out)
    assert [one["text"] for one in document["findings"] if "##[command]" in one["text"]]
