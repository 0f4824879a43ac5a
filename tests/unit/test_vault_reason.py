"""What is quoted of a server: bounded in length and in the time that it takes, and without credentials."""

import time

import pytest

from ciplug.values import Secret
from ciplug.vault.reason import LONGEST, quotable
from tests.leaks import assert_no_leak

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmFjbWUvc2hvcCJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


@pytest.mark.parametrize("word", ["eyJ", "a", "eyJ.", "s.", "hvs.", "://", "a ", "eyJ-a.b"])
def test_an_endless_answer_is_quoted_at_once(word: str) -> None:
    begun = time.monotonic()
    assert len(quotable(word * 2_000_000, conceal=(Secret(JWT),))) <= LONGEST + 1
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("before", range(16_384 - len(JWT), 16_384, 7))
def test_a_token_at_the_end_of_what_is_looked_at_is_not_shown_in_part(before: int) -> None:
    said = f"{'hvs.' + 'x' * (before - 5)} {JWT}"
    assert_no_leak(quotable(said, conceal=(Secret(JWT),)), [JWT, *JWT.split(".")])
    assert quotable(said, conceal=(Secret(JWT),)).strip("* ") == ""


@pytest.mark.parametrize("text", [JWT, f"x{JWT}", JWT[:30], JWT[:60], f"{JWT}==", "eyJh.eyJz.c2ln", "eyJh."])
def test_a_token_is_not_shown_whole_or_cut(text: str) -> None:
    assert "eyJ" not in quotable(f"bad token {text} here")
