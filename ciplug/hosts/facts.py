"""What every host says of itself and of the run, and what a git checkout says, in one shape each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.contracts import Annotation, Masker


EXPOSED: Final = "turn it off, or accept it with CIPLUG_ALLOW_DEBUG_TRACE=true"
"""What to do about a run's `exposure`."""


@frozen
class Host:
    """One CI run as its host describes it; empty strings where the host does not say.

    `kind` is the word in audit records; `temp` is a directory the host clears when the job ends; `masker` makes what
    tells the host to mask, given how to write to it, and `annotation` what makes it show a message: both are ``None``
    where a running job cannot. `exposure` says, if there is one, why no secret should be handed to this very run.
    """

    kind: str
    label: str
    ci: bool = True
    masker: Callable[[Callable[[bytes], None]], Masker] | None = None
    annotation: Annotation | None = None
    exposure: str = ""
    job: str = ""
    run: str = ""
    actor: str = ""
    repository: str = ""
    commit: str = ""
    ref: str = ""
    temp: str = ""


@frozen
class Checkout:
    """Facts of a git working tree; empty strings where git does not say."""

    repository: str = ""
    commit: str = ""
    ref: str = ""


def without_credentials(url: str) -> str:
    """A remote's address as ``host/path``: whatever stands before the ``@`` may be a token."""
    if "://" not in url:  # the scp-like form user@host:path
        return url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
    except ValueError:  # git takes any text for an address
        return ""
    return f"{parts.hostname or ''}{parts.path}"
