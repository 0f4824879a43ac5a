"""Where an identity comes from, host by host, and the checks before a login."""

from __future__ import annotations

import base64
import json
import stat
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import IdentityError
from ciplug.identity import check_audience, check_only_if, evidence, resolve
from ciplug.identity.claims import MAX_TOKEN, id_token, show, types_differ
from ciplug.identity.errors import PullRequestTargetError, UnrequestedError
from ciplug.identity.gitlab import GitLabIdentity
from ciplug.identity.given import GivenIdentity
from ciplug.identity.jenkins import JenkinsIdentity
from ciplug.identity.person import PersonIdentity
from ciplug.identity.variable import fallback_name, names
from ciplug.values import IdToken, VaultToken
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AUDIENCE = "https://vault.acme.dev"
FALLBACK = "HTTPS___VAULT_ACME_DEV_ID_TOKEN"
GITLAB = {"GITLAB_CI": "true"}
JENKINS = {"JENKINS_URL": "https://ci.acme.dev/", "BUILD_NUMBER": "7"}


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwt(payload: object = None, **claims: object) -> str:
    return f"{part({'alg': 'RS256'})}.{part(claims if payload is None else payload)}.c2lnbmF0dXJl"


def refusal(act: Callable[[], object], *secrets: str) -> str:
    """The whole of what is shown for the ``IdentityError`` that `act` raises; it must have a hint, and no secret."""
    with pytest.raises(IdentityError) as refused:
        act()
    assert refused.value.hint
    # Without the source lines, which hold this test's own literals.
    shown = "".join(traceback.TracebackException(type(refused.value), refused.value, None).format())
    assert_no_leak(shown + refused.value.hint, secrets)
    return f"{refused.value}\n{refused.value.hint}"


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.integers() | st.booleans()))
def test_the_payload_is_read_whatever_its_length(claims: dict[str, Any]) -> None:
    found = id_token(f" {jwt(claims)}\n", "GitHub Actions")
    assert found.claims == claims
    assert found.source == "GitHub Actions"
    assert found.token.reveal().decode() == jwt(claims)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("a.b", "2 parts instead of 3"),
        ("abcdefghijkl", "1 parts instead of 3"),
        ("a.b.c.d", "4 parts instead of 3"),
        ("x" * (MAX_TOKEN + 1), "longer than 64 KiB"),
        ("two words.and.more", "characters that no JWT has"),
        ("a\nb.c.d", "characters that no JWT has"),
        ("caf\u00e9.x.y", "characters that no JWT has"),
        ("\ud800.x.y", "characters that no JWT has"),
        ("a.b+/=.c", "characters that no JWT has"),
        ("/var/run/token", "characters that no JWT has"),
        ("a.b.c", "its payload is not a JSON object"),
        ("..", "its payload is not a JSON object"),
        (jwt(b"not json"), "its payload is not a JSON object"),
        (jwt(b"\xff\xfe\xfd"), "its payload is not a JSON object"),
        (jwt(b"[" * 20_000), "its payload is not a JSON object"),
        (jwt([1, 2]), "its payload is not a JSON object"),
        (jwt("text"), "its payload is not a JSON object"),
        (jwt(b"null"), "its payload is not a JSON object"),
    ],
)
def test_what_is_not_a_token_is_refused_without_being_shown(text: str, problem: str) -> None:
    shown = refusal(lambda: id_token(text, "GitLab CI"), *([text] if text.isascii() else []))
    assert "what GitLab CI gave is not an ID token: " in shown
    assert problem in shown


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["https://other", AUDIENCE]])
def test_an_audience_is_a_string_or_one_of_a_list(aud: object) -> None:
    check_audience(id_token(jwt(aud=aud), "x"), AUDIENCE)


@pytest.mark.parametrize(
    ("claims", "has"),
    [
        ({}, "no audience"),
        ({"aud": None}, "no audience"),
        ({"aud": ""}, 'audience ""'),
        ({"aud": []}, "audience []"),
        ({"aud": f"{AUDIENCE}/"}, f'audience "{AUDIENCE}/"'),
        ({"aud": f"{AUDIENCE},x"}, "audience"),
        ({"aud": AUDIENCE.upper()}, "audience"),
        ({"aud": [[AUDIENCE]]}, "audience"),
        ({"aud": {AUDIENCE: 1}}, "audience"),
        ({"aud": "x" * 500}, "xxx..."),
        ({"aud": "two\nlines"}, r'"two\nlines"'),
    ],
)
def test_another_audience_is_refused_with_both(claims: dict[str, object], has: str) -> None:
    shown = refusal(lambda: check_audience(id_token(jwt(**claims), "GitLab CI"), AUDIENCE))
    assert "the token from GitLab CI has " in shown
    assert has in shown
    assert f'"{AUDIENCE}"' in shown


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        ("main", ("main",)),
        ("main", ("other", "main")),
        (42, (42,)),
        (True, (True,)),
        ("true", ("true",)),
        (["a", "b"], ("b",)),
        (["a", 1], (1,)),
    ],
)
def test_a_claim_fits_when_any_wanted_value_is_any_of_its_own(claim: object, wanted: tuple[str | int | bool]) -> None:
    check_only_if({"x": claim}, {"x": wanted}, "prod")


@pytest.mark.parametrize(
    ("claim", "wanted", "problem"),
    [
        ("dev", ("main",), 'claim x is "dev", only_if wants "main"\n'),
        ("dev", ("main", "prod"), 'only_if wants "main" or "prod"\n'),
        ("true", (True,), 'claim x is "true", only_if wants true: the types differ'),
        (True, ("true",), 'claim x is true, only_if wants "true": the types differ'),
        ("42", (42,), "the types differ"),
        (1, (True,), "claim x is 1, only_if wants true\n"),
        (True, (1,), "claim x is true, only_if wants 1\n"),
        (["42"], (42,), "the types differ"),
        ("Main", ("main",), 'claim x is "Main", only_if wants "main"\n'),
        (None, ("main",), 'claim x is missing, only_if wants "main"'),
        ([], ("main",), 'claim x is [], only_if wants "main"'),
        ({"a": 1}, ("a",), 'claim x is {"a": 1}, only_if wants "a"'),
        ("main ", ("main",), "only_if wants"),
        ("m*", ("main",), "only_if wants"),
        ("\n::stop-commands::x", ("main",), r'"\n::stop-commands::x"'),
    ],
)
def test_a_claim_that_does_not_fit_is_named_with_both_sides(claim: object, wanted: Any, problem: str) -> None:
    shown = refusal(lambda: check_only_if({"x": claim}, {"x": wanted}, "prod"))
    assert problem in shown
    assert "outside environment prod" in shown


def test_every_claim_that_does_not_fit_is_named_at_once() -> None:
    only_if = {"ref": ("main",), "environment": ("production",), "actor": ("octocat",)}
    shown = refusal(lambda: check_only_if({"ref": "dev", "actor": "octocat"}, only_if, "prod"))
    assert 'claim ref is "dev"' in shown
    assert "claim environment is missing" in shown
    assert "actor" not in shown


def test_a_person_is_outside_every_limited_environment_and_inside_any_other() -> None:
    check_only_if(None, {}, "dev")
    check_only_if({}, {}, "dev")
    assert "a person's vault token has no claims" in refusal(lambda: check_only_if(None, {"ref": ("main",)}, "prod"))


TARGET = {"event_name": "pull_request_target", "ref": "refs/heads/main"}


@pytest.mark.parametrize("only_if", [{}, {"ref": ("refs/heads/main",)}, {"event_name": ()}])
def test_a_pull_request_target_job_is_outside_every_environment_that_does_not_name_it(only_if: Any) -> None:
    """Its token has the base branch's ref, so that no other claim tells it from a push."""
    shown = refusal(lambda: check_only_if(TARGET, only_if, "dev"))
    assert "pull_request_target" in shown
    assert 'environments.dev.only_if with event_name = ["pull_request_target"]' in shown


@pytest.mark.parametrize(
    ("claims", "only_if", "kind"),
    [
        (TARGET, {}, PullRequestTargetError),
        (TARGET, {"event_name": ("push",)}, IdentityError),
        ({"ref": "pull_request_target"}, {"ref": ("main",)}, IdentityError),
        (None, {"event_name": ("pull_request_target",)}, IdentityError),
    ],
)
def test_the_event_that_nobody_named_is_told_from_a_claim_that_does_not_fit(
    claims: Any, only_if: Any, kind: type[IdentityError]
) -> None:
    with pytest.raises(IdentityError) as refused:
        check_only_if(claims, only_if, "dev")
    assert type(refused.value) is kind


@pytest.mark.parametrize(
    ("has", "wanted", "differ"),
    [
        ("true", (True,), True),
        (["x", "42"], (42,), True),
        (True, (True,), False),
        ("x", ("y",), False),
        (None, ("none", "None"), False),
        ([], (1,), False),
    ],
)
def test_a_claim_of_another_type_is_told_from_another_value(has: object, wanted: Any, differ: bool) -> None:
    assert types_differ(has, wanted) is differ


def test_an_environment_for_other_events_says_so() -> None:
    shown = refusal(lambda: check_only_if(TARGET, {"event_name": ("push",)}, "dev"))
    assert 'claim event_name is "pull_request_target", only_if wants "push"' in shown


@pytest.mark.parametrize("named", [("pull_request_target",), ("push", "pull_request_target")])
def test_an_environment_may_name_pull_request_target(named: tuple[str, ...]) -> None:
    check_only_if(TARGET, {"event_name": named}, "dev")
    assert "claim ref" in refusal(lambda: check_only_if(TARGET, {"event_name": named, "ref": ("other",)}, "dev"))


@pytest.mark.parametrize("event", ["push", "pull_request", "merge_group", "workflow_dispatch", None, ""])
def test_other_events_need_no_naming(event: str | None) -> None:
    check_only_if({"event_name": event}, {}, "dev")


@given(st.recursive(st.none() | st.text() | st.floats(), st.lists))
def test_a_claim_is_shown_on_one_short_line(value: object) -> None:
    shown = show(value)
    assert len(shown) <= 120
    assert shown.isascii()
    assert shown.isprintable()


class Source:
    def __init__(self, name: str, answer: IdToken | IdentityError | None) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[str] = []

    def identity(self, audience: str) -> IdToken | None:
        self.asked.append(audience)
        if isinstance(self.answer, IdentityError):
            raise self.answer
        return self.answer


def test_the_first_identity_wins_and_later_sources_are_not_asked() -> None:
    token = id_token(jwt(), "second")
    sources = [Source("first", None), Source("second", token), Source("third", token)]
    assert resolve(sources, AUDIENCE) is token
    assert [source.asked for source in sources] == [[AUDIENCE], [AUDIENCE], []]


def test_a_source_that_refuses_ends_the_search() -> None:
    sources = [Source("first", IdentityError("no", hint="x")), Source("second", id_token(jwt(), "second"))]
    with pytest.raises(IdentityError, match="no"):
        resolve(sources, AUDIENCE)
    assert sources[1].asked == []


def test_where_no_source_has_an_identity_all_are_named() -> None:
    shown = refusal(lambda: resolve([Source("GitHub Actions", None), Source("Jenkins", None)], AUDIENCE))
    assert "none of GitHub Actions, Jenkins gave one" in shown


@pytest.mark.parametrize(
    ("audience", "name"),
    [
        (AUDIENCE, FALLBACK),
        ("vault", "VAULT_ID_TOKEN"),
        ("sigstore.dev", "SIGSTORE_DEV_ID_TOKEN"),
        ("\u00e9", "__ID_TOKEN"),
    ],
)
def test_the_fallback_is_what_generic_libraries_look_for(audience: str, name: str) -> None:
    assert fallback_name(audience) == name


def test_a_chosen_variable_comes_before_the_common_fallback() -> None:
    assert names("MY_TOKEN", AUDIENCE) == ("MY_TOKEN", FALLBACK)
    assert names("", AUDIENCE) == ("VAULT_ID_TOKEN", FALLBACK)


@pytest.mark.parametrize(("host", "kind"), [(GITLAB, GitLabIdentity), (JENKINS, JenkinsIdentity)])
def test_a_job_that_asks_for_no_token_is_told_from_one_whose_token_is_odd(host: dict[str, str], kind: Any) -> None:
    with pytest.raises(UnrequestedError):
        kind(host, "").identity(AUDIENCE)
    with pytest.raises(IdentityError) as odd:
        kind(host | {"VAULT_ID_TOKEN": "id_tokens withCredentials"}, "").identity(AUDIENCE)
    assert type(odd.value) is IdentityError


@pytest.mark.parametrize(("host", "kind"), [(GITLAB, GitLabIdentity), (JENKINS, JenkinsIdentity)])
class TestVariables:
    @pytest.mark.parametrize(
        ("chosen", "variable"),
        [("", "VAULT_ID_TOKEN"), ("", FALLBACK), ("MY_TOKEN", "MY_TOKEN"), ("MY_TOKEN", FALLBACK)],
    )
    def test_the_token_is_in_the_variable(self, host, kind, chosen, variable) -> None:
        found = kind(host | {variable: jwt(sub="x")}, chosen).identity(AUDIENCE)
        assert found.claims == {"sub": "x"}
        assert variable in found.source

    def test_the_default_comes_before_the_fallback(self, host, kind) -> None:
        env = host | {FALLBACK: jwt(sub="fallback"), "VAULT_ID_TOKEN": jwt(sub="default")}
        assert kind(env, "").identity(AUDIENCE).claims == {"sub": "default"}

    def test_off_the_host_there_is_none(self, host, kind) -> None:
        assert kind({"VAULT_ID_TOKEN": jwt()}, "").identity(AUDIENCE) is None
        assert kind({next(iter(host)): "", "VAULT_ID_TOKEN": jwt()}, "").identity(AUDIENCE) is None

    def test_without_a_variable_the_job_is_told_how_to_get_one(self, host, kind) -> None:
        shown = refusal(lambda: kind(host | {"VAULT_ID_TOKEN": ""}, "").identity(AUDIENCE))
        assert f"VAULT_ID_TOKEN and {FALLBACK} are not" in shown

    def test_another_variable_does_not_stand_in_for_the_chosen_one(self, host, kind) -> None:
        shown = refusal(lambda: kind(host | {"VAULT_ID_TOKEN": jwt()}, "MY_TOKEN").identity(AUDIENCE), jwt())
        assert f"MY_TOKEN and {FALLBACK} are not" in shown

    def test_what_is_no_token_is_refused_with_the_variable_s_name(self, host, kind) -> None:
        env = host | {"VAULT_ID_TOKEN": "s3cr3t-but-no-token"}
        assert "VAULT_ID_TOKEN" in refusal(lambda: kind(env, "").identity(AUDIENCE), "s3cr3t-but-no-token")


def test_gitlab_is_told_the_audience_in_its_own_yaml() -> None:
    shown = refusal(lambda: GitLabIdentity(GITLAB, "").identity(AUDIENCE))
    assert f'id_tokens: {{ VAULT_ID_TOKEN: {{ aud: "{AUDIENCE}" }} }}' in shown
    assert "could not sign" in shown


@pytest.mark.parametrize("variable", ["VAULT_ID_TOKEN", "VAULT_ID_TOKEN_FILE", FALLBACK, f"{FALLBACK}_FILE"])
def test_jenkins_may_bind_a_file(tmp_path: Path, variable: str) -> None:
    (tmp_path / "id_token").write_text(jwt(sub="x"))
    found = JenkinsIdentity(JENKINS | {variable: str(tmp_path / "id_token")}, "").identity(AUDIENCE)
    assert found is not None
    assert found.claims == {"sub": "x"}
    assert variable in found.source


@pytest.mark.parametrize("variable", ["VAULT_ID_TOKEN", "VAULT_ID_TOKEN_FILE"])
@pytest.mark.parametrize(("name", "reason"), [("absent", "No such file"), (".", "Is a directory")])
def test_a_bound_file_that_cannot_be_read_is_named(tmp_path: Path, variable: str, name: str, reason: str) -> None:
    env = JENKINS | {variable: str(tmp_path / name)}
    shown = refusal(lambda: JenkinsIdentity(env, "").identity(AUDIENCE))
    assert variable in shown
    assert reason in shown


def test_a_given_token_needs_no_host() -> None:
    found = GivenIdentity({"CIPLUG_ID_TOKEN": jwt(sub="x")}).identity(AUDIENCE)
    assert found is not None
    assert (found.claims, found.source) == ({"sub": "x"}, "CIPLUG_ID_TOKEN")


def test_a_given_file_is_read_and_the_variable_comes_first(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(jwt(sub="file") + "\n")
    env = {"CIPLUG_ID_TOKEN_FILE": str(tmp_path / "token")}
    found = GivenIdentity(env).identity(AUDIENCE)
    assert found is not None
    assert (found.claims, found.source) == ({"sub": "file"}, "CIPLUG_ID_TOKEN_FILE")
    both = GivenIdentity(env | {"CIPLUG_ID_TOKEN": jwt(sub="variable")}).identity(AUDIENCE)
    assert both is not None
    assert both.claims == {"sub": "variable"}


@pytest.mark.parametrize("env", [{}, {"CIPLUG_ID_TOKEN_FILE": ""}])
def test_nothing_given_is_none(env: dict[str, str]) -> None:
    assert GivenIdentity(env).identity(AUDIENCE) is None


def test_a_variable_that_is_set_and_empty_is_a_mistake_and_not_none() -> None:
    assert "CIPLUG_ID_TOKEN gave is not an ID token: it is empty" in refusal(
        lambda: GivenIdentity({"CIPLUG_ID_TOKEN": ""}).identity(AUDIENCE)
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"x" * (MAX_TOKEN + 1), "longer than 64 KiB"),
        (b"\xff\xfe", "characters that no JWT has"),
        (b"s3cr3t-but-no-token", "1 parts"),
    ],
)
def test_a_file_without_a_token_is_refused_without_being_shown(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "token").write_bytes(content)
    env = {"CIPLUG_ID_TOKEN_FILE": str(tmp_path / "token")}
    assert problem in refusal(lambda: GivenIdentity(env).identity(AUDIENCE), "s3cr3t-but-no-token")


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert "longer than 64 KiB" in refusal(
        lambda: GivenIdentity({"CIPLUG_ID_TOKEN_FILE": "/dev/zero"}).identity(AUDIENCE)
    )


@pytest.mark.parametrize("variable", ["BAO_TOKEN", "VAULT_TOKEN"])
def test_a_person_s_token_comes_from_a_variable(variable: str) -> None:
    found = PersonIdentity({variable: " hvs.token "}, ci=False).identity(AUDIENCE)
    assert isinstance(found, VaultToken)
    assert (found.token.reveal(), found.source) == (b"hvs.token", variable)


def test_openbao_s_variable_comes_before_vault_s_and_both_before_the_file(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("file\n")
    env = {"HOME": str(tmp_path), "VAULT_TOKEN": "vault", "BAO_TOKEN": "bao"}
    seen = []
    for variable in ("BAO_TOKEN", "VAULT_TOKEN", "HOME"):
        found = PersonIdentity(env, ci=False).identity(AUDIENCE)
        assert found is not None
        seen.append((found.token.reveal(), found.source))
        env[variable] = ""
    assert seen == [(b"bao", "BAO_TOKEN"), (b"vault", "VAULT_TOKEN"), (b"file", "~/.vault-token")]
    assert PersonIdentity(env, ci=False).identity(AUDIENCE) is None


def test_in_ci_a_static_credential_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("file")
    env = {"HOME": str(tmp_path), "VAULT_TOKEN": "vault", "BAO_TOKEN": "bao"}
    assert PersonIdentity(env, ci=True).identity(AUDIENCE) is None


@pytest.mark.parametrize("home", ["absent", "file", ""])
def test_without_a_home_or_a_file_there_is_none(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").touch()
    assert PersonIdentity({"HOME": str(tmp_path / home)}, ci=False).identity(AUDIENCE) is None
    assert PersonIdentity({"HOME": "/dev/null"}, ci=False).identity(AUDIENCE) is None
    assert PersonIdentity({}, ci=False).identity(AUDIENCE) is None


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_token_file_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".vault-token").write_bytes(content)
    assert PersonIdentity({"HOME": str(tmp_path)}, ci=False).identity(AUDIENCE) is None


def test_a_token_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").mkdir()
    shown = refusal(lambda: PersonIdentity({"HOME": str(tmp_path)}, ci=False).identity(AUDIENCE))
    assert "~/.vault-token cannot be read: Is a directory" in shown


@pytest.mark.parametrize("content", [b"two words", b"two\nlines", b"\xff\xfe", b"x" * 9000, b"\x1b[31m", b"a\0b"])
def test_what_is_no_vault_token_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".vault-token").write_bytes(content)
    shown = refusal(lambda: PersonIdentity({"HOME": str(tmp_path)}, ci=False).identity(AUDIENCE))
    assert "what ~/.vault-token holds is not a vault token" in shown
    assert content.decode("latin-1") not in shown
    assert stat.S_ISREG((tmp_path / ".vault-token").stat().st_mode)


def test_a_variable_that_is_no_vault_token_is_refused_by_name() -> None:
    shown = refusal(
        lambda: PersonIdentity({"VAULT_TOKEN": "s3cr3t value"}, ci=False).identity(AUDIENCE), "s3cr3t value"
    )
    assert "what VAULT_TOKEN holds" in shown


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ('claim "ref" does not match any associated bound claim values', 'the token has ref "refs/heads/main"'),
        ('claim "environment" is missing', "the token has no claim environment"),
        ("invalid audience (aud) claim: audience claim does not match", 'the token has aud ["a", "b"]'),
        ("invalid issuer (iss) claim", "the token has no claim iss"),
        ('claim "/pointer" is missing', ""),
        ("permission denied", ""),
    ],
)
def test_evidence_is_what_the_token_has_for_what_the_vault_objects_to(reason: str, says: str) -> None:
    assert evidence({"ref": "refs/heads/main", "aud": ["a", "b"]}, reason) == says


@pytest.mark.parametrize(("ahead", "says"), [(-500.0, "s ago)"), (500.0, "s from now)")])
def test_evidence_tells_times_from_now(ahead: float, says: str) -> None:
    assert evidence({"exp": time.time() + ahead}, "invalid expiration time (exp) claim: token is expired").endswith(
        says
    )


def test_evidence_shows_an_odd_time_as_it_is() -> None:
    assert evidence({"exp": "soon"}, "invalid expiration time (exp) claim") == 'the token has exp "soon"'
