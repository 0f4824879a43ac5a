"""The rules for adapters of deploy platforms as tests, which need pytest; ciplug itself does not."""

from ciplug.conformance.bench import Bench, StandIn
from ciplug.conformance.clock import Clock
from ciplug.conformance.contract import PlatformContract
from ciplug.conformance.ledger import MemoryLedger

__all__ = ["Bench", "Clock", "MemoryLedger", "PlatformContract", "StandIn"]
