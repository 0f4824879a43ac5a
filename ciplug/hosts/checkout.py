"""What the git checkout says where the host does not: origin, commit and branch, and what git ignores.

GitPython is imported on the first call, so that commands which never ask do not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ciplug.errors import HandOverError
from ciplug.hosts.facts import Checkout, without_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def describe(folder: Path) -> Checkout:
    """The working tree that holds `folder`; an empty ``Checkout`` where there is none, or no git."""
    try:
        repo = _open(folder)
    except ImportError:  # GitPython's way of saying that there is no git to run
        repo = None
    if repo is None:
        return Checkout()
    with repo:
        try:
            commit = repo.head.commit.hexsha
            ref = "" if repo.head.is_detached else repo.head.ref.path
        except (ValueError, TypeError, OSError):  # no commit yet, or a git that refuses to run here and closes its pipe
            commit = ref = ""
        return Checkout(repository=without_credentials(_origin(repo)), commit=commit, ref=ref)


def _origin(repo: Any) -> str:
    """The address of the remote ``origin``; empty where there is none, or a configuration that cannot be read."""
    from configparser import Error

    try:
        return next((str(remote.url) for remote in repo.remotes if remote.name == "origin"), "")
    except Error:
        return ""


def unignored(files: Sequence[Path]) -> list[Path]:
    """Those of `files` that git would take into a commit; none outside a working tree.

    ``HandOverError`` where git cannot be asked: then nobody knows, and the files must not be written.
    """
    return [file for file in files if _exposed(file)]


def _exposed(file: Path) -> bool:
    try:
        return _asked(file)
    except ImportError as err:  # as above
        raise HandOverError(
            f"there is no git to ask whether {file.name} is ignored", hint="install git, or use `ciplug run`"
        ) from err


def _asked(file: Path) -> bool:
    repo = _open(file.parent)
    if repo is None:
        return False
    from git.exc import GitError

    try:
        with repo:
            tracked = bool(repo.git.ls_files("--", str(file)))
            return tracked or not repo.ignored(str(file))
    except GitError as err:
        raise HandOverError(
            f"git could not say whether it ignores {file.name}", hint="run `git status` here and mend what it reports"
        ) from err


def _open(folder: Path) -> Any:
    """GitPython's ``Repo`` for `folder`, or ``None``; typed loosely because the import is deferred."""
    from git import Repo
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    try:
        return Repo(folder.resolve(), search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return None
