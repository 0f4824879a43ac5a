from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ciplug import hosts, manifest
from ciplug.errors import ManifestError, UsageError
from ciplug.manifest import ManifestProblems, Ref

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = """\
version = 1

[vault]
address = "https://vault.acme.dev:8200"      # or a list; VAULT_ADDR / BAO_ADDR override it
namespace = "acme"                           # optional
auth_mount = "jwt"
audience = "https://vault.acme.dev"
kv_mount = "secret"                          # KV v2; kv_version = 1 for the old engine
shared = ["common", "platforms"]             # paths that any environment may refer to

deadline = 30                                # seconds for all vault traffic of one command

[project]                                    # who may log in as this project's jobs; used by `ciplug policy`
github = "acme/shop"                         # and github_id = 74, gitlab = "acme/shop"
github_id = 74
gitlab = "acme/web/shop"
jenkins = "https://ci.acme.dev/job/shop/"

[environments.dev]
path = "app/dev"

[environments.prod]
path = "app/prod"
only_if = { ref = ["refs/heads/main"], environment = "production", ref_protected = true, project_id = 7 }

[secrets.DATABASE_URL]                       # the catalogue: one table per variable name
ref = "db#url"                               # <kv_mount>/<environment path>/db, field url
owner = "payments"
description = "primary database"
rotate_every = "90d"

[secrets.STRIPE_SECRET_KEY]
ref = "stripe#secret_key"
environments = ["prod"]                      # default: all

[secrets.NPM_TOKEN]
ref = "//common/npm#token"                   # // = from the mount's root, only under vault.shared

[secrets.PG_USER]
ref = "database:creds/web#username"          # mount:path = another engine; one read, one lease, however many fields

[secrets.PG_PASSWORD]
ref = "database:creds/web#password"

[secrets.GCP_KEY]
ref = "gcp/deployer#json"
as = "file"                                  # the variable holds the path of a 0600 file; default "env"
encoding = "base64"                          # decode the stored value first; default none
optional = true

[jobs.test]
environment = "dev"
secrets = ["DATABASE_URL", "NPM_TOKEN"]

[jobs.deploy]
environment = "prod"                         # or a list, then --env chooses
role = "shop-deploy"                         # vault role; default "<project>-<job>"
secrets = ["DATABASE_URL", "STRIPE_SECRET_KEY", "PG_USER", "PG_PASSWORD"]

[targets.web]                                # a deploy platform
platform = "vercel"
environment = "prod"
role = "shop-sync"                           # default "<project>-<target>"
token = "//platforms/vercel#token"           # the platform's API token lives in the vault as well
secrets = ["STRIPE_SECRET_KEY"]
options = { project = "prj_123", team = "team_9", target = "production" }
"""

SMALL = """\
version = 1
[vault]
audience = "vault"
shared = ["common"]
[project]
name = "shop"
[environments.dev]
path = "app/dev"
[environments.prod]
path = "app/prod"
[secrets.TOKEN]
ref = "api#token"
[jobs.test]
environment = "dev"
secrets = ["TOKEN"]
[targets.web]
platform = "vercel"
environment = "dev"
token = "//common/vercel#token"
secrets = ["TOKEN"]
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ManifestProblems) as caught:
        manifest.parse(text, "m.toml")
    return str(caught.value).removeprefix("m.toml:").split("\nm.toml:")


def small(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new, 1)


def test_design_example_is_read_whole() -> None:
    read = manifest.parse(EXAMPLE, "ciplug.toml")
    assert (read.version, read.source) == (1, "ciplug.toml")
    assert read.vault == manifest.Vault(
        addresses=("https://vault.acme.dev:8200",),
        namespace="acme",
        audience="https://vault.acme.dev",
        shared=("common", "platforms"),
    )
    assert read.project == manifest.Project(
        name="shop", github="acme/shop", github_id=74, gitlab="acme/web/shop", jenkins="https://ci.acme.dev/job/shop/"
    )
    assert list(read.environments) == ["dev", "prod"]
    assert read.environments["dev"].only_if == {}
    assert read.environments["prod"].path == "app/prod"
    assert read.environments["prod"].only_if == {
        "ref": ("refs/heads/main",),
        "environment": ("production",),
        "ref_protected": (True,),
        "project_id": (7,),
    }


def test_design_example_catalogue_jobs_and_targets() -> None:
    read = manifest.parse(EXAMPLE, "ciplug.toml")
    assert read.secrets["DATABASE_URL"] == manifest.SecretSpec(
        name="DATABASE_URL",
        ref=Ref(path="db", pointer=("url",)),
        owner="payments",
        description="primary database",
        rotate_every=90 * 86400,
    )
    assert read.secrets["STRIPE_SECRET_KEY"].environments == ("prod",)
    key = read.secrets["GCP_KEY"]
    assert (key.as_file, key.base64, key.optional) == (True, True, True)
    assert read.jobs["test"] == manifest.Job(
        name="test", environments=("dev",), role="shop-test", secrets=("DATABASE_URL", "NPM_TOKEN")
    )
    assert read.jobs["deploy"].role == "shop-deploy"
    assert read.targets["web"] == manifest.Target(
        name="web",
        platform="vercel",
        environment="prod",
        role="shop-sync",
        token=Ref(path="platforms/vercel", pointer=("token",), from_root=True),
        secrets=("STRIPE_SECRET_KEY",),
        options={"project": "prj_123", "team": "team_9", "target": "production"},
    )


def test_smallest_manifest_gets_the_documented_defaults() -> None:
    read = manifest.parse('version = 1\n[vault]\naudience = "v"\n', "m")
    vault = read.vault
    assert (vault.addresses, vault.namespace, vault.auth_mount, vault.kv_mount) == ((), None, "jwt", "secret")
    assert (vault.kv_version, vault.shared, vault.deadline, vault.auth_mounts) == (2, (), 30.0, {})
    assert read.project is None
    assert [dict(table) for table in (read.environments, read.secrets, read.jobs, read.targets)] == [{}] * 4


HOSTS = {
    "github": {"GITHUB_ACTIONS": "true"},
    "gitlab": {"GITLAB_CI": "true", "CI": "true"},
    "jenkins": {"JENKINS_URL": "https://ci.acme.dev/", "BUILD_NUMBER": "1"},
    "ci": {"CI": "true"},
    "terminal": {},
}


def vault_of(auth_mount: str) -> manifest.Vault:
    return manifest.parse(small('audience = "vault"', f'audience = "v"\nauth_mount = {auth_mount}'), "m").vault


def test_one_auth_mount_is_that_of_every_host() -> None:
    vault = vault_of('"team/jwt"')
    assert (vault.auth_mount, vault.auth_mounts) == ("team/jwt", {})
    assert {vault.auth_mount_for(kind) for kind in HOSTS} == {"team/jwt"}


def test_auth_mounts_are_by_host_with_one_for_the_others() -> None:
    vault = vault_of('{ github = "jwt-a", default = "jwt-b", jenkins = "team/jwt" }')
    assert (vault.auth_mount, vault.auth_mounts) == ("jwt-b", {"github": "jwt-a", "jenkins": "team/jwt"})
    mounts = [vault.auth_mount_for(kind) for kind in ("github", "gitlab", "jenkins", "ci", "terminal")]
    assert mounts == ["jwt-a", "jwt-b", "team/jwt", "jwt-b", "jwt-b"]


def test_a_host_without_an_auth_mount_is_refused_by_name() -> None:
    vault = vault_of('{ github = "jwt", terminal = "oidc" }')
    assert vault.auth_mount == ""
    assert (vault.auth_mount_for("github"), vault.auth_mount_for("terminal")) == ("jwt", "oidc")
    with pytest.raises(UsageError) as caught:
        vault.auth_mount_for("gitlab")
    assert str(caught.value) == "vault.auth_mount names no mount for the host gitlab"
    assert 'gitlab = "MOUNT" to vault.auth_mount' in caught.value.hint
    assert "default" in caught.value.hint


@pytest.mark.parametrize(("kind", "env"), HOSTS.items())
def test_every_host_that_is_detected_can_have_an_auth_mount(kind: str, env: dict[str, str]) -> None:
    assert hosts.detect(env).kind == kind
    assert vault_of(f'{{ {kind} = "mine" }}').auth_mount_for(kind) == "mine"


def test_a_manifest_cannot_be_changed_after_reading() -> None:
    read = manifest.parse(SMALL, "m")
    with pytest.raises(TypeError):
        read.jobs["other"] = read.jobs["test"]  # type: ignore[index]  # that it cannot be done is the test
    with pytest.raises(TypeError):
        read.vault.auth_mounts["ci"] = "jwt"  # type: ignore[index]  # as above


def test_addresses_lose_their_slash_and_their_doubles() -> None:
    text = small('audience = "vault"', 'audience = "v"\naddress = ["https://a/", "https://a", "http://[::1]:8200"]')
    assert manifest.parse(text, "m").vault.addresses == ("https://a", "http://[::1]:8200")


@pytest.mark.parametrize(
    ("project", "role"),
    [
        ('name = "x"\ngithub = "acme/shop"', "x-test"),
        ('github = "acme/shop"', "shop-test"),
        ('gitlab = "acme/web/front"', "front-test"),
        ('jenkins = "https://ci.acme.dev/job/team/job/back/"', "back-test"),
        ('jenkins = "http://ci.acme.dev:8080/jenkins/job/back"', "back-test"),
    ],
)
def test_default_role_begins_with_the_project(project: str, role: str) -> None:
    read = manifest.parse(small('name = "shop"', project), "m")
    assert read.jobs["test"].role == role
    assert read.targets["web"].role == role.replace("test", "web")


@pytest.mark.parametrize("name", ["test (3.12)", "build:linux", "a/b", "Prüfung", "x" * 255])
def test_jobs_are_called_what_their_host_calls_them(name: str) -> None:
    read = manifest.parse(small("[jobs.test]", f'[jobs."{name}"]\nrole = "r"'), "m")
    assert read.jobs[name].role == "r"


@pytest.mark.parametrize(("period", "seconds"), [("1h", 3600), ("90d", 7776000), ("2w", 1209600)])
def test_rotation_is_in_seconds(period: str, seconds: int) -> None:
    read = manifest.parse(small('"api#token"', f'"api#token"\nrotate_every = "{period}"'), "m")
    assert read.secrets["TOKEN"].rotate_every == seconds


def test_claim_may_be_empty_or_mixed() -> None:
    read = manifest.parse(
        small('path = "app/dev"', 'path = "app/dev"\nonly_if = { base_ref = "", x = [1, "a", false] }'), "m"
    )
    assert read.environments["dev"].only_if == {"base_ref": ("",), "x": (1, "a", False)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version = ", "1: is not TOML: Invalid value (at end of document)"),
        (
            "version = 1\n[vault\n",
            "2: is not TOML: Expected ']' at the end of a table declaration (at line 2, column 7)",
        ),
        ("a = 1\nb = 2\na = 3\n", "3: is not TOML: Cannot overwrite a value (at line 3, column 6)"),
        ("a = " + "9" * 5000, "1: is not TOML that can be read: a number is too long"),
        ("a = " + "[" * 100_000, "1: is not TOML that can be read: values are nested too deeply"),
    ],
)
def test_what_is_not_toml_is_said_with_its_line(text: str, expected: str) -> None:
    assert problems_of(text) == [expected]


def test_broken_toml_does_not_repeat_what_it_holds() -> None:
    with pytest.raises(ManifestProblems) as caught:
        manifest.parse("version = 1\npassword = hunter2\n", "m.toml")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_load_reads_a_file_with_or_without_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "ciplug.toml"
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + SMALL.replace("\n", "\r\n").encode())
        assert manifest.load(path).source == str(path)


def test_load_says_where_it_looked(tmp_path: Path) -> None:
    path = tmp_path / "ciplug.toml"
    with pytest.raises(ManifestError) as caught:
        manifest.load(path)
    assert str(caught.value) == f"{path}: there is no such file"
    assert "CIPLUG_MANIFEST" in caught.value.hint
    assert "--manifest" in caught.value.hint
    assert "ciplug.toml" in caught.value.hint


def test_load_refuses_what_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read: Is a directory"):
        manifest.load(tmp_path)
    with pytest.raises(ManifestError, match="cannot be read"):
        manifest.load(tmp_path / "a\0b")


def test_load_refuses_a_file_without_rights(tmp_path: Path) -> None:
    path = tmp_path / "loop.toml"
    path.symlink_to(path)  # unreadable for everyone, root included
    with pytest.raises(ManifestError, match="cannot be read: Too many levels of symbolic links"):
        manifest.load(path)


def test_load_refuses_more_than_a_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "ciplug.toml"
    path.write_text(SMALL + "#" * (1024 * 1024 - len(SMALL)))
    assert manifest.load(path).version == 1
    path.write_text(SMALL + "#" * (1024 * 1024 - len(SMALL) + 1))
    with pytest.raises(ManifestError, match="is larger than 1 MiB"):
        manifest.load(path)


def test_load_refuses_other_encodings_without_keeping_the_content(tmp_path: Path) -> None:
    path = tmp_path / "ciplug.toml"
    path.write_bytes(b'version = 1\n# \xe4\nx = "hunter2"\n')
    with pytest.raises(ManifestProblems) as caught:
        manifest.load(path)
    assert str(caught.value) == f"{path}:2: is not UTF-8, as TOML must be"
    assert caught.value.__cause__ is None


def test_reading_a_good_manifest_imports_little() -> None:
    code = """
import sys
import tomllib, dataclasses, pathlib, hmac
before = set(sys.modules)
from ciplug import manifest
read = manifest.parse(sys.stdin.read(), "m")
manifest.grant(read, "test")
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], input=EXAMPLE, capture_output=True, text=True, check=True)
    ours = [name for name in done.stdout.split() if name != "ciplug" and not name.startswith("ciplug.")]
    assert ours == []
    assert "ciplug.manifest.lines" not in done.stdout


@pytest.mark.parametrize(("ttl", "seconds"), [("1m", 60), ("90m", 5400), ("24h", 86400)])
def test_the_life_of_a_token_is_in_seconds(ttl: str, seconds: int) -> None:
    text = small("[jobs.test]", f'[jobs.test]\nttl = "{ttl}"').replace("[targets.web]", f'[targets.web]\nttl = "{ttl}"')
    read = manifest.parse(text, "m")
    assert (read.jobs["test"].ttl, read.targets["web"].ttl) == (seconds, seconds)


def test_a_life_that_is_not_given_is_the_usual_one() -> None:
    read = manifest.parse(SMALL, "m")
    assert (read.jobs["test"].ttl, read.targets["web"].ttl) == (None, None)


def test_an_issuer_is_one_or_by_host_and_keeps_its_spelling() -> None:
    one = manifest.parse(small('audience = "vault"', 'audience = "v"\nissuer = "https://gitlab.acme.dev/"'), "m").vault
    assert (one.issuer, one.issuers) == ("https://gitlab.acme.dev/", {})
    by_host = manifest.parse(
        small('audience = "vault"', 'audience = "v"\nissuer = { jenkins = "https://ci.acme.dev/oidc/job/a" }'), "m"
    ).vault
    assert (by_host.issuer, by_host.issuers) == ("", {"jenkins": "https://ci.acme.dev/oidc/job/a"})
    assert (manifest.parse(SMALL, "m").vault.issuer, manifest.parse(SMALL, "m").vault.issuers) == ("", {})


def test_a_gitlab_project_may_be_given_by_its_number() -> None:
    project = manifest.parse(small('name = "shop"', 'name = "shop"\ngitlab_id = 20'), "m").project
    assert project == manifest.Project(name="shop", gitlab_id=20)
