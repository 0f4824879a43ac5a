"""``make bench``: ``ciplug run -- true`` beside the ``bao`` command line doing the same work, on the same server.

The same work is: log in with a JWT, read N KV v2 records, revoke the token. The two take turns, so that a drift of the
machine's speed meets both; the ratio is the median of the pairs'. Peak memory is the largest single process's.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao, find_bao
from ciplug.vault.admin import Admin
from tests.fakes.let_in import AUDIENCE, let_in

TARGETS = {1: 0.4, 10: 0.15, 50: 0.05}
"""Records read, and the ratio of wall times that must not be exceeded."""

MEMORY_MB = 35.0
ROUNDS = {1: 31, 10: 11, 50: 3}

_MANIFEST = """\
version = 1
[vault]
address = "{address}"
audience = "{audience}"
[project]
github = "acme/shop"
[environments.dev]
path = "app"
{secrets}
[jobs.test]
environment = "dev"
secrets = [{names}]
"""

_BAO_SCRIPT = """\
set -e
BAO_TOKEN=$("$BAO" write -field=token auth/jwt/login role=shop-test jwt="$JWT"); export BAO_TOKEN
for n in $(seq "$COUNT"); do "$BAO" kv get -mount=secret -field=value "app/s$n" >/dev/null; done
"$BAO" token revoke -self >/dev/null
true
"""


@dataclass(slots=True)
class Timing:
    """Wall seconds of one contestant's runs."""

    wall: list[float] = field(default_factory=list)

    def run(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, errors = process.communicate()
        self.wall.append(time.perf_counter() - started)
        if process.returncode:
            raise SystemExit(f"{command[0]} failed: {errors.decode(errors='replace')}")

    @property
    def median(self) -> float:
        return statistics.median(self.wall)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ciplug-bench-") as name, Issuer() as issuer, OpenBao(os.environ) as bao:
        folder = Path(name)
        _set_up(bao, issuer)
        jwt = issuer.mint(github_claims(), audience=AUDIENCE, lifetime=3600)
        print(" N   ciplug ms   bao ms   ratio   target")
        missed = [count for count in TARGETS if not _compare(count, folder, bao, jwt)]
        peak = _peak(folder, bao, jwt)
        print(f"peak memory of `ciplug run -- true` at N=50: {peak:.1f} MB (target {MEMORY_MB:g})")
    return 1 if missed or peak > MEMORY_MB else 0


def _set_up(bao: OpenBao, issuer: Issuer) -> None:
    with Admin(bao.address, bao.root_token) as admin:
        for number in range(1, max(TARGETS) + 1):
            admin.kv.write("secret", f"app/s{number}", {"value": f"benchmark-value-{number:04}"})
        admin.jwt.enable()
        admin.jwt.configure(bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
        let_in(admin, "test", ["app/*"], {})


def _compare(count: int, folder: Path, bao: OpenBao, jwt: str) -> bool:
    """One warm-up each, then turn by turn; whether the ratio meets its target."""
    env, command = _ciplug(count, folder, bao, jwt)
    other_env = env | {"BAO": str(find_bao(os.environ)), "BAO_ADDR": bao.address, "JWT": jwt, "COUNT": str(count)}
    ours, other = Timing(), Timing()
    for _ in range(ROUNDS[count] + 1):
        ours.run(command, folder, env)
        other.run(["sh", "-c", _BAO_SCRIPT], folder, other_env)
    del ours.wall[0], other.wall[0]
    ratio = statistics.median(one / two for one, two in zip(ours.wall, other.wall, strict=True))
    print(f"{count:2} {ours.median * 1000:11.0f} {other.median * 1000:8.0f} {ratio:7.3f} {TARGETS[count]:8.2f}")
    return ratio <= TARGETS[count]


def _ciplug(count: int, folder: Path, bao: OpenBao, jwt: str) -> tuple[dict[str, str], list[str]]:
    names = [f"SECRET_{number}" for number in range(1, count + 1)]
    secrets = "".join(f'[secrets.{name}]\nref = "s{number}#value"\n' for number, name in enumerate(names, 1))
    manifest = _MANIFEST.format(
        address=bao.address, audience=AUDIENCE, secrets=secrets, names=", ".join(f'"{name}"' for name in names)
    )
    (folder / "ciplug.toml").write_text(manifest, encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "CI": "true", "CIPLUG_ID_TOKEN": jwt}
    return env, [str(Path(sys.executable).with_name("ciplug")), "run", "--job", "test", "--", "true"]


def _peak(folder: Path, bao: OpenBao, jwt: str) -> float:
    """Megabytes of the largest process of one run, as the kernel accounts for finished children of a fresh process."""
    env, command = _ciplug(max(TARGETS), folder, bao, jwt)
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, env=env, capture_output=True, check=True
    )
    return int(done.stdout) / 1024


if __name__ == "__main__":
    sys.exit(main())
