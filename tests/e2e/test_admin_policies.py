"""Check-and-set of policies on the real server."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ciplug.vault.admin import Admin


def test_a_policy_that_changed_since_it_was_seen_is_left_alone(admin: Admin) -> None:
    name = f"a{secrets.token_hex(4)}"
    assert admin.write_policy_if(name, "# first\n", seen=None)
    seen = admin.read_policy(name)
    assert seen is not None
    admin.write_policy(name, "# mine\n")
    assert not admin.write_policy_if(name, "", seen=seen)
    assert not admin.write_policy_if(name, "", seen=None)
    assert not admin.write_policy_if(name, "# mine\n", seen=seen)
    now = admin.read_policy(name)
    assert now is not None
    assert (now.text, now.version) == ("# mine\n", 2)
    assert admin.write_policy_if(name, seen.text, seen=now)
