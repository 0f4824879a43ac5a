"""The values: what a secret refuses to be, and what the others say of themselves."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.values import Contents, Delivered, Grant, IdToken, Lease, Record, Secret, VaultToken
from tests.leaks import assert_no_leak

VALUE = "correct-horse-battery-staple"
RECORD = Record(mount="secret", path="app/dev/db", engine="kv2")
GRANT = Grant(name="DATABASE_URL", record=RECORD, pointer=("url",))


@pytest.mark.parametrize("value", [b"\x00\xff", "päss", "", b"", "\N{PILE OF POO}", "a" * 100_000])
def test_reveal_gives_back_the_bytes(value: bytes | str) -> None:
    assert Secret(value).reveal() == (value.encode() if isinstance(value, str) else value)
    assert len(Secret(value)) == len(Secret(value).reveal())


@pytest.mark.parametrize("value", [5, None, [1, 2], {"a": 1}, 1.5, True, bytearray(b"abcd")])
def test_a_secret_is_made_of_bytes_or_text_only(value: object) -> None:
    with pytest.raises(TypeError):
        Secret(value)  # type: ignore[arg-type]  # what a damaged file may hold


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        Secret("lone \ud800 surrogate")


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{:>40}".format, "{!r}".format, lambda secret: "%s %r" % (secret, secret)],  # noqa: UP031
)
def test_no_way_of_printing_shows_the_value(show) -> None:
    shown = show(Secret(VALUE))
    assert "Secret(****)" in shown
    assert_no_leak(shown, [VALUE])


@pytest.mark.parametrize(
    "take",
    [
        copy.copy,
        copy.deepcopy,
        json.dumps,
        hash,
        list,
        bytes,
        vars,
        dataclasses.asdict,
        lambda secret: {secret: 1},
        lambda secret: secret[0],
        lambda secret: secret < secret,
        lambda secret: secret + secret,
        lambda secret: secret.__getstate__(),
        lambda secret: secret.__reduce__(),
        *(lambda secret, p=protocol: pickle.dumps(secret, p) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
    ],
)
def test_every_other_way_out_is_closed_and_its_error_is_silent(take) -> None:
    with pytest.raises(TypeError) as refused:
        take(Secret(VALUE))
    assert_no_leak("".join(traceback.format_exception(refused.value)), [VALUE])


def test_what_carries_a_secret_cannot_be_copied_into_a_dictionary_either() -> None:
    for carrier in (
        Delivered(grant=GRANT, value=Secret(VALUE)),
        IdToken(token=Secret(VALUE), claims={}, source="x"),
        VaultToken(token=Secret(VALUE), source="x"),
    ):
        with pytest.raises(TypeError):
            dataclasses.asdict(carrier)
        with pytest.raises(TypeError):
            pickle.dumps(carrier)
        assert_no_leak(repr(carrier), [VALUE])


@given(st.binary(), st.binary())
def test_equality_is_that_of_the_bytes(one: bytes, other: bytes) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) == Secret(one)
    assert Secret(one) != one


def test_the_data_and_claims_are_not_in_a_representation() -> None:
    lease = Lease(id="database/creds/web/abc", seconds=60, renewable=True)
    contents = Contents(data={"url": VALUE}, request_id="r-1", version=3, lease=lease)
    token = IdToken(token=Secret("x"), claims={"sub": VALUE}, source="GitHub Actions")
    assert_no_leak(repr(contents) + repr(token), [VALUE])
    assert "r-1" in repr(contents)
    assert "GitHub Actions" in repr(token)


@pytest.mark.parametrize(
    ("version", "shown"), [(None, "secret/app/dev/db"), (3, "secret/app/dev/db@3"), (0, "secret/app/dev/db@0")]
)
def test_a_record_is_shown_as_in_a_ref(version: int | None, shown: str) -> None:
    assert str(dataclasses.replace(RECORD, version=version)) == shown


def test_records_that_differ_in_version_or_engine_are_different_reads() -> None:
    pinned = dataclasses.replace(RECORD, version=3)
    old = dataclasses.replace(RECORD, engine="kv1")
    assert len({RECORD, dataclasses.replace(RECORD), pinned, old}) == 3


@pytest.mark.parametrize("value", [RECORD, GRANT, Contents(data={}, request_id="")])
def test_values_are_frozen(value: object) -> None:
    name = dataclasses.fields(value)[0].name  # type: ignore[arg-type]  # each is a dataclass
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, "other")
