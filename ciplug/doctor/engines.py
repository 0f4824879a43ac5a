"""Whether each mount is the engine that the manifest takes it for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.doctor.finding import Finding, brief, failed, note, ok
from ciplug.errors import CiplugError
from ciplug.vault.errors import OtherVersionError
from ciplug.vault.inspect import read_mount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ciplug.doctor.case import Case
    from ciplug.logins import LiveLogin


def engines(case: Case, login: LiveLogin) -> Iterator[Finding]:
    """One finding for each that is known; the others are left to what follows."""
    for mount, engine in {item.record.mount: item.record.engine for item in case.grant.grants}.items():
        try:
            with case.steps.signals.interruptible():
                seen = read_mount(case.client, login.session.token, mount)
        except CiplugError as err:
            # A job does without this look. What keeps it from its secrets too, the next steps find.
            yield note("engine", f"{mount} could not be looked at: {err}", err.hint)
            return
        if seen is not None:
            yield from _engine(mount, engine, seen)


def _engine(mount: str, engine: str, seen: Mapping[str, Any]) -> Iterator[Finding]:
    kind, version = brief(seen.get("type")), kv_version(seen)
    if engine == "other":
        yield ok("engine", f"{mount} is of type {kind}")
    elif kind not in {"kv", "generic"}:
        yield failed("engine", f"{mount} is an engine of type {kind}, not KV", "correct vault.kv_mount in the manifest")
    elif engine != f"kv{version}":
        error = OtherVersionError(mount, version)
        yield failed("engine", str(error), error.hint)


def kv_version(seen: Mapping[str, Any]) -> int:
    """The version of the KV engine that `seen` is a mount of."""
    options = seen.get("options")
    return 2 if isinstance(options, dict) and options.get("version") == "2" else 1
