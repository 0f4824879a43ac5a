"""A clean environment for every test: nothing of the machine or CI host that runs the suite leaks in."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAKS: Final = re.compile(
    r"CI|(CI|GITHUB|GITLAB|RUNNER|ACTIONS|JENKINS|BUILD|VAULT|BAO|CIPLUG|SSL_CERT|GIT)_.*|VERCEL.*|.*_PROXY"
    r"|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|XDG_RUNTIME_DIR",
    re.IGNORECASE,
)
"""Names that mean something to ciplug or to a library it uses. Proxies are read in both spellings."""


def _clean(patch: pytest.MonkeyPatch) -> None:
    for name in filter(_LEAKS.fullmatch, tuple(os.environ)):
        patch.delenv(name)


def _hear_signals() -> None:
    """Whoever starts the suite by ``nohup``, or in the background, has it ignore signals, and all that it starts."""
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _clean_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for fixtures that live as long as the session, which start before any test's own cleaning."""
    _hear_signals()
    with pytest.MonkeyPatch.context() as patch:
        _clean(patch)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _clean_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test set behind monkeypatch's back ends here."""
    _clean(monkeypatch)
