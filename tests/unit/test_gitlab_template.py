from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ciplug
from tests.fakes.gitlab_runner import SHELLS, items_of, read_template, run, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Installs = Callable[..., subprocess.CompletedProcess[bytes]]

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "gitlab" / "templates" / "ciplug.yml"
SPEC, JOBS = read_template(TEMPLATE, audience="https://vault.acme.dev")

FAKE_PYTHON = """\
#!/bin/sh
# A python3 whose `-m venv DIR` makes DIR/bin/python, a copy of itself, and which has ciplug once `-m pip` has run.
[ "$1 $3" = "-I ciplug" ] && [ -e "$0.ciplug" ] && echo installed && exit
printf '%s\\n' "$*" >>"$RECORD"
env >>"$RECORD.env"
case "$FAILS" in *"$3"*) echo "no $3 here" >&2; exit 1 ;; esac
case "$3" in
  venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  pip) echo >"$0.ciplug" ;;
esac
"""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def installs(shell: str, tmp_path: Path) -> Installs:
    """The template's before_script, then the given items, where python3 only records what it is told to do."""
    (tmp_path / "bin").mkdir()
    for name in ("cat", "chmod", "cp", "env", "grep", "ls", "ln", "mkdir", "rm", "sed", "sh"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or pytest.fail(f"{name} is missing"))
    (tmp_path / "bin" / "python3").write_text(FAKE_PYTHON, encoding="utf-8")
    (tmp_path / "bin" / "python3").chmod(0o755)
    (tmp_path / "shop").mkdir()
    shells = {name: shutil.which(name) for name in ("dash", "busybox", "bash")}
    for name, found in shells.items():
        (tmp_path / "bin" / name).symlink_to(found or pytest.fail(f"{name} is missing: install its Debian package"))

    def start(
        *script: str, env: Mapping[str, str] | None = None, key: str = "before_script"
    ) -> subprocess.CompletedProcess[bytes]:
        given = {
            "PATH": str(tmp_path / "bin"),
            "CI_PROJECT_DIR": str(tmp_path / "shop"),
            "CI_JOB_ID": "302",
            "VAULT_ID_TOKEN": "eyJ-the-token",
            "RECORD": str(tmp_path / "record"),
            "FAILS": "",
        }
        given |= variables_of(JOBS, ".ciplug") | dict(env or {})
        return run(shell, [*items_of(JOBS, ".ciplug", key), *script], env=given, cwd=tmp_path / "shop")

    return start


def test_every_input_says_what_it_is_for_and_is_used() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert all(len(each["description"]) > 20 for each in SPEC.values())
    assert set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", text)) == set(SPEC)


def test_only_the_audience_must_be_given() -> None:
    assert [name for name, each in SPEC.items() if "default" not in each] == ["audience"]


def test_what_is_installed_by_default_is_this_version() -> None:
    assert SPEC["requirement"]["default"] == f"ciplug=={ciplug.__version__}"


def test_hidden_jobs_are_all_it_defines() -> None:
    assert [name for name in JOBS if not name.startswith(".ciplug")] == []


def test_the_id_token_is_for_the_audience_of_the_input() -> None:
    assert JOBS[".ciplug"]["id_tokens"] == {"VAULT_ID_TOKEN": {"aud": "https://vault.acme.dev"}}


def test_the_filtered_job_has_the_token_the_variables_and_the_backup_of_the_other() -> None:
    assert JOBS[".ciplug-filtered"]["extends"] == ".ciplug"
    assert not {"id_tokens", "variables", "after_script"} & set(JOBS[".ciplug-filtered"])


def test_inputs_reach_ciplug_as_variables() -> None:
    _, jobs = read_template(
        TEMPLATE,
        audience="a",
        job="deploy",
        environment="prod",
        manifest="ci/ciplug.toml",
        requirement="ciplug==9",
        allow_debug_trace="true",
    )
    assert variables_of(jobs, ".ciplug-filtered") == {
        "CIPLUG_JOB": "deploy",
        "CIPLUG_ENV": "prod",
        "CIPLUG_MANIFEST": "ci/ciplug.toml",
        "CIPLUG_REQUIREMENT": "ciplug==9",
        "CIPLUG_ALLOW_DEBUG_TRACE": "true",
    }


def test_every_variable_is_text_as_gitlab_requires() -> None:
    assert {type(value) for value in variables_of(JOBS, ".ciplug").values()} == {str}


def test_nothing_is_an_artifact() -> None:
    assert "artifacts" not in json.dumps(JOBS)


@pytest.mark.parametrize("key", ["before_script", "after_script"])
def test_the_script_lines_are_posix_shell(key: str, tmp_path: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.fail("shellcheck is missing: install Debian's package shellcheck")
    script = "\n".join(items_of(JOBS, ".ciplug-filtered", key))
    done = subprocess.run(
        # SC2086: the name in CIPLUG_ID_TOKEN_VARIABLE is left out where it is empty, which quotes would prevent.
        ["shellcheck", "--norc", "--shell=sh", "--exclude=SC2086", "-"],
        input=script.encode(),
        capture_output=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        timeout=30,
    )
    assert (done.returncode, done.stdout.decode()) == (0, "")


def test_a_job_without_ciplug_gets_one_of_its_own(installs: Installs, tmp_path: Path) -> None:
    done = installs("ciplug")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"installed"), done.stderr
    home = tmp_path / "shop.tmp" / "ciplug-302"
    assert (tmp_path / "record").read_text().splitlines() == [
        f"-I -m venv {home}/venv",
        f"-I -m pip install --quiet --no-input ciplug=={ciplug.__version__}",
    ]
    assert home.stat().st_mode & 0o777 == 0o700


def test_only_ciplug_comes_onto_the_path(installs: Installs, tmp_path: Path) -> None:
    done = installs('ls "${PATH##*:}"')
    assert done.stdout.splitlines()[-1] == b"ciplug"


def test_a_ciplug_that_is_there_is_used_and_nothing_installed(installs: Installs, tmp_path: Path) -> None:
    (tmp_path / "bin" / "ciplug").write_text("#!/bin/sh\necho the image has it\n", encoding="utf-8")
    (tmp_path / "bin" / "ciplug").chmod(0o755)
    done = installs("ciplug")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"the image has it")
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize("variable", ["VAULT_ID_TOKEN", "OTHER_TOKEN"])
def test_the_installer_never_sees_the_id_token_and_the_job_keeps_it(
    installs: Installs, tmp_path: Path, variable: str
) -> None:
    named = {} if variable == "VAULT_ID_TOKEN" else {"CIPLUG_ID_TOKEN_VARIABLE": variable, "VAULT_ID_TOKEN": ""}
    done = installs(f'echo "${variable}"', env={variable: "eyJ-of-the-job"} | named)
    assert done.stdout.splitlines()[-1] == b"eyJ-of-the-job"
    assert "eyJ" not in (tmp_path / "record.env").read_text()


@pytest.mark.parametrize("missing", ["venv", "pip"])
def test_an_install_that_fails_stops_the_job_and_says_what_to_do(
    installs: Installs, tmp_path: Path, missing: str
) -> None:
    done = installs("echo the script runs", env={"FAILS": missing})
    said = done.stderr.decode().splitlines()
    assert (done.returncode, b"the script runs" in done.stdout.splitlines()) == (1, False)
    assert f"no {missing} here" in said
    assert said[-1].startswith("ciplug: error: ciplug could not be installed below ")


def test_a_python_that_is_missing_stops_the_job(installs: Installs, tmp_path: Path) -> None:
    (tmp_path / "bin" / "python3").unlink()
    done = installs("echo the script runs")
    assert (done.returncode, b"the script runs" in done.stdout.splitlines()) == (1, False)
    assert b"ciplug: error: ciplug could not be installed" in done.stderr


def test_what_another_job_left_in_its_place_never_runs(installs: Installs, tmp_path: Path) -> None:
    planted = tmp_path / "shop.tmp" / "ciplug-302" / "bin" / "ciplug"
    planted.parent.mkdir(parents=True)
    planted.write_text("#!/bin/sh\necho planted\n", encoding="utf-8")
    planted.chmod(0o755)
    done = installs("ciplug")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"installed"), done.stderr


@pytest.mark.parametrize("key", ["before_script", "after_script"])
def test_the_ciplug_of_the_image_comes_before_what_another_job_left(
    installs: Installs, tmp_path: Path, key: str
) -> None:
    for directory, text in (("bin", "of the image"), ("shop.tmp/ciplug-302/bin", "planted")):
        file = tmp_path / directory / "ciplug"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\necho {text}\n", encoding="utf-8")
        file.chmod(0o755)
    done = installs("ciplug", key=key)
    assert b"of the image" in done.stdout.splitlines()
    assert b"planted" not in done.stdout.splitlines()


def test_a_second_before_script_installs_nothing_again(installs: Installs, tmp_path: Path) -> None:
    done = installs(*items_of(JOBS, ".ciplug", "before_script"), "ciplug")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"installed"), done.stderr
    assert len((tmp_path / "record").read_text().splitlines()) == 2


def test_the_requirement_is_one_word_whatever_is_in_it(installs: Installs, tmp_path: Path) -> None:
    done = installs(env={"CIPLUG_REQUIREMENT": "ciplug @ file:///a b/$(ls).whl"})
    assert done.returncode == 0
    assert (tmp_path / "record").read_text().endswith("--no-input ciplug @ file:///a b/$(ls).whl\n")


def test_afterwards_the_jobs_own_ciplug_revokes_and_is_removed(installs: Installs, tmp_path: Path) -> None:
    installs()
    done = installs(key="after_script")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"installed"), done.stderr
    assert list((tmp_path / "shop.tmp").iterdir()) == []


def test_afterwards_a_revocation_that_fails_keeps_nothing_from_running(installs: Installs, tmp_path: Path) -> None:
    (tmp_path / "bin" / "ciplug").write_text('#!/bin/sh\necho "$*"\nexit 5\n', encoding="utf-8")
    (tmp_path / "bin" / "ciplug").chmod(0o755)
    done = installs("echo after that", key="after_script")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"after that")
    assert b"revoke --best-effort" in done.stdout.splitlines()


def test_afterwards_a_job_without_ciplug_ends_quietly(installs: Installs) -> None:
    done = installs("echo after that", key="after_script")
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, b"after that", b"")
