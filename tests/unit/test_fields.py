"""From what a record holds to the bytes of each secret."""

from __future__ import annotations

import base64
import json
import traceback
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import CiplugError, HandOverError, MissingError
from ciplug.fields import AbsentError, collect
from ciplug.values import Contents, Grant, Record
from tests.leaks import assert_no_leak

DB = Record(mount="secret", path="app/dev/db", engine="kv2")
URL = Grant(name="DATABASE_URL", record=DB, pointer=("url",))
SECRET = "correct-horse-battery-staple"


def one(data: Any, grant: Grant = URL) -> bytes:
    [delivered] = collect([grant], {DB: Contents(data=data, request_id="r", version=4)})
    assert (delivered.grant, delivered.version) == (grant, 4)
    return delivered.value.reveal()


def refused(data: Any, grant: Grant = URL) -> CiplugError:
    with pytest.raises(CiplugError) as caught:
        collect([grant], {DB: Contents(data=data, request_id="r")})
    assert_no_leak("".join(traceback.format_exception(caught.value)) + caught.value.hint, [SECRET])
    return caught.value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", b"text"),
        (" kept as it is \n", b" kept as it is \n"),
        ("caf\u00e9", b"caf\xc3\xa9"),
        (0, b"0"),
        (12345678901234567890, b"12345678901234567890"),
        (1.5, b"1.5"),
        (False, b"false"),
        ([1, "a"], b'[1,"a"]'),
        ({"b": "\u00e9", "a": None}, '{"b":"\u00e9","a":null}'.encode()),
        ([], b"[]"),
        ({}, b"{}"),
    ],
)
def test_strings_are_taken_as_they_are_and_the_rest_as_json(value: object, text: bytes) -> None:
    assert one({"url": value}) == text


@given(
    st.recursive(
        st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner),
        max_leaves=6,
    )
)
def test_any_value_comes_out_whole(value: object) -> None:
    found = one({"url": value}).decode()
    assert (found if isinstance(value, str) else json.loads(found)) == value


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        (("a", "b"), b"deep"),
        (("list", "0"), b"first"),
        (("list", "1", "x"), b"second"),
        (("a/b",), b"slash"),
        (("0",), b"a key of digits"),
        (("a", ""), b"an empty key"),
    ],
)
def test_a_pointer_leads_into_the_value(pointer: tuple[str, ...], text: bytes) -> None:
    data = {
        "a": {"b": "deep", "": "an empty key"},
        "list": ["first", {"x": "second"}],
        "a/b": "slash",
        "0": "a key of digits",
    }
    assert one(data, replace(URL, pointer=pointer)) == text


@pytest.mark.parametrize(
    "pointer",
    [("absent",), ("a", "absent"), ("list", "2"), ("list", "-1"), ("list", "-"), ("list", "00"), ("list", "01"),
     ("list", "x"), ("list", "\u0661"), ("list", "9" * 5000), ("text", "0"), ("text", "x"), ("none", "x")],
)  # fmt: skip
def test_a_pointer_that_leads_nowhere_is_missing_and_shows_no_value(pointer: tuple[str, ...]) -> None:
    data = {"a": {"b": SECRET}, "list": [SECRET, SECRET], "text": SECRET, "none": None}
    error = refused(data, replace(URL, pointer=pointer))
    assert isinstance(error, MissingError)
    shown = pointer[0] if len(pointer) == 1 else "/" + "/".join(pointer)
    assert f"DATABASE_URL: secret/app/dev/db has no field {shown}" in str(error)


def test_a_field_of_nearly_the_same_name_is_suggested() -> None:
    assert "did you mean 'urls'?" in str(refused({"urls": SECRET, "other": SECRET}))
    assert "did you mean" not in str(refused({"password": SECRET}))


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_field_is_missing(value: object) -> None:
    error = refused({"url": value})
    assert isinstance(error, MissingError)
    assert "field url of secret/app/dev/db is empty" in str(error)


@pytest.mark.parametrize("value", ["", " ", "\n\t"])
def test_a_blank_field_in_base64_is_missing_too(value: str) -> None:
    assert isinstance(refused({"url": value}, replace(URL, base64=True)), MissingError)


@given(st.binary(min_size=1))
def test_base64_is_decoded_line_breaks_and_all(value: bytes) -> None:
    grant = replace(URL, base64=True)
    assert one({"url": base64.b64encode(value).decode()}, grant) == value
    assert one({"url": base64.encodebytes(value).decode()}, grant) == value


@pytest.mark.parametrize(
    "value", [f"{SECRET}!", "YQ", "YQ=", "YQ===", "Y-_Q", "=", "YQ==YQ==", "\u00e9\u00e9==", {"a": 1}]
)
def test_what_is_not_base64_is_refused_without_being_shown(value: object) -> None:
    error = refused({"url": value}, replace(URL, base64=True))
    assert isinstance(error, HandOverError)
    assert "is not base64" in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("value", [f"{SECRET} \ud800", [f"{SECRET} \udfff"]])
def test_text_that_utf_8_cannot_carry_is_refused_without_being_shown(value: object) -> None:
    error = refused({"url": value})
    assert isinstance(error, HandOverError)
    assert "text that UTF-8 can carry" in str(error)


def gone(path: str = "app/dev/db") -> MissingError:
    return MissingError(f"there is nothing at secret/{path}", hint="write the record")


def test_a_missing_record_names_the_secret_its_place_and_its_owner() -> None:
    with pytest.raises(MissingError) as caught:
        collect([replace(URL, owner="payments")], {DB: gone()})
    assert str(caught.value) == "DATABASE_URL: there is nothing at secret/app/dev/db (owner: payments)"
    assert caught.value.hint == "write the record"
    with pytest.raises(MissingError, match=r"db$"):
        collect([URL], {DB: gone()})


def test_everything_that_is_missing_is_named_at_once() -> None:
    other = Record(mount="secret", path="app/dev/other", engine="kv2")
    grants = [
        URL,
        replace(URL, name="PASSWORD", pointer=("absent",)),
        replace(URL, name="CERT", pointer=("cert",), base64=True),
        replace(URL, name="OTHER", record=other),
        replace(URL, name="OPTIONAL", record=other, optional=True),
    ]
    with pytest.raises(MissingError) as caught:
        collect(grants, {DB: Contents(data={"url": "x", "cert": "!!"}, request_id="r"), other: gone("app/dev/other")})
    message = str(caught.value)
    assert [name in message for name in ("DATABASE_URL", "PASSWORD", "CERT", "OTHER", "OPTIONAL")] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert caught.value.hint


def test_optional_secrets_are_left_out_when_record_or_field_is_missing_or_empty() -> None:
    other = Record(mount="secret", path="app/dev/other", engine="kv2")
    grants = [
        replace(URL, name="A", record=other, optional=True),
        replace(URL, name="B", pointer=("absent",), optional=True),
        replace(URL, name="C", pointer=("empty",), optional=True),
        URL,
    ]
    found = collect(grants, {DB: Contents(data={"url": "x", "empty": ""}, request_id="r"), other: gone()})
    assert [item.grant.name for item in found] == ["DATABASE_URL"]


def test_an_optional_secret_that_is_there_but_broken_is_an_error() -> None:
    with pytest.raises(HandOverError):
        collect([replace(URL, base64=True, optional=True)], {DB: Contents(data={"url": "not base64!"}, request_id="r")})


def test_the_order_is_that_of_the_grants_and_nothing_is_nothing() -> None:
    names = ["B", "A", "C"]
    found = collect([replace(URL, name=name) for name in names], {DB: Contents(data={"url": "x"}, request_id="r")})
    assert [item.grant.name for item in found] == names
    assert collect([], {}) == ()


def test_what_is_missing_is_known_by_secret() -> None:
    other = Record(mount="secret", path="app/dev/other", engine="kv2")
    grants = [
        replace(URL, name="PASSWORD", pointer=("absent",)),
        replace(URL, name="EMPTY", pointer=("empty",)),
        replace(URL, name="CERT", pointer=("cert",), base64=True),
        replace(URL, name="OTHER", record=other),
        replace(URL, name="OPTIONAL", record=other, optional=True),
    ]
    away = gone("app/dev/other")
    found = {DB: Contents(data={"cert": "!!", "empty": ""}, request_id="r"), other: away}
    with pytest.raises(AbsentError) as caught:
        collect(grants, found)
    absences = [(absence.grant.name, absence.record) for absence in caught.value.absences]
    assert absences == [("PASSWORD", None), ("EMPTY", None), ("OTHER", away)]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["PASSWORD", "EMPTY", "CERT", "OTHER"]
    assert str(caught.value) == "; ".join(caught.value.problems)
    assert caught.value.exit_code == MissingError.exit_code
