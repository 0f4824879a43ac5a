"""A request that Vercel refuses, and the JSON in which it says so."""

from __future__ import annotations

import json
from typing import Any, Final

from ciplug.standins.loopback import Answer

_BAD_REQUEST: Final = 400


class RefusedError(Exception):
    """The vendor's `status`, `code` and message; `details` are further fields of its error object.

    The message never holds a value.
    """

    def __init__(self, code: str, message: str, *, status: int = _BAD_REQUEST, **details: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details

    def error(self) -> dict[str, Any]:
        """The error object."""
        return {"code": self.code, "message": str(self)} | self.details

    def answer(self, **beside: object) -> Answer:
        """The whole answer, with `beside` next to the error."""
        return as_json({"error": self.error()} | beside, status=self.status)


def as_json(document: object, *, status: int = 200) -> Answer:
    """An answer of JSON."""
    return Answer(status=status, body=json.dumps(document).encode(), content_type="application/json; charset=utf-8")
