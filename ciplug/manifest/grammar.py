"""The spelling of what a manifest's strings name. Each check gives back what is wrong, or ``None``.

No message repeats the text that was checked.
"""

from __future__ import annotations

from typing import Final

FORBIDDEN: Final = frozenset('?#%*+\\"{}')
"""Refused in every vault path: they mean something in a URL, in a policy's glob, or in a policy's template."""

RESERVED_SEGMENT: Final = ".ciplug"
"""Where ciplug keeps its own ledgers, below an environment's path."""

VAULT_MOUNTS: Final = ("sys", "auth", "cubbyhole", "identity")
"""Mounts that every vault keeps for itself."""

LONGEST_NAME: Final = 64
LONGEST_JOB: Final = 255
"""Characters; GitLab's own limit for the name of a job. GitHub's matrix jobs have long names as well."""

LONGEST_PERIOD: Final = 5
"""Digits of a period's number."""

LONGEST_TTL: Final = 86400
"""Seconds. GitHub ends a job on its own machines after six hours; a day is for the longest on anybody else's."""

ENVIRONMENT: Final = "{environment}"
"""Stands in a job's role for the environment that was chosen."""

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def path_problem(text: str) -> str | None:
    """A path in the vault: segments joined by ``/``, none of them empty or able to lead elsewhere."""
    if text.startswith("/") or text.endswith("/"):
        return "must not begin or end with /"
    segments = text.split("/")
    if "" in segments:
        return "must not be empty or hold an empty segment"
    if "." in segments or ".." in segments:
        return "must not hold the segments . or .."
    if RESERVED_SEGMENT in segments:
        return f"must not hold {RESERVED_SEGMENT}: ciplug keeps its ledgers there"
    return character_problem(text, FORBIDDEN)


def character_problem(text: str, forbidden: frozenset[str]) -> str | None:
    """Blanks, control characters, invisible characters and those in `forbidden`."""
    if text.isprintable() and " " not in text and forbidden.isdisjoint(text):
        return None
    bad = next(char for char in text if char == " " or not char.isprintable() or char in forbidden)
    if bad in forbidden:
        return f"must not hold {bad}"
    return "must not hold invisible characters" if bad > "\x7f" else "must not hold blanks or control characters"


def mount_problem(text: str) -> str | None:
    """The path of the KV engine: any path but those the vault keeps for itself."""
    if text.partition("/")[0] in VAULT_MOUNTS:
        return f"must not be one of the vault's own mounts: {', '.join(VAULT_MOUNTS)}"
    return path_problem(text)


def auth_mount_problem(text: str) -> str | None:
    """The path of the JWT auth method, as ``vault auth enable -path=`` takes it."""
    if text == "auth" or text.startswith("auth/"):
        return "must be written without the leading auth/"
    return path_problem(text)


def role_template_problem(text: str) -> str | None:
    """A job's role, in which `ENVIRONMENT` may stand for the name of the environment."""
    return role_problem(text.replace(ENVIRONMENT, "e"))


def label_problem(text: str) -> str | None:
    """The name of an environment, a target or a platform."""
    if len(text) > LONGEST_NAME:
        return f"must be at most {LONGEST_NAME} characters long"
    if not text[:1].isalnum() or not _is_plain(text):
        return "must be letters, digits, dots, dashes and underscores, and begin with a letter or a digit"
    return None


def role_problem(text: str) -> str | None:
    r"""A role's name, or a part of one: what Vault's own pattern for role names takes, ``\w(([\w-.]+)?\w)?``.

    Source: https://github.com/hashicorp/vault/blob/main/sdk/framework/path.go (``GenericNameRegex``).
    """
    if not text or not _is_plain(text) or text[0] in ".-" or text[-1] in ".-":
        return "must be letters, digits, dots, dashes and underscores, with no dot or dash at either end"
    return None


def job_problem(text: str) -> str | None:
    """The name of a job as its CI host has it: ``test (3.12)``, ``build:linux``."""
    if not text or len(text) > LONGEST_JOB:
        return f"must be 1 to {LONGEST_JOB} characters long"
    if text != text.strip(" "):
        return "must not begin or end with a blank"
    if '"' in text or "'" in text:
        return "must not hold quotes"
    return line_problem(text)


def line_problem(text: str) -> str | None:
    """One line of text for people."""
    if not text:
        return "must not be empty"
    if text.isprintable():
        return None
    return _unprintable(text)


def prose_problem(text: str) -> str | None:
    """Text for people that may run over lines; nothing in it can steer a terminal."""
    return _unprintable(text.replace("\n", "").replace("\t", ""))


def audience_problem(text: str) -> str | None:
    """The ``aud`` claim that identity tokens are asked for."""
    return character_problem(text, frozenset()) if text else "must not be empty"


def repository_problem(text: str) -> str | None:
    """A GitHub repository, ``owner/repo``."""
    owner, _, repository = text.partition("/")
    if not owner or owner[0] in ".-" or not _is_plain(owner) or not repository or not _is_plain(repository):
        return 'must be "owner/repo"'
    return 'must be "owner/repo"' if repository in (".", "..") else None


def project_path_problem(text: str) -> str | None:
    """A GitLab project, ``group/project`` with any number of subgroups between."""
    parts = text.split("/")
    if len(parts) < 2 or any(not part or part[0] in ".-" or not _is_plain(part) for part in parts):
        return 'must be "group/project", with subgroups between where there are any'
    return None


def jenkins_problem(text: str) -> str | None:
    """The URL of a Jenkins job, as the ``sub`` claim of its tokens spells it."""
    return _url_problem(text, "a Jenkins job")


def issuer_problem(text: str) -> str | None:
    """The ``iss`` claim of a host's identity tokens, in their own spelling."""
    return _url_problem(text, "an issuer")


def period_problem(text: str) -> str | None:
    """A span of time: a whole number of hours, days or weeks."""
    number, unit = text[:-1], text[-1:]
    if unit not in ("h", "d", "w") or not (number.isascii() and number.isdigit()) or number[0] == "0":
        return 'must be a number and h, d or w, as in "90d"'
    return f"must have at most {LONGEST_PERIOD} digits" if len(number) > LONGEST_PERIOD else None


def ttl_problem(text: str) -> str | None:
    """The life of a vault token: a whole number of minutes or hours, as short as a job is."""
    number, unit = text[:-1], text[-1:]
    if unit not in ("m", "h") or not (number.isascii() and number.isdigit()) or number[0] == "0":
        return 'must be a number and m or h, as in "30m"'
    too_long = len(number) > LONGEST_PERIOD or period_seconds(text) > LONGEST_TTL
    return f"must be at most {LONGEST_TTL // 3600}h" if too_long else None


def period_seconds(text: str) -> int:
    """The seconds in a span that `period_problem` or `ttl_problem` finds nothing wrong with."""
    return int(text[:-1]) * _SECONDS[text[-1]]


def _url_problem(text: str, what: str) -> str | None:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("http", "https") or not rest or rest[0] == "/":
        return f"must be the http:// or https:// URL of {what}"
    return character_problem(rest, frozenset('?#@*\\"'))


def _unprintable(text: str) -> str | None:
    if text.isprintable():
        return None
    bad = next(char for char in text if not char.isprintable())
    return "must not hold invisible characters" if bad > "\x7f" else "must not hold control characters"


def _is_plain(text: str) -> bool:
    return text.isascii() and all(char.isalnum() or char in "._-" for char in text)
