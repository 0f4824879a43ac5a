"""The rules for adapters of deploy platforms as tests, which need pytest; ciplug itself does not."""

from ciplug.conformance.bench import Bench, Clock, StandIn
from ciplug.conformance.contract import PlatformContract

__all__ = ["Bench", "Clock", "PlatformContract", "StandIn"]
