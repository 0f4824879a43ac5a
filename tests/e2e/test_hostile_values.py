"""Awkward secrets, each handed over exactly and readable nowhere in the output."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import sys
from typing import TYPE_CHECKING

import dotenv
import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.outside import assert_refused, nothing_left, token_env
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

_DICE = random.Random(7)

VALUES: dict[str, bytes] = {
    "newline at the end": b"hunter2-and-more\n",
    "lines": b"first line of it\nsecond line\r\nthird line",
    "private key": b"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3\nxfn/ygWy\n-----END RSA KEY-----\n",
    "quotes": b"a'b\"c''d\"\"e",
    "percent": b"100%0Aof%25it%0D",
    "dollar": b"$HOME ${PATH} $(id) `id` $'x'",
    "backslashes": b"\\n\\\\t\\x41\\",
    "emoji": "пароль-🔑-密码".encode(),
    "add-mask": b"::add-mask::whatever-this",
    "old command": b"##[set-env name=X;]value",
    "json": b'{"type": "service_account", "key": "a\\nb\\"c", "n": [1, 2]}',
    "url": b"postgres://user:p%40ss@host:5432/db?sslmode=require&x=1",
    "blanks around": b"   spaced out   ",
    "asterisks": b"ab***cd***ef",
    "escape sequence": b"\x1b[31mred\x1b[0m and \x07 bell",
    "not UTF-8": b"\xff\xfe\x80\x81\xc3\xc3\xf0\x9f\x90\xff\xfe",
    "100 kB": bytes(_DICE.choices(b"abcdefghijklmnopqrstuvwxyz0123456789+/", k=100_000)),
    "100 kB of lines": b"\n".join(bytes(_DICE.choices(b"abcdef0123", k=60)) for _ in range(1600)),
    "one letter for long": b"a" * 5000,
}

LEAKY = r"""
import base64, binascii, hashlib, json, os, shlex, sys, urllib.parse
value = os.environb[b"DATABASE_URL"]
text = value.decode("utf-8", "replace")
print(hashlib.sha256(value).hexdigest(), flush=True)
for out in (sys.stdout.buffer, sys.stderr.buffer):
    out.write(b"[" + value + b"]\n")
    out.write(base64.b64encode(value) + b"\n" + base64.encodebytes(b"x:" + value))
    out.write(binascii.hexlify(value) + b"\n")
    for line in (json.dumps({"v": text}), shlex.quote(text), urllib.parse.quote(value), urllib.parse.quote_plus(value)):
        out.write(line.encode("utf-8", "surrogateescape") + b"\n")
    out.flush()
"""


def store(project: Project, value: bytes, *, as_file: bool = False) -> None:
    """`value` as the job's DATABASE_URL; in base64 where JSON cannot carry it."""
    try:
        text, encoding = value.decode(), ""
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(value).decode(), 'encoding = "base64"\n'
    project.put("app/dev/db", {"url": text})
    kind = 'as = "file"\n' if as_file else ""
    project.replace('ref = "db#url"\n', f'ref = "db#url"\n{encoding}{kind}')


@pytest.mark.parametrize("case", VALUES)
def test_a_value_arrives_exactly_and_no_form_of_it_is_printed(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path, case: str
) -> None:
    store(project, VALUES[case])
    done = ciplug("run", "--", sys.executable, "-c", LEAKY, env=token_env(issuer, github_claims()))
    assert done.returncode == 0, done.stderr[-300:]
    assert done.stdout.split()[0].decode() == hashlib.sha256(VALUES[case]).hexdigest()
    assert_no_leak(done.stdout + done.stderr, [VALUES[case]])


@pytest.mark.parametrize("value", [b"x", b"ab", b"abc", b"  a\n"])
def test_a_value_too_short_to_be_hidden_is_handed_over_with_a_warning(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, value: bytes
) -> None:
    store(project, value)
    done = ciplug("run", "--", "sh", "-c", 'printf "%s" "$DATABASE_URL"', env=token_env(issuer, github_claims()))
    assert (done.returncode, done.stdout) == (0, value)
    assert done.stderr == b"ciplug: warning: too short to be hidden in the output: DATABASE_URL\n"


def test_one_value_that_begins_another_is_hidden_in_both(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    project.put("common/npm", {"token": "secret-part"})
    store(project, b"secret-part-and-the-rest")
    done = ciplug(
        "run",
        "--",
        "sh",
        "-c",
        'echo "$NPM_TOKEN $DATABASE_URL $NPM_TOKEN-and"',
        env=token_env(issuer, github_claims()),
    )
    assert done.stdout == b"*** *** ***-and\n"


@pytest.mark.parametrize("command", ["run", "fetch"])
@pytest.mark.parametrize("size", [140_000, 2_000_000])
def test_a_value_too_large_for_an_environment_is_refused_before_anything_starts(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path, size: int, command: str
) -> None:
    """As text on stdout there is no limit: whoever reads it may have another use for it."""
    value = _DICE.randbytes(size // 2).hex().encode()
    store(project, value)
    env = token_env(issuer, github_claims())
    if command == "fetch":
        assert json.loads(ciplug("fetch", "--to", "json", env=env).stdout)["DATABASE_URL"] == value.decode()
        return
    with nothing_left(project):
        done = ciplug("run", "--", "touch", "ran", env=env)
    assert_refused(done, 125, "hand-over", "DATABASE_URL", str(size), 'as = "file"', env=env, project=project)
    assert not (tmp_path / "ran").exists()


def test_values_too_large_together_are_refused_without_a_trace_of_them(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path
) -> None:
    """Each fits, all of them do not: the system says so when the command is started."""
    names = [f"BIG{number}" for number in range(50)]
    project.put("app/dev/big", {name: _DICE.randbytes(60_000).hex() for name in names})
    project.append("".join(f'\n[secrets.{name}]\nref = "big#{name}"\n' for name in names))
    project.append(f'\n[jobs.big]\nenvironment = "dev"\nsecrets = {names}\n')
    env = token_env(issuer, github_claims()) | {"CIPLUG_JOB": "big"}
    with nothing_left(project):
        done = ciplug("run", "--", "touch", "ran", env=env)
    assert_refused(done, 125, "hand-over", "too long for this system", 'as = "file"', env=env, project=project)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value",
    [b"a\0b\0c-and-more", _DICE.randbytes(2_000_000), b"text\n", b"\xff\xfe\x00\x01"],
    ids=["NUL", "2 MB", "text", "UTF-16"],
)
def test_as_a_file_every_value_arrives_exactly(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, value: bytes
) -> None:
    store(project, value, as_file=True)
    done = ciplug("run", "--", "sh", "-c", 'sha256sum <"$DATABASE_URL"', env=token_env(issuer, github_claims()))
    assert done.stdout.split()[0].decode() == hashlib.sha256(value).hexdigest()


def test_a_nul_byte_is_refused_for_a_variable(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path
) -> None:
    store(project, b"with\0nul-inside")
    env = token_env(issuer, github_claims())
    with nothing_left(project):
        done = ciplug("run", "--", "touch", "ran", env=env)
    assert_refused(done, 125, "hand-over", "DATABASE_URL", "NUL", 'as = "file"', env=env, project=project)
    assert not (tmp_path / "ran").exists()


DOTENV = ["lines", "emoji", "url", "add-mask", "blanks around", "asterisks", "100 kB"]


@pytest.mark.parametrize("case", [*DOTENV, "dollar", "quotes"])
def test_dotenv_is_read_back_exactly_or_refused(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path, case: str
) -> None:
    store(project, VALUES[case].replace(b"\r", b""))
    env = token_env(issuer, github_claims())
    done = ciplug("fetch", "--to", "dotenv", env=env)
    if case in DOTENV:
        (tmp_path / "env").write_bytes(done.stdout)
        read = dotenv.dotenv_values(tmp_path / "env")["DATABASE_URL"]
        assert read == VALUES[case].replace(b"\r", b"").decode()
        return
    assert_refused(done, 8, "hand-over", "DATABASE_URL", "exactly", env=env, project=project)


@pytest.mark.parametrize(
    "data",
    [{"url": 5432}, {"url": True}, {"url": {"a": [1, "x"]}}, {"url": [1.5, None]}, {"url": "\x00\x01 text"}],
    ids=str,
)
def test_what_is_not_a_string_arrives_as_the_json_it_is(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, data: dict[str, object]
) -> None:
    project.put("app/dev/db", data)
    done = ciplug("fetch", "--to", "json", env=token_env(issuer, github_claims()))
    value = data["url"]
    wanted = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    assert json.loads(done.stdout)["DATABASE_URL"] == wanted
