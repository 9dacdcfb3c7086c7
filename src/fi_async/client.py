"""What every client is: made of a connection and options, closed once, and able to say what it knows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, Unpack

import anyio

from fi_async._connection import LOCAL, Connection
from fi_async._errors import ConfigurationError
from fi_async._events import Listener, guarded, log_as_asked
from fi_async._settings import RunKeywords, RunOptions, not_picklable
from fi_async._signature import shows_options
from fi_async._statistics import ClientStatistics
from fi_async.backends.chosen import FUNCTIONS, Backend, Backends
from fi_async.engine.one_call import fetch_once
from fi_async.engine.session import Session
from fi_async.runs import calls
from fi_async.wire import requests, responses, verdicts
from fi_async.wire.responses import Reply
from fi_async.wire.transport import AsgiApp, Transport

if TYPE_CHECKING:
    from fi_async.backends.judge import Judge
    from fi_async.wire.transport import HttpClient


class Client:
    """A connection to the evaluation API, with the options of its calls; see AsyncEvaluator for the arguments."""

    @shows_options
    def __init__(
        self,
        fi_api_key: str | None = None,
        fi_secret_key: str | None = None,
        fi_base_url: str | None = None,
        *,
        default_headers: Mapping[str, str] | None = None,
        http_client: HttpClient | None = None,
        user_agent: str | None = None,
        allow_insecure_http: bool = False,
        max_workers: int | None = None,
        shared_budget: str | os.PathLike[str] | None = None,
        on_event: Listener | None = None,
        backends: Sequence[Backend] | None = None,
        langfuse_secret_key: str | None = None,
        langfuse_public_key: str | None = None,
        langfuse_host: str | None = None,
        **options: Unpack[RunKeywords],
    ) -> None:
        log_as_asked()
        if max_workers is not None:
            if "concurrency" in options:
                raise ConfigurationError("max_workers is the old name of concurrency: give one of the two")
            options["concurrency"] = max_workers
        self._options = RunOptions().with_given(**options)
        chosen = Backends() if backends is None else Backends(backends)
        connection = Connection.resolve(
            fi_api_key,
            fi_secret_key,
            fi_base_url if chosen.has_platform else LOCAL,  # nobody asks it, so it needs no keys
            allow_insecure_http=allow_insecure_http,
            default_headers=dict(default_headers or {}),
            **({"user_agent": user_agent} if user_agent else {}),
        )
        self._langfuse = {
            "langfuse_secret_key": langfuse_secret_key or os.environ.get("LANGFUSE_SECRET_KEY"),
            "langfuse_public_key": langfuse_public_key or os.environ.get("LANGFUSE_PUBLIC_KEY"),
            "langfuse_host": langfuse_host or os.environ.get("LANGFUSE_HOST"),
        }
        app = embedded_backend() if connection.base_url == LOCAL and http_client is None else None
        transport = Transport(connection, http_client=http_client, app=app)
        self._session = Session(
            connection,
            transport,
            self._options.concurrency,
            limits=self._options.limits,
            **_shared(shared_budget, connection),
        )
        self._session.backends = chosen
        self._session.on_event = guarded(on_event)
        self._submitted: dict[str, str] = {}

    @classmethod
    def local(cls, app: AsgiApp | None = None, *, judge: Judge | None = None, **options: Any) -> Self:
        """Return a client of the embedded backend: no account, no network, no cost.

        Its function templates answer as the platform's; groundedness and its like are lexical estimates, and
        say so.

        Args:
            app: A `fi_async.local.LocalBackend` of yours, with its latency, limits and faults.
            judge: Answers in place of the estimates, and all else that a judge can.
            **options: The keywords of the class.

        Raises:
            ConfigurationError: A value is out of its range; the message names it.
        """
        if judge is not None:
            if app is not None or "backends" in options:
                raise ConfigurationError('judge= stands for backends=["local", judge]: leave app and backends out')
            return cls(**{**options, "backends": [FUNCTIONS, judge]})
        client = cls(**{**options, "fi_base_url": LOCAL})
        if app is not None:
            client._session.transport = Transport(client._session.connection, app=app)  # our own
        return client

    def __repr__(self) -> str:
        connection = self._session.connection
        return f"<{type(self).__name__} {connection.base_url} concurrency={self._options.concurrency}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(not_picklable(self))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; those of an `http_client` passed in stay open."""
        await self._session.aclose()

    @shows_options
    def with_options(self, **options: Unpack[RunKeywords]) -> Self:
        """Return a client with other defaults that shares this one's connections.

        Args:
            **options: The keywords that shape a run: see RunOptions.

        Raises:
            ConfigurationError: A value is out of its range; the message names it.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._options = self._options.with_given(**options)
        if "concurrency" in options:
            other._session = self._session.with_concurrency(options["concurrency"])
        return other

    def statistics(self) -> ClientStatistics:
        """Return what the client knows of the server: limits and what is left of them, its slots, and what polls took.

        Its `waiting_for` says in words what its runs wait for at the moment. With `shared_budget`, limits are what
        all its clients left. Call it where the client is used, in its event loop.

        Raises:
            ConfigurationError: The shared budget cannot be read.
        """
        now = anyio.current_time()
        return calls.statistics(self._session, self._options, now, self._session.waiting_for(now))

    async def list_evaluations(self, *, refresh: bool = False) -> list[dict[str, Any]]:
        """Return the server's templates, as it lists them; preflight goes by that list from then on.

        Args:
            refresh: Ask the server again. False asks it once, and again where a template's name is not in the list.

        Raises:
            APIError: The server could not be asked.
        """
        return await calls.list_templates(self._session, self._options, refresh=refresh)

    async def get_eval_result(self, eval_id: str) -> dict[str, Any]:
        """Return the server's answer on one evaluation as it stands, each field in both spellings.

        So loops that look for `evalStatus` work, and those that look for `eval_status`.

        Args:
            eval_id: The evaluation's id.

        Raises:
            NotFoundError: The id is unknown, or another organisation's.
            APIError: The server could not be asked.
        """
        asked = requests.eval_id_of(eval_id)

        def read(reply: Reply) -> dict[str, Any]:
            return verdicts.whole_answer(reply, asked)

        return responses.both_spellings(await fetch_once(self._session, requests.get_eval(asked), self._options, read))


def embedded_backend() -> AsgiApp:
    """Return an embedded backend of its own."""
    from fi_async.local import LocalBackend  # noqa: PLC0415  # not needed by who asks the cloud

    return LocalBackend()


def _shared(named: str | os.PathLike[str] | None, connection: Connection) -> dict[str, Any]:
    """Return what a client shares with others: the keyword of a session, by what was named."""
    if named is None:
        return {}
    from fi_async.engine.postgres_budget import PostgresBudget, is_url  # noqa: PLC0415  # only where a budget is shared

    if is_url(named):
        return {"permits": PostgresBudget(named, f"{connection.base_url}\n{connection.credentials.api_key}")}
    from fi_async.engine.shared_budget import SharedBudget  # noqa: PLC0415  # as above

    return {"budget": SharedBudget(named, connection)}
