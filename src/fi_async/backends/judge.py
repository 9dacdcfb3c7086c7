"""A judge: a model behind an endpoint that speaks OpenAI's `/v1/chat/completions`."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

from fi_async._connection import OF_THE_REQUEST, check_headers, is_loopback, usable_url
from fi_async._errors import ConfigurationError, MissingCredentialsError
from fi_async._public import public
from fi_async._rubric import PROMPT_VERSION, Rubric, fingerprint_of
from fi_async._settings import OMITTED, Concurrency, Limit, Omitted, RunOptions
from fi_async.backends.prices import Price, Priced, price_from_tables, price_of
from fi_async.wire.chat_requests import PATH, ChatModel
from fi_async.wire.transport import AsgiApp

OPENAI_URL: Final = "https://api.openai.com/v1"
KEY_VARIABLE: Final = "OPENAI_API_KEY"

_KEY_HEADERS: Final = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key"})
_HOTTEST: Final = 2.0
_OURS: Final[Mapping[str, str]] = {
    "model": "it is the judge's: pass model",
    "messages": "they hold the criteria and the case",
    "response_format": "it follows from the template, and from what the endpoint takes",
    "temperature": "pass temperature=",
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "pass max_tokens="),
    **dict.fromkeys(("stream", "stream_options"), "an answer is read as a whole"),
    "n": "an answer has one verdict",
    **dict.fromkeys(("tools", "tool_choice", "functions", "function_call"), "a judge calls no tools"),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What tells judges apart that share limits, connections and what was learned: equal ones are paced together.

    Attributes:
        base_url: Where it is.
        model: The model's name.
        account: A hash of the key and of the headers that are sent; it gives neither away.
    """

    base_url: str
    model: str
    account: str


@public
@dataclass(frozen=True, slots=True)
class Judge:
    """A model that judges by a template's criteria, at any endpoint with `/chat/completions`.

    Args:
        model: Its name, as the endpoint has it.
        base_url: What `/chat/completions` is joined to; mostly it ends in /v1.
        api_key: Sent as a bearer token; omitted: OPENAI_API_KEY, and none to a server on this machine; None: none.
        limits: What the endpoint allows, where you know it: of requests, evaluations or tokens.
        max_cost: Dollars that one run may spend here; no case is started that may exceed it.
        price: Dollars a million tokens: (input, output), (input, output, cached) or a Price. None: by the endpoint's
            own figure, else by the table of the extra [prices].
        concurrency: Requests under way at once; "auto" finds how many the endpoint can do with.
        temperature: Sent if given; reasoning models refuse it.
        max_tokens: The bound of an answer, reasoning included; sent if given.
        extra_body: Further parameters of the request, as this endpoint has them.
        headers: Sent with every request.
        name: What outcomes call this judge; omitted: the model's name.
        allow_insecure_http: Allow http to another machine.
        http_client: An `httpx.AsyncClient` of yours: its proxies, certificates and pool are used. Closing it stays
            yours.
        app: An ASGI application that answers in this process, such as a `fi_async.local.LocalBackend`.

    Raises:
        ConfigurationError: One of them cannot be used; the message says which, and what to do.

    Example:
        >>> Judge("qwen3:8b", base_url="http://127.0.0.1:11434/v1", price=(0.1, 0.4)).label
        'qwen3:8b'
    """

    model: str
    _: KW_ONLY
    base_url: str = OPENAI_URL
    api_key: str | Omitted | None = field(default=OMITTED, repr=False)
    limits: Sequence[Limit] = ()
    max_cost: float | None = None
    price: Price | Sequence[float] | None = None
    concurrency: Concurrency = "auto"
    temperature: float | None = None
    max_tokens: int | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    name: str | None = None
    allow_insecure_http: bool = False
    http_client: Any = field(default=None, repr=False, compare=False)
    app: AsgiApp | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _is_name(self.model):
            raise ConfigurationError(
                f'Judge: model must be the name that the endpoint has for it, such as "gpt-5-mini", not {self.model!r}'
            )
        for check in _CHECKS:
            try:
                check(self)
            except ConfigurationError as error:
                raise ConfigurationError(f"Judge {self.model!r}: {error.message}") from None

    def __hash__(self) -> int:
        return hash((self.model, self.base_url, self.name))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the settings, if no secret is among them."""
        if isinstance(self.api_key, str) or self.headers:
            raise TypeError(
                f"Judge {self.model!r} cannot be pickled or copied: it holds a key, or headers. Make one in each"
                f" process, or leave api_key out, so that each reads {KEY_VARIABLE}"
            )
        return _made, ({each.name: getattr(self, each.name) for each in fields(self)},)

    @property
    def label(self) -> str:
        """What outcomes call this judge."""
        return self.name or self.model

    @property
    def is_local(self) -> bool:
        """True if the endpoint is on this machine, or in this process."""
        return self.app is not None or is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def endpoint(self) -> Endpoint:
        """What tells it apart from others. Raises as `request_headers` does."""
        sent = {name.lower(): value for name, value in self.request_headers().items()}
        by = [sent, None if self.app is None else id(self.app)]
        account = hashlib.sha256(json.dumps(by, sort_keys=True).encode()).hexdigest()
        return Endpoint(self.base_url, self.model, account[:16])

    @property
    def asked(self) -> ChatModel:
        """Who is asked, for requests and messages. Raises as `request_headers` does."""
        headers = self.request_headers()
        key = self._key()
        named = next((name for name in headers if name.lower() in _KEY_HEADERS), None)
        source = None if named is None else f"headers[{named!r}]"
        if key is not None:
            source = "api_key=" if isinstance(self.api_key, str) else KEY_VARIABLE
        return ChatModel(self.model, self.base_url, source, tuple(filter(None, (key, *self.headers.values()))))

    def request_headers(self) -> dict[str, str]:
        """Return the headers that every request carries, the key among them.

        Raises:
            MissingCredentialsError: There is no key, and the endpoint is not on this machine.
        """
        key = self._key()
        return {**self.headers, **({} if key is None else {"Authorization": f"Bearer {key}"})}

    def pricing(self) -> Priced | None:
        """Return what knows the cost of an answer: the given price, else that of the table, else None."""
        return price_of(self.price) or price_from_tables(self.model, self.base_url)

    def fingerprint(self, rubric: Rubric) -> str:
        """Return the hash of all that makes two verdicts the same work, inputs aside: 64 hex digits."""
        asked = (self.model, self.base_url, self.temperature, self.max_tokens, dict(self.extra_body))
        return fingerprint_of(PROMPT_VERSION, rubric.fingerprint, *asked)

    def _key(self) -> str | None:
        """Return the bearer token; None if none is sent.

        Raises:
            MissingCredentialsError: There is none, and there has to be.
        """
        if not isinstance(self.api_key, Omitted):
            return self.api_key
        if self.is_local or any(name.lower() in _KEY_HEADERS for name in self.headers):
            return None
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            raise MissingCredentialsError(
                f"Judge {self.model!r}: {KEY_VARIABLE} missing: set it, or pass api_key=; where {self.base_url}"
                " needs no key, pass api_key=None"
            )
        _check_key(KEY_VARIABLE, key)
        return key


def _made(settings: Mapping[str, Any]) -> Judge:
    return Judge(**settings)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value == value.strip() and value.isprintable()


def _check_key(source: str, key: object) -> None:
    if not isinstance(key, str):
        raise ConfigurationError(f"{source} must be text, or None for no key, not {type(key).__name__}")
    if not key:
        raise ConfigurationError(f"{source} is empty: pass a key, or None for no key")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError(f"{source} holds a space, a line break or a character no header can carry")


def _check_url(judge: Judge) -> None:
    if not isinstance(judge.base_url, str):
        raise ConfigurationError(f"base_url must be text, such as {OPENAI_URL!r}, not {type(judge.base_url).__name__}")
    like = f"like {OPENAI_URL}"
    url = usable_url("base_url", judge.base_url, judge.allow_insecure_http, like, "the key and the cases")
    if url.endswith(PATH):
        raise ConfigurationError(f"base_url ends in {PATH}, which is added to it: pass {url.removesuffix(PATH)!r}")
    object.__setattr__(judge, "base_url", url)


def _check_access(judge: Judge) -> None:
    if judge.api_key is not None and judge.api_key is not OMITTED:
        _check_key("api_key", judge.api_key)
    if not isinstance(judge.headers, Mapping):
        raise ConfigurationError(f"headers must be a dict of text by name, not {type(judge.headers).__name__}")
    check_headers("headers", judge.headers, OF_THE_REQUEST)
    if isinstance(judge.api_key, str) and any(name.lower() == "authorization" for name in judge.headers):
        raise ConfigurationError("headers['Authorization'] stands beside api_key: give one of them, and api_key=None")
    object.__setattr__(judge, "headers", dict(judge.headers))


def _check_pace(judge: Judge) -> None:
    if not isinstance(judge.limits, Sequence):
        raise ConfigurationError(f"limits must be a list of Limit, not {judge.limits!r}")
    # It says what is wrong; limits of tokens are a judge's alone.
    of_all = [each for each in judge.limits if not isinstance(each, Limit) or each.of != "tokens"]
    RunOptions(concurrency=judge.concurrency, limits=of_all)
    object.__setattr__(judge, "limits", tuple(judge.limits))


def _check_money(judge: Judge) -> None:
    cost = judge.max_cost
    if cost is not None and (isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 < cost < math.inf):
        raise ConfigurationError(f"max_cost must be dollars above 0, not {cost!r}")
    object.__setattr__(judge, "price", price_of(judge.price))


def _check_parameters(judge: Judge) -> None:
    heat, most = judge.temperature, judge.max_tokens
    if heat is not None and (isinstance(heat, bool) or not isinstance(heat, int | float) or not 0 <= heat <= _HOTTEST):
        raise ConfigurationError(f"temperature must be a number from 0 to 2, not {heat!r}")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise ConfigurationError(f"max_tokens must be a whole number from 1, not {most!r}")
    if judge.name is not None and not _is_name(judge.name):
        raise ConfigurationError(f"name must be one line of text, not {judge.name!r}")
    if not isinstance(judge.extra_body, Mapping) or not all(isinstance(name, str) for name in judge.extra_body):
        raise ConfigurationError("extra_body must be a dict of parameters by name")
    if refused := next((name for name in judge.extra_body if name in _OURS), None):
        raise ConfigurationError(f"extra_body[{refused!r}] cannot be set: {_OURS[refused]}")
    try:
        kept = json.loads(json.dumps(dict(judge.extra_body), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise ConfigurationError(
            "extra_body holds a value with no JSON form: use text, numbers, lists and dicts"
        ) from None
    object.__setattr__(judge, "extra_body", kept)


_CHECKS: Final[Sequence[Callable[[Judge], None]]] = (
    _check_url,
    _check_access,
    _check_pace,
    _check_money,
    _check_parameters,
)
