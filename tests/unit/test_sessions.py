"""Open sessions on disk: kept for one job alone, privately, and gone when they are ended."""

from __future__ import annotations

import base64
import json
import os
import stat
import traceback
from pathlib import Path

import pytest

from ciplug.errors import HandOverError
from ciplug.hosts.facts import Host
from ciplug.sessions import OpenSession, SessionStore
from ciplug.values import Secret
from tests.leaks import assert_no_leak

TOKEN = "hvs.CAESIJ-correct-horse"
HOST = Host(kind="github", label="GitHub Actions", job="test", run="1/1")
MANIFEST = Path("ciplug.toml")
KEPT = {"job": "test", "environment": "dev", "values": None}
SPELT = base64.b64encode(b"s3cr3t-value!").decode()


def store(root: Path, host: Host = HOST, manifest: Path = MANIFEST) -> SessionStore:
    return SessionStore(root, host, manifest)


def session(**changes: object) -> OpenSession:
    fields = {"addresses": ("https://a:8200",), "namespace": "acme", "token": Secret(TOKEN), "expires": 1.5}
    return OpenSession(**(fields | changes))  # type: ignore[arg-type]  # a table of fields


@pytest.mark.parametrize(
    "kept",
    [
        session(),
        session(token=None, directory="/x/y"),
        session(namespace="", expires=0.0, addresses=("a", "b")),
        session(token=None, job="test (3.12)", environment="dev", values={}),
        session(job="test", environment="dev", values={"A": Secret(b"\xff\x00\n"), "B": Secret("x" * 100_000)}),
    ],
)
def test_what_is_kept_comes_back(tmp_path: Path, kept: OpenSession) -> None:
    one = store(tmp_path / "state")
    name = one.add(kept)
    assert one.load(name) == kept
    assert one.names() == [name]


def test_another_process_of_the_same_job_finds_it_and_no_other_does(tmp_path: Path) -> None:
    name = store(tmp_path / "state").add(session())
    assert store(tmp_path / "state").names() == [name]
    for other in (
        store(tmp_path / "state", Host(kind="github", label="", job="deploy", run="1/1")),
        store(tmp_path / "state", Host(kind="github", label="", job="test", run="1/2")),
        store(tmp_path / "state", Host(kind="gitlab", label="", job="test", run="1/1")),
        store(tmp_path / "state", manifest=Path("other/ciplug.toml")),
    ):
        assert other.names() == []


def test_a_relative_manifest_is_the_same_as_its_absolute_path(tmp_path: Path) -> None:
    name = store(tmp_path / "state").add(session())
    assert store(tmp_path / "state", manifest=MANIFEST.absolute()).names() == [name]


def test_several_sessions_are_listed_oldest_first(tmp_path: Path) -> None:
    one = store(tmp_path / "state")
    kept = [one.add(session()) for _ in range(5)]
    assert one.names() == kept
    assert len(set(kept)) == 5


def test_files_are_private_and_the_name_says_nothing(tmp_path: Path) -> None:
    name = store(tmp_path / "state").add(session())
    path = tmp_path / "state" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = session(values={"A": Secret("s3cr3t-value")})
    assert_no_leak(name + repr(kept), [TOKEN, "s3cr3t-value"])


def test_looking_for_sessions_makes_no_directory(tmp_path: Path) -> None:
    assert store(tmp_path / "state").names() == []
    assert list(tmp_path.iterdir()) == []


def test_forgetting_is_safe_twice(tmp_path: Path) -> None:
    one = store(tmp_path / "state")
    name = one.add(session())
    one.forget(name)
    one.forget(name)
    assert one.names() == []
    store(tmp_path / "never").forget(name)


def test_what_cannot_be_forgotten_is_an_error(tmp_path: Path) -> None:
    one = store(tmp_path / "state")
    name = one.add(session())
    (tmp_path / "state" / name).unlink()
    (tmp_path / "state" / name).mkdir()
    with pytest.raises(HandOverError, match="could not be removed"):
        one.forget(name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        *(
            json.dumps({"addresses": [], "namespace": "", "token": TOKEN, "expires": 0, **odd}).encode()
            for odd in (
                {"directory": 5, "context": {}, **KEPT},
                {"directory": "", "context": [], **KEPT},
                {"directory": "", "context": {"who": 5}, **KEPT},
                {"directory": "", "context": {}},
                {"directory": "", "context": {}, **KEPT, "values": 5},
                {"directory": "", "context": {}, **KEPT, "values": [SPELT]},
                {"directory": "", "context": {}, **KEPT, "values": {"A": 5}},
                {"directory": "", "context": {}, **KEPT, "values": {"A": None}},
                {"directory": "", "context": {}, **KEPT, "values": {"A": SPELT[:-1]}},
                {"directory": "", "context": {}, **KEPT, "values": {"A": f"!{SPELT}"}},
                {"directory": "", "context": {}, **KEPT, "values": {"A": f"{SPELT}\u00e9"}},
            )
        ),
        json.dumps({"addresses": ["a"], "namespace": "", "token": TOKEN, "expires": "soon", "directory": ""}).encode(),
        json.dumps({"addresses": 5, "namespace": "", "token": TOKEN, "expires": 0, "directory": ""}).encode(),
        json.dumps({"addresses": [], "namespace": "", "token": 10**15, "expires": 0, "directory": ""}).encode(),
        json.dumps({"addresses": [], "namespace": "", "token": TOKEN, "expires": 0}).encode()[:-5],
    ],
)
def test_a_damaged_file_is_an_error_without_its_content(tmp_path: Path, content: bytes) -> None:
    one = store(tmp_path / "state")
    name = one.add(session())
    (tmp_path / "state" / name).write_bytes(content)
    with pytest.raises(HandOverError, match="cannot be read") as refused:
        one.load(name)
    assert refused.value.hint
    assert_no_leak("".join(traceback.format_exception(refused.value)), [TOKEN, "s3cr3t-value"])


def test_the_newest_secrets_of_a_job_are_found_and_no_other_s(tmp_path: Path) -> None:
    one = store(tmp_path / "state")
    assert one.fetched("test", "dev") is None
    one.add(session(job="test", environment="dev"))
    assert one.fetched("test", "dev") is None
    for value in ("older-value", "newer-value"):
        one.add(session(job="test", environment="dev", values={"A": Secret(value)}))
    one.add(session(job="test", environment="prod", values={"A": Secret("of-prod")}))
    one.add(session(job="deploy", environment="dev", values={"A": Secret("of-deploy")}))
    one.add(session(job="test", environment="dev"))
    found = one.fetched("test", "dev")
    assert found is not None
    assert found.values == {"A": Secret("newer-value")}
    assert one.fetched("other", "dev") is None
    assert one.fetched("", "") is None


def test_a_job_may_have_fetched_nothing_at_all(tmp_path: Path) -> None:
    """All of its secrets are optional."""
    one = store(tmp_path / "state")
    one.add(session(job="test", environment="dev", values={}))
    found = one.fetched("test", "dev")
    assert found is not None
    assert found.values == {}


def test_a_damaged_note_is_no_reason_to_take_an_older_one(tmp_path: Path) -> None:
    """Nobody can say whether it holds newer secrets of this very job."""
    one = store(tmp_path / "state")
    one.add(session(job="test", environment="dev", values={"A": Secret("older-value")}))
    (tmp_path / "state" / one.add(session(job="test", environment="dev", values={}))).write_bytes(b"{")
    with pytest.raises(HandOverError, match="cannot be read"):
        one.fetched("test", "dev")


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HandOverError, match="cannot be read"):
        store(tmp_path / "state").load("gone.json")


@pytest.mark.parametrize("trap", ["link", "foreign", "readable", "file"])
def test_a_root_that_is_not_ours_alone_is_refused_by_every_use(
    tmp_path: Path, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "state"
    if trap == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        root.symlink_to(tmp_path / "elsewhere")
    elif trap == "file":
        root.touch()
    else:
        root.mkdir(mode=0o700)
        if trap == "readable":
            root.chmod(0o750)
        else:
            someone_else = os.getuid() + 1
            monkeypatch.setattr(os, "getuid", lambda: someone_else)
    with pytest.raises(HandOverError):
        store(root).add(session())
    with pytest.raises(HandOverError):
        store(root).private_root()
    if trap != "file":
        with pytest.raises(HandOverError):
            store(root).names()
        with pytest.raises(HandOverError):
            store(root).fetched("test", "dev")
        assert list(root.iterdir()) == []


def test_the_files_of_a_session_are_removed(tmp_path: Path) -> None:
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "GCP_KEY").write_text("x")
    one = store(tmp_path / "state")
    one.remove_files(session(directory=str(directory)))
    assert not directory.exists()
    one.remove_files(session(directory=str(directory)))
    one.remove_files(session())


def test_files_that_cannot_be_removed_are_an_error_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HandOverError, match="file could not be removed") as refused:
        store(tmp_path / "state").remove_files(session(directory=str(tmp_path / "file")))
    assert refused.value.hint == "remove them by hand"
