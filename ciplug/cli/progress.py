"""How redeploys go, while they do: a bar on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.values import Deployment

_STEPS: Final[Mapping[str, int]] = {"waiting": 0, "building": 1, "ready": 2, "failed": 2}
_WHOLE: Final = 2


class Progress:
    """Told by any thread, shown by the one that calls ``show``."""

    def __init__(self, draw: Callable[[str, Deployment], None]) -> None:
        self._draw = draw
        self._told: SimpleQueue[tuple[str, Deployment]] = SimpleQueue()

    def tell(self, target: str, deployment: Deployment) -> None:
        """How `target` stands now."""
        self._told.put((target, deployment))

    def show(self) -> None:
        """Draw what was told since."""
        while True:
            try:
                target, deployment = self._told.get_nowait()
            except Empty:
                return
            self._draw(target, deployment)


@contextmanager
def progress(targets: Sequence[str], say: Callable[[str], None], *, bar: bool) -> Iterator[Progress]:
    """For the redeploys of `targets`; what was told is shown by the end of the block."""
    if not bar:
        shown = Progress(lambda target, deployment: say(f"{target}: {words(deployment)}"))
        yield shown
        shown.show()
        return
    stands: dict[str, Deployment] = {}
    with click.progressbar(  # type: ignore[var-annotated]  # of what it is told nothing, it is only moved on
        length=_WHOLE * len(targets),
        label="redeploying",
        file=sys.stderr,
        show_eta=False,
        item_show_func=lambda _item: ", ".join(f"{name} {stand.state}" for name, stand in stands.items()),
    ) as drawn:

        def draw(target: str, deployment: Deployment) -> None:
            before = stands.get(target)
            stands[target] = deployment
            drawn.update(_STEPS[deployment.state] - (_STEPS[before.state] if before else 0), target)

        shown = Progress(draw)
        yield shown
        shown.show()


def words(deployment: Deployment) -> str:
    """How it stands, in one line."""
    detail = f" ({deployment.detail})" if deployment.detail else ""
    return " ".join(filter(None, (f"the deployment is {deployment.state}{detail}", deployment.address)))
