"""What Vercel demands of a variable beyond its schema: names, environments, types, sizes, and no second one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.standins.vercel.refused import RefusedError

if TYPE_CHECKING:
    from ciplug.standins.vercel.account import Account
    from ciplug.standins.vercel.state import Project, Variable

_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_KEY: Final = 256
_MOST_BYTES: Final = 64 * 1024

RESERVED: Final = frozenset(
    {
        "AWS_SECRET_KEY",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "NOW_REGION",
        "TZ",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)
"""https://vercel.com/docs/environment-variables/reserved-environment-variables"""


def enforce(account: Account, project: Project, variable: Variable) -> None:
    """Refuse `variable`, new or changed, if `project` cannot have it."""
    if variable.key in account.refusals:
        code, message = account.refusals[variable.key]
        raise RefusedError(code, message, envVarKey=variable.key)
    _name(variable.key)
    _environments(account, project, variable)
    _size(project, variable)


def conflict(variable: Variable, rival: Variable, project: Project) -> RefusedError:
    """The refusal of a variable that `rival` is in the way of."""
    branch: dict[str, Any] = {} if rival.git_branch is None else {"gitBranch": rival.git_branch}
    message = f"another environment variable named {variable.key} is in one of these environments"
    details = {"envVarId": rival.id, "target": list(rival.target), "project": project.id} | branch
    return RefusedError("ENV_CONFLICT", message, envVarKey=variable.key, **details)


def unless_owned(variable: Variable) -> None:
    """Refuse to touch what an integration has made."""
    if variable.configuration_id is not None:
        raise RefusedError("FORBIDDEN", f"an integration manages {variable.key}", status=403, envVarKey=variable.key)


def _name(key: str) -> None:
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise RefusedError("KEY_INVALID_LENGTH", "the name is empty or too long", key=key)
    if _KEY.fullmatch(key) is None:
        raise RefusedError("KEY_INVALID_CHARACTERS", "a name has letters, digits and underscores only", key=key)
    if key in RESERVED:
        raise RefusedError("RESERVED_ENV_VARIABLE", f"the name {key} is reserved", key=key)


def _environments(account: Account, project: Project, variable: Variable) -> None:
    if not variable.places():
        raise RefusedError("MISSING_TARGET", "no environment is named")
    if not project.environments.keys() >= set(variable.custom_environments):
        raise RefusedError("ID_NOT_FOUND", "the project has no such custom environment")
    if variable.git_branch is not None and variable.places() != {"preview"}:
        raise RefusedError("BAD_REQUEST", "only a preview variable can have a branch")
    if variable.type == "sensitive" and "development" in variable.target:
        raise RefusedError("BAD_REQUEST", "a sensitive variable cannot be in development")
    if account.sensitive_only and "development" in variable.target and len(variable.places()) > 1:
        raise RefusedError("BAD_REQUEST", "the team's policy keeps development apart")
    if variable.type == "system" and variable.value:
        raise RefusedError("SYSTEM_ENV_WITH_VALUE", "a system variable has no value of its own")


def _size(project: Project, variable: Variable) -> None:
    if _bytes(variable.key, variable.value) > _MOST_BYTES:
        raise RefusedError("VALUE_INVALID_LENGTH", f"{variable.key} is larger than 64 KB")
    branches = {each.git_branch for each in project.variables.values()} | {None}
    for branch in branches if variable.git_branch is None else {variable.git_branch}:
        for place in variable.places():
            whole = project.environment(place, branch, but=variable.id) | {variable.key: variable.value}
            if sum(_bytes(key, value) for key, value in whole.items()) > _MOST_BYTES:
                raise RefusedError("BAD_REQUEST", "the variables of an environment would be larger than 64 KB")


def _bytes(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())
