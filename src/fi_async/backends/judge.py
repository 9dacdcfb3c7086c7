"""A judge: a model behind an endpoint that speaks OpenAI's `/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fi_async._public import public
from fi_async._rubric import Rubric
from fi_async._settings import OMITTED, Concurrency, Limit, Omitted
from fi_async.backends.prices import Price, Priced
from fi_async.wire.chat_requests import ChatModel
from fi_async.wire.transport import AsgiApp

if TYPE_CHECKING:
    from fi_async.wire.transport import HttpClient

OPENAI_URL: Final = "https://api.openai.com/v1"


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
        temperature: Sent if given: reasoning models refuse it.
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
    http_client: HttpClient | None = field(default=None, repr=False, compare=False)
    app: AsgiApp | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """What outcomes call this judge."""
        return self.name or self.model

    @property
    def endpoint(self) -> Endpoint:
        """What tells it apart from others. Raises as `request_headers` does."""
        raise NotImplementedError

    @property
    def asked(self) -> ChatModel:
        """Who is asked, for requests and messages. Raises as `request_headers` does."""
        raise NotImplementedError

    def request_headers(self) -> dict[str, str]:
        """Return the headers that every request carries, the key among them.

        Raises:
            MissingCredentialsError: There is no key, and the endpoint is not on this machine.
        """
        raise NotImplementedError

    def pricing(self) -> Priced | None:
        """Return what knows the cost of an answer: the given price, else that of the table, else None."""
        raise NotImplementedError

    def fingerprint(self, rubric: Rubric) -> str:
        """Return the hash of all that makes two verdicts the same work, inputs aside: 64 hex digits."""
        raise NotImplementedError
