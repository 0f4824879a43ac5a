"""An adapter that somebody else wrote, and a target on its platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.e2e.sync_world import World

_THIRD_PARTY: Final = """
from ciplug.errors import PlatformError
from ciplug.values import Deployment, Endpoint, Result, Variable


def create(options, connect, wait):
    return Other(connect(Endpoint(label="Other", base="https://other.invalid")))


class Other:
    place = "other 1"
    held = {{}}

    def __init__(self, requests):
        self.requests = requests

    def read(self):
        return [Variable(name=name, value=value) for name, value in self.held.items()]

    def read_value(self, variable):
        return variable.value

    def problems(self, wanted, held):
        return []

    def apply(self, batch):
        self.held |= batch.writes
        return [Result(name=name) for name in batch.writes]

{methods}
"""
_OTHER: Final = """
[targets.other]
platform = "other"
environment = "prod"
token = "//common/vercel#token"
secrets = ["STRIPE_SECRET_KEY", "DATABASE_URL"]
"""


def third_party(world: World, methods: str) -> None:
    """A target called ``other``, whose adapter is somebody else's, installed in the project's directory."""
    packages = world.project.directory
    (packages / "ciplug_other.py").write_text(_THIRD_PARTY.format(methods=methods))
    info = packages / "ciplug_other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ciplug-other\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ciplug.platforms]\nother = ciplug_other:create\n")
    world.project.append(_OTHER)
