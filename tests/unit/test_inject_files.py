"""Secrets as files: there for the block, private, and gone after it."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from ciplug.errors import HandOverError
from ciplug.inject.files import needs_files, place, secret_files
from ciplug.private import PrivateDirectory
from ciplug.values import Delivered, Grant, Record, Secret

RECORD = Record(mount="secret", path="app", engine="kv2")


def delivered(name: str, value: bytes, *, as_file: bool = False) -> Delivered:
    grant = Grant(name=name, record=RECORD, pointer=("x",), as_file=as_file)
    return Delivered(grant=grant, value=Secret(value))


PLAIN = delivered("PLAIN", b"in the environment")
KEY = delivered("GCP_KEY", b"{\x00binary\xff}\n", as_file=True)


@pytest.fixture
def runtime(tmp_path: Path) -> dict[str, str]:
    """An environment whose private directories are made below `tmp_path`."""
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


def test_a_file_secret_becomes_the_path_of_a_private_file(tmp_path: Path, runtime: dict[str, str]) -> None:
    with secret_files([PLAIN, KEY], runtime) as values:
        path = Path(os.fsdecode(values["GCP_KEY"]))
        assert values["PLAIN"] == b"in the environment"
        assert path.read_bytes() == b"{\x00binary\xff}\n"
        assert path.is_relative_to(tmp_path)
        assert path.name == "GCP_KEY"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_without_file_secrets_no_directory_is_made(tmp_path: Path, runtime: dict[str, str]) -> None:
    with secret_files([PLAIN], runtime) as values:
        assert values == {"PLAIN": b"in the environment"}
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), SystemExit(3)])
def test_the_files_are_gone_when_the_block_fails(tmp_path: Path, runtime: dict[str, str], error: BaseException) -> None:
    with pytest.raises(type(error)), secret_files([KEY], runtime):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_the_child_did_to_the_files_does_not_save_them(tmp_path: Path, runtime: dict[str, str]) -> None:
    with secret_files([KEY, delivered("OTHER", b"x", as_file=True)], runtime) as values:
        path = Path(os.fsdecode(values["GCP_KEY"]))
        path.unlink()
        (path.parent / "0-lock").mkdir()
        (path.parent / "0-lock" / "copy").write_bytes(b"copied")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_file_behind(tmp_path: Path, runtime: dict[str, str]) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    block = secret_files([KEY, delivered("BIG", b"x" * 1000, as_file=True)], runtime)
    try:
        with pytest.raises(HandOverError, match="BIG could not be written"):
            block.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_was_swapped_for_a_link_is_reported_and_not_followed(
    tmp_path: Path, runtime: dict[str, str]
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    block = secret_files([KEY], runtime)
    directory = Path(os.fsdecode(block.__enter__()["GCP_KEY"])).parent
    directory.rename(tmp_path / "moved")
    directory.symlink_to(precious)
    with pytest.raises(HandOverError, match="could not be removed"):
        block.__exit__(None, None, None)
    assert (precious / "file").exists()


def test_placing_keeps_order_and_names(tmp_path: Path) -> None:
    directory = PrivateDirectory.create([tmp_path])
    assert list(place([KEY, PLAIN], directory)) == ["GCP_KEY", "PLAIN"]
    assert place([PLAIN], None) == {"PLAIN": b"in the environment"}


def test_two_secrets_never_share_a_file(tmp_path: Path) -> None:
    directory = PrivateDirectory.create([tmp_path])
    with pytest.raises(HandOverError):
        place([KEY, KEY], directory)


def test_only_file_secrets_need_files() -> None:
    assert needs_files([PLAIN, KEY])
    assert not needs_files([PLAIN])
    assert not needs_files([])
