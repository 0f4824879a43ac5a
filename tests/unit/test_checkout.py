"""What real git repositories say of themselves and of a file that must never be committed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ciplug.errors import HandOverError
from ciplug.hosts.checkout import Checkout, describe, unignored
from ciplug.hosts.facts import without_credentials
from tests.leaks import assert_no_leak

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Jane", "-c", "user.email=jane@acme.dev", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A working tree with one commit, whose ``.env`` is ignored."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", "https://jane:t0ken-in-url@git.acme.dev/acme/shop.git")
    (folder / ".gitignore").write_text(".env\n/secrets/\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Begin")
    return folder


def test_a_checkout_says_origin_commit_and_branch(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    expected = Checkout(repository="git.acme.dev/acme/shop.git", commit=commit, ref="refs/heads/main")
    assert describe(repository) == expected
    (repository / "deep" / "er").mkdir(parents=True)
    assert describe(repository / "deep" / "er") == expected
    assert_no_leak(repr(expected), ["t0ken-in-url"])


def test_a_detached_head_has_a_commit_and_no_ref(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    found = describe(repository)
    assert (found.commit, found.ref) == (git(repository, "rev-parse", "HEAD"), "")


def test_a_worktree_has_its_own_branch(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "topic", str(tmp_path / "topic"))
    assert describe(tmp_path / "topic").ref == "refs/heads/topic"


def test_before_the_first_commit_only_the_origin_is_known(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert describe(tmp_path) == Checkout()
    git(tmp_path, "remote", "add", "upstream", "https://h/other.git")
    assert describe(tmp_path) == Checkout()
    git(tmp_path, "remote", "add", "origin", "git@h:acme/shop.git")
    assert describe(tmp_path) == Checkout(repository="h:acme/shop.git")


def test_outside_a_checkout_nothing_is_known(tmp_path: Path) -> None:
    assert describe(tmp_path) == Checkout()
    assert describe(tmp_path / "absent") == Checkout()


@pytest.mark.parametrize("damage", ["config", "HEAD", "objects", "owner", "origin"])
def test_a_damaged_checkout_says_what_it_can(repository: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if damage == "owner":
        # What a container sees whose user is not the one that checked out; git then refuses to run in it.
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    elif damage == "objects":
        for path in (repository / ".git" / "objects").rglob("*"):
            if path.is_file():
                path.unlink()
    elif damage == "origin":
        git(repository, "remote", "set-url", "origin", "https://[not-an-address/shop.git")
    else:
        (repository / ".git" / damage).write_text("[broken\n")
    found = describe(repository)
    assert found.repository in ("", "git.acme.dev/acme/shop.git")
    assert found.ref in ("", "refs/heads/main")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://git.acme.dev/acme/shop.git", "git.acme.dev/acme/shop.git"),
        ("https://t0ken-in-url@git.acme.dev/acme/shop.git", "git.acme.dev/acme/shop.git"),
        ("https://me:t0ken-in-url@git.acme.dev:8443/acme/shop.git", "git.acme.dev/acme/shop.git"),
        ("https://me:t0ken@in@url@git.acme.dev/acme/shop.git", "git.acme.dev/acme/shop.git"),
        ("https://git.acme.dev/shop.git?private_token=t0ken-in-url#x", "git.acme.dev/shop.git"),
        ("ssh://git@git.acme.dev:22/acme/shop.git", "git.acme.dev/acme/shop.git"),
        ("git@git.acme.dev:acme/shop.git", "git.acme.dev:acme/shop.git"),
        ("git.acme.dev:acme/shop.git", "git.acme.dev:acme/shop.git"),
        ("me:t0ken-in-url@git.acme.dev/acme/shop.git", "git.acme.dev/acme/shop.git"),
        ("/srv/git/shop.git", "/srv/git/shop.git"),
        ("../shop.git", "../shop.git"),
        ("file:///srv/git/shop.git", "/srv/git/shop.git"),
        ("https://[me:t0ken-in-url@x/shop.git", ""),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_token(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
    assert_no_leak(shown, ["t0ken-in-url", "t0ken@in@url"])


def test_an_ignored_file_may_be_written_and_any_other_not(repository: Path) -> None:
    (repository / "secrets").mkdir()
    (repository / "deep").mkdir()
    ignored = [repository / ".env", repository / "deep" / ".env", repository / "secrets" / "any"]
    exposed = [repository / "env", repository / ".env.local", repository / "a b [*].txt", repository / "-n"]
    assert unignored([*ignored, *exposed]) == exposed
    assert unignored([]) == []


def test_a_tracked_file_is_exposed_though_it_is_ignored(repository: Path) -> None:
    (repository / ".env").touch()
    git(repository, "add", "-f", ".env")
    assert unignored([repository / ".env"]) == [repository / ".env"]
    git(repository, "commit", "-q", "-m", "Oops")
    assert unignored([repository / ".env"]) == [repository / ".env"]
    git(repository, "rm", "-q", "--cached", ".env")
    assert unignored([repository / ".env"]) == []


def test_a_negated_pattern_exposes_again(repository: Path) -> None:
    (repository / ".gitignore").write_text(".env*\n!.env.prod\n")
    assert unignored([repository / ".env", repository / ".env.prod"]) == [repository / ".env.prod"]


def test_a_path_through_a_link_is_judged_where_it_leads(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository)
    (repository / "out").symlink_to(tmp_path)
    assert unignored([tmp_path / "link" / ".env", tmp_path / "link" / "env"]) == [tmp_path / "link" / "env"]
    assert unignored([repository / "out" / "env"]) == []


def test_outside_a_checkout_no_commit_can_take_a_file(tmp_path: Path) -> None:
    assert unignored([tmp_path / ".env", tmp_path / "absent" / ".env"]) == []


@pytest.mark.parametrize("damage", ["config", "owner"])
def test_where_git_cannot_say_the_file_is_refused(
    repository: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if damage == "config":
        (repository / ".git" / "config").write_text("[broken\n")
    else:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(HandOverError, match=r"whether it ignores \.env") as refused:
        unignored([repository / ".env"])
    assert "git status" in refused.value.hint


def in_process_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitPython looks for its program when it is first imported, so it is forgotten."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "git"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("PATH", "/nonexistent")


def test_without_git_nothing_is_known_and_no_file_is_written(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_process_without_git(monkeypatch)
    assert describe(repository) == Checkout()
    for _ in range(2):
        with pytest.raises(HandOverError, match="no git to ask"):
            unignored([repository / ".env"])


def test_without_git_there_is_no_checkout_and_no_file(repository: Path) -> None:
    script = """
import sys
from pathlib import Path
from ciplug.errors import HandOverError
from ciplug.hosts.checkout import describe, unignored
print(describe(Path(sys.argv[1])))
try:
    unignored([Path(sys.argv[1]) / ".env"])
except HandOverError as err:
    print(err, err.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(repository)],
        cwd=ROOT,
        env={"PATH": "/nonexistent"},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    described, refused = done.stdout.splitlines()
    assert described == str(Checkout())
    assert "no git to ask whether .env is ignored" in refused


def test_git_is_loaded_by_the_first_question_only() -> None:
    script = "import sys; import ciplug.hosts.checkout; sys.exit('git' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=30).returncode == 0
