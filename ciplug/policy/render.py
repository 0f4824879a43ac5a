"""What a manifest implies as text: for people, for `bao` or `vault`, for programs, and for Terraform."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ciplug.errors import UsageError
from ciplug.policy.commands import bao
from ciplug.policy.hcl import render
from ciplug.policy.hosts import ALL
from ciplug.vault.admin_auth import document as role_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.policy.model import Implied, Policy, Role

FORMAT = 1
"""The version of the JSON document."""

_LABELS = {host.kind: host.label for host in ALL}
_MAPS = ("bound_claims", "claim_mappings")
_NOT_OF_THE_PROVIDER = ("token_policies_template_claims", "token_strictly_bind_ip")
"""Fields of OpenBao's alone, which no resource of the provider has: Terraform leaves them as they are."""

_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def files(implied: Implied) -> dict[str, str]:
    """A file for each policy and role, by its path below a directory."""
    found = {_policy_file(policy): render(policy) for policy in implied.policies}
    return found | {_role_file(role): _json(role_document(role.jwt)) for role in implied.roles}


def text(implied: Implied, namespace: str = "") -> str:
    """All of `files` one after another, each below the command that writes it to a vault, as a comment."""
    blocks = []
    for policy in implied.policies:
        command = bao("policy write", policy.name, _policy_file(policy), namespace=namespace)
        blocks.append(f"# {command}\n{render(policy)}")
        for role in implied.roles:
            if role.policy == policy.name:
                path = f"auth/{role.mount}/role/{role.jwt.name}"
                command = bao("write", path, f"@{_role_file(role)}", namespace=namespace)
                blocks.append(f"# {command}  # {_LABELS[role.host]}\n{_json(role_document(role.jwt))}")
    return "\n".join(blocks)


def document(implied: Implied, namespace: str = "") -> str:
    """One JSON document with all of it."""
    return _json(
        {
            "format": FORMAT,
            "namespace": namespace,
            "policies": [
                {
                    "name": policy.name,
                    "owner": policy.owner,
                    "rules": {path: sorted(policy.rules[path]) for path in sorted(policy.rules)},
                    "hcl": render(policy),
                }
                for policy in implied.policies
            ],
            "roles": [
                {"name": role.jwt.name, "host": role.host, "mount": role.mount, "role": role_document(role.jwt)}
                for role in implied.roles
            ],
            "notes": list(implied.notes),
        }
    )


def terraform(implied: Implied, namespace: str = "") -> str:
    """Resources of the provider ``hashicorp/vault``; `namespace` is relative to the provider's own.

    ``UsageError`` for a claim that the provider cannot express: it has strings alone, and takes a comma for "or".
    """
    addresses = _addresses(implied.policies)
    blocks = [_policy_resource(addresses[policy.name], policy, namespace) for policy in implied.policies]
    blocks += [_role_resource(addresses[role.policy], role, namespace) for role in implied.roles]
    return "\n".join(blocks)


def _policy_file(policy: Policy) -> str:
    return f"policies/{policy.name}.hcl"


def _role_file(role: Role) -> str:
    return f"roles/{role.mount}/{role.jwt.name}.json"


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _addresses(policies: Iterable[Policy]) -> dict[str, str]:
    """A legal name of a resource for each policy; what differs only by what is not legal gets a number."""
    found: dict[str, str] = {}
    for policy in policies:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", policy.name)
        plain = plain if plain[0].isalpha() or plain[0] == "_" else f"_{plain}"
        taken = set(found.values())
        numbered = (f"{plain}_{number}" for number in range(2, len(taken) + 3))
        found[policy.name] = plain if plain not in taken else next(name for name in numbered if name not in taken)
    return found


def _policy_resource(address: str, policy: Policy, namespace: str) -> str:
    lines = [f'resource "vault_policy" "{address}" {{']
    lines += _aligned({"namespace": _string(namespace) if namespace else "", "name": _string(policy.name)})
    lines += ["", "  policy = <<-EOT", *(f"    {_template(line)}" for line in render(policy).splitlines()), "  EOT"]
    return "\n".join([*lines, "}", ""])


def _role_resource(address: str, role: Role, namespace: str) -> str:
    fields = role_document(role.jwt)
    attributes = {
        "namespace": _string(namespace) if namespace else "",
        "backend": _string(role.mount),
        "role_name": _string(role.jwt.name),
        **{name: _value(value) for name, value in fields.items() if name not in {*_MAPS, *_NOT_OF_THE_PROVIDER}},
        "token_policies": f"[vault_policy.{address}.name]",
    }
    claims = {name: _claim(role, name, value) for name, value in fields["bound_claims"].items()}
    lines = [f'resource "vault_jwt_auth_backend_role" "{address}_{role.host}" {{', *_aligned(attributes)]
    return "\n".join(
        [*lines, *_map("bound_claims", claims), *_map("claim_mappings", fields["claim_mappings"]), "}", ""]
    )


def _value(value: str | int | list[str]) -> str:
    """A text, a number, a truth value or a list of texts in Terraform's language."""
    if isinstance(value, list):
        return f"[{', '.join(map(_string, value))}]"
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _aligned(attributes: Mapping[str, str]) -> list[str]:
    """An attribute a line, without those that are empty."""
    given = {name: value for name, value in attributes.items() if value}
    width = max(map(len, given))
    return [f"  {name:<{width}} = {value}" for name, value in given.items()]


def _map(name: str, values: Mapping[str, str]) -> Iterator[str]:
    width = max((len(_string(key)) for key in values), default=0)
    yield ""
    yield f"  {name} = {{"
    for key, value in values.items():
        yield f"    {_string(key):<{width}} = {_string(value)}"
    yield "  }"


def _claim(role: Role, name: str, value: object) -> str:
    values = value if isinstance(value, list) else [value]
    texts = [item for item in values if isinstance(item, str) and "," not in item and item == item.strip()]
    if len(texts) != len(values):
        raise UsageError(
            f"the Terraform provider cannot express the claim {name} of role {role.jwt.name}: it has strings alone,"
            " and takes a comma for the next one",
            hint="use `ciplug policy --apply`, or the files of `ciplug policy --output`",
        )
    return ",".join(texts)


def _string(value: str) -> str:
    """`value` as a string of Terraform's language, in which nothing is a template.

    Source: https://developer.hashicorp.com/terraform/language/expressions/strings
    """
    return f'"{"".join(_ESCAPED.get(char) or _printable(char) for char in _template(value))}"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _template(value: str) -> str:
    return value.replace("${", "$${").replace("%{", "%%{")
