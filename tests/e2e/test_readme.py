"""The README tells the truth: the demo's output, and what a new user would copy from it."""

from __future__ import annotations

import re
import signal
import tomllib
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug import errors, manifest
from ciplug.cli.target_options import refuse_unfit
from ciplug.sync import show
from ciplug.sync.ledger import Ledger
from ciplug.sync.plan import Change, Target
from ciplug.sync.results import Survey
from ciplug.sync.status import TargetStatus
from ciplug.values import Deployment
from tests.e2e.outside import eventually, started

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.policy_setting import Setting
    from tests.e2e.sync_world import World

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def stable(told: str) -> list[str]:
    """What the demo prints, without what differs between runs: times, ports, ids, versions, who is deployed first."""
    text = re.sub(r"\n {2}\| {5}", " ", re.sub(r"\(\d+ s\)\n", "", told)).strip()
    for differing in (
        r"(\bsrv-|\bdep-|https://shop-)[a-z0-9]{20,28}\b",
        r"(http://127\.0\.0\.1:)\d+",
        r"(\bissued |\bvalid for )\d+ s (?:ago|from now|more)",
        r"(\bkey \")[0-9a-f]{16}",
        r"(\bversion )[\d.]+\d",
    ):
        text = re.sub(differing, r"\1…", text)
    by_chance = groupby(text.splitlines(), key=lambda line: ": the deployment is " in line)
    return [line for is_deployed, lines in by_chance for line in (sorted(lines) if is_deployed else lines)]


def test_demo_prints_what_the_readme_shows(ciplug: RunsCiplug) -> None:
    done = ciplug("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = next(block for block in blocks("") if "OpenBao" in block)
    assert stable(done.stdout.decode()) == stable(shown)


def test_demo_leaves_nothing_on_disk(ciplug: RunsCiplug, tmp_path: Path) -> None:
    done = ciplug("demo", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_manifest_of_the_quick_start_is_valid() -> None:
    text = blocks("toml")[0]
    parsed = manifest.parse(text, "README.md")
    assert parsed.jobs["test"].role == "shop-test"
    assert tomllib.loads(text)["version"] == parsed.version


def test_target_of_the_readme_is_valid() -> None:
    quick_start, target = blocks("toml")
    more = '[environments.prod]\npath = "app/prod"\n[secrets.STRIPE_SECRET_KEY]\nref = "stripe#secret_key"\n'
    text = quick_start.replace('shared = ["common"]', 'shared = ["common", "platforms"]') + more + target
    parsed = manifest.parse(text.replace("…", "1"), "README.md")
    refuse_unfit(parsed.targets.values())
    assert parsed.targets["web"].role == "shop-web"


def test_policy_of_the_readme_is_all_that_a_sync_needs(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    policy = blocks("hcl")[1]
    rules = policy.replace('"secret/', f'"{world.project.kv_mount}/').replace("/platforms/vercel", "/common/vercel")
    world.project.admin.write_policy("shop-web", rules)
    env = job_env("sync", environment="production")
    done = ciplug("sync", "web", "--yes", env=env)
    assert done.returncode == 0, done.stderr
    assert ciplug("sync", "web", "--check", env=env).returncode == 0
    assert b"no ledger" not in done.stdout
    assert world.stored["web"] == world.wanted


def test_policy_of_the_readme_is_all_that_a_check_needs(setting: Setting) -> None:
    setting.applied()
    name = f"{setting.name}-auditor"
    setting.admin.write_policy(name, blocks("hcl")[2])
    token = setting.admin.create_token(policies=[name]).reveal().decode()
    ran = setting.policy("--check", token=token)
    assert (ran.status, ran.out) == (0, "")
    assert "not looked at" not in ran.err


def test_document_of_a_sync_has_the_keys_that_the_readme_explains() -> None:
    change = Change(kind="create", name="A", reason="not there yet")
    target = Target(wanted={}, held={}, ledger=Ledger(), fingerprint=lambda _name, _value: "")
    survey = Survey(target=target, changes=[change], problems=(), before=Ledger())
    status = TargetStatus(target="web", platform="vercel", environment="prod", survey=survey)
    document = show.document("apply", [status.deployed(Deployment(state="failed"))], str)
    [shown] = document["targets"]
    keys = [*document, *shown, *shown["changes"][0], *shown["errors"][0], *shown["deployment"]]
    assert [key for key in keys if f"`{key}`" not in README] == []


def test_exit_codes_are_those_of_the_error_classes() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, flags=re.MULTILINE)}
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.CiplugError)]
    assert documented == {0} | {cls.exit_code for cls in classes}


def test_every_command_is_documented(ciplug: RunsCiplug) -> None:
    listed = re.findall(r"^  (\w+) {2,}", ciplug("--help").stdout.decode(), flags=re.MULTILINE)
    assert listed
    assert [name for name in listed if f"| `ciplug {name}" not in README] == []


def test_an_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C as a terminal sends it: to the demo, while its server runs in a session of its own."""
    with started("demo", env={"TMPDIR": str(tmp_path)}, cwd=tmp_path) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        servers = [int(path.name) for path in Path("/proc").glob("[0-9]*") if runs(path, str(tmp_path))]
        assert servers
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 130
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in servers))
    assert list(tmp_path.iterdir()) == []


def runs(process: Path, word: str) -> bool:
    """Whether `process` is a server that was started with `word` on its command line."""
    try:
        return word.encode() in (process / "cmdline").read_bytes() and b"server" in (process / "cmdline").read_bytes()
    except OSError:
        return False
