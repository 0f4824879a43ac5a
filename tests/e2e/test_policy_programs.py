"""``ciplug policy`` and OpenBao's roles whose policies a program chooses, on a real server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from ciplug.standins.claims import github_claims
from tests.e2e.policy_setting import AUDIENCE

if TYPE_CHECKING:
    from tests.e2e.policy_setting import Setting

CEL = "pb.Auth{policies: %s, display_name: 'x'}"


def write_program(setting: Setting, name: str, policies: str) -> None:
    program = {"cel_program": {"expression": CEL % policies}, "expiration_leeway": 0}
    setting.ask("POST", f"auth/{setting.mount}/cel/role/{name}", program)


def log_in_to_program(setting: Setting, name: str) -> list[str]:
    minted = setting.issuer.mint(github_claims(repository="mallory/x"), audience=AUDIENCE)
    login = {"role": name, "jwt": minted}
    answer = httpx.post(f"{setting.bao.address}/v1/auth/{setting.mount}/cel/login", json=login).raise_for_status()
    policies: list[str] = answer.json()["auth"]["policies"]
    return policies


def test_a_role_whose_program_names_a_policy_is_found(setting: Setting) -> None:
    setting.applied()
    write_program(setting, "mine", f"['{setting.deploy}']")
    assert setting.deploy in log_in_to_program(setting, "mine")
    ran = setting.policy("--check")
    found = f"more   role {setting.mount}/cel/mine: its program names {setting.deploy}; nothing implies it"
    assert (ran.status, ran.out.splitlines()) == (20, [found])
    setting.ask("DELETE", f"auth/{setting.mount}/cel/role/mine")
    assert setting.policy("--check").status == 0


def test_a_program_that_puts_a_name_together_is_said_to_be_beyond_telling(setting: Setting) -> None:
    setting.applied()
    write_program(setting, "mine", f"['{setting.name}' + '-deploy']")
    write_program(setting, "another", f"['{setting.deploy}-2', 'x-{setting.deploy}']")
    assert setting.deploy in log_in_to_program(setting, "mine")
    ran = setting.policy("--check")
    told = f"names none of the policies: {setting.mount}/cel/another, {setting.mount}/cel/mine\n"
    assert (ran.status, ran.out, told in ran.err) == (0, "", True)
    assert "1 thing was not looked at" in ran.err


def test_a_role_at_another_mount_whose_program_gives_a_policy_is_found(setting: Setting) -> None:
    setting.applied()
    other = replace(setting, mount=f"team/{setting.mount}")
    other.trust()
    write_program(other, "mine", f"['{setting.deploy}']")
    ran = setting.policy("--check")
    setting.ask("DELETE", f"sys/auth/{other.mount}")
    assert (ran.status, ran.out.startswith(f"more   role {other.mount}/cel/mine: its program")) == (20, True)
    assert setting.policy("--check").status == 0


def test_a_policy_is_not_made_or_widened_for_a_program_that_names_it(setting: Setting) -> None:
    write_program(setting, "mine", f"['{setting.deploy}']")
    ran = setting.policy("--apply", "--yes")
    foreign = f"! foreign  policy {setting.deploy}  {setting.mount}/cel/mine would get its rights"
    delete = f"    to go on: delete it: bao delete auth/{setting.mount}/cel/role/mine"
    assert (ran.status, foreign in ran.out, delete in ran.out.splitlines()) == (10, True, True)
    assert setting.admin.read_policy(setting.deploy) is None
    assert setting.admin.read_policy(setting.test) is not None
    setting.ask("DELETE", f"auth/{setting.mount}/cel/role/mine")
    setting.applied()
    write_program(setting, "mine", f"['{setting.deploy}']")
    before = setting.admin.read_policy(setting.deploy)
    setting.change_manifest("db#url", "api#url")
    assert setting.policy("--apply", "--yes").status == 10
    assert setting.admin.read_policy(setting.deploy) == before


def test_a_program_is_told_by_a_plan(setting: Setting) -> None:
    setting.applied()
    write_program(setting, "mine", f"['{setting.deploy}']")
    ran = setting.policy("--apply", "--yes")
    told = f"? unimplied  role {setting.mount}/cel/mine: its program names {setting.deploy}; nothing implies it"
    assert (ran.status, told in ran.out.splitlines()) == (0, True)
    document = json.loads(setting.policy("--apply", "--format", "json").out)
    assert document["unimplied"] == [{"name": f"{setting.mount}/cel/mine", "policies": [setting.deploy]}]
