"""What to do about secrets that are not in the vault: commands that write them, and lose nothing by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ciplug.doctor.absent import remedies, told
from ciplug.errors import MissingError
from ciplug.fields import AbsentError, collect
from ciplug.values import Contents, Grant, Record
from ciplug.vault.errors import DeletedError

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = MissingError("secret/app/dev/db does not exist in the vault", hint="write it to the vault")


def grant(name: str = "DATABASE_URL", path: str = "app/dev/db", field: str = "url", **more: object) -> Grant:
    record = {"mount": "secret", "path": path, "engine": "kv2"} | {
        key: more.pop(key) for key in ("engine", "version") if key in more
    }
    fields = {"name": name, "record": Record(**record), "pointer": (field,)} | more  # type: ignore[arg-type]  # any field
    return Grant(**fields)  # type: ignore[arg-type]  # any field


def missing(*grants: Grant, found: MissingError | Mapping[str, object] = GONE) -> AbsentError:
    """The error of a job with `grants`, of which each record is `found` in the vault."""
    held = found if isinstance(found, MissingError) else Contents(data=found, request_id="r")
    with pytest.raises(AbsentError) as raised:
        collect(grants, {item.record: held for item in grants})
    return raised.value


@pytest.mark.parametrize(
    ("found", "verb"),
    [(GONE, "put"), ({}, "patch"), ({"url": ""}, "patch"), ({"url": None}, "patch"), ({"uri": "x"}, "patch")],
)
def test_a_record_that_is_there_keeps_its_other_fields(found: MissingError | Mapping[str, object], verb: str) -> None:
    command = f"bao kv {verb} -mount=secret app/dev/db url=-"
    assert remedies(missing(grant(owner="payments"), found=found), "") == [
        f"write it (ask payments), the value on stdin: {command}; or correct the ref of DATABASE_URL in the manifest"
    ]


@pytest.mark.parametrize("engine", ["kv1", "kv2"])
def test_a_record_that_is_not_there_is_written_in_either_version(engine: str) -> None:
    [line] = remedies(missing(grant(engine=engine)), "")
    assert "bao kv put -mount=secret app/dev/db url=-;" in line


@pytest.mark.parametrize("path", ["d;b", "a: secret/b does not exist; c", "was deleted"])
@pytest.mark.parametrize(("found", "verb"), [(GONE, "put"), ({}, "patch")])
def test_no_path_is_taken_for_what_the_vault_says(
    path: str, found: MissingError | Mapping[str, object], verb: str
) -> None:
    [line] = remedies(missing(grant(path=path), found=found), "")
    assert f"bao kv {verb} -mount=secret " in line


@pytest.mark.parametrize("field", ["a=b", "@x", "-", "=", "a b", "", "-x", 'q"', "é", "x\u2028y", "[0]"])
def test_a_field_that_no_command_line_can_name_is_written_as_json(field: str) -> None:
    [line] = remedies(missing(grant(field=field), found={}), "")
    assert "bao kv patch -mount=secret app/dev/db -; or" in line
    template = line.partition(" in this JSON on stdin, ")[2].partition(": bao kv ")[0]
    assert json.loads(template) == {field: "VALUE"}
    assert line.isprintable()


@pytest.mark.parametrize(("found", "verb"), [(GONE, "put"), ({}, "patch")])
def test_all_fields_of_a_record_are_written_at_once(found: MissingError | Mapping[str, object], verb: str) -> None:
    fields = {"A": ("a", "ops"), "B": ("b", "dev"), "C": ("b", "ops")}
    grants = (grant(name, field=field, owner=owner) for name, (field, owner) in fields.items())
    [line] = remedies(missing(*grants, found=found), "")
    what, _, command = line.partition(": bao ")
    assert what == 'write them (ask ops, dev), with the values in this JSON on stdin, {"a": "VALUE", "b": "VALUE"}'
    assert command == f"kv {verb} -mount=secret app/dev/db -; or correct the refs of A and B and C in the manifest"


def test_of_many_fields_the_first_five_are_told() -> None:
    [line] = remedies(missing(*(grant(f"N{n}", field=f"f{n}") for n in range(100))), "")
    assert line.count("VALUE") == 5
    assert len(line) < 300


def test_of_many_records_the_first_five_are_told() -> None:
    error = missing(*(grant(f"N{n}", f"many/{n}") for n in range(100)))
    lines = remedies(error, "")
    assert [line.count("bao kv put") for line in lines] == [1, 1, 1, 1, 1, 0]
    assert lines[-1] == "and 95 more in the same way"
    assert told(error).endswith("N4: secret/app/dev/db does not exist in the vault; 95 more")


def test_as_many_records_as_are_told_leave_none_to_count() -> None:
    assert len(remedies(missing(*(grant(f"N{n}", f"many/{n}") for n in range(5))), "")) == 5


def test_what_else_is_wrong_is_told_and_gets_no_command() -> None:
    grants = (grant("A", field="a"), grant("CERT", field="cert", base64=True))
    error = missing(*grants, found={"cert": "!!"})
    assert told(error) == str(error)
    assert "CERT: field cert of secret/app/dev/db is not base64" in told(error)
    [line] = remedies(error, "")
    assert "CERT" not in line


def test_what_is_optional_or_there_gets_no_command() -> None:
    grants = (grant("A", field="a"), grant("B", field="b", optional=True), grant("C", field="c"))
    [line] = remedies(missing(*grants, found={"c": "x"}), "")
    assert "a=-; or correct the ref of A in" in line


@pytest.mark.parametrize(
    ("found", "odd"),
    [
        (DeletedError("version 1 of it was deleted in the vault", hint="the hint it had"), {}),
        (MissingError("x does not exist", hint="the hint it had"), {"pointer": ("a", "b")}),
        (MissingError("x does not exist", hint="the hint it had"), {"engine": "other"}),
        (MissingError("x does not exist", hint="the hint it had"), {"version": 3}),
    ],
)
def test_what_no_one_command_writes_keeps_its_hint(found: MissingError, odd: dict[str, object]) -> None:
    assert remedies(missing(grant(**odd), found=found), "") == ["the hint it had"]


def test_a_field_of_a_version_1_record_that_is_there_keeps_its_hint() -> None:
    assert remedies(missing(grant(engine="kv1"), found={"other": "x"}), "") == [
        "write the field, or mend the ref in the manifest"
    ]


def test_a_command_is_in_the_namespace_and_quoted_for_the_shell() -> None:
    [line] = remedies(missing(grant(path="it's $HOME")), "acme")
    assert """ bao kv put -namespace=acme -mount=secret 'it'"'"'s $HOME' url=-;""" in line


def test_a_path_that_looks_like_a_flag_is_none() -> None:
    [line] = remedies(missing(grant(path="-x/y")), "")
    assert " bao kv put -mount=secret -- -x/y url=-;" in line
