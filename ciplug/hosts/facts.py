"""What every host says of itself and of the run, in one shape."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One CI run as its host describes it; empty strings where the host does not say.

    `kind` is the word in audit records; `temp` is a directory the host clears when the job ends.
    """

    kind: str
    label: str
    ci: bool = True
    masks: bool = False
    job: str = ""
    run: str = ""
    actor: str = ""
    repository: str = ""
    commit: str = ""
    ref: str = ""
    temp: str = ""


def without_credentials(url: str) -> str:
    """A remote's address as ``host/path``: whatever stands before the ``@`` may be a token."""
    if "://" not in url:  # the scp-like form user@host:path
        return url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
    except ValueError:  # git takes any text for an address
        return ""
    return f"{parts.hostname or ''}{parts.path}"
