"""The ledger: what it keeps, what it refuses to read, and that nobody learns a value from it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import LedgerError
from ciplug.sync.ledger import Book, Entry, Ledger, dump, fingerprint, load
from ciplug.values import Secret
from tests.leaks import assert_no_leak

KEY = Secret("the key of this ledger")
OWNED = {"A": Entry(id="1", fingerprint="f" * 64, stamp="2")}
texts = st.text(max_size=12)
pending = st.sampled_from(["", "create", "write"])


@given(
    holder=texts,
    until=st.floats(0, 2e9),
    undeployed=st.booleans(),
    places=st.dictionaries(
        texts,
        st.dictionaries(
            texts, st.builds(Entry, id=texts, fingerprint=texts, stamp=texts, pending=pending), min_size=1, max_size=3
        ),
        max_size=3,
    ),
)
def test_what_is_kept_comes_back(
    holder: str, until: float, undeployed: bool, places: dict[str, dict[str, Entry]]
) -> None:
    ledgers = {place: Ledger(place=place, undeployed=undeployed, entries=entries) for place, entries in places.items()}
    book = Book(holder=holder, until=until, ledgers=ledgers)
    assert load(json.loads(json.dumps(dump(book, KEY))), KEY) == book


def test_a_place_of_which_nothing_is_known_is_not_kept() -> None:
    book = Book(ledgers={"old": Ledger(place="old"), "new": Ledger(place="new", entries=OWNED)})
    assert load(dump(book, KEY), KEY).ledgers.keys() == {"new"}


def sealed(**changed: object) -> dict[str, object]:
    """A ledger's data with `changed` fields; one whose `places` change has the seal that belongs to them."""
    data = dump(Book(ledgers={"prj_1": Ledger(place="prj_1", entries=OWNED)}), KEY) | changed
    if "places" in changed and isinstance(changed["places"], str):
        from ciplug.sync import ledger

        data["seal"] = ledger._digest(KEY, b"places", changed["places"].encode())
    return data


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "1"},
        {"format": 0},
        {"format": None},
        {"places": 3},
        {"places": "{"},
        {"places": "[]"},
        {"places": '{"p": 1}'},
        {"places": '{"p": {"undeployed": false}}'},
        {"places": '{"p": {"undeployed": false, "variables": {"A": 1}}}'},
        {"places": '{"p": {"undeployed": false, "variables": {"A": {"value": "x"}}}}'},
        {"places": "[" * 200_000},
        {"holder": 3},
        {"until": "soon"},
        {"until": 10**400},
        {"until": None},
        {"seal": None},
        {"seal": 3},
    ],
)
def test_a_ledger_that_was_edited_by_hand_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match="damaged") as refused:
        load(sealed(**changed), KEY)
    assert refused.value.exit_code == 10
    assert refused.value.hint


def test_what_somebody_without_the_key_writes_is_not_believed() -> None:
    theirs = sealed()
    theirs["places"] = str(theirs["places"]).replace('"A"', '"BY_HAND"')
    for data, key in ((theirs, KEY), (sealed(), Secret("another key"))):
        with pytest.raises(LedgerError, match="was not written by ciplug"):
            load(data, key)


def test_a_newer_ledger_is_left_to_the_ciplug_that_wrote_it() -> None:
    with pytest.raises(LedgerError, match="newer ciplug"):
        load({"format": 2, "anything": "else"}, KEY)


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
    key = Secret("the-key-itself")
    mark = fingerprint(key, "prj_1", "A", Secret("s3cr3t-value"))
    entries = {"A": Entry(id="1", fingerprint=mark, stamp="2")}
    shown = json.dumps(dump(Book(ledgers={"prj_1": Ledger(place="prj_1", entries=entries)}), key))
    assert_no_leak(shown, ["s3cr3t-value", "the-key-itself"])
