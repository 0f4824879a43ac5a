"""What the suite's own conftest promises: no test sees the machine or the CI host it runs on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEAKS = [
    *("CI", "CI_JOB_NAME", "GITHUB_ACTIONS", "GITLAB_CI", "RUNNER_TEMP", "ACTIONS_ID_TOKEN_REQUEST_URL", "JENKINS_URL"),
    *(
        "BUILD_NUMBER",
        "VERCEL",
        "VERCEL_OIDC_TOKEN",
        "VAULT_ADDR",
        "BAO_TOKEN",
        "CIPLUG_JOB",
        "HTTPS_PROXY",
        "no_proxy",
    ),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_DIR", "XDG_RUNTIME_DIR"),
]
KEPT = {"CIRCUIT": "1", "BUILDER": "1", "MY_CI_NOTE": "1"}
PROBE = """
import json, os, pathlib, pytest
seen = {}
@pytest.fixture(scope="session", autouse=True)
def early(_clean_session):
    seen["session"] = dict(os.environ)
def test_first():
    seen["test"] = dict(os.environ)
    os.environ["VAULT_TOKEN"] = "left behind"
def test_second():
    seen["next"] = dict(os.environ)
    pathlib.Path(__file__).with_name("seen.json").write_text(json.dumps(seen))
"""


def test_nothing_of_the_outer_environment_reaches_a_test_or_a_session_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_probe.py").write_text(PROBE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env=dict.fromkeys(LEAKS, "outer")
        | KEPT
        | {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/outer"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    for moment, environment in json.loads((tmp_path / "seen.json").read_text()).items():
        assert not environment.keys() & {*LEAKS, "VAULT_TOKEN"}, moment
        assert environment.items() >= KEPT.items()
        assert environment["HOME"] != "/outer"
        assert Path(environment["HOME"]).name.startswith("home")


IGNORED = """
import signal
def test_it():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        assert signal.getsignal(number) == signal.SIG_DFL
"""


def test_a_suite_that_is_started_by_nohup_hears_signals_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "test_ignored.py").write_text(IGNORED)
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP INT QUIT TERM; exec "$@"', "sh", *pytest],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
