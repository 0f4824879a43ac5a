from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.manifest import address_problem


@pytest.mark.parametrize(
    "url",
    [
        "https://vault.acme.dev",
        "https://vault.acme.dev/",
        "https://vault.acme.dev:8200",
        "https://vault",
        "https://my_vault-1.internal:1",
        "https://10.0.0.1:65535/",
        "https://[2001:db8::1]:8200",
        "https://[::ffff:10.0.0.1]",
        "http://localhost:8200",
        "http://127.0.0.1:8200",
        "http://127.255.0.9",
        "http://[::1]:8200/",
    ],
)
def test_plain_addresses_are_taken(url: str) -> None:
    assert address_problem(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "begin with https://"),
        ("vault.acme.dev", "begin with https://"),
        ("ftp://vault", "begin with https://"),
        ("HTTPS://vault", "begin with https://"),
        ("unix:///run/vault.sock", "begin with https://"),
        ("https://", "not a name or an IP address"),
        ("https:///", "not a name or an IP address"),
        ("https://:8200", "not a name or an IP address"),
        ("https://a..b", "not a name or an IP address"),
        ("https://-a", "not a name or an IP address"),
        ("https://a-.b", "not a name or an IP address"),
        ("https://a,b", "not a name or an IP address"),
        ("https://*", "not a name or an IP address"),
        ("https://[::1", "not an IPv6 address"),
        ("https://[fe80::1%eth0]", "not an IPv6 address"),
        ("https://[vault]", "not an IPv6 address"),
        ("https://[::1]x", "the port is not a number"),
        ("https://[::1]:", "the port is not a number"),
        ("https://vault:", "the port is not a number"),
        ("https://vault:http", "the port is not a number"),
        ("https://vault:0", "the port is not a number"),
        ("https://vault:08200", "the port is not a number"),
        ("https://vault:123456", "the port is not a number"),
        ("https://vault:1:2", "the port is not a number"),
        ("https://vault:65536", "above 65535"),
        ("https://vault/v1", "without a path"),
        ("https://vault//", "without a path"),
        ("https://vault?x=1", "without a query"),
        ("https://vault#x", "without a fragment"),
        ("https://vault\\@evil", "without a user name or password"),
        ("https://vault\\evil", "without a backslash"),
        ("https://user:hunter2@vault", "without a user name or password"),
        ("https://vault dev", "without blanks"),
        ("https://vault\n", "without blanks"),
        ("https://vault\x00", "without blanks"),
        ("https://väult", "beyond ASCII"),
        ("http://vault:8200", "travel in clear"),
        ("http://10.0.0.1", "travel in clear"),
        ("http://127.0.0.1.evil.dev", "travel in clear"),
        ("http://127.0.0.256", "travel in clear"),
        ("http://127.0.0.01", "travel in clear"),
        ("http://127.1", "travel in clear"),
        ("http://128.0.0.1", "travel in clear"),
        ("http://localhost.evil.dev", "travel in clear"),
        ("http://[::2]", "travel in clear"),
        ("http://127." + "9" * 5000 + ".0.1", "travel in clear"),
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url: str, problem: str) -> None:
    said = address_problem(url)
    assert said is not None
    assert problem in said
    assert "hunter2" not in said


@given(st.text(st.sampled_from("htps:/[]@?#.127local-_ é\n")) | st.text(), st.booleans())
def test_no_verdict_repeats_the_address(text: str, secure: bool) -> None:
    for url in (f"hunter2{text}", f"http{'s' * secure}://hunter2{text}", f"http{'s' * secure}://{text}hunter2"):
        assert "hunter2" not in (address_problem(url) or "")
