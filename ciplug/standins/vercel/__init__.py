"""Vercel's API as far as a sync of environment variables needs it, on loopback and in memory.

What nobody outside Vercel knows for certain is decided the stricter way.
"""

from __future__ import annotations

from ciplug.standins.vercel.limits import Limit
from ciplug.standins.vercel.server import Vercel
from ciplug.standins.vercel.state import Change, Deployment, Variable

__all__ = ["Change", "Deployment", "Limit", "Variable", "Vercel"]
