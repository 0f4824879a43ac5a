"""Render's API on loopback: variables of services and environment groups, deploys, limits and errors."""

from ciplug.standins.render.api import Render
from ciplug.standins.render.state import Change

__all__ = ["Change", "Render"]
