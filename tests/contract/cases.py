"""One behaviour on every CI host: the cases, and what has to be true after each, whichever host ran it.

A script leaves what it saw in the folder of evidence, as digests; the log is for what anyone can read. The cases are
run by ``tests/e2e/test_one_behaviour.py``, by each host's real emulator against one real vault.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from tests.contract.pipelines import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.contract.pipelines import Ran

_JOB: Final = """
[secrets.PROBE]
ref = "probe#value"
{options}

[jobs.probe]
environment = "dev"
secrets = ["DATABASE_URL", "PROBE"]
"""

UNREACHABLE: Final = {"VAULT_ADDR": "http://127.0.0.1:9", "CIPLUG_DEADLINE": "1"}
"""The discard port: nothing listens there, and a connection is refused at once."""


class Project(Protocol):
    """What the cases need of the project ``acme/shop``: its values in the vault, by environment, and its manifest."""

    @property
    def values(self) -> Mapping[str, Mapping[str, str]]: ...

    def put(self, path: str, data: Mapping[str, object]) -> int: ...

    def append(self, toml: str) -> None: ...


@dataclass
class Scene:
    """A project in the vault, a folder for what scripts saw, and what no log may show beside the project's values."""

    project: Project
    evidence: Path
    private: list[bytes] = field(default_factory=list)

    def probe(self, value: bytes, options: str = "") -> bytes:
        """Put `value` into the vault as ``PROBE``, granted to the job ``probe``; text, unless `options` decode it."""
        self.project.put("app/dev/probe", {"value": value.decode()})
        self.project.append(_JOB.format(options=options))
        self.private.append(value)
        return value

    def saw(self, name: str) -> str | None:
        """What a script left under `name`; ``None`` if it did not get there."""
        path = self.evidence / name
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    def digest_of(self, variable: str, name: str) -> str:
        """A script line that leaves the digest of `variable`."""
        return f'printf %s "${variable}" | sha256sum | cut -d" " -f1 >"{self.evidence}/{name}"'

    def mark(self, name: str) -> str:
        """A script line that leaves nothing but that it was reached."""
        return f'echo yes >"{self.evidence}/{name}"'


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is prepared and run, how the job must end, which words its log must have, and what else must hold.

    A `leased` one needs the project's database engine.
    """

    pipeline: Callable[[Scene], Pipeline]
    ok: bool
    leased: bool = False
    says: tuple[str, ...] = ()
    then: Callable[[Scene, Ran], None] = lambda _scene, _ran: None


def digest(value: str | bytes) -> str:
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def _granted(scene: Scene) -> Pipeline:
    steps = (scene.digest_of("DATABASE_URL", "first"), scene.digest_of("NPM_TOKEN", "second"))
    return Pipeline(job="test", steps=(*steps, f'echo "${{STRIPE_SECRET_KEY-none}}" >"{scene.evidence}/ungranted"'))


def _granted_then(scene: Scene, _ran: Ran) -> None:
    values = scene.project.values["dev"]
    assert scene.saw("first") == digest(values["DATABASE_URL"])
    assert scene.saw("second") == digest(values["NPM_TOKEN"])
    assert scene.saw("ungranted") == "none"


def _in_a_locked_workspace(scene: Scene) -> Pipeline:
    """What ciplug has to keep or to hand over is never in the checkout."""
    return replace(_granted(scene), read_only=True)


def _refused(**changes: object) -> Callable[[Scene], Pipeline]:
    """A job that fails before it has any secret: its step must not run, and what runs afterwards must not have one."""

    def pipeline(scene: Scene) -> Pipeline:
        after = f'echo "${{DATABASE_URL-none}} ${{NPM_TOKEN-none}}" >"{scene.evidence}/after"'
        return Pipeline(**({"job": "test", "steps": (scene.mark("ran"),), "after": after} | changes))  # type: ignore[arg-type]  # the case's own

    return pipeline


def _refused_then(scene: Scene, _ran: Ran) -> None:
    assert scene.saw("ran") is None
    assert scene.saw("after") == "none none"


def _missing(scene: Scene) -> Pipeline:
    scene.project.append(_JOB.format(options=""))
    return _refused(job="probe")(scene)


def _printed(value: bytes, *commands: str) -> Callable[[Scene], Pipeline]:
    """A job that is handed `value`, and whose script prints it by each of `commands`."""

    def pipeline(scene: Scene) -> Pipeline:
        scene.probe(value)
        return Pipeline(job="probe", steps=(scene.digest_of("PROBE", "probe"), *commands, scene.mark("end")))

    return pipeline


def _printed_then(value: bytes) -> Callable[[Scene, Ran], None]:
    def then(scene: Scene, _ran: Ran) -> None:
        assert scene.saw("probe") == digest(value)
        assert scene.saw("end") == "yes"

    return then


def _prints(value: bytes, *commands: str, says: tuple[str, ...]) -> Case:
    """Each of `says` has the mask and the words around it: what is hidden must be missing, and nothing else."""
    return Case(pipeline=_printed(value, *commands), ok=True, says=says, then=_printed_then(value))


def _file(scene: Scene) -> Pipeline:
    scene.probe(b'{"private_key": "not for the log"}\nsecond line', 'as = "file"')
    look = (
        f'sha256sum <"$PROBE" | cut -d" " -f1 >"{scene.evidence}/content"',
        f'stat -c %a "$PROBE" >"{scene.evidence}/mode"',
        f'echo "$PROBE" >"{scene.evidence}/path"',
        'printf "content: "',
        'cat "$PROBE"',
    )
    return Pipeline(job="probe", steps=("\n".join(look),))


def _file_then(scene: Scene, _ran: Ran) -> None:
    path = scene.saw("path")
    assert scene.saw("content") == digest(scene.private[0])
    assert scene.saw("mode") == "600"
    assert path
    assert not scene.evidence.joinpath(path).exists()


def _fails(command: str) -> Callable[[Scene], Pipeline]:
    def pipeline(scene: Scene) -> Pipeline:
        return Pipeline(job="test", steps=(f'echo "last words $DATABASE_URL"\n{command}', scene.mark("ran")))

    return pipeline


def _fails_then(scene: Scene, ran: Ran) -> None:
    assert scene.saw("ran") is None
    assert b"last words ***" in ran.log


def _leased(scene: Scene) -> Pipeline:
    keep = "\n".join(f'printf %s "${name}" >"{scene.evidence}/{name}"' for name in ("PG_USER", "PG_PASSWORD"))
    return Pipeline(job="migrate", steps=(f'{keep}\necho "as $PG_USER with $PG_PASSWORD"',))


def _leased_then(scene: Scene, _ran: Ran) -> None:
    user, password = scene.saw("PG_USER"), scene.saw("PG_PASSWORD")
    assert user
    assert password
    scene.private += [user.encode(), password.encode()]


def _cancelled(scene: Scene) -> Pipeline:
    wait = f'{scene.mark("started")}\necho "working with $PG_PASSWORD"\nsleep 60\n{scene.mark("survived")}'
    return Pipeline(job="migrate", steps=(wait,), cancel_at=scene.evidence / "started")


def _cancelled_then(scene: Scene, _ran: Ran) -> None:
    assert scene.saw("started") == "yes"
    assert scene.saw("survived") is None


_WORD: Final = b"correct-horse-battery-staple"
_LINES: Final = b"-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nSecondLineOfTheKey9\n}\n-----END KEY-----\n"
_HOSTILE: Final = b"a%0Ab%25'\"$HOME`id`\\ ::add-mask::x ##[error]y ::stop-commands::z"
_LEAKS: Final = {
    'echo "on stdout: $PROBE."': "on stdout: ***.",
    'echo "on stderr: $PROBE." >&2': "on stderr: ***.",
    'echo "as base64: $(printf "user:%s" "$PROBE" | base64)"': "as base64: dXNlcjp***",
    'echo "and a line end: $(echo "$PROBE" | base64)"': "and a line end: ***",
    (
        'printf "in pieces: "; printf %s "$PROBE" | sed "s/./&\\n/g" |'
        ' while IFS= read -r letter; do printf %s "$letter"; done; echo " end"'
    ): "in pieces: *** end",
}
"""Ways to print the secret, and what the log has instead."""

CASES: Final[Mapping[str, Case]] = {
    "granted": Case(pipeline=_granted, ok=True, then=_granted_then),
    "missing secret": Case(pipeline=_missing, ok=False, says=("missing: PROBE",), then=_refused_then),
    "denied": Case(pipeline=_refused(stranger=True), ok=False, says=("login-rejected: ",), then=_refused_then),
    "vault down": Case(pipeline=_refused(env=UNREACHABLE), ok=False, says=("unreachable: ",), then=_refused_then),
    "no identity": Case(pipeline=_refused(token=False), ok=False, says=("no identity token",), then=_refused_then),
    "unknown job": Case(pipeline=_refused(job="tets"), ok=False, says=("has no job",), then=_refused_then),
    "manifest missing": Case(
        pipeline=_refused(manifest=False),
        ok=False,
        says=("there is no such file", "CIPLUG_MANIFEST"),
        then=_refused_then,
    ),
    "read-only workspace": Case(pipeline=_in_a_locked_workspace, ok=True, then=_granted_then),
    "multi-line value": _prints(
        _LINES, 'echo "lines: $PROBE"\necho "then: $DATABASE_URL."', says=("lines: ***", "then: ***.")
    ),
    "short value": _prints(b"abc", "true", says=("too short to be hidden", "PROBE")),
    "hostile value": _prints(_HOSTILE, 'printf "hostile: %s.\\n" "$PROBE"', says=("hostile: ***.",)),
    "file secret": Case(pipeline=_file, ok=True, says=("content: ***",), then=_file_then),
    "leaked in every way": _prints(_WORD, *_LEAKS, says=tuple(_LEAKS.values())),
    "script fails": Case(pipeline=_fails("exit 3"), ok=False, then=_fails_then),
    "script killed": Case(pipeline=_fails("sh -c 'kill -9 $$'"), ok=False, then=_fails_then),
    "leased secret": Case(pipeline=_leased, ok=True, leased=True, says=("as *** with ***",), then=_leased_then),
    "cancelled": Case(pipeline=_cancelled, ok=False, leased=True, says=("working with ***",), then=_cancelled_then),
}
"""Every case by its name. `private` of the scene and the project's values must not be readable in any log."""
