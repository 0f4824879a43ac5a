"""From a record's contents to the bytes of one secret: the pointer, the type, the encoding."""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import TYPE_CHECKING, Any

from ciplug.errors import CiplugError, HandOverError, MissingError
from ciplug.frozen import frozen
from ciplug.values import Contents, Delivered, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.values import Grant, Record


_INDEX = "0|[1-9][0-9]{0,8}"
"""An array index as JSON pointers have it (RFC 6901 section 4): without leading zeros."""


@frozen
class Absence:
    """That `grant` has no value: its field is not there or empty, or its whole record is away, as `record` says."""

    grant: Grant
    record: MissingError | None = None


class AbsentError(MissingError):
    """Granted secrets are not there: `absences`. `problems` has a text for each, and for whatever else is wrong."""

    def __init__(self, problems: Sequence[str], *, hint: str, absences: Sequence[Absence]) -> None:
        super().__init__("; ".join(problems), hint=hint)
        self.problems = tuple(problems)
        self.absences = tuple(absences)


def collect(grants: Sequence[Grant], contents: Mapping[Record, Contents | MissingError]) -> tuple[Delivered, ...]:
    """Every granted secret, or one error that names all that are missing. Absent optional ones are left out."""
    delivered: list[Delivered] = []
    problems: list[CiplugError] = []
    for grant in grants:
        try:
            delivered.append(_deliver(grant, contents[grant.record]))
        except MissingError as err:
            if not grant.optional:
                problems.append(err)
        except HandOverError as err:
            problems.append(err)
    if not problems:
        return tuple(delivered)
    raise problems[0] if len(problems) == 1 else _of_all(problems)


def _of_all(problems: Sequence[CiplugError]) -> CiplugError:
    """One error for several: of the kind of the first, and with its hint."""
    first, texts = problems[0], [str(problem) for problem in problems]
    if not isinstance(first, AbsentError):
        return type(first)("; ".join(texts), hint=first.hint)
    absences = [absence for problem in problems if isinstance(problem, AbsentError) for absence in problem.absences]
    return AbsentError(texts, hint=first.hint, absences=absences)


def _deliver(grant: Grant, found: Contents | MissingError) -> Delivered:
    if isinstance(found, MissingError):
        owner = f" (owner: {grant.owner})" if grant.owner else ""
        absence = Absence(grant=grant, record=found)
        raise AbsentError([f"{grant.name}: {found}{owner}"], hint=found.hint, absences=[absence]) from found
    text = _text(grant, _walk(grant, found.data))
    return Delivered(grant=grant, value=_secret(grant, text), version=found.version)


def _walk(grant: Grant, data: Any) -> Any:
    for key in grant.pointer:
        if isinstance(data, list) and re.fullmatch(_INDEX, key) and int(key) < len(data):
            data = data[int(key)]
        elif isinstance(data, dict) and key in data:
            data = data[key]
        else:
            problem = f"{grant.name}: {grant.record} has no field {_show(grant.pointer)}{_nearest(key, data)}"
            hint = "write the field, or mend the ref in the manifest"
            raise AbsentError([problem], hint=hint, absences=[Absence(grant=grant)])
    return data


def _nearest(key: str, data: object) -> str:
    """A field of nearly the same name. Names only: they are what the manifest itself is made of."""
    from difflib import get_close_matches

    close = (
        get_close_matches(key, [name for name in data if isinstance(name, str)], n=1) if isinstance(data, dict) else []
    )
    return f" (did you mean {close[0]!r}?)" if close else ""


def _show(pointer: Sequence[str]) -> str:
    return pointer[0] if len(pointer) == 1 else "/" + "/".join(pointer)


def _text(grant: Grant, value: object) -> str:
    """The value as text: strings as they are, everything else as the JSON it is in the vault."""
    if value in (None, "") or (grant.base64 and isinstance(value, str) and value.isspace()):
        problem = f"{grant.name}: field {_show(grant.pointer)} of {grant.record} is empty"
        raise AbsentError([problem], hint="write a value to the field", absences=[Absence(grant=grant)])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _secret(grant: Grant, text: str) -> Secret:
    try:
        return Secret(a2b_base64("".join(text.split()), strict_mode=True) if grant.base64 else text)
    except (Base64Error, UnicodeEncodeError, ValueError):
        # Without its cause: encoding errors carry the text itself.
        what = "base64, as its encoding says" if grant.base64 else "text that UTF-8 can carry"
        raise HandOverError(
            f"{grant.name}: field {_show(grant.pointer)} of {grant.record} is not {what}",
            hint="store the value anew, or mend `encoding` in the manifest",
        ) from None
