"""The values that travel through the pipeline: immutable, valid once built, and silent about their content."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, NoReturn, final

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Engine = Literal["kv2", "kv1", "other"]
"""How a record is read: KV v2 (`data/` route, versions), KV v1, or any other engine by a plain GET with a lease."""

DeploymentState = Literal["waiting", "building", "ready", "failed"]
"""How a deployment stands; the last two are its end. Words of a platform's that are not known are steps: building."""


@final
class Secret:
    """Bytes that must not be seen, with ``reveal()`` as the one way out.

    It cannot be printed, hashed, copied, pickled or serialised, and compares in constant time.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        """Hold `value`; text is kept as UTF-8 (``UnicodeEncodeError`` for lone surrogates)."""
        if not isinstance(value, bytes | str):
            # ``bytes`` would turn a number into that many NUL bytes.
            raise TypeError("a Secret is made of bytes or text")
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves. Only the modules named in the architecture test may call this."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(****)"

    def __format__(self, spec: str) -> str:
        return "Secret(****)"

    def __eq__(self, other: object) -> bool:
        from hmac import compare_digest  # here, because it loads OpenSSL's hashes and few commands compare

        return isinstance(other, Secret) and compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a secret must never be a dictionary key

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Secret can be neither copied nor pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret can be neither copied nor pickled")


@frozen
class Record:
    """Where one record lives in the vault. `path` is relative to `mount`; `version` is a KV v2 pin."""

    mount: str
    path: str
    engine: Engine
    version: int | None = None

    def __str__(self) -> str:
        pin = f"@{self.version}" if self.version is not None else ""
        return f"{self.mount}/{self.path}{pin}"


@frozen
class Grant:
    """One secret a job is granted: which variable, from which field of which record, and how it is handed over.

    `pointer` holds the keys from the record's data down to the value: one for ``#url``, several for ``#/a/b``.
    """

    name: str
    record: Record
    pointer: tuple[str, ...]
    as_file: bool = False
    base64: bool = False
    optional: bool = False
    owner: str = ""


@frozen
class Lease:
    """A dynamic secret's lease as the vault returned it; `seconds` is its life from the read."""

    id: str
    seconds: int
    renewable: bool


@frozen
class Contents:
    """What one record held when it was read. `data` is left out of every representation."""

    data: Mapping[str, Any] = field(repr=False)
    request_id: str
    version: int | None = None
    lease: Lease | None = None


@frozen
class IdToken:
    """An OIDC token from a CI host, with its unverified payload (the vault verifies; ciplug only explains)."""

    token: Secret
    claims: Mapping[str, Any] = field(repr=False)
    source: str


@frozen
class VaultToken:
    """A vault token that a person already holds. It is not ciplug's: it is never revoked here."""

    token: Secret
    source: str


@frozen
class Endpoint:
    """Where an adapter's requests go: `base`, an origin. `label` names the platform in messages.

    The token is sent as `header`, behind `scheme`. `reset` finds in the JSON of a 429 when to come back, in seconds or
    epoch seconds, where only this platform's own form says so.
    """

    label: str
    base: str
    header: str = "Authorization"
    scheme: str = "Bearer "
    reset: Callable[[Any], float | None] | None = None


@frozen
class Reply:
    """An answer: its status, its headers by lower-case name, and its JSON (``None`` for an empty body)."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    document: Any = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300


@frozen
class Variable:
    """One variable as a deploy platform holds it at one target.

    `value` is ``None`` where the platform did not give it; `readable`: it would, if asked for this one alone. `stamp`
    is the platform's own mark of the last change, empty where it has none. `reserved` says why it must be left alone
    (an integration made it), `misfit` why its value cannot be changed in place (its type, other targets that share it).
    """

    name: str
    id: str = ""
    value: Secret | None = None
    readable: bool = False
    stamp: str = ""
    reserved: str = ""
    misfit: str = ""


@frozen
class Batch:
    """What is to be done at one target at once: `held` is all it has, as it was read right before.

    `writes` create or change values; of those, the ones named in `replaced` have to be deleted first. `deletes` are
    owned variables that go. Nothing else may change.
    """

    held: tuple[Variable, ...]
    writes: Mapping[str, Secret]
    replaced: frozenset[str] = frozenset()
    deletes: tuple[Variable, ...] = ()


@frozen
class Result:
    """How one variable of a batch fared; `problem` is empty when it is as it was to be.

    `seen` is what the platform's own answer shows of it afterwards, and `gone` that the answer shows it is no longer
    there: then it is not read again.
    """

    name: str
    problem: str = ""
    seen: Variable | None = None
    gone: bool = False


@frozen
class Deployment:
    """How a redeploy stands. `detail` is the platform's own word for it, `address` where it will be seen."""

    state: DeploymentState
    detail: str = ""
    address: str = ""


Identity = IdToken | VaultToken
"""What a login starts from."""


@frozen
class Delivered:
    """One secret in hand, ready to be masked and handed over."""

    grant: Grant
    value: Secret
    version: int | None = None


def is_text(value: bytes) -> bool:
    """Whether `value` is UTF-8."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
