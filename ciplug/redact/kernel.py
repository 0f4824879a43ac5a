"""Where the forms of secrets stand in some bytes: the one small interface that a faster search can replace."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from ciplug.redact.forms import Form
from ciplug.redact.literals import Literals, Span
from ciplug.redact.openings import Openings
from ciplug.redact.wrapping import last_stretch, stretches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TELLING = 8
"""Bytes. So much of a form is never written in the clear because a stream is silent, nor is half of a shorter form."""


class Candidate(NamedTuple):
    """Data that ends in the beginning of a form.

    `hold` is the offset from which on nothing can be decided; it may be the data's end. `context` is where the form
    begins: before `hold` where a line break follows so few characters that they are not waited for. `end` is the
    offset behind its last byte: before the data's end where line ends follow. `matched` counts the form's bytes that
    are there, `shortest` is the length of the shortest form they may become.
    """

    hold: int
    context: int
    end: int
    matched: int
    shortest: int
    form: Form

    @property
    def telling(self) -> bool:
        """Whether what is there already tells too much of the secret: 8 bytes, or half of the form."""
        return self.matched >= min(TELLING, (self.shortest + 1) // 2)


class Kernel(Protocol):
    """A search for a fixed set of forms."""

    def spans(self, data: bytes) -> list[Span]:
        """The union of all occurrences of all forms, sorted; what overlaps is one span, what only touches is not.

        A form that wraps is found whatever CR and LF lie inside it (up to 8 in a row). Where such a line break comes
        within its first 3 characters, the span begins behind the break.
        """

    def candidates(self, data: bytes) -> list[Candidate]:
        """The beginnings of forms in which `data` ends, by `hold`; of those of 8 bytes and more the first is enough."""


class LiteralKernel:
    """A ``Kernel`` of ``bytes.find`` and dictionary look-ups. Immutable; may be shared between streams."""

    def __init__(self, forms: Iterable[Form]) -> None:
        chosen = tuple(forms)
        literal = [form.text for form in chosen if not form.wraps]
        wrapped = [form.text for form in chosen if form.wraps]
        self._literals, self._openings = Literals(literal), Openings(literal)
        self._wrapped_literals, self._wrapped_openings = Literals(wrapped), Openings(wrapped)
        self._any, self._wraps = bool(chosen), bool(wrapped)

    def spans(self, data: bytes) -> list[Span]:
        """As ``Kernel.spans``."""
        if not self._any:
            return []
        found = list(self._literals.occurrences(data))
        if self._wraps:
            found += self._wrapped_spans(data)
        return merged(found)

    def _wrapped_spans(self, data: bytes) -> Iterator[Span]:
        for offset, joined in stretches(data):
            for start, end in self._wrapped_literals.occurrences(joined.text):
                yield offset + joined.strong(start, end - start), offset + joined.end(end)

    def candidates(self, data: bytes) -> list[Candidate]:
        """As ``Kernel.candidates``."""
        if not self._any:
            return []
        found = [
            Candidate(start, start, len(data), len(data) - start, shortest, Form(text))
            for start, shortest, text in self._openings.at_end(data)
        ]
        if self._wraps:
            found += self._wrapped_candidates(data)
        return sorted(found, key=lambda candidate: candidate.hold)

    def _wrapped_candidates(self, data: bytes) -> Iterator[Candidate]:
        offset, joined = last_stretch(data)
        for start, shortest, text in self._wrapped_openings.at_end(joined.text):
            matched = len(joined.text) - start
            hold = offset + joined.strong(start, matched)
            context, end = offset + joined.offset(start), offset + joined.end(len(joined.text))
            yield Candidate(hold, context, end, matched, shortest, Form(text, wraps=True))


def merged(spans: Iterable[Span]) -> list[Span]:
    """`spans` sorted, with those that overlap made one."""
    union: list[Span] = []
    for start, end in sorted(spans):
        if union and start < union[-1][1]:
            union[-1] = union[-1][0], max(end, union[-1][1])
        else:
            union.append((start, end))
    return union


def reach(data: bytes, start: int, form: Form) -> tuple[int, bool]:
    """The offset behind the last byte of `data` that follows `form` from `start` on, and whether the next one may."""
    if not form.wraps:
        count = _common(data[start:], form.text)
        return start + count, start + count == len(data) and count < len(form.text)
    (_, joined), *beyond = stretches(data[start:])
    count = _common(joined.text, form.text)
    return start + joined.end(count), count == len(joined.text) < len(form.text) and not beyond


def _common(data: bytes, text: bytes) -> int:
    low, high = 0, min(len(data), len(text))
    while low < high:
        middle = (low + high + 1) // 2
        if data[low:middle] == text[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
