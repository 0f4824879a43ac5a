"""Connections: lists that are given out page by page, with cursors."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ciplug.standins.railway.execution import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def connection(items: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The page of `items` that ``first`` and ``after`` among the `arguments` ask for, of at most `most` of them."""
    first = arguments.get("first")
    if first is not None and first < 0:
        raise RefusedError('Argument "first" must be a non-negative integer')
    after = arguments.get("after")
    start = 0 if after is None else _index(items, after) + 1
    end = start + min(most, most if first is None else first)
    edges = [{"cursor": _cursor(item), "node": item} for item in items[start:end]]
    info = {
        "endCursor": edges[-1]["cursor"] if edges else None,
        "hasNextPage": end < len(items),
        "hasPreviousPage": start > 0,
        "startCursor": edges[0]["cursor"] if edges else None,
    }
    return {"edges": edges, "pageInfo": info}


def _cursor(item: Mapping[str, Any]) -> str:
    return base64.b64encode(f"cursor:{item['id']}".encode()).decode()


def _index(items: Sequence[Mapping[str, Any]], cursor: str) -> int:
    for index, item in enumerate(items):
        if _cursor(item) == cursor:
            return index
    raise RefusedError("Invalid cursor")
