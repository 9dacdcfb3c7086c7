"""Where requests go, and as whom: the base URL, the key pair, and the headers that go with every request."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlsplit

from fi_async._errors import ConfigurationError, MissingCredentialsError
from fi_async._version import __version__

CLOUD_URL: Final = "https://api.futureagi.com"
USER_AGENT: Final = f"fi-async/{__version__}"
LOCAL: Final = "local"
"""The base URL that means the embedded backend, in this process."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ONE_HOST: Final = re.compile(r"(?:\[[^][]+\]|[^][:]+)(?::[0-9]*)?")
_PLAIN_HOST: Final = re.compile(r"[0-9A-Za-z._-]+")
_OF_THE_CONNECTION: Final = (
    *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection"),
    *("te", "trailer", "upgrade", "expect"),
)
OF_THE_REQUEST: Final[Mapping[str, str]] = {
    "proxy-authorization": "it is a proxy's: put the login into the variable that names the proxy",
    "x-request-id": "it tells which reply belongs to which request",
    "accept-encoding": "replies are unpacked within bounds, from gzip and deflate only",
    **dict.fromkeys(("content-type", "content-encoding"), "it says what the body is"),
    **dict.fromkeys(_OF_THE_CONNECTION, "it belongs to the connection"),
}
"""Headers that no caller sets, and why."""

_OURS: Final[Mapping[str, str]] = {
    "x-api-key": "it is the key pair's: pass fi_api_key=",
    "x-secret-key": "it is the key pair's: pass fi_secret_key=",
    "authorization": "the server would go by it instead of the key pair; where a gateway asks for it, pass an"
    " http_client= that adds it",
    **OF_THE_REQUEST,
}


def backend_at(base_url: str) -> str:
    """Return who evaluates at a base URL: "cloud", "local" (this process), or "server", any other address."""
    return {LOCAL: LOCAL, CLOUD_URL: "cloud"}.get(base_url, "server")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair that never shows in a repr, a log or an exception."""

    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where requests go and as whom. Two clients with different connections share nothing.

    Attributes:
        base_url: Scheme, host and perhaps a path prefix, without a trailing slash; "local" in process.
        credentials: The key pair.
        user_agent: Sent as User-Agent.
        default_headers: Sent with every request, beside ours; they replace `Accept` and the like, and not what
            belongs to the connection or to the key pair.

    Raises:
        ConfigurationError: A header cannot be sent, or is not the caller's to set; its value is not shown.
    """

    base_url: str
    credentials: Credentials
    user_agent: str = USER_AGENT
    default_headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check_header("user_agent", "User-Agent", self.user_agent)
        check_headers("default_headers", self.default_headers, _OURS)

    @property
    def backend(self) -> str:
        """Who evaluates, as outcomes name it: see `backend_at`."""
        return backend_at(self.base_url)

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries beside what belongs to its connection and its body, the keys among it."""
        keys = {"X-Api-Key": self.credentials.api_key, "X-Secret-Key": self.credentials.secret_key}
        return {"User-Agent": self.user_agent, **keys, **self.default_headers}

    @property
    def secrets(self) -> Sequence[str]:
        """What no message may show, even if the server says it: the keys, and values of headers."""
        return (self.credentials.api_key, self.credentials.secret_key, *self.default_headers.values())

    @property
    def keys(self) -> Sequence[str]:
        """Those of them that are keys."""
        return (self.credentials.api_key, self.credentials.secret_key)

    @classmethod
    def resolve(
        cls,
        fi_api_key: str | None,
        fi_secret_key: str | None,
        fi_base_url: str | None,
        *,
        allow_insecure_http: bool = False,
        **others: Any,
    ) -> Connection:
        """Return the connection that arguments, then FI_API_KEY, FI_SECRET_KEY, FI_BASE_URL, describe.

        Raises:
            MissingCredentialsError: A key is missing, and the backend is not the local one.
            ConfigurationError: The URL cannot be used, or a key cannot be sent in a header.
        """
        source = "fi_base_url" if fi_base_url or not os.environ.get("FI_BASE_URL") else "FI_BASE_URL"
        base_url = _base_url(source, fi_base_url or os.environ.get("FI_BASE_URL") or CLOUD_URL, allow_insecure_http)
        api_key = fi_api_key or os.environ.get("FI_API_KEY")
        secret_key = fi_secret_key or os.environ.get("FI_SECRET_KEY")
        if base_url == LOCAL:
            return cls(base_url, Credentials(api_key or LOCAL, secret_key or LOCAL), **others)
        if not api_key or not secret_key:
            missing = [name for name, value in (("FI_API_KEY", api_key), ("FI_SECRET_KEY", secret_key)) if not value]
            raise MissingCredentialsError(
                f"{' and '.join(missing)} missing: set FI_API_KEY and FI_SECRET_KEY, or pass fi_api_key= and"
                " fi_secret_key=. To try without an account, use the embedded backend: AsyncEvaluator.local(),"
                " or FI_BASE_URL=local"
            )
        for name, key in (("fi_api_key", api_key), ("fi_secret_key", secret_key)):
            if not (key.isascii() and key.isprintable()) or key != key.strip():
                raise ConfigurationError(f"{name} holds a space, a line break or a character no header can carry")
        return cls(base_url, Credentials(api_key, secret_key), **others)


def _base_url(source: str, url: str, allow_insecure_http: bool) -> str:
    if url == LOCAL:
        return LOCAL
    return usable_url(source, url, allow_insecure_http, f'like https://host or be "{LOCAL}"', "your keys")


def usable_url(source: str, url: str, allow_insecure_http: bool, like: str, secret: str) -> str:
    """Return a base URL as it goes over the wire, without a trailing slash.

    Args:
        source: What it is called in messages.
        url: The URL.
        allow_insecure_http: Take http to another machine.
        like: How it must look, for the message: "like https://host".
        secret: What http would send unencrypted, for the message.

    Raises:
        ConfigurationError: It cannot be used.
    """
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        usable = usable and url.isprintable() and " " not in url
        host = (parts.hostname or "").encode("idna").decode()
        usable = usable and names_one_host(parts) and _is_host(host)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ConfigurationError(f"{source} must look {like}, not {without_login(url)!r}")
    if parts.username or parts.password:
        raise ConfigurationError(f"{source} must not hold a user name or password")
    if parts.scheme == "http" and not allow_insecure_http and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"{source} {url!r} would send {secret} unencrypted: use https, or in a program allow_insecure_http=True"
        )
    return url if url.isascii() else _in_ascii(parts, host)


def names_one_host(parts: SplitResult) -> bool:
    """Tell whether what stands between scheme and path is a host, or an address in brackets, and perhaps a port.

    Libraries take `a[::1]:80` apart in different ways, and so reach different servers.
    """
    return _ONE_HOST.fullmatch(parts.netloc.rpartition("@")[2]) is not None


def _is_host(host: str) -> bool:
    """Tell whether a name can be looked up, or is an address.

    Raises:
        ValueError: It is neither.
    """
    if _PLAIN_HOST.fullmatch(host):
        if "xn--" in host.lower():
            import idna  # noqa: PLC0415  # anyio's and httpx's, which refuse what it does, and Python's own codec takes

            idna.decode(host)
        return True
    return bool(ipaddress.IPv6Address(host))


def _in_ascii(parts: SplitResult, host: str) -> str:
    """Return a URL as it goes over the wire: the host by its IDNA name, the path with its other letters quoted."""
    netloc = host if parts.port is None else f"{host}:{parts.port}"
    return f"{parts.scheme}://{netloc}{quote(parts.path, safe='/%')}"


def check_headers(setting: str, headers: Mapping[str, str], refused: Mapping[str, str]) -> None:
    """Return if headers can be sent as they are.

    Args:
        setting: What they are called in messages.
        headers: By name.
        refused: Those that are not the caller's to set, in lower case, and why.

    Raises:
        ConfigurationError: One cannot; the message does not show its value.
    """
    seen: set[str] = set()
    for name, value in headers.items():
        _check_header(f"{setting}[{name!r}]", name, value)
        if reason := refused.get(name.lower()):
            raise ConfigurationError(f"{setting}[{name!r}] cannot be set: {reason}")
        if name.lower() in seen:
            raise ConfigurationError(f"{setting}[{name!r}] is there twice, in two spellings")
        seen.add(name.lower())


def _check_header(setting: str, name: object, value: object) -> None:
    """Return if a header can be sent as it is.

    Raises:
        ConfigurationError: It cannot; the message does not show the value.
    """
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ConfigurationError(f"{setting}: a header's name is letters, digits and hyphens")
    if not isinstance(value, str):
        raise ConfigurationError(f"{setting} must be text, not {type(value).__name__}")
    if not (value.isascii() and value.isprintable()) or value != value.strip():
        raise ConfigurationError(f"{setting} begins or ends with a space, or holds what no header can carry")


def may_carry(name: object, value: object) -> bool:
    """Tell whether a request may carry a header that comes from elsewhere than its client's settings."""
    try:
        _check_header("", name, value)
    except ConfigurationError:
        return False
    return str(name).lower() not in _OURS


def without_login(url: str) -> str:
    """Return the URL with what may be a password cut out, fit for a message."""
    head, at, tail = url.rpartition("@")
    scheme, separator, _ = head.rpartition("://")
    return f"{scheme}{separator}***@{tail}" if at else url


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, so that what is sent to it crosses no network."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
