from __future__ import annotations

import pytest

from ciplug.manifest import name_problem

FREE = """
    NPM_TOKEN NODE_AUTH_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION DATABASE_URL PGUSER
    PGPASSWORD PG_USER DOCKER_PASSWORD DOCKER_AUTH_CONFIG SSH_PRIVATE_KEY TWINE_PASSWORD GITLAB_TOKEN
    CIRCLE_TOKEN VERCEL_TOKEN RAILWAY_TOKEN STRIPE_SECRET_KEY CARGO_REGISTRY_TOKEN UV_INDEX_PRIVATE_PASSWORD
    PIP_INDEX_URL TF_VAR_key KUBECONFIG SENTRY_AUTH_TOKEN GOOGLE_APPLICATION_CREDENTIALS GH_TOKEN
    JENKINS_TOKEN PASSWORD USERNAME SECRET _KEY a a1 GITHUB LDAP_PASSWORD CIVIC_KEY PATHS ENVIRONMENT
    HOMEPAGE_KEY CITY TERM_KEY RUNNERS_TOKEN
"""

RESERVED = """
    PATH Path path LD_PRELOAD ld_library_path LD_ANYTHING DYLD_INSERT_LIBRARIES BASH_ENV BASHOPTS BASH_FUNC_ls
    ENV IFS NODE_OPTIONS node_options NODE_PATH NODE_EXTRA_CA_CERTS PYTHONPATH PYTHONSTARTUP PYTHON_X
    GIT_SSH_COMMAND GIT_TOKEN GITHUB_TOKEN GITHUB_ENV GITHUB_PATH RUNNER_TEMP ACTIONS_ID_TOKEN_REQUEST_TOKEN
    CI CI_JOB_TOKEN GITLAB_CI GITLAB_USER_ID HOME SHELL SHELLOPTS PS4 PROMPT_COMMAND PERL5OPT PERL5LIB PERL5DB
    RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH GCONV_PATH GLIBC_TUNABLES
    MALLOC_CHECK_ TMPDIR TMP TEMP USER LOGNAME HTTP_PROXY https_proxy NO_PROXY all_proxy SSL_CERT_FILE
    SSL_CERT_DIR CIPLUG_JOB VAULT_TOKEN VAULT_ADDR BAO_TOKEN VERCEL_OIDC_TOKEN EDITOR PAGER SSH_ASKPASS
    COMSPEC PATHEXT SYSTEMROOT ZDOTDIR FPATH CDPATH TERMINFO LESSOPEN R_PROFILE MAKEFLAGS RUSTC_WRAPPER
    OPENSSL_CONF JENKINS_NODE_COOKIE WORKSPACE DOTNET_STARTUP_HOOKS _
"""


@pytest.mark.parametrize(
    "name",
    FREE.split(),
)
def test_names_of_common_secrets_are_free(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    RESERVED.split(),
)
def test_names_that_change_how_processes_run_are_refused(name: str) -> None:
    assert "is reserved" in str(name_problem(name))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1A",
        "A B",
        " A",
        "A ",
        "A-B",
        "A.B",
        "A=B",
        "A\0",
        "A\n",
        "A\nB",
        "Ä",
        "\uff21",
        "A\u0301",
        "$A",
        "()",
        "A%",
    ],
)
def test_what_is_not_a_variable_name_is_refused(name: str) -> None:
    assert "is not a variable name" in str(name_problem(name))
