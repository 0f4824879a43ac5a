"""Files that only this user may read, in directories that only this user may enter, in memory where there is tmpfs."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.errors import HandOverError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # only ever used through a 0700 directory made here
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def roots(env: Mapping[str, str]) -> list[Path]:
    """Where private directories may be made, best first: memory before disk, the user's own before a shared one."""
    named = [Path(path) for name in ("XDG_RUNTIME_DIR",) if (path := env.get(name))]
    temporary = Path(env.get("TMPDIR") or "/tmp")  # noqa: S108  # as above
    return [root for root in (*named, SHARED_MEMORY, temporary) if root.is_dir() and os.access(root, os.W_OK | os.X_OK)]


class PrivateDirectory:
    """A fresh 0700 directory for secret files, removed with all it holds by ``remove()``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, candidates: list[Path]) -> PrivateDirectory:
        """A new directory under the first of `candidates` that takes one; ``HandOverError`` when none does."""
        reason = "no writable directory"
        for root in candidates:
            path = root / f"ciplug-{os.getpid()}-{os.urandom(8).hex()}"
            try:
                path.mkdir(mode=0o700)
            except OSError as err:
                reason = f"{root}: {err.strerror}"
            else:
                return cls(path)
        raise HandOverError(
            f"secret files have nowhere to go ({reason})", hint="give the job a writable TMPDIR or XDG_RUNTIME_DIR"
        )

    def write(self, name: str, value: bytes) -> Path:
        """`value` in the 0600 file `name`; ``HandOverError`` when it does not fit, and then no part of it stays."""
        return write_file(self.path / name, value)

    def remove(self) -> None:
        """Remove the directory and its files; what is gone already is fine, ``HandOverError`` for what stays."""
        try:
            remove_tree(self.path)
        except OSError as err:
            raise HandOverError(
                f"the secret files in {self.path} could not be removed: {err.strerror}", hint="remove them by hand"
            ) from err


def write_file(path: Path, value: bytes) -> Path:
    """A new 0600 file; never follows a link, never reuses a file that is there, leaves nothing on failure."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(value)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    except OSError as err:
        raise HandOverError(
            f"{path} could not be written: {err.strerror}", hint="free some space, or choose another directory"
        ) from err
    return path


def replace_file(path: Path, value: bytes) -> None:
    """`path` replaced in one step by a 0600 file with `value`."""
    temporary = write_file(path.with_name(f".{path.name}.{os.urandom(6).hex()}"), value)
    try:
        temporary.replace(path)
    except OSError as err:
        temporary.unlink(missing_ok=True)
        raise HandOverError(
            f"{path} could not be replaced: {err.strerror}", hint="check the directory's rights"
        ) from err


def own_directory(path: Path) -> Path:
    """`path` as a directory that is ours alone; ``HandOverError`` when someone else made it, or could enter it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as err:
        raise HandOverError(f"{path} cannot be used: {err.strerror}", hint="set CIPLUG_STATE_DIR") from err
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise HandOverError(
            f"{path} is not a private directory of this user",
            hint="remove it, or set CIPLUG_STATE_DIR to one that is 0700",
        )
    return path


def remove_tree(path: Path) -> None:
    """Remove a directory with all it holds, and never follow a link. ``OSError`` is not hidden, except that something
    was gone already.
    """
    with suppress(FileNotFoundError):
        _empty(_open_folder(path))
        path.rmdir()


def _empty(folder: int) -> None:
    """Empty an open directory and close it. Files go first: what a child put beside them must not save them."""
    try:
        with suppress(PermissionError):  # another user's, which a child with more rights left here
            os.fchmod(folder, 0o700)
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.is_dir(follow_symlinks=False))
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    _empty(_open_folder(entry.name, folder))
                    os.rmdir(entry.name, dir_fd=folder)
                else:
                    os.unlink(entry.name, dir_fd=folder)  # relative to the open directory
    finally:
        os.close(folder)


def _open_folder(name: str | Path, parent: int | None = None) -> int:
    """A descriptor of a directory of ours, also where a child took our own right to read it away."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        if not hasattr(os, "O_PATH"):
            raise
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        itself = f"/proc/self/fd/{handle}"
        Path(itself).chmod(0o700)
        return os.open(itself, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as err:  # no /proc: the directory is there, and stays closed
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from err
    finally:
        os.close(handle)
