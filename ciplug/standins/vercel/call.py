"""One request as the routes see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from ciplug.frozen import frozen
from ciplug.standins.vercel.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.loopback import Request
    from ciplug.standins.vercel.state import Deployment, Variable

_DEFAULT_LIMIT: Final = 20
_MOST: Final = 100
_SCOPE: Final = frozenset({"teamId", "slug"})


@frozen
class Call:
    """A request with its query, each name of which may come once."""

    request: Request
    query: Mapping[str, str]

    def page(self) -> tuple[int, int | None]:
        """How many items are asked for, and before which time in milliseconds."""
        limit = self._number("limit")
        if limit is None:
            limit = _DEFAULT_LIMIT
        if not 1 <= limit <= _MOST:
            raise RefusedError("bad_request", f"`limit` should be from 1 to {_MOST}")
        return limit, self._number("until")

    def _number(self, name: str) -> int | None:
        text = self.query.get(name)
        if text is not None and not (text.isascii() and text.isdigit()):
            raise RefusedError("bad_request", f"`{name}` should be a number")
        return None if text is None else int(text)


def call_of(request: Request, known: frozenset[str]) -> Call:
    """`request` with its query, which may have `known` names and those of the team."""
    pairs = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
    query = dict(pairs)
    unknown = sorted(query.keys() - known - _SCOPE)
    if unknown:
        raise RefusedError("bad_request", f"the query has the unknown name `{unknown[0]}`")
    if len(query) < len(pairs):
        raise RefusedError("bad_request", "the query has a name twice")
    return Call(request=request, query=query)


def paged(items: list[Variable] | list[Deployment], call: Call) -> tuple[list[str], dict[str, int | None]]:
    """The ids of one page of `items`, which are newest first, and Vercel's ``pagination``."""
    limit, until = call.page()
    rest = [each for each in items if until is None or each.created_at < until]
    page = rest[:limit]
    ends = (page[-1].created_at if len(rest) > limit else None, page[0].created_at if page else None)
    return [each.id for each in page], {"count": len(page), "next": ends[0], "prev": ends[1]}
