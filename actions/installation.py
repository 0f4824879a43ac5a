"""An installed ciplug: the single file that is shipped with the actions, or a virtual environment in the tool cache.

A cached environment is made aside and put in place by one rename, so that it is whole or not there, whoever else makes
one at the same time; and before it is used again, every file in it is checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ACTIONS: Final = Path(__file__).resolve().parent
SOURCES: Final = ACTIONS.parent
SINGLE_FILE: Final = ACTIONS / "ciplug.pyz"
LOCK: Final = ACTIONS / "requirements.txt"

_FLAGS: Final = "-IB"
"""Nothing of the job's own Python is to come in, and a checked environment is to stay as it is."""

_PACKAGES: Final = ("ciplug", "platforms/ciplug_platforms")
_CONTENTS: Final = "contents.json"
_ENDING: Final = 10  # seconds for what was killed to be gone
_ABANDONED: Final = 3600  # seconds after which what a killed installation left is removed; none takes nearly as long

# What pip is told of the job: how to find its index and the machine's files. It runs other people's code, which is no
# place for the right to get an ID token.
_FOR_PIP: Final = re.compile(
    r"PATH|HOME|USERPROFILE|(LOCAL)?APPDATA|PROGRAM(DATA|FILES.*)|SYSTEM(ROOT|DRIVE)|WINDIR|COMSPEC|PATHEXT|TMP|TEMP|TMPDIR"
    r"|LANG|LC_.*|XDG_(CONFIG|CACHE)_(HOME|DIRS)|NETRC|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|CERT|CLIENT_CERT|PROXY|CONFIG_FILE|CACHE_DIR"
    r"|NO_CACHE_DIR|DEFAULT_TIMEOUT|TIMEOUT|RETRIES|KEYRING_PROVIDER)",
    re.IGNORECASE,
)


class Failure(Exception):  # noqa: N818  # what is told to people, with what to do about it
    """The step cannot go on: the message says why, `hint` what to do next, `status` how the step ends."""

    def __init__(self, message: str, *, hint: str, status: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.status = status


def ready(env: Mapping[str, str], say: Callable[[str], None]) -> list[str]:
    """The command that starts ciplug, installed first where it is not; `say` is told what takes time, and why."""
    if SINGLE_FILE.is_file():
        return [sys.executable, _FLAGS, str(SINGLE_FILE)]
    sources = _sources()
    folder = _cache(env) / _key(sources)
    flaw = _flaw(folder, sources) if folder.is_dir() else "it is not there"
    if flaw:
        if folder.is_dir():
            say(f"the installation in {folder} is not used: {flaw}")
        say("installing")
        _install(folder, sources, env)
    return [str(_python(folder)), _FLAGS, "-m", "ciplug"]


def _cache(env: Mapping[str, str]) -> Path:
    """The directory for installations: in the runner's tool cache, else in what it clears with the job."""
    for name in ("RUNNER_TOOL_CACHE", "RUNNER_TEMP"):
        if env.get(name):
            folder = Path(env[name]).absolute() / "ciplug"
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise Failure(
        "there is nowhere to install ciplug", hint="let the runner write below RUNNER_TOOL_CACHE or RUNNER_TEMP"
    )


def _sources() -> dict[str, str]:
    """The digest of every file that decides what is installed, by its path in the checkout."""
    files = [SOURCES / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    packages = (path for package in _PACKAGES for path in (SOURCES / package).rglob("*"))
    files += [path for path in packages if path.is_file() and "__pycache__" not in path.parts]
    try:
        return {path.relative_to(SOURCES).as_posix(): _digest(path) for path in sorted([*files, LOCK])}
    except OSError as err:
        raise Failure(
            f"the checkout of the action is incomplete: {err.filename}: {err.strerror}",
            hint="refer to the action as OWNER/REPOSITORY/actions/..., so that the runner has the whole repository",
        ) from err


def _key(sources: Mapping[str, str]) -> str:
    """A name that only an installation from the same sources, for the same Python, has."""
    version = re.search(r'__version__ = "([\w.+-]+)"', (SOURCES / "ciplug/__init__.py").read_text(encoding="utf-8"))
    machine = platform.machine().lower()
    text = json.dumps([sources, sys.version, sys.base_prefix, machine], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{version[1] if version else '0'}-{sys.implementation.cache_tag}-{machine}-{digest}"


def _flaw(folder: Path, sources: Mapping[str, str]) -> str:
    """What is wrong with the installation; empty when it is as it was made, and made of `sources`.

    NOTE: not wheels' own RECORD files: they say nothing of compiled modules, which Python prefers to their sources, nor
    of files that were added.
    """
    try:
        recorded = set(dict(json.loads((folder / _CONTENTS).read_bytes())).items())
        found = _contents(folder)
    except (OSError, ValueError, TypeError) as err:  # the last where it is JSON, and no list of contents
        return f"it cannot be read ({type(err).__name__})"
    if changed := sorted(recorded ^ set(found.items())):
        return f"{changed[0][0]} was changed"
    package = f"{_packages(folder).relative_to(folder).as_posix()}/"
    installed = {name.removeprefix(package): digest for name, digest in found.items() if "__pycache__" not in name}
    ours = {name.removeprefix("platforms/"): name for name in sources if name.startswith(_PACKAGES)}
    if other := sorted(name for name in ours if installed.get(name) != sources[ours[name]]):
        return f"{other[0]} is not the checkout's"
    return ""


def _contents(folder: Path) -> dict[str, str]:
    """The digest of every file below `folder` and the target of every link, but for the list of them itself."""
    found = {}
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if name != _CONTENTS:
            found[name] = f"link to {path.readlink()}" if path.is_symlink() else _digest(path)
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (path for name in (*folders, *files) if (path := Path(parent, name)).is_symlink() or name in files)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _python(folder: Path) -> Path:
    return folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _packages(folder: Path) -> Path:
    base = str(folder / "venv")
    return Path(sysconfig.get_path("purelib", "venv", {"base": base, "platbase": base}))


def _install(folder: Path, sources: Mapping[str, str], env: Mapping[str, str]) -> None:
    """Make the installation aside, try it, and put it in place."""
    _remove_abandoned(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent, ignore_cleanup_errors=True) as aside:
        made = Path(aside, "made")
        _make(made, {name: value for name, value in env.items() if _FOR_PIP.fullmatch(name)})
        (made / _CONTENTS).write_text(json.dumps(_contents(made)), encoding="utf-8")
        if flaw := _flaw(made, sources):
            raise Failure(f"what was installed is not what was to be: {flaw}", hint="look for what changes it")
        _put(made, folder, sources)


def _remove_abandoned(cache: Path) -> None:
    for path in cache.glob(".*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(path)


def _make(folder: Path, env: Mapping[str, str]) -> None:
    """A virtual environment with exactly what the lock names, and ciplug built from the checkout.

    Wheels only: what builds a source distribution is in no lock.
    """
    _run(
        [sys.executable, "-Im", "venv", str(folder / "venv")],
        env,
        failure="no virtual environment could be made",
        hint='install what this Python lacks (Debian: python3-venv), or put "uses: actions/setup-python" before it',
    )
    pip = [str(_python(folder)), "-Im", "pip", "--no-input", "--disable-pip-version-check", "install"]
    _run(
        [*pip, "--require-hashes", "--only-binary=:all:", "-r", str(LOCK)],
        env,
        failure="pip could not install what ciplug needs",
        hint="let the runner reach a package index (PIP_INDEX_URL may name a mirror), then run the job again",
    )
    if strange := _not_in_lock(folder):  # pip's configuration can name more to install; before any of it can run
        raise Failure(f"pip installed what no lock names: {strange}", hint="look into the runner's pip configuration")
    ours = "ciplug could not be installed from the checkout of the action"
    hint = "refer to a released version of the action; if this is one, report it"
    _run([*pip, "--no-index", "--no-deps", "--no-build-isolation", str(SOURCES)], env, failure=ours, hint=hint)
    _run([str(_python(folder)), _FLAGS, "-m", "ciplug", "--version"], env, failure=ours, hint=hint)


def _not_in_lock(folder: Path) -> str:
    """What a new environment holds beside the locked distributions and its own installer; empty for nothing."""
    named = re.findall(r"^([\w.-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    known, packages = {_normal(name) for name in (*named, "pip", "setuptools")}, _packages(folder)
    found = [path.name for path in packages.glob("*.dist-info") if _normal(path.name.partition("-")[0]) not in known]
    found += [path.name for path in packages.glob("*.pth") if path.name != "distutils-precedence.pth"]
    return ", ".join(sorted(found))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(command: Sequence[str], env: Mapping[str, str], *, failure: str, hint: str) -> None:
    """Run to the end; what it prints is shown only if it fails. What interrupts it ends all that it has started."""
    try:
        with subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # venv and pip have processes of their own, which would go on writing
        ) as process:
            try:
                output, _ = process.communicate()
            except BaseException:
                _end(process)
                raise
    except OSError as err:
        raise Failure(f"{failure}: {command[0]}: {err.strerror}", hint=hint) from err
    if process.returncode:
        sys.stderr.buffer.write(output)
        sys.stderr.flush()
        raise Failure(f"{failure} (exit status {process.returncode}, output above)", hint=hint)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it with its group, and return once none of them holds its output any more."""
    if os.name == "nt":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_ENDING)


def _put(made: Path, folder: Path, sources: Mapping[str, str]) -> None:
    """Rename `made` to `folder`, unless another runner was faster and its installation is sound."""
    for turn in range(3):
        try:
            made.rename(folder)
            return
        except OSError as err:
            if not folder.is_dir():
                raise Failure(f"{folder} cannot be written: {err.strerror}", hint="mend the runner's disk") from err
        if not _flaw(folder, sources):
            return
        with suppress(FileNotFoundError):  # another runner found the same
            folder.rename(made.with_name(f"flawed-{turn}"))
    raise Failure(f"{folder} is changed again and again", hint="look for what writes there")
