"""What the environment says of the way to a server: which variable counts, what is refused, and in which words."""

from __future__ import annotations

import traceback

import pytest

from fi_async import AsyncEvaluator, ConfigurationError
from fi_async.wire import proxies
from fi_async.wire.proxies import Proxy, check_certificates, proxy_to, ssl_context

HTTPS = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"https_proxy": "http://p:3128"}, "http://p:3128"),
        (HTTPS, {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        (HTTPS, {"HTTPS_PROXY": "http://p:3128", "https_proxy": "http://q:1"}, "http://q:1"),
        (HTTPS, {"https_proxy": "", "HTTPS_PROXY": " "}, None),
        (HTTPS, {"http_proxy": "http://p:3128"}, None),
        (HTTPS, {"all_proxy": "http://p:3128"}, "http://p:3128"),
        (HTTPS, {"ALL_PROXY": "http://p:3128", "HTTPS_PROXY": "http://q:1"}, "http://q:1"),
        (HTTPS, {"https_proxy": "p:3128"}, "http://p:3128"),
        (HTTPS, {"https_proxy": "http://p"}, "http://p:80"),
        (HTTPS, {"https_proxy": "HTTPS://p/"}, "https://p:443"),
        (HTTPS, {"https_proxy": "http://[::1]:3128"}, "http://[::1]:3128"),
        ("http://api.example.com", {"http_proxy": "http://p:1"}, "http://p:1"),
        ("http://api.example.com", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("http://api.example.com", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("http://api.example.com", {"https_proxy": "http://p:1"}, None),
    ],
)
def test_which_variable_names_the_proxy(url, environment, expected):
    assert proxy_to(url, environment) == (None if expected is None else Proxy(expected))


def test_a_login_is_read_and_does_not_show():
    proxy = proxy_to(HTTPS, {"https_proxy": "http://user:hunt%40er2@p:1"})
    assert proxy == Proxy("http://p:1", ("user", "hunt@er2"))
    assert "hunt" not in repr(proxy)


@pytest.mark.parametrize(
    ("entries", "url", "direct"),
    [
        ("*", HTTPS, True),
        ("api.example.com", HTTPS, True),
        ("API.Example.COM", HTTPS, True),
        ("example.com", HTTPS, True),
        (".example.com", HTTPS, True),
        ("*.example.com", HTTPS, True),
        ("example.com.", HTTPS, True),
        ("ample.com", HTTPS, False),
        ("example.org", HTTPS, False),
        ("v1.api.example.com", HTTPS, False),
        ("other, example.com", HTTPS, True),
        ("other example.com", HTTPS, True),
        (" , ,", HTTPS, False),
        (".", HTTPS, False),
        ("example.com:443", HTTPS, True),
        ("example.com:8443", HTTPS, False),
        ("example.com:8443", "https://example.com:8443", True),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:444", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.1.2.99/24", "https://10.1.2.3", True),
        ("10.2.0.0/16", "https://10.1.2.3", False),
        ("1.2.3", "https://10.1.2.3", False),
        ("10.0.0.0/8", HTTPS, False),
        ("::1", "https://[::1]:8443", True),
        ("[::1]", "https://[::1]:8443", True),
        ("[::1]:8443", "https://[::1]:8443", True),
        ("[::1]:1", "https://[::1]:8443", False),
        ("fe80::/10", "https://[fe80::2]", True),
        ("localhost", "https://localhost:8000", True),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_who_is_reached_without_the_proxy(name, entries, url, direct):
    found = proxy_to(url, {"all_proxy": "http://p:1", name: entries})
    assert found == (None if direct else Proxy("http://p:1"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("ftp://user:hunter2@p:1", "it must look like http://host:port"),
        ("http://user:hunter2@", "it must look like http://host:port"),
        ("http://user:hunter2@p:99999", "it must look like http://host:port"),
        ("http://user:hunter2@p:0", "it must look like http://host:port"),
        ("http://user:hunter2@[::1", "it must look like http://host:port"),
        ("http://user:hunter2@p[::1]:1", "it must look like http://host:port"),
        ("http://user:hunter2@p q:1", "it must look like http://host:port"),
        ("socks4://user:hunter2@p:1", "only socks5:// and socks5h:// are spoken"),
        ("socks://user:hunter2@p:1", "only socks5:// and socks5h:// are spoken"),
        ("socks5://user:hunter2@p:1", r"install fi-async\[socks\]"),
        ("socks5h://p:1", r"install fi-async\[socks\]"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_by_its_variable(value, words, monkeypatch):
    monkeypatch.setattr(proxies, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=words) as caught:
        proxy_to(HTTPS, {"ALL_PROXY": value})
    assert caught.value.message.startswith("ALL_PROXY ")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_socks_proxy_is_used_where_its_extra_is_installed(monkeypatch):
    monkeypatch.setattr(proxies, "find_spec", lambda name: name == "socksio" or None)
    assert proxy_to(HTTPS, {"ALL_PROXY": "socks5h://u:p@s"}) == Proxy("socks5h://s:1080", ("u", "p"))


def test_the_environment_is_checked_when_a_client_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("HTTPS_PROXY", "ftp://p")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY cannot be used"):
        AsyncEvaluator("a", "s")
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE names no file that is there"):
        AsyncEvaluator("a", "s")
    AsyncEvaluator.local()


def test_certificates_that_are_there_are_taken(tmp_path):
    check_certificates({})
    check_certificates({"SSL_CERT_DIR": str(tmp_path), "SSL_CERT_FILE": ""})
    with pytest.raises(ConfigurationError, match="SSL_CERT_DIR names no directory that is there"):
        check_certificates({"SSL_CERT_DIR": str(tmp_path / "none")})


def test_a_file_that_holds_no_certificates_is_named(monkeypatch, tmp_path):
    file = tmp_path / "empty.pem"
    file.write_text("nothing\n", encoding="utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE .*empty\.pem.* cannot be used"):
        ssl_context()
