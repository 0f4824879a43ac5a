"""A stand-in of Railway's public API, for the demo and the tests of the sync."""

from ciplug.standins.railway.server import Operated, Railway

__all__ = ["Operated", "Railway"]
