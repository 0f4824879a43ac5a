import pytest

from ciplug.errors import UsageError
from ciplug.net.origin import split
from ciplug.net.proxy import ProxySettings

PROXY = "http://proxy.acme.test:3128"


def route(url, **settings):
    return ProxySettings.from_mapping(settings).route(split(url)[0])


def test_each_scheme_has_its_own_proxy():
    settings = {"https_proxy": "http://one:1", "http_proxy": "http://two:2"}
    assert str(route("https://vault.acme.dev", **settings)) == "one:1"
    assert str(route("http://vault.acme.dev", **settings)) == "two:2"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("proxy.acme.test:3128", "proxy.acme.test:3128"),
        ("http://proxy.acme.test", "proxy.acme.test:80"),
        ("http://proxy.acme.test:3128/", "proxy.acme.test:3128"),
        ("http://[::1]:3128", "[::1]:3128"),
        (" http://u:p@proxy.acme.test:3128 ", "proxy.acme.test:3128"),
    ],
)
def test_spellings_of_a_proxy(value, shown):
    assert str(route("https://vault.acme.dev", https_proxy=value)) == shown


@pytest.mark.parametrize("settings", [{}, {"https_proxy": ""}, {"https_proxy": "  "}, {"http_proxy": PROXY}])
def test_without_a_proxy_for_the_scheme_requests_go_straight(settings):
    assert route("https://vault.acme.dev", **settings) is None


@pytest.mark.parametrize(
    "value", ["https://u:hunter2@p:1", "socks5://hunter2@p", "http://u:hunter2@p:port", "http://", "http://[hunter2"]
)
def test_an_unusable_proxy_is_refused_by_the_name_of_its_setting(value):
    with pytest.raises(UsageError, match="https_proxy is not the address of an HTTP proxy") as caught:
        ProxySettings.from_mapping({"https_proxy": value})
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_credentials_are_decoded_and_never_shown():
    settings = ProxySettings.from_mapping({"https_proxy": "http://ops%40acme:hun%3Ater2@p:1"})
    proxy = settings.https
    assert proxy is not None
    assert proxy.authorization is not None
    assert proxy.authorization.reveal() == b"Basic b3BzQGFjbWU6aHVuOnRlcjI="
    assert "ops" not in f"{proxy} {proxy!r} {settings!r}"


@pytest.mark.parametrize("host", ["localhost", "vault.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_this_machine_is_never_behind_a_proxy(host):
    assert route(f"https://{host}:8200", https_proxy=PROXY) is None


MATCHES = [
    ("*", "https://vault.acme.dev"),
    ("vault.acme.dev", "https://vault.acme.dev:8200"),
    ("VAULT.acme.dev", "https://vault.acme.dev"),
    ("acme.dev", "https://vault.acme.dev"),
    (".acme.dev", "https://vault.acme.dev"),
    ("*.acme.dev", "https://vault.acme.dev"),
    ("acme.dev.", "https://vault.acme.dev"),
    ("vault.acme.dev:8200", "https://vault.acme.dev:8200"),
    ("acme.dev:443", "https://vault.acme.dev"),
    ("other.dev, acme.dev", "https://vault.acme.dev"),
    ("other.dev acme.dev", "https://vault.acme.dev"),
    ("10.1.2.3", "https://10.1.2.3:8200"),
    ("10.0.0.0/8", "https://10.1.2.3"),
    ("10.1.2.3:8200", "https://10.1.2.3:8200"),
    ("fd00::/8", "https://[fd00::5]"),
    ("fd00::5", "https://[fd00::5]"),
    ("[fd00::5]:8200", "https://[fd00::5]:8200"),
]
OTHERS = [
    ("", "https://vault.acme.dev"),
    ("vault.acme.dev:8200", "https://vault.acme.dev"),
    ("me.dev", "https://vault.acme.dev"),
    ("vault.acme.dev.evil.test", "https://vault.acme.dev"),
    ("acme.dev", "https://acme.dev.evil.test"),
    ("11.0.0.0/8", "https://10.1.2.3"),
    ("10.1.2.3:1", "https://10.1.2.3:8200"),
    ("acme.dev", "https://10.1.2.3"),
    ("10.0.0.0/8", "https://vault.acme.dev"),
    ("fd00::/8", "https://10.1.2.3"),
    (".", "https://vault.acme.dev"),
    ("[fd00::5]:1", "https://[fd00::5]:8200"),
]


@pytest.mark.parametrize(("entries", "url"), MATCHES)
def test_no_proxy_names_hosts_that_need_none(entries, url):
    assert route(url, https_proxy=PROXY, no_proxy=entries) is None


@pytest.mark.parametrize(("entries", "url"), OTHERS)
def test_no_proxy_names_nothing_else(entries, url):
    assert str(route(url, https_proxy=PROXY, no_proxy=entries)) == "proxy.acme.test:3128"
