"""What every stand-in of a deploy platform can be told to do wrong, and what it remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from ciplug.standins.loopback import DROP, Answer
from ciplug.standins.vendor import Asked, Vendor

if TYPE_CHECKING:
    from ciplug.standins.loopback import Request


class Counter(Vendor):
    """Counts what it has carried out."""

    count = 0

    def handle(self, request: Request) -> Answer:
        self.count += 1
        return Answer(status=200, body=b"%04d" % self.count)


def test_what_was_asked_is_remembered_with_its_status() -> None:
    with Counter() as vendor:
        vendor.fail_next(429, headers={"Retry-After": "7"})
        refused = httpx.put(f"{vendor.url}/a?b=c")
        done = httpx.get(f"{vendor.url}/a")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert done.text == "0001"
    assert vendor.requests() == (Asked("PUT", "/a?b=c", 429), Asked("GET", "/a", 200))


def test_a_lost_answer_is_to_a_request_that_was_carried_out() -> None:
    with Counter() as vendor:
        vendor.drop_next()
        vendor.cut_next()
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.post(vendor.url)
        assert httpx.post(vendor.url).text == "0003"
    assert [asked.status for asked in vendor.requests()] == [DROP, 200, 200]


def test_faults_come_in_their_order_and_end() -> None:
    with Counter() as vendor:
        vendor.fail_next(500, times=2)
        vendor.fail_next(403)
        assert [httpx.get(vendor.url).status_code for _ in range(4)] == [500, 500, 403, 200]


def test_a_vendor_that_answers_nothing_is_no_vendor() -> None:
    with pytest.raises(NotImplementedError):
        Vendor().handle(None)  # type: ignore[arg-type]  # never looked at
