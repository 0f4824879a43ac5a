"""Every reason for which a vault rejects a login: the check that failed, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from ciplug.doctor.case import Door
from ciplug.doctor.explain import explain, explain_denial
from ciplug.doctor.rejection import mount_remedy, rejected
from ciplug.errors import DeniedError, IdentityError, LoginRejectedError
from ciplug.fields import AbsentError, collect
from ciplug.manifest import JobGrant
from ciplug.manifest.model import Environment, Job, Manifest, Project, Vault
from ciplug.net.transport import Transport
from ciplug.standins.claims import github_claims
from ciplug.values import Contents, Grant, IdToken, Record, Secret, VaultToken
from ciplug.vault.client import VaultClient
from ciplug.vault.errors import UnexplainedRejectionError
from tests.fakes.scripted_server import ScriptedServer, answer

PROJECT = Project(name="shop", github="acme/shop")
WHO = 'the login as role "shop-test" at auth/jwt'
CLAIMS = github_claims() | {"iss": "https://issuer.dev", "aud": "https://vault.acme.dev"}


def grant(name: str = "DATABASE_URL", path: str = "app/dev/db", **more: object) -> Grant:
    record = Record(mount="secret", path=path, engine="kv2")
    return Grant(**({"name": name, "record": record, "pointer": ("url",)} | more))  # type: ignore[arg-type]  # any field


def door(
    *grants: Grant,
    kind: str = "github",
    environments: tuple[str, ...] = ("dev",),
    issuer: str = "https://issuer.dev",
    namespace: str = "",
    project: Project | None = PROJECT,
) -> Door:
    places = {name: Environment(name=name, path=f"app/{name}", only_if=MappingProxyType({})) for name in environments}
    manifest = Manifest(
        version=1,
        vault=Vault(audience="https://vault.acme.dev", issuer=issuer),
        project=project,
        environments=places,
        secrets={},
        jobs={"test": Job(name="test", environments=environments, role="shop-test", secrets=())},
        targets={},
        source="ciplug.toml",
    )
    wanted = grants or (grant(),)
    return Door(
        manifest=manifest,
        grant=JobGrant(job="test", environment=places["dev"], role="shop-test", grants=wanted),
        kind=kind,
        namespace=namespace,
    )


VALIDATING = "error validating token: invalid"
REASONS = {
    f"{VALIDATING} audience (aud) claim: audience claim does not match any expected audience": (
        "claim aud",
        "ciplug policy --apply",
    ),
    "error validating token: audience claim found in JWT but no audiences bound to the role": (
        "claim aud",
        "ciplug policy --apply",
    ),
    f"{VALIDATING} expiration time (exp) claim: token is expired": ("expiry", "fresh token"),
    f"{VALIDATING} not before (nbf) claim: token not yet valid": ("clock", "timedatectl"),
    f"{VALIDATING} issued at (iat) claim: token issued in the future": ("clock", "timedatectl"),
    f"{VALIDATING} issuer (iss) claim": ("claim iss", "bound_issuer=https://issuer.dev"),
    f"{VALIDATING} subject (sub) claim": ("claim sub", "run the job where the claim holds"),
    'error validating claims: claim "ref" does not match any associated bound claim values': ("claim ref", "shop-test"),
    'error validating claims: claim "/ref" is missing': ("claim ref", "shop-test"),
    'claim "email" not found in token': ("claim email", "shop-test"),
    'role "shop-test" could not be found': ("role", "ciplug policy --apply"),
    "could not load configuration": ("auth mount", "bao write auth/jwt/config"),
    "error validating token: error verifying token signature: fetching keys oidc: get keys failed": (
        "issuer keys",
        "cannot reach the issuer's keys",
    ),
    "error verifying token signature: fetching keys: connection refused": ("issuer keys", "egress, proxy or CA"),
    "error validating token: failed to verify id token signature": ("signature", "oidc_discovery_url"),
    "error validating token: no known key successfully validated the token signature": ("signature", "other keys"),
}


def refusal(reason: str, *, who: str = WHO, hint: str = "") -> LoginRejectedError:
    """The error for a login that a vault rejected with `reason`."""
    return LoginRejectedError(f"the vault rejected {who}: {reason}", hint=hint, reason=reason)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_its_check_and_its_remedy(reason: str) -> None:
    check, words = REASONS[reason]
    found = rejected(refusal(reason), door(), CLAIMS)
    assert (found.check, found.state) == (check, "failed")
    assert reason in found.text
    assert words in found.remedy


TRUSTING = ["invalid issuer (iss) claim", "could not load configuration", "failed to verify id token signature"]


@pytest.mark.parametrize("reason", TRUSTING)
def test_a_command_that_trusts_an_issuer_says_what_it_replaces(reason: str) -> None:
    told = rejected(refusal(reason), door(), CLAIMS).remedy
    assert "replaces the configuration of this mount for everybody: bao write auth/jwt/config" in told
    assert told.endswith("oidc_discovery_url=https://issuer.dev bound_issuer=https://issuer.dev")


@pytest.mark.parametrize("reason", TRUSTING)
@pytest.mark.parametrize(
    "claimed", ["https://evil.dev", "https://issuer.dev/", "x\n::stop-commands::y", ["z"], None, 7]
)
@pytest.mark.parametrize("kind", ["github", "jenkins", "terminal"])
def test_an_issuer_that_only_the_token_names_is_never_to_be_trusted(reason: str, claimed: object, kind: str) -> None:
    told = rejected(refusal(reason), door(kind=kind), CLAIMS | {"iss": claimed}).remedy
    assert told.startswith('this token is not from your CI host\'s issuer, "https://issuer.dev"')
    assert not [word for word in ("bao", "evil", "::", "trusts other keys") if word in told]


@pytest.mark.parametrize("reason", TRUSTING)
def test_a_host_whose_issuer_nobody_names_has_no_command(reason: str) -> None:
    told = rejected(refusal(reason), door(kind="jenkins", issuer=""), CLAIMS).remedy
    assert "vault.issuer" in told
    assert "bao" not in told


@pytest.mark.parametrize(
    "reason", ["audience", *TRUSTING, "role could not be found"], ids=["audience", *TRUSTING, "no role"]
)
def test_a_command_is_for_the_namespace(reason: str) -> None:
    told = rejected(refusal(reason), door(namespace="acme/team a", project=None), CLAIMS).remedy
    assert "'-namespace=acme/team a' auth/jwt" in told


def test_a_mount_is_looked_for_in_the_namespace() -> None:
    told = mount_remedy(door(namespace="acme"))
    assert "bao auth list -namespace=acme" in told
    assert "bao auth enable -namespace=acme -path=jwt jwt" in told


def test_a_refusal_without_a_reason_is_not_told_as_a_missing_mount() -> None:
    who = WHO.replace("shop-test", 'signature-(exp) claim "x"')
    error = UnexplainedRejectionError(f"the vault refused {who} without a reason", hint="h")
    found = rejected(error, door(), CLAIMS)
    assert (found.check, found.text, found.remedy) == ("auth mount", str(error), "h")


def test_a_reason_in_our_own_words_is_no_refusal_without_one() -> None:
    assert rejected(refusal("there is no such auth mount", hint="h"), door(), CLAIMS).check == "login"


@pytest.mark.parametrize("iat", [10**400, -(10**400), float("inf"), float("nan"), 2**53, True, "1"])
def test_a_time_that_no_clock_shows_is_not_reckoned_with(iat: object) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "nbf"} | {"iat": iat}
    found = rejected(refusal(f"{VALIDATING} not before (nbf) claim"), door(), claims)
    assert found.check == "clock"
    assert "the token has iat" not in found.text


def test_a_claim_deep_in_the_payload_is_named_by_its_pointer() -> None:
    error = refusal('error validating claims: claim "/ctx/team" does not match any')
    found = rejected(error, door(), CLAIMS | {"ctx": {"team": "core"}})
    assert found.check == "claim /ctx/team"
    assert '{ "/ctx/team": "core" }' in found.remedy


def test_a_reason_that_is_new_keeps_the_errors_own_hint() -> None:
    found = rejected(refusal("something new", hint="look there"), door(), CLAIMS)
    assert (found.check, found.remedy) == ("login", "look there")


def test_what_the_manifest_wants_stands_beside_the_vaults_reason() -> None:
    error = refusal('error validating claims: claim "repository" does not match')
    found = rejected(error, door(), CLAIMS | {"repository": "evil/shop"})
    assert found.text.endswith('; project.github wants "acme/shop"')


@pytest.mark.parametrize(
    ("role", "claims"),
    [("audience", {}), ("signature-(exp)", {}), ("x", {"repository": '(exp) signature claim "x"'})],
)
def test_only_the_vaults_own_words_say_what_failed(role: str, claims: dict[str, object]) -> None:
    error = refusal("invalid issuer (iss) claim", who=f'the login as role "{role}" at auth/jwt')
    error.reword(str(error) + "".join(f"; the token has {name} {value}" for name, value in claims.items()))
    assert rejected(error, door(), CLAIMS | claims).check == "claim iss"


@pytest.mark.parametrize(
    ("skew", "says"),
    [(None, ""), (0.4, "agree"), (90.0, "90 s ahead of this machine's"), (-90.0, "90 s behind this machine's")],
)
def test_a_wrong_time_has_the_vaults_clock_beside_it(skew: float | None, says: str) -> None:
    found = rejected(refusal(f"{VALIDATING} expiration time (exp) claim: token is expired"), door(), CLAIMS, skew)
    assert found.text.endswith("token is expired") if not says else says in found.text


@pytest.mark.parametrize(
    ("kind", "says"), [("gitlab", "start the job again"), ("jenkins", "credential"), ("ci", "each job")]
)
def test_a_fresh_token_is_had_in_the_hosts_own_way(kind: str, says: str) -> None:
    error = refusal(f"{VALIDATING} expiration time (exp) claim: token is expired")
    assert says in rejected(error, door(kind=kind), CLAIMS).remedy


def id_token(**claims: object) -> IdToken:
    return IdToken(token=Secret("eyJh.eyJz.c2ln"), claims=CLAIMS | claims, source="GitHub Actions")


def test_an_explained_rejection_has_the_remedy_and_where_there_is_more() -> None:
    error = refusal('claim "repository" does not match', hint="a general one")
    explain(error, door(), id_token(repository="evil/shop"))
    assert 'project.github wants "acme/shop"' in str(error)
    assert "a fork perhaps" in error.hint
    assert error.hint.endswith("; `ciplug doctor --job test` shows every step")


def test_a_job_with_several_environments_is_asked_about_with_its_own() -> None:
    error = IdentityError("no identity token", hint="get one")
    explain(error, door(environments=("dev", "prod")), None)
    assert error.hint == "get one; `ciplug doctor --job test --env dev` shows every step"


@pytest.mark.parametrize(("hint", "before"), [("do that", "do that; "), ("", "")])
def test_what_is_not_known_any_closer_keeps_its_words(hint: str, before: str) -> None:
    error = DeniedError("no", hint=hint)
    explain(error, door(), VaultToken(token=Secret("s.x"), source="VAULT_TOKEN"))
    assert (str(error), error.hint) == ("no", f"{before}`ciplug doctor --job test` shows every step")


def test_the_command_that_shows_more_is_quoted_for_the_shell() -> None:
    place = door()
    job = replace(place.manifest.jobs["test"], name="test (3.12)")
    place = replace(
        place,
        grant=replace(place.grant, job=job.name),
        manifest=replace(place.manifest, jobs={job.name: job}),
    )
    assert place.asks == "ciplug doctor --job 'test (3.12)'"


def denied(count: int, identity: IdToken | VaultToken, project: Project | None = PROJECT) -> DeniedError:
    """The error of a login that may read none of `count` records, and was refused the last one first."""
    error = DeniedError(f"no right to read secret/app/dev/{count - 1}x: the policies do not allow it", hint="as it was")
    place, transport = door(*(grant(f"N{n}", f"app/dev/{n}x") for n in range(count)), project=project), Transport()
    with ScriptedServer({"POST /v1/sys/capabilities-self": answer(200, {"data": {}})}) as server:
        client = VaultClient([server.url], transport=transport, deadline=2)
        explain_denial(error, place, client, Secret("s.x"), identity)
    transport.close()
    explain(error, place, identity)
    return error


def test_up_to_five_denied_records_are_all_told() -> None:
    error = denied(5, id_token())
    assert [f"secret/app/dev/{n}x" in str(error) for n in range(5)] == [True] * 5
    assert error.hint.count("capabilities") == 5
    assert "more" not in str(error)
    assert " more" not in error.hint


@pytest.mark.parametrize("of_ones_own", [False, True])
def test_of_many_denied_records_the_first_five_are_told(of_ones_own: bool) -> None:
    error = denied(40, VaultToken(token=Secret("s.x"), source="VAULT_TOKEN") if of_ones_own else id_token())
    assert str(error).count("secret/app/dev/") == 5
    assert str(error).endswith(" and 35 more")
    assert error.hint.count("capabilities") == 5
    assert "  and 35 more, which `ciplug policy` prints; " in error.hint
    assert ("run `ciplug policy --apply`" in error.hint) is not of_ones_own
    assert ("your own vault login" in error.hint) is of_ones_own
    assert error.hint.count("`ciplug doctor --job test`") == 1


def test_a_manifest_that_implies_no_role_is_not_told_to_be_applied() -> None:
    error = denied(7, id_token(), None)
    assert error.hint.startswith("add to a policy of role shop-test what it lacks:  path ")
    assert "  and 2 more in the same way; " in error.hint
    assert "ciplug policy" not in error.hint


def test_the_record_that_the_error_names_is_the_one_of_that_whole_name() -> None:
    error = DeniedError("no right to read secret/app/dev/a: the policies do not allow it")
    place, transport = door(grant("A", "app/dev/a"), grant("B", "app/dev"), grant("C", "app/dev/b")), Transport()
    with ScriptedServer({"POST /v1/sys/capabilities-self": answer(200, {"data": {}})}) as server:
        client = VaultClient([server.url], transport=transport, deadline=2)
        explain_denial(error, place, client, Secret("s.x"), id_token())
    transport.close()
    assert str(error).endswith("allow it; nor secret/app/dev, secret/app/dev/b")
    assert error.hint.partition("  ")[2].startswith('path "secret/data/app/dev/a" ')


def test_what_is_missing_ends_a_job_with_the_command_that_writes_it() -> None:
    with pytest.raises(AbsentError) as raised:
        collect([grant()], {grant().record: Contents(data={}, request_id="r")})
    error = raised.value
    explain(error, door(grant(), namespace="acme"), id_token())
    assert str(error) == "DATABASE_URL: secret/app/dev/db has no field url"
    assert " bao kv patch -namespace=acme -mount=secret app/dev/db url=-; or " in error.hint
    assert error.hint.endswith("; `ciplug doctor --job test` shows every step")


def test_a_role_of_no_manifest_is_not_there_to_be_applied_before_its_project_is_named() -> None:
    reason = refusal('role "shop-test" could not be found')
    assert rejected(reason, door(), CLAIMS).remedy.startswith("create the role with `ciplug policy --apply`, or name")
    told = rejected(reason, door(project=None), CLAIMS).remedy
    assert told.startswith("say in [project] whose jobs these are, and create the role with `ciplug policy --apply`")
