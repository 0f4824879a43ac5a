"""Private files and directories: their modes, what they refuse to follow or reuse, and that nothing of them stays."""

from __future__ import annotations

import os
import resource
import signal
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import HandOverError
from ciplug.private import PrivateDirectory, own_directory, remove_tree, replace_file, roots, write_file
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUE = b"correct-horse-battery-staple"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Every file of this process can hold `limit` bytes: a write past it fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        directory = PrivateDirectory.create([tmp_path])
        file = directory.write("GCP_KEY", VALUE)
        replace_file(tmp_path / ".env", VALUE)
        own = own_directory(tmp_path / "state")
    assert (mode(directory.path), mode(own)) == (0o700, 0o700)
    assert (mode(file), mode(tmp_path / ".env")) == (0o600, 0o600)
    assert file.read_bytes() == (tmp_path / ".env").read_bytes() == VALUE


def test_two_directories_are_never_the_same(tmp_path: Path) -> None:
    assert PrivateDirectory.create([tmp_path]).path != PrivateDirectory.create([tmp_path]).path


def test_the_first_candidate_that_takes_a_directory_is_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = PrivateDirectory.create([tmp_path / "absent", tmp_path / "file", tmp_path])
    assert made.path.parent == tmp_path


@pytest.mark.parametrize("candidates", [[], ["absent"], ["file"], ["absent", "file"]])
def test_no_candidate_is_an_error_with_the_remedy(tmp_path: Path, candidates: list[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HandOverError, match="nowhere to go") as refused:
        PrivateDirectory.create([tmp_path / name for name in candidates])
    assert "TMPDIR" in refused.value.hint


def test_removing_takes_the_directory_and_its_files_and_is_safe_twice(tmp_path: Path) -> None:
    directory = PrivateDirectory.create([tmp_path])
    directory.write("A", VALUE)
    directory.write("B", VALUE).unlink()
    directory.remove()
    assert list(tmp_path.iterdir()) == []
    directory.remove()


def test_what_a_child_left_beside_the_files_goes_with_them(tmp_path: Path) -> None:
    directory = PrivateDirectory.create([tmp_path])
    directory.write("ZZZ", VALUE)
    (directory.path / "AAA" / "deep").mkdir(parents=True)
    (directory.path / "AAA" / "deep" / "lock").touch()
    directory.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_folder", [True, False])
def test_links_in_the_directory_are_removed_and_never_followed(tmp_path: Path, is_folder: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep me")
    directory = PrivateDirectory.create([tmp_path])
    (directory.path / "link").symlink_to(outside if is_folder else outside / "precious")
    directory.remove()
    assert (outside / "precious").read_text() == "keep me"
    assert not directory.path.exists()


def test_a_link_in_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep me")
    directory = PrivateDirectory.create([tmp_path])
    directory.path.rmdir()
    directory.path.symlink_to(outside)
    with pytest.raises(HandOverError, match="could not be removed"):
        directory.remove()
    assert (outside / "precious").read_text() == "keep me"


def test_a_file_in_place_of_the_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep me")
    with pytest.raises(NotADirectoryError):
        remove_tree(tmp_path / "file")
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize("there", ["file", "link", "dangling link", "directory"])
def test_a_file_never_lands_in_what_is_there_already(tmp_path: Path, there: str) -> None:
    target, path = tmp_path / "target", tmp_path / "secret"
    if there == "file":
        path.write_text("before")
    elif there == "directory":
        path.mkdir()
    else:
        path.symlink_to(target)
        if there == "link":
            target.write_text("before")
    with pytest.raises(HandOverError, match="could not be written") as refused:
        write_file(path, VALUE)
    assert_no_leak(str(refused.value), [VALUE])
    assert os.path.lexists(path)
    assert not target.exists() or target.read_text() == "before"


@pytest.mark.parametrize("size", [200, 1_000_000])
def test_a_value_that_does_not_fit_leaves_nothing(tmp_path: Path, size: int) -> None:
    with full_disk(100), pytest.raises(HandOverError, match="could not be written") as refused:
        write_file(tmp_path / "secret", VALUE[:1] * size)
    assert list(tmp_path.iterdir()) == []
    assert refused.value.hint


def test_a_file_that_is_replaced_keeps_its_old_content_when_the_new_one_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("before")
    with full_disk(10), pytest.raises(HandOverError):
        replace_file(tmp_path / ".env", VALUE)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(".env", "before")]


def test_replacing_makes_a_world_readable_file_private(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("before")
    (tmp_path / ".env").chmod(0o644)
    replace_file(tmp_path / ".env", VALUE)
    assert mode(tmp_path / ".env") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_replacing_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("before")
    (tmp_path / ".env").symlink_to(tmp_path / "target")
    replace_file(tmp_path / ".env", VALUE)
    assert not (tmp_path / ".env").is_symlink()
    assert (tmp_path / "target").read_text() == "before"


def test_a_directory_cannot_be_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(HandOverError, match="could not be replaced"):
        replace_file(tmp_path / ".env", VALUE)
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_an_own_directory_is_made_with_its_parents_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert own_directory(path) == own_directory(path) == path


@pytest.mark.parametrize("rights", [0o750, 0o701, 0o720, 0o777, 0o1777])
def test_a_directory_that_others_can_enter_is_refused(tmp_path: Path, rights: int) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(rights)
    with pytest.raises(HandOverError, match="not a private directory") as refused:
        own_directory(tmp_path / "state")
    assert "CIPLUG_STATE_DIR" in refused.value.hint


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    someone_else = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: someone_else)
    with pytest.raises(HandOverError, match="not a private directory"):
        own_directory(tmp_path / "state")


def test_a_link_to_a_private_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "real")
    with pytest.raises(HandOverError, match="not a private directory"):
        own_directory(tmp_path / "state")


@pytest.mark.parametrize("name", ["file", "file/below", "dangling"])
def test_where_no_directory_can_be_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(HandOverError, match="cannot be used"):
        own_directory(tmp_path / name)
    assert not (tmp_path / "nowhere").exists()


def test_memory_comes_before_disk_and_the_user_s_own_before_all(tmp_path: Path) -> None:
    runtime, temporary = tmp_path / "runtime", tmp_path / "temporary"
    runtime.mkdir()
    temporary.mkdir()
    found = roots({"XDG_RUNTIME_DIR": str(runtime), "TMPDIR": str(temporary)})
    assert (found[0], found[-1]) == (runtime, temporary)
    assert found[1:-1] in ([], [Path("/dev/shm")])


def test_directories_that_are_not_there_are_no_candidates(tmp_path: Path) -> None:
    found = roots({"XDG_RUNTIME_DIR": str(tmp_path / "absent"), "TMPDIR": str(tmp_path / "absent")})
    assert tmp_path / "absent" not in found
    assert Path("/tmp") in roots({})


def test_a_directory_whose_rights_were_taken_away_is_removed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user without rights sees it: the first try to open the directory is refused."""
    directory = PrivateDirectory.create([tmp_path])
    directory.write("KEY", b"value")
    directory.path.chmod(0)
    really, refused = os.open, []

    def refuse_once(path: str | Path, flags: int, *more: object, **named: object) -> int:
        if path == directory.path and not refused:
            refused.append(path)
            raise PermissionError(13, "Permission denied")
        return really(path, flags, *more, **named)  # type: ignore[arg-type]  # whatever it was called with

    monkeypatch.setattr(os, "open", refuse_once)
    directory.remove()
    assert refused
    assert not directory.path.exists()


def test_a_read_only_directory_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user without rights sees it: what is in a directory cannot be removed while the directory is read-only."""
    directory = PrivateDirectory.create([tmp_path])
    directory.write("KEY", b"value")
    directory.path.chmod(0o500)
    really = os.unlink

    def bound_by_modes(name: str, *, dir_fd: int) -> None:
        if not os.fstat(dir_fd).st_mode & stat.S_IWUSR:
            raise PermissionError(13, "Permission denied")
        really(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", bound_by_modes)
    directory.remove()
    assert not directory.path.exists()
