"""The ledger: what it keeps, what it refuses to read, and that nobody learns a value from it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import LedgerError
from ciplug.sync.ledger import Entry, Ledger, dump, fingerprint, load
from ciplug.values import Secret
from tests.leaks import assert_no_leak

texts = st.text(max_size=12)


@given(
    place=texts,
    holder=texts,
    until=st.floats(0, 2e9),
    entries=st.dictionaries(texts, st.builds(Entry, id=texts, fingerprint=texts, stamp=texts)),
)
def test_what_is_kept_comes_back(place: str, holder: str, until: float, entries: dict[str, Entry]) -> None:
    ledger = Ledger(place=place, holder=holder, until=until, entries=entries)
    assert load(json.loads(json.dumps(dump(ledger)))) == ledger


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"format": "1", "place": "p", "variables": "{}"},
        {"format": 0, "place": "p", "variables": "{}"},
        {"format": 1, "place": 3, "variables": "{}"},
        {"format": 1, "variables": "{}"},
        {"format": 1, "place": "p"},
        {"format": 1, "place": "p", "variables": "{"},
        {"format": 1, "place": "p", "variables": "[]"},
        {"format": 1, "place": "p", "variables": '{"A": 1}'},
        {"format": 1, "place": "p", "variables": '{"A": {"id": 1}}'},
        {"format": 1, "place": "p", "variables": '{"A": {"value": "x"}}'},
        {"format": 1, "place": "p", "variables": 3},
        {"format": 1, "place": "p", "variables": "{}", "holder": 3},
        {"format": 1, "place": "p", "variables": "{}", "until": "soon"},
    ],
)
def test_a_ledger_that_was_edited_by_hand_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match="damaged") as refused:
        load({"holder": "", "until": 0} | data)
    assert refused.value.exit_code == 10
    assert refused.value.hint


def test_a_newer_ledger_is_left_to_the_ciplug_that_wrote_it() -> None:
    with pytest.raises(LedgerError, match="newer ciplug"):
        load({"format": 2, "anything": "else"})


def test_a_fingerprint_tells_values_names_and_places_apart_and_needs_its_key() -> None:
    key, value = Secret("key"), Secret("s3cr3t-value")
    same = fingerprint(key, "prj_1", "A", value)
    assert same == fingerprint(key, "prj_1", "A", Secret("s3cr3t-value"))
    others = {
        fingerprint(key, "prj_1", "A", Secret("s3cr3t-valuf")),
        fingerprint(key, "prj_1", "B", value),
        fingerprint(key, "prj_2", "A", value),
        fingerprint(Secret("other"), "prj_1", "A", value),
    }
    assert same not in others
    assert len(others) == 4


def test_no_value_is_in_a_ledger() -> None:
    mark = fingerprint(Secret("the-key-itself"), "prj_1", "A", Secret("s3cr3t-value"))
    shown = json.dumps(dump(Ledger(place="prj_1", entries={"A": Entry(id="1", fingerprint=mark, stamp="2")})))
    assert_no_leak(shown, ["s3cr3t-value", "the-key-itself"])
