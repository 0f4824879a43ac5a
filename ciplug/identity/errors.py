"""Errors of identity that somebody acts on differently."""

from __future__ import annotations

from ciplug.errors import IdentityError


class UnrequestedError(IdentityError):
    """The host gives the job no ID token, as it does where the job's definition does not ask for one."""


class PullRequestTargetError(IdentityError):
    """The job runs on ``pull_request_target``, and its environment's ``only_if`` does not name that event."""
