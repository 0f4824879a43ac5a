"""Every target of ciplug's own adapters keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ciplug.conformance import PlatformContract
from tests.fakes import platform_benches as benches
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.conformance.desk import Desk


@pytest.fixture(autouse=True)
def _nothing_leaks(opened: list[Desk]) -> Iterator[None]:
    """The suite looks for secrets in its own way; this is the other one."""
    yield
    for desk in opened:
        assert_no_leak("\n".join(desk.shown.texts), desk.shown.secrets)


class TestVercelSensitive(PlatformContract):
    bench = benches.VercelBench


class TestVercelBranch(PlatformContract):
    bench = benches.VercelBranchBench


class TestVercelCustomEnvironment(PlatformContract):
    bench = benches.VercelCustomBench


class TestRailwayService(PlatformContract):
    bench = benches.RailwayServiceBench


class TestRailwayShared(PlatformContract):
    bench = benches.RailwaySharedBench


class TestRenderService(PlatformContract):
    bench = benches.RenderServiceBench


class TestRenderGroup(PlatformContract):
    bench = benches.RenderGroupBench
