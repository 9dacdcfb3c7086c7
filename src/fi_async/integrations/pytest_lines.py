"""Cases of a session on their way: all are evaluated at once, while the tests that wait for them come one by one."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from fi_async._connection import CLOUD_URL, LOCAL
from fi_async._errors import FiAsyncError
from fi_async._loop_thread import loop_thread
from fi_async._models import Case, Inputs, Outcome
from fi_async._settings import RunFile
from fi_async.backends.chosen import FUNCTIONS, Backend
from fi_async.backends.own_code import FunctionTemplate
from fi_async.evaluator import AsyncEvaluator
from fi_async.integrations.pytest_marks import Expectation, MarkedEvaluation
from fi_async.sources.rows import TableCase
from fi_async.wire.preflight import case_of

StreamCases = Callable[[AsyncIterator[Case]], AsyncGenerator[Outcome]]

_THREADS: Final = 64  # calls of the user's functions at once, where the concurrency is found by the client


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session evaluates.

    Attributes:
        concurrency: Requests under way at once; also calls of functions that make inputs.
        backend: "cloud" or "local"; None for what the environment says.
        backends: Who evaluates, each template by the first that can; empty where `backend` says it.
        model_name: The platform's judge, where a mark names none.
        runs: The directory that keeps results for later sessions.
        shared_budget: As of AsyncEvaluator.
        worker: This process's name among those of the session; empty if it is the only one.
        claims: The file in which workers agree on who evaluates what; None where they cannot meet.
    """

    concurrency: int | Literal["auto"] = 64
    backend: Literal["cloud", "local"] | None = None
    backends: Sequence[Backend] = ()
    model_name: str | None = None
    runs: Path | None = None
    shared_budget: str | Path | None = None
    worker: str = ""
    claims: Path | None = None

    def client(self, *, own_only: bool = False) -> AsyncEvaluator:
        """Return a client. Inputs may have more keys than a template takes: those of a table, or of another mark.

        Args:
            own_only: It is for functions of the user's, which need no account.

        Raises:
            MissingCredentialsError, ConfigurationError: As AsyncEvaluator.
        """
        url = os.environ.get("FI_BASE_URL")
        backends = self.backends or ([FUNCTIONS] if own_only else None)
        if self.backend == LOCAL:
            url = LOCAL
        elif (self.backend is not None or self.backends) and url == LOCAL:
            url = CLOUD_URL
        return AsyncEvaluator(
            fi_base_url=url,
            concurrency=self.concurrency,
            shared_budget=self.shared_budget,
            extra_keys="ignore",
            backends=backends,
        )

    def run_file(self, asked: Expectation, base_url: str) -> RunFile | None:
        """Return the file that keeps the results of a question on a server; None to keep none.

        Each question has its own, in each process: one at a time may write it. All are read.
        """
        if self.runs is None:
            return None
        directory = self.runs / _plain(urlsplit(base_url).netloc or base_url)
        directory.mkdir(parents=True, exist_ok=True)
        stem = f"{_plain(asked.template)}-{blake2b(asked.key.encode(), digest_size=4).hexdigest()}"
        own = directory / f"{stem}{self.worker and '-'}{self.worker}.db"
        others = str(directory / f"{stem}*.db") if any(directory.glob(f"{stem}*.db")) else None
        return RunFile(own, retry=["failed", "stalled"], reuse=others)


class QuestionLine:
    """Cases under one question, evaluated as they come. All of it is to be called in the background loop.

    Args:
        stream: Evaluates what it reads.
    """

    def __init__(self, stream: StreamCases) -> None:
        self._stream = stream
        self._offered: asyncio.Queue[tuple[Case, Future[Outcome]] | None] = asyncio.Queue()
        self._taken: list[Future[Outcome]] = []
        self._ended: Exception | None = None
        self.driving = asyncio.create_task(self._drive())

    def put(self, case: Case, outcome: Future[Outcome]) -> None:
        """Have a case evaluated; its outcome, or what ended the line, will be there."""
        if self._ended is None:
            self._offered.put_nowait((case, outcome))
        else:
            outcome.set_exception(self._ended)

    def close(self) -> None:
        """Take no more; the task ends with the last outcome."""
        self._offered.put_nowait(None)

    async def _drive(self) -> None:
        ended: Exception = FiAsyncError("not evaluated: the session ended before")
        try:
            async with aclosing(self._stream(self._cases())) as outcomes:
                async for ended_in in outcomes:
                    self._taken[ended_in.index].set_result(ended_in)
        except Exception as error:  # noqa: BLE001  # the tests that wait raise it
            ended = error
        finally:
            self._ended = ended
            left = [self._offered.get_nowait() for _ in range(self._offered.qsize())]
            for outcome in (*self._taken, *(each[1] for each in left if each is not None)):
                if not outcome.done():
                    outcome.set_exception(ended)

    async def _cases(self) -> AsyncIterator[Case]:
        while (offered := await self._offered.get()) is not None:
            case, outcome = offered
            self._taken.append(outcome)
            yield case


class QuestionLines:
    """The lines of a session, by question, over one client."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[bool, AsyncEvaluator] = {}
        self._lines: dict[str, QuestionLine] = {}
        self._loop = loop_thread.portal()
        at_once = settings.concurrency if isinstance(settings.concurrency, int) else _THREADS
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="fi_async-inputs")
        self._offered: list[Future[Outcome]] = []

    def offer(self, asked: MarkedEvaluation, name: str) -> Future[Outcome]:
        """Return where the outcome of a case will be, or what kept it from being evaluated.

        Args:
            asked: With inputs to read. Those that a function makes are read in a thread.
            name: What messages, and the run's file, call the case.
        """
        outcome: Future[Outcome] = Future()
        self._offered.append(outcome)
        try:
            line = self._line(asked.question)
        except Exception as error:  # noqa: BLE001  # the tests that wait raise it
            outcome.set_exception(error)
            return outcome
        read = partial(self._read, line, asked, name, outcome)
        if asked.is_computed:
            self._threads.submit(read)
        else:
            read()
        return outcome

    def _read(self, line: QuestionLine, asked: MarkedEvaluation, name: str, outcome: Future[Outcome]) -> None:
        assert asked.read is not None  # noqa: S101  # as `offer` demands
        try:
            case = _named(asked.read(), name)
        except BaseException as error:  # noqa: BLE001  # pytest.skip() too is for the test that waits
            outcome.set_exception(error)
        else:
            self._loop.start_task_soon(_put, line, case, outcome)

    def _line(self, asked: Expectation) -> QuestionLine:
        """Return the line of a question, begun if there is none.

        Raises:
            MissingCredentialsError, ConfigurationError: As AsyncEvaluator.
            OSError: The directory of runs cannot be made.
        """
        if asked.key not in self._lines:
            own_only = isinstance(asked.given, FunctionTemplate)
            if own_only not in self._clients:
                self._clients[own_only] = self._settings.client(own_only=own_only)
            client = self._clients[own_only]
            stream = partial(
                client.stream,
                eval_templates=asked.given or asked.template,
                eval_config=asked.eval_config,
                model_name=asked.model_name or self._settings.model_name,
                run=self._settings.run_file(asked, client._session.connection.base_url),  # our own
            )
            self._lines[asked.key] = loop_thread.run(_begun, stream)
        return self._lines[asked.key]

    def close(self, *, is_wanted: bool) -> None:
        """End it: at once if some outcomes are still to come, unless somebody wants them."""
        self._threads.shutdown(wait=is_wanted, cancel_futures=not is_wanted)
        is_cut = not is_wanted and not all(outcome.done() for outcome in self._offered)
        loop_thread.run(_end, list(self._lines.values()), list(self._clients.values()), is_cut=is_cut)


def _plain(text: str) -> str:
    return re.sub(r"\W+", "_", text)


def _named(given: Inputs | Case, name: str) -> Case:
    """Return a case that messages call by this name; a row of a file keeps its own."""
    case = case_of(given)
    return case if isinstance(case, TableCase) else TableCase(case.inputs, case.id or name, case.inputs, name)


async def _begun(stream: StreamCases) -> QuestionLine:
    return QuestionLine(stream)


async def _put(line: QuestionLine, case: Case, outcome: Future[Outcome]) -> None:
    line.put(case, outcome)


async def _end(lines: list[QuestionLine], clients: list[AsyncEvaluator], *, is_cut: bool) -> None:
    for line in lines:
        if is_cut:
            line.driving.cancel()
        else:
            line.close()
    if lines:
        await asyncio.wait([line.driving for line in lines])
    for client in clients:
        await client.aclose()
