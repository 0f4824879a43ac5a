"""`ciplug policy` on a vault that has been changed before, for generated manifests: by ciplug itself and by others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug.vault.admin_auth import JwtRole
from tests.e2e.policy_world import World, world_of
from tests.fakes.drawn_manifests import sketches

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao
    from ciplug.vault.admin import Admin
    from tests.fakes.manifests import Sketch

MARKS: Final = (
    "# mine",
    "# Written by `ciplug policy` for jobs.test of acme/other (github:acme/other)",
    "# Written by `ciplug policy` for jobs.test of acme/shop (github:740)",
)
"""How policies of others begin; one of them is of another repository with the project's name."""


@settings(max_examples=10, deadline=None)
@given(sketch=sketches(), data=st.data())
def test_the_second_time_nothing_is_written_and_what_others_made_is_as_it_was(
    sketch: Sketch, data: st.DataObject, bao: OpenBao, admin: Admin, issuer: Issuer
) -> None:
    with world_of(sketch, bao, admin, issuer) as world:
        policies, roles = made_by_others(world, data)
        before = world.state(policies, roles)
        first = {(change.what, change.name) for change in world.apply()}
        assert world.state(policies, roles) == before
        mark = bao.mark()
        assert world.apply() == []
        assert bao.requests_since(mark)
        assert world.writes_since(mark) == []
        assert world.state(policies, roles) == before
        wanted = {("policy", policy.name) for policy in world.implied.policies if policy.name not in policies}
        wanted |= {
            ("role", f"{role.mount}/{role.jwt.name}")
            for role in world.implied.roles
            if role.policy not in policies and (role.mount, role.jwt.name) not in roles
        }
        assert first == wanted


def made_by_others(world: World, data: st.DataObject) -> tuple[list[str], list[tuple[str, str]]]:
    """Policies and roles of others, under names like the project's and under some of its own."""
    own_policies = [policy.name for policy in world.implied.policies]
    own_roles = [(role.mount, role.jwt.name) for role in world.implied.roles]
    policies = [*data.draw(st.lists(st.sampled_from(own_policies), unique=True)), "shop", f"{own_policies[0]}-2"]
    roles = [*data.draw(st.lists(st.sampled_from(own_roles), unique=True)), (own_roles[0][0], "shop-others")]
    for name in policies:
        world.admin.write_policy(
            name, f'{data.draw(st.sampled_from(MARKS))}\npath "kv/*" {{ capabilities = ["read"] }}\n\n'
        )
    for mount, name in roles:
        role = JwtRole(name=name, bound_audiences=("x",), bound_claims={"ref": "*"}, policies=("mine", "shop"), ttl=77)
        world.admin.jwt.write_role(role, mount)
    return policies, roles


@settings(max_examples=10, deadline=None)
@given(sketch=sketches(), data=st.data())
def test_all_that_is_too_much_is_named(
    sketch: Sketch, data: st.DataObject, bao: OpenBao, admin: Admin, issuer: Issuer
) -> None:
    with world_of(sketch, bao, admin, issuer) as world:
        world.apply()
        made = {excess(world, data) for excess in (wildcard, second_policy, freed_claim, longer_life)}
        found = {(finding.grade, finding.what, finding.name, finding.text) for finding in world.findings()}
        assert found == {("more", *one) for one in made}


def wildcard(world: World, data: st.DataObject) -> tuple[str, str, str]:
    name = data.draw(st.sampled_from(world.implied.policies)).name
    stored = world.admin.read_policy(name)
    assert stored is not None
    rule = 'path "kv/*" { capabilities = ["read"] }'
    world.admin.write_policy(name, f"{stored.text}{rule}\n")
    return "policy", name, f"{rule} is not implied (a wildcard: it matches other records too)"


def second_policy(world: World, data: st.DataObject) -> tuple[str, str, str]:
    place, fields = drawn_role(world, data)
    world.done("POST", place, fields | {"token_policies": [*fields["token_policies"], "everything"]})
    return "role", short(place), 'token_policies also has "everything"'


def freed_claim(world: World, data: st.DataObject) -> tuple[str, str, str]:
    place, fields = drawn_role(world, data)
    claim = data.draw(st.sampled_from(sorted(fields["bound_claims"])))
    wanted = json.dumps(fields["bound_claims"].pop(claim))
    world.done("POST", place, fields)
    return "role", short(place), f"bound_claims.{claim} is not bound: it should be {wanted}"


def longer_life(world: World, data: st.DataObject) -> tuple[str, str, str]:
    place, fields = drawn_role(world, data)
    world.done("POST", place, fields | {"token_max_ttl": 86400})
    return "role", short(place), f"token_max_ttl is 86400, not {fields['token_max_ttl']}"


def drawn_role(world: World, data: st.DataObject) -> tuple[str, dict[str, Any]]:
    """One of the roles as the vault has it, with its path."""
    role = data.draw(st.sampled_from(world.implied.roles))
    place = f"auth/{role.mount}/role/{role.jwt.name}"
    return place, world.done("GET", place)


def short(place: str) -> str:
    return place.removeprefix("auth/").replace("/role/", "/")
