"""Commands that ciplug tells people to run on a vault with namespaces."""

from __future__ import annotations

import pytest

from ciplug.policy.commands import bao


@pytest.mark.parametrize(
    ("namespace", "command"),
    [
        ("", "bao auth list -x"),
        ("acme/ci", "bao auth list -namespace=acme/ci -x"),
        ("a b", "bao auth list '-namespace=a b' -x"),
    ],
)
def test_a_command_names_its_namespace_where_there_is_one(namespace: str, command: str) -> None:
    assert bao("auth list", "-x", namespace=namespace) == command
