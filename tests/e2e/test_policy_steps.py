"""Every step from one manifest to another, for generated ones: nobody gets what neither of the two gives."""

from __future__ import annotations

import itertools
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ciplug.manifest import parse
from ciplug.policy.applying import carry_out
from ciplug.policy.deriving import derive
from ciplug.policy.live import read_live
from ciplug.policy.plan import plan
from ciplug.standins.claims import github_claims
from tests.e2e.policy_setting import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao
    from ciplug.vault.admin import Admin

REFS: Final = ("refs/heads/main", "refs/heads/a", "refs/heads/b")
RECORDS: Final = ("one", "two", "three")

MANIFEST: Final = """\
version = 1
[vault]
audience = "{audience}"
auth_mount = "{name}"
issuer = "{issuer}"
kv_mount = "{name}"
[project]
github = "acme/{name}"
[environments.e]
path = "app"
only_if = {{ ref = {refs} }}
[jobs.j]
environment = "e"
secrets = {secrets}
[secrets.ONE]
ref = "one#v"
[secrets.TWO]
ref = "two#v"
[secrets.THREE]
ref = "three#v"
"""

Sketch = tuple[list[str], list[str]]
"""The branches whose jobs may log in, and the records that they then read."""

Rights = set[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An auth mount and an engine of one `name`, at which the role of the job is ``<name>-j``."""

    name: str
    bao: OpenBao
    admin: Admin
    issuer: Issuer

    def steps(self, sketch: Sketch) -> Iterator[Rights]:
        """Who has what after each write on the way to the manifest of `sketch`."""
        branches, records = sketch
        text = MANIFEST.format(
            audience=AUDIENCE,
            name=self.name,
            issuer=self.issuer.url,
            refs=json.dumps(branches),
            secrets=json.dumps([record.upper() for record in records]),
        )
        implied = derive(parse(text, "ciplug.toml"))
        assert implied.problems == ()
        for _ in carry_out(self.admin, plan(implied, read_live(self.admin, implied))):
            yield self.rights()

    def rights(self) -> Rights:
        tokens = [(ref, token) for ref in REFS for token in self.login(ref)]
        return {(ref, record) for ref, token in tokens for record in RECORDS if self.may(token, record)}

    def login(self, ref: str) -> list[str]:
        minted = self.issuer.mint(github_claims(repository=f"acme/{self.name}", ref=ref), audience=AUDIENCE)
        body = {"role": f"{self.name}-j", "jwt": minted}
        answer = httpx.post(f"{self.bao.address}/v1/auth/{self.name}/login", json=body)
        return [answer.json()["auth"]["client_token"]] if answer.is_success else []

    def may(self, token: str, record: str) -> bool:
        url = f"{self.bao.address}/v1/{self.name}/data/app/{record}"
        return httpx.get(url, headers={"X-Vault-Token": token}).is_success


def new_place(bao: OpenBao, admin: Admin, issuer: Issuer) -> Place:
    name = f"p{secrets.token_hex(4)}"
    admin.kv.mount(name)
    for record in RECORDS:
        admin.kv.write(name, f"app/{record}", {"v": "x"})
    admin.jwt.enable(name)
    admin.jwt.configure(name, bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
    return Place(name=name, bao=bao, admin=admin, issuer=issuer)


def some(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


SKETCHES = st.tuples(some(REFS), some(RECORDS))


@settings(max_examples=8, deadline=None)
@given(before=SKETCHES, after=SKETCHES)
@example(before=([REFS[0]], ["one"]), after=([REFS[0], REFS[1]], ["two"]))
@example(before=([REFS[0]], ["one", "two"]), after=([REFS[1]], ["two", "three"]))
def test_no_step_gives_what_neither_manifest_does(
    before: Sketch, after: Sketch, bao: OpenBao, admin: Admin, issuer: Issuer
) -> None:
    place = new_place(bao, admin, issuer)
    old, new = (set(itertools.product(*sketch)) for sketch in (before, after))
    assert all(held <= old for held in place.steps(before))
    assert place.rights() == old
    assert all(held <= old | new for held in place.steps(after))
    assert place.rights() == new
