"""What the environment says of the way to a server: proxies and certificates, read and checked once.

Read as curl reads them: https://curl.se/docs/manpage.html#ENVIRONMENT.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Final
from urllib.parse import unquote, urlsplit

from fi_async._connection import names_one_host
from fi_async._errors import ConfigurationError

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_LONGEST_PORT: Final = 5  # digits
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """What all connections go through.

    Attributes:
        url: Scheme, host and port, without a login.
        login: User name and password.
    """

    url: str
    login: tuple[str, str] | None = field(default=None, repr=False)


def proxy_to(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy that the environment names for a URL; None if it is reached directly.

    Raises:
        ConfigurationError: A variable holds what cannot be used; the message names it, without its login.
    """
    environment = os.environ if environment is None else environment
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    given = _variable(environment, f"{parts.scheme}_proxy", "all_proxy")
    excluded = _variable(environment, "no_proxy")
    if excluded is not None and _is_excluded(host, port, excluded[1]):
        return None
    if given is not None:
        return _proxy(*given)
    return _system_proxy(host, parts.scheme) if environment is os.environ and excluded is None else None


def _variable(environment: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """Return name and value of the first of some variables that is set, the lower-case spelling first."""
    for name in names:
        spellings = [name, name.upper()]
        if name == "http_proxy" and "REQUEST_METHOD" in environment:
            spellings.pop()  # of a CGI script: there HTTP_PROXY is the client's header "Proxy"
        for each in spellings:
            if value := environment.get(each, "").strip():
                return each, value
    return None


def _proxy(name: str, value: str) -> Proxy:
    """Return the proxy that a variable names."""
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    scheme = parts.scheme.lower()
    if scheme in ("socks", "socks4", "socks4a"):
        raise ConfigurationError(f"{name} names a proxy of {scheme}: only socks5:// and socks5h:// are spoken")
    if scheme not in _SCHEMES or not parts.hostname or port == 0 or not _is_plain(url) or not names_one_host(parts):
        raise ConfigurationError(
            f"{name} cannot be used: it must look like http://host:port (or https://, socks5://, socks5h://);"
            " set it right, or unset it"
        )
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(
            f"{name} names a SOCKS proxy: install fi-async[socks], name an http:// proxy, or list the server in"
            " NO_PROXY"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    login = None
    if parts.username is not None:
        login = (unquote(parts.username), unquote(parts.password or ""))
    return Proxy(f"{scheme}://{host}:{port or _DEFAULT_PORTS[scheme]}", login)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _is_excluded(host: str, port: int, entries: str) -> bool:
    """Tell whether a server is listed in NO_PROXY: hosts and their subdomains, addresses, networks, `*`."""
    host = host.rstrip(".").lower()
    address = _address(host)
    for entry in entries.replace(",", " ").lower().split():
        if entry == "*":
            return True
        name, entry_port = _split_port(entry)
        if entry_port is not None and entry_port != port:
            continue
        if address is not None:
            if _holds(name, address):
                return True
            continue
        name = name.removeprefix("*").strip(".")
        if name and (host == name or host.endswith(f".{name}")):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """Take `host:port` apart; an IPv6 address with a port stands in brackets."""
    head, colon, tail = entry.rpartition(":")
    if colon and tail.isdecimal() and len(tail) <= _LONGEST_PORT and (head.endswith("]") or ":" not in head):
        return head.strip("[]"), int(tail)
    return entry.replace("[", "").replace("]", ""), None


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _system_proxy(host: str, scheme: str) -> Proxy | None:
    """Return the proxy of the settings of macOS or Windows."""
    if sys.platform not in ("darwin", "win32"):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  # imports http.client and email

    found = getproxies().get(scheme)
    return _proxy("the system's proxy", found) if found and not proxy_bypass(host) else None


def check_certificates(environment: Mapping[str, str] | None = None) -> None:
    """Return if the certificates that the environment names are there.

    Raises:
        ConfigurationError: They are not; the message names the variable.
    """
    environment = os.environ if environment is None else environment
    for name, kind, is_there in (
        ("SSL_CERT_FILE", "file", os.path.isfile),  # Path's own raise of names that are too long, or not to be seen
        ("SSL_CERT_DIR", "directory", os.path.isdir),
    ):
        value = environment.get(name)
        if value and not any(map(is_there, value.split(os.pathsep))):
            raise ConfigurationError(f"{name} names no {kind} that is there: {value!r}; set it right, or unset it")


def ssl_context() -> ssl.SSLContext:
    """Return what HTTPS trusts: SSL_CERT_FILE, else SSL_CERT_DIR, else the certificates that httpx brings.

    Raises:
        ConfigurationError: They cannot be read; the message names the variable.
    """
    return _ssl_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache  # building one takes 40-110 ms
def _ssl_context(file: str | None, directory: str | None) -> ssl.SSLContext:
    check_certificates({"SSL_CERT_FILE": file or "", "SSL_CERT_DIR": directory or ""})
    if file or directory:
        try:
            context = ssl.create_default_context(cafile=file or None, capath=directory or None)
        except OSError as error:  # an SSLError is one
            reason = error.strerror or "it holds no certificates"
            raise ConfigurationError(f"SSL_CERT_FILE {file!r} cannot be used: {reason}") from None
    else:
        import httpx  # noqa: PLC0415  # 45 ms, when needed

        context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context
