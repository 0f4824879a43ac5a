"""The error tree is the documented table of exit codes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ciplug
from ciplug import errors
from ciplug.errors import CiplugError, Interrupted

TABLE = {
    errors.CiplugError: (1, "unforeseen"),
    errors.UsageError: (2, "usage"),
    errors.ManifestError: (2, "manifest"),
    errors.IdentityError: (3, "identity"),
    errors.VaultError: (4, "vault"),
    errors.UnreachableError: (5, "unreachable"),
    errors.SealedError: (5, "sealed"),
    errors.DeniedError: (6, "denied"),
    errors.LoginRejectedError: (6, "login-rejected"),
    errors.MissingError: (7, "missing"),
    errors.HandOverError: (8, "hand-over"),
    errors.PlatformError: (9, "platform"),
    errors.UnansweredError: (9, "unanswered"),
    errors.SyncError: (10, "sync"),
    errors.LedgerError: (10, "ledger"),
    errors.PolicyError: (10, "policy"),
    errors.AuditError: (11, "audit"),
    errors.FindingsError: (20, "findings"),
}


def test_the_table_is_complete() -> None:
    declared = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, CiplugError)}
    assert declared == {*TABLE, errors.CommandError}  # which takes a status of its own, below


@pytest.mark.parametrize(("kind", "row"), TABLE.items())
def test_each_error_has_its_code_and_its_word(kind: type[CiplugError], row: tuple[int, str]) -> None:
    error = kind("what happened", hint="what to do")
    assert (error.exit_code, error.cause) == row
    assert (str(error), error.hint) == ("what happened", "what to do")
    assert kind("what happened").hint == ""


def test_the_words_tell_the_errors_apart() -> None:
    words = [word for _, word in TABLE.values()]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("kind", "parent"), [(errors.SealedError, errors.UnreachableError), (errors.LoginRejectedError, errors.DeniedError)]
)
def test_what_shares_a_code_is_caught_together(kind: type[CiplugError], parent: type[CiplugError]) -> None:
    with pytest.raises(parent):
        raise kind("no")


def test_an_interruption_is_not_caught_with_the_errors() -> None:
    assert not issubclass(Interrupted, Exception)
    assert Interrupted(15).signum == 15
    assert str(Interrupted(15)) == "signal 15"


@pytest.mark.parametrize("status", [126, 127])
def test_a_command_that_cannot_be_started_has_the_shells_status(status: int) -> None:
    error = errors.CommandError("nope: command not found", status=status)
    assert (error.status, error.cause, str(error)) == (status, "command", "nope: command not found")
    assert error.hint


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"message": "b"}, "b", "do"),
        ({"hint": "y"}, "a", "y"),
        ({"message": "b", "hint": ""}, "b", ""),
        ({}, "a", "do"),
    ],
)
def test_an_error_that_is_reworded_is_the_same_error(change: dict[str, str], message: str, hint: str) -> None:
    error = errors.MissingError("a", hint="do")
    error.add_note("seen")
    error.reword(**change)
    assert (str(error), error.args, error.hint) == (message, (message,), hint)
    assert error.__notes__ == ["seen"]


def test_nobody_but_an_error_changes_its_words() -> None:
    assigned = [
        f"{path}:{node.lineno}"
        for path in Path(ciplug.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in {"args", "hint"}
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]
    assert assigned == []
