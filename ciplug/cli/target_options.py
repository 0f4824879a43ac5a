"""Whether the options of targets are right, which their adapters know, asked before anybody is asked for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug import registry
from ciplug.errors import CiplugError, UsageError
from ciplug.manifest import address_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ciplug.contracts import Requests
    from ciplug.manifest import Manifest, Target
    from ciplug.values import Endpoint, Reply


def problems(declared: Manifest) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with the targets of a manifest, by key path, for ``manifest.load``."""
    for target in declared.targets.values():
        if (error := _problem(target)) is not None:
            yield ("targets", target.name, "options"), str(error)


def refuse_unfit(targets: Iterable[Target]) -> None:
    """``UsageError`` with all that is wrong with the options of `targets`."""
    errors = [(target.name, error) for target in targets if (error := _problem(target)) is not None]
    if errors:
        text = "\n".join(f"targets.{name}: {error}" for name, error in errors)
        raise UsageError(text, hint=errors[0][1].hint)


def _problem(target: Target) -> UsageError | None:
    try:
        registry.find(target.platform)(target.options, _unconnected, _no_wait)
    except UsageError as err:
        return err
    return None


class _Unconnected:
    """In the place of a client while options are checked, which asks the platform nothing."""

    def request(self, method: str, path: str, **_: object) -> Reply:
        raise CiplugError(f"an adapter asked its platform before it was used: {method} {path}")


def _unconnected(endpoint: Endpoint) -> Requests:
    if problem := address_problem(endpoint.base):
        raise UsageError(
            f"{endpoint.label}: option api_url {problem}", hint="leave it out, or give the vendor's own address"
        )
    return _Unconnected()


def _no_wait(_seconds: float) -> None:
    """Nothing is waited for while options are checked."""
