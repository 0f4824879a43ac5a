"""A vault of its own for the files below ``examples/``, which people copy as they are."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ciplug.manifest import load
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.e2e.project import bring, trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.standins.issuer import Issuer

_EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "ciplug.toml"


class ExampleVault(NamedTuple):
    """A vault of its own with what ``examples/ciplug.toml`` refers to; `values` by variable."""

    bao: OpenBao
    admin: Admin
    values: Mapping[str, str]


@contextmanager
def example_vault(issuer: Issuer) -> Iterator[ExampleVault]:
    """The vault of the examples: it has the engine ``secret`` already, and the examples' auth mounts, for `issuer`."""
    values = {"DATABASE_URL": f"postgres://shop:{secrets.token_hex(8)}@db/shop", "NPM_TOKEN": secrets.token_hex(12)}
    with OpenBao(os.environ) as bao, Admin(bao.address, bao.root_token) as admin:
        admin.kv.write("secret", "app/dev/db", {"url": values["DATABASE_URL"]})
        admin.kv.write("secret", "common/npm", {"token": values["NPM_TOKEN"]})
        declared = load(_EXAMPLES)
        for mount in declared.vault.auth_mounts.values():
            trust(admin, mount, issuer)
        # Not in the file, which people copy: there, each host has its own issuer.
        issuers = dict.fromkeys(declared.vault.auth_mounts, issuer.url)
        bring(admin, replace(declared, vault=replace(declared.vault, issuers=issuers)))
        yield ExampleVault(bao, admin, values)
