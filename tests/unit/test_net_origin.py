import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.net.origin import Origin, split


@pytest.mark.parametrize(
    ("url", "shown", "authority", "port", "path"),
    [
        ("https://vault.acme.dev:8200", "https://vault.acme.dev:8200", "vault.acme.dev:8200", 8200, ""),
        ("https://vault.acme.dev", "https://vault.acme.dev", "vault.acme.dev", 443, ""),
        ("https://vault.acme.dev:443/v1/x?y=z#f", "https://vault.acme.dev", "vault.acme.dev", 443, "/v1/x"),
        ("http://[::1]:8200/gw", "http://[::1]:8200", "[::1]:8200", 8200, "/gw"),
        ("HTTPS://Vault.ACME.dev.:8200/", "https://vault.acme.dev:8200", "vault.acme.dev:8200", 8200, "/"),
    ],
)
def test_a_url_is_taken_apart(url, shown, authority, port, path):
    origin, rest = split(url)
    assert (str(origin), origin.authority, origin.port, rest) == (shown, authority, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vault.acme.dev:8200",
        "ftp://vault.acme.dev",
        "https://",
        "https://:8200",
        "https://vault:0",
        "https://vault:99999",
        "https://vault:abc",
        "https://[::1",
        "https://va ult/",
        "https://vault/\r\nX: y",
        "https://vält.example",
        "https://fe80::1%25eth0",
    ],
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ValueError, match=r"has no valid|begins with|holds a character"):
        split(url)


@pytest.mark.parametrize(
    "url", ["https://ops:hunter2@vault.acme.dev", "https://hunter2@vault", "https://a:hunter2@v:x"]
)
def test_a_password_in_a_url_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match=r"user name or password|host and port") as caught:
        split(url)
    assert "hunter2" not in str(caught.value)


@given(
    host=st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,5}){0,2}", fullmatch=True),
    port=st.integers(1, 65535),
)
def test_what_an_origin_shows_is_that_origin(host, port):
    for scheme in ("http", "https"):
        origin = Origin(scheme=scheme, host=host, port=port)
        assert split(str(origin)) == (origin, "")
