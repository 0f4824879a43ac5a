"""The house rules that reading the source can keep: who alone may do what."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


def sources(package: Path, origin: Path) -> dict[str, str]:
    return {path.relative_to(origin).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}


ADAPTERS = sources(ROOT / "platforms" / "ciplug_platforms", ROOT / "platforms")
SOURCES = sources(ROOT / "ciplug", ROOT / "ciplug") | ADAPTERS
"""By path: within ciplug, and with ``ciplug_platforms/`` before it for the adapters."""

TREES = {name: ast.parse(source) for name, source in SOURCES.items()}


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for such an expression, with an empty first part where it begins with something else (``().b``)."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def aliases(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: ``{"x": "os.environ"}`` after ``from os import environ as x``."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return found


def imported(tree: ast.AST) -> set[str]:
    """Every module that is imported anywhere, with its parents; names taken from a module count as its children."""
    whole: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            whole |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole |= {f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in {"import_module", "__import__"}:
            whole |= {one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return {".".join(name.split(".")[:end]) for name in whole for end in range(1, name.count(".") + 2)}


def used(tree: ast.AST) -> set[str]:
    """Every dotted name in the source, with imported names put in full, and every name that is imported from."""
    known = aliases(tree)
    names = set(known.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = dotted(node).partition(".")
            names.add(f"{known.get(first, first)}{dot}{rest}")
    return names


def uses(*patterns: str) -> Callable[[ast.AST], bool]:
    return lambda tree: any(fnmatchcase(name, pattern) for name in used(tree) for pattern in patterns)


def imports(*modules: str) -> Callable[[ast.AST], bool]:
    return lambda tree: bool(imported(tree) & set(modules))


def either(*finders: Callable[[ast.AST], bool]) -> Callable[[ast.AST], bool]:
    return lambda tree: any(finder(tree) for finder in finders)


def calls_method(method: str) -> Callable[[ast.AST], bool]:
    """Whether anything's attribute of that name is used, called or not, or fetched by its name as text."""
    return lambda tree: any(
        (isinstance(node, ast.Attribute) and node.attr == method)
        or (isinstance(node, ast.Constant) and node.value == method)
        for node in ast.walk(tree)
    )


def raises_exit(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Raise)
        and node.exc is not None
        and dotted(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        in {"SystemExit", "click.exceptions.Exit"}
        for node in ast.walk(tree)
    )


def handles_broadly(tree: ast.AST) -> bool:
    """Whether a handler takes everything and lets it end there; one that cleans up and raises again does not."""
    return any(
        isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node)
        for node in ast.walk(tree)
    )


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_is_broad(one) for one in kind.elts)
    return kind is None or dotted(kind).rpartition(".")[2] in {"Exception", "BaseException"}


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and (last.exc is None or dotted(last.exc) == handler.name)


class Rule(NamedTuple):
    """`finds` is true of nothing but the files `only` (shell patterns); `bad` are snippets of which it must be true,
    `good` of which it must not.
    """

    finds: Callable[[ast.AST], bool]
    only: tuple[str, ...]
    bad: tuple[str, ...]
    good: tuple[str, ...] = ()


RULES = {
    "one module reads the environment": Rule(
        uses("os.environ*", "os.getenv*", "os.putenv", "os.unsetenv", "posix.environ"),
        ("settings.py",),
        (
            "import os\nos.environ['X']",
            "import os\nos.getenv('X')",
            "import os\nos.environb",
            "import os as o\no.environ.get('X')",
            "from os import environ",
            "from os import getenv as g",
            "def f():\n    import os\n    return dict(os.environ)",
            "import posix\nposix.environ",
        ),
        ("import os\nos.fsencode('x')", "'os.environ'", "self.environ"),
    ),
    "four modules start processes": Rule(
        either(
            imports("subprocess", "multiprocessing", "pty", "asyncio", "concurrent.futures.ProcessPoolExecutor"),
            uses("os.fork*", "os.exec*", "os.spawn*", "os.posix_spawn*", "os.system", "os.popen", "os.startfile"),
        ),
        ("inject/start.py", "inject/tap.py", "standins/openbao.py", "demo/shell.py"),
        (
            "import subprocess",
            "from subprocess import Popen",
            "import os\nos.fork()",
            "import os\nos.execvp('x', [])",
            "from os import posix_spawn",
            "import os\nos.spawnlp",
            "import os\nos.system('x')",
            "import os\nos.popen('x')",
            "import multiprocessing.pool",
            "from concurrent.futures import ProcessPoolExecutor",
            "import importlib\nimportlib.import_module('subprocess')",
        ),
        ("from concurrent.futures import ThreadPoolExecutor", "import os\nos.getpid()"),
    ),
    "the net package and two stand-ins open sockets": Rule(
        imports(
            "socket", "http.client", "http.server", "socketserver", "urllib.request", "asyncio", "ftplib", "smtplib"
        ),
        ("net/*", "standins/loopback.py", "standins/openbao.py"),
        (
            "import socket",
            "from socket import create_connection",
            "import http.client",
            "from http.client import HTTPConnection",
            "from http import client",
            "from urllib.request import urlopen",
            "from urllib import request",
            "if True:\n    import socketserver",
        ),
        ("from http import HTTPStatus", "from urllib.parse import urlsplit"),
    ),
    "only the entry point exits": Rule(
        either(uses("sys.exit", "os._exit", "os.abort", "exit", "quit", "*.ctx.exit", "ctx.exit"), raises_exit),
        ("__main__.py",),
        (
            "import sys\nsys.exit(1)",
            "from sys import exit",
            "import os\nos._exit(1)",
            "raise SystemExit",
            "raise SystemExit(2)",
            "exit(1)",
            "ctx.exit(3)",
        ),
        ("import sys\nsys.exc_info()", "class A:\n    def __exit__(self): ...", "try: ...\nexcept SystemExit: raise"),
    ),
    "nothing prints": Rule(
        uses("print", "builtins.print", "pprint.*"), (), ("print('x')", "from pprint import pprint", "f = print")
    ),
    "only the command line echoes": Rule(
        uses("click.echo*", "click.secho*", "sys.stdout*", "sys.stderr*"),
        ("cli/*", "__main__.py"),
        ("import click\nclick.echo('x')", "from click import echo", "import sys\nsys.stdout.write('x')"),
    ),
    "click is the command line's": Rule(imports("click"), ("cli/*",), ("import click", "from click import echo")),
    "a secret is revealed in a few places": Rule(
        calls_method("reveal"),
        (
            "ciplug_platforms/railway_apply.py",  # what is sent to the platform
            "ciplug_platforms/railway_rules.py",  # to find references in a value
            "ciplug_platforms/render_apply.py",  # what is sent to the platform
            "ciplug_platforms/variable_rules.py",  # to see whether a value is text
            "ciplug_platforms/vercel_apply.py",  # what is sent to the platform
            "cli/pull.py",  # the .env file
            "demo/story.py",  # the administrator's own login, in the environment of a command
            "doctor/signature.py",  # PyJWT takes text
            "inject/files.py",  # the child's variables and files
            "http.py",  # the platform's token, and the proxy's own credential
            "net/dial.py",  # the proxy's own credential, for CONNECT
            "net/message.py",  # header values on their way out
            "pipeline.py",  # the forms to hide, and what is too short to be hidden
            "sessions.py",  # a vault token that outlives this process
            "standins/openbao.py",  # the root token of the server it starts
            "sync/ledger.py",  # the fingerprint of a value, under a key
            "vault/admin.py",  # hvac takes text
            "vault/admin_database.py",  # likewise
            "vault/reason.py",  # to take a token out of what the vault says
            "vault/session.py",  # the login's body
        ),
        ("secret.reveal()", "f = secret.reveal", "getattr(secret, 'reveal')()", "a.b[0].reveal().decode()"),
        ("def reveal(self): ...", "unreveal()"),
    ),
    "hvac and requests are administration": Rule(
        imports("hvac", "requests"),
        ("vault/admin*.py",),
        ("import hvac", "from requests import Session", "import hvac.api"),
    ),
    "git is the checkout's": Rule(
        imports("git", "gitdb"), ("hosts/checkout.py",), ("import git", "from git import Repo")
    ),
    "tokens are made by the stand-ins alone, and verified by them and the doctor": Rule(
        imports("jwt", "cryptography"),
        ("standins/*", "doctor/signature.py"),
        ("import jwt", "from cryptography import x509"),
    ),
    "httpx is for deploy platforms": Rule(imports("httpx"), ("http.py",), ("import httpx", "from httpx import Client")),
    "no log is kept": Rule(imports("logging", "warnings"), (), ("import logging", "from warnings import warn")),
    "a broad except is at the top, or raises again": Rule(
        handles_broadly,
        (
            "cli/__init__.py",  # the top: whatever it is, no value may be shown
            "net/dial.py",  # raises again whatever is no OSError
            "sync/together.py",  # raised again in the thread that waits
            "vault/parallel.py",  # likewise
        ),
        (
            "try: ...\nexcept Exception: pass",
            "try: ...\nexcept: pass",
            "try: ...\nexcept BaseException as err: x = err",
            "try: ...\nexcept (ValueError, Exception): ...",
            "import builtins\ntry: ...\nexcept builtins.Exception: ...",
            "try: ...\nexcept Exception as err: raise ValueError from err",
        ),
        (
            "try: ...\nexcept BaseException:\n    clean()\n    raise",
            "try: ...\nexcept BaseException as err:\n    raise err",
            "try: ...\nexcept ValueError: ...",
        ),
    ),
    "sleeping is the signals' business": Rule(
        uses("time.sleep"),
        ("signals.py", "standins/*", "vault/admin_kv.py"),
        (
            "import time\ntime.sleep(1)",
            "from time import sleep",
            "import time as t\nt.sleep(1)",
            "import time\nf(time.sleep)",
        ),
        ("deadline.sleep(1)", "signals.sleep(1)"),
    ),
    "nothing is evaluated or unpickled": Rule(
        either(uses("eval", "exec", "compile"), imports("pickle", "marshal", "shelve")),
        (),
        ("eval('1')", "exec('x')", "import pickle", "from marshal import loads"),
        ("import re\nre.compile('x')",),
    ),
    "no path is taken from a template of the machine": Rule(
        imports("tempfile"), ("standins/*", "demo/*"), ("import tempfile",)
    ),
}


def offenders(rule: Rule) -> Iterator[str]:
    for name, tree in TREES.items():
        if rule.finds(tree) and not any(fnmatchcase(name, pattern) for pattern in rule.only):
            yield name


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_rule_is_kept(rule: Rule) -> None:
    assert list(offenders(rule)) == []


@pytest.mark.parametrize(
    ("rule", "snippet"),
    [pytest.param(rule, snippet, id=f"{name}: {snippet!r}") for name, rule in RULES.items() for snippet in rule.bad],
)
def test_the_rule_finds_what_it_is_for(rule: Rule, snippet: str) -> None:
    assert rule.finds(ast.parse(snippet))


@pytest.mark.parametrize(
    ("rule", "snippet"),
    [pytest.param(rule, snippet, id=f"{name}: {snippet!r}") for name, rule in RULES.items() for snippet in rule.good],
)
def test_the_rule_leaves_the_rest_alone(rule: Rule, snippet: str) -> None:
    assert not rule.finds(ast.parse(snippet))


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [pytest.param(rule, pattern, id=f"{name}: {pattern}") for name, rule in RULES.items() for pattern in rule.only],
)
def test_no_exception_outlives_its_reason(rule: Rule, pattern: str) -> None:
    """A file that no longer needs its exception loses it."""
    assert [name for name, tree in TREES.items() if fnmatchcase(name, pattern) and rule.finds(tree)] != []


def broad_handlers(tree: ast.AST) -> int:
    handlers = (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
    return sum(_is_broad(node.type) and not _raises_again(node) for node in handlers)


def test_the_broad_except_is_one_and_marked() -> None:
    assert broad_handlers(TREES["cli/__init__.py"]) == 1
    marked = [line for line in SOURCES["cli/__init__.py"].splitlines() if "noqa: BLE001" in line]
    assert len(marked) == 1
    assert "except BaseException" in marked[0]


NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "misc", "shared", "lib"}


def nameless(names: set[str]) -> set[str]:
    return {name for name in names if NAMELESS & set(name.removesuffix(".py").split("/"))}


def test_every_module_is_named_for_what_it_does() -> None:
    assert nameless(set(SOURCES)) == set()
    assert nameless({"net/utils.py", "common/x.py", "base.py", "net/database.py"}) == {
        "net/utils.py",
        "common/x.py",
        "base.py",
    }


MAX_LINES = 250


def too_long(sources: dict[str, str]) -> dict[str, int]:
    return {name: count for name, source in sources.items() if (count := len(source.splitlines())) > MAX_LINES}


def test_no_module_is_too_long() -> None:
    assert too_long(SOURCES) == {}
    assert too_long({"x.py": "\n" * 251, "y.py": "\n" * 250}) == {"x.py": 251}


def bare_exemptions(source: str) -> list[str]:
    """Lines with a ``noqa`` or a ``type: ignore`` that has no code, or nothing behind its code that says why."""
    found = []
    for line in source.splitlines():
        for mark in ("# noqa", "# type: ignore"):
            _, is_marked, rest = line.partition(mark)
            code, _, reason = rest.strip().lstrip(":").partition("  #" if mark == "# noqa" else "]")
            if is_marked and not (code.strip() and reason.strip(" #-")) and " - " not in rest:
                found.append(line.strip())
    return found


def test_every_exemption_has_a_code_and_a_reason() -> None:
    assert {name: found for name, source in SOURCES.items() if (found := bare_exemptions(source))} == {}


@pytest.mark.parametrize(
    ("line", "is_bare"),
    [
        ("x  # noqa", True),
        ("x  # noqa: S603", True),
        ("x  # noqa: S603  # the list is ours", False),
        ("x  # noqa: N818 - it is none", False),
        ("x  # type: ignore", True),
        ("x  # type: ignore[arg-type]", True),
        ("x  # type: ignore[arg-type]  # typeshed wants it", False),
        ("x", False),
    ],
)
def test_a_bare_exemption_is_found(line: str, is_bare: bool) -> None:
    assert bool(bare_exemptions(line)) is is_bare


KNOWN_TO_ADAPTERS = {"ciplug", "ciplug.contracts", "ciplug.errors", "ciplug.frozen", "ciplug.values"}


def known(tree: ast.AST) -> set[str]:
    """The modules of ciplug that are imported, by the first part of their names."""
    return {
        name for name in imported(tree) if name == "ciplug" or (name.startswith("ciplug.") and name.count(".") == 1)
    }


def test_an_adapter_knows_the_contract_and_nothing_else() -> None:
    assert {name: extra for name in ADAPTERS if (extra := known(TREES[name]) - KNOWN_TO_ADAPTERS)} == {}
    assert known(ast.parse("from ciplug import http\nfrom ciplug.vault.kv import x")) == {
        "ciplug",
        "ciplug.http",
        "ciplug.vault",
    }


def test_there_is_something_to_check() -> None:
    assert {"pipeline.py", "cli/__init__.py", "net/transport.py", "ciplug_platforms/vercel_apply.py"} <= set(TREES)
