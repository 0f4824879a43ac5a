"""How GitLab's runner runs a job's script in a POSIX shell: the text it makes of it, and the shell it hands that to.

Source: ``shells/bash.go`` and ``shells/abstract.go`` of gitlab-runner 18. The runner quotes with bash's ``$'…'`` in
bash, and as POSIX has it elsewhere; here it is always the latter. The items of ``before_script`` and ``script`` are
one text, evaluated in a subshell that reads nothing; ``after_script`` is a second such text in a new shell.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SHELLS: Final[Mapping[str, tuple[str, ...]]] = {
    "dash": ("dash",),
    "busybox-ash": ("busybox", "ash"),
    "bash": ("bash",),
    "bash-posix": ("bash", "--posix"),
}
"""Command lines by name; the runner takes the first bash it finds in the image, then ``sh``."""


def rendered(items: Sequence[str], *, trace: bool = False) -> str:
    """The runner's script for one stage of the job; `trace` is ``CI_DEBUG_TRACE``."""
    body = "".join(_item(item.strip()) for item in items)
    return (
        "trap exit 1 TERM\n\n"
        + ("set -o xtrace\n" if trace else "")
        + "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\n"
        + "set +o noclobber\n"
        + f": | eval {shlex.quote(body)}\n"
        + "exit 0\n"
    )


def run(
    shell: str, items: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float = 20
) -> subprocess.CompletedProcess[bytes]:
    """One stage of a job, its script on the shell's stdin as in a container, with `env` as its whole environment.

    ``subprocess.TimeoutExpired`` when the job's output is not at its end after `timeout` seconds; its processes are
    killed then.
    """
    command = SHELLS[shell]
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is missing: install Debian's package of that name")
    script = rendered(items, trace=env.get("CI_DEBUG_TRACE") == "true")
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(script.encode(), timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


class TemplateLoader(yaml.SafeLoader):
    """YAML with GitLab's ``!reference [job, key]``, which stays a tuple."""


TemplateLoader.add_constructor("!reference", lambda loader, node: tuple(loader.construct_sequence(node)))


def read_template(path: Path, **inputs: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A template's ``spec:inputs`` and its jobs, with `inputs` put in: as text, which is how GitLab does it."""
    header, _, body = path.read_text(encoding="utf-8").partition("\n---\n")
    spec = yaml.load(header, TemplateLoader)["spec"]["inputs"]

    def value(block: re.Match[str]) -> str:
        default = spec[block[1]].get("default")
        found = inputs.get(block[1], default)
        assert found is not None, f"the input {block[1]} is required"
        return str(found).lower() if isinstance(found, bool) else str(found)

    return spec, yaml.load(re.sub(r"\$\[\[ inputs\.(\w+) \]\]", value, body), TemplateLoader)


def items_of(jobs: Mapping[str, Any], job: str, key: str) -> list[str]:
    """The items under `key` of a job, those of a job it ``extends`` if it has none, with references put in."""
    mine = jobs[job]
    if key not in mine:
        return items_of(jobs, mine["extends"], key) if "extends" in mine else []
    found: list[str] = []
    for item in mine[key]:
        found += [item] if isinstance(item, str) else items_of(jobs, *item)
    return found


def variables_of(jobs: Mapping[str, Any], job: str) -> dict[str, str]:
    """The variables of a job, on top of those of a job it ``extends``."""
    inherited = variables_of(jobs, jobs[job]["extends"]) if "extends" in jobs[job] else {}
    return inherited | jobs[job].get("variables", {})


def _item(text: str) -> str:
    """The runner says what it runs; of an item of several lines, the first."""
    first, several, _ = text.partition("\n")
    said = f"\x1b[32;1m$ {first}{' # collapsed multi-line command' if several else ''}\x1b[0;m"
    return f"echo {shlex.quote(said)}\n{text}\n"
