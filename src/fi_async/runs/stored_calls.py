"""A call whose run a store keeps: its cases are loaded, this program works on them, and so may others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from dataclasses import fields, replace
from itertools import chain, islice
from typing import Any, Final, NamedTuple

import anyio

from fi_async._errors import ConfigurationError, FiAsyncError, JournalError
from fi_async._models import Outcome, OutcomeStatus
from fi_async._run_url import RunUrl
from fi_async._threads import Worker as Thread
from fi_async.engine.session import Session
from fi_async.journal.records import RunCount
from fi_async.progress.displays import ProgressLike
from fi_async.progress.watch import watched
from fi_async.reports.report import Report
from fi_async.runs.calls import Ask, Handover
from fi_async.runs.case_reading import Cases
from fi_async.runs.loading import loaded, reopen
from fi_async.runs.workers import RunWorker
from fi_async.store.store_counts import count_run
from fi_async.store.store_reader import open_run
from fi_async.wire.templates import by_name

_AT_ONCE: Final = 1_000  # outcomes of others that are read at a time


class _Told:
    """Which outcomes of a run were handed out: a bit each."""

    def __init__(self) -> None:
        self._bits: dict[tuple[str, int | None, str | None], bytearray] = {}

    def add(self, outcome: Outcome) -> bool:
        """Return True if it was not there yet."""
        bits = self._bits.setdefault((outcome.template, outcome.sample, outcome.juror), bytearray())
        place, bit = divmod(outcome.index, 8)
        bits.extend(bytes(max(0, place + 1 - len(bits))))
        is_new = not bits[place] & 1 << bit
        bits[place] |= 1 << bit
        return is_new


async def gather(session: Session, ask: Ask, cases: Cases, progress: ProgressLike = False) -> Report:
    """Return the outcomes of all cases, whoever evaluated them. See `calls.gather`."""
    began = anyio.current_time()
    url, told = _store_of(ask), _Told()
    worker = _worker(session, ask)
    try:
        begun = await _prepared(session, ask, cases)
        async with watched(progress, begun.evaluations, worker.standing, begun.stood) as seen:

            def take(outcome: Outcome) -> None:
                told.add(outcome)
                seen(outcome)

            worker.take = take
            await worker.work()
            outcomes: list[Outcome] = []
            async for each, is_new in _kept(url, worker, begun.places):
                is_own = not told.add(each)
                outcomes.append(each if is_own or is_new else _replayed(each))
                if not is_own:
                    seen(each)
    except FiAsyncError as error:
        error.report = Report([], anyio.current_time() - began, worker.counts)
        raise
    if worker.over is not None:  # those that were not begun come last
        place = {name: number for number, name in enumerate(by_name(ask.templates))}
        outcomes.sort(key=lambda each: (each.index, place[each.template]))
    return Report(outcomes, anyio.current_time() - began, worker.counts)


async def stream(
    session: Session, ask: Ask, cases: Cases, handover: Handover, progress: ProgressLike = False
) -> AsyncGenerator[None]:
    """Work on the run, and yield whenever outcomes are ready: those that ended here first, then those of others."""
    url, told, ready = _store_of(ask), _Told(), handover.ready
    arrived = asyncio.Event()
    worker = _worker(session, ask)
    worker.counts = handover.counts
    worker.handover = handover
    begun = await _prepared(session, ask, cases)
    async with watched(progress, begun.evaluations, worker.standing, begun.stood) as seen:

        def take(outcome: Outcome) -> None:
            told.add(outcome)
            seen(outcome)
            ready.append(outcome)
            arrived.set()

        worker.take = take
        working = handover.driving = asyncio.create_task(worker.work())
        working.add_done_callback(lambda _: arrived.set())
        try:
            while ready or not working.done():
                if ready:
                    yield
                else:
                    await arrived.wait()
                    arrived.clear()
            await working
        finally:
            working.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([working])
        async for each, is_new in _kept(url, worker, begun.places):
            if told.add(each):
                seen(each)
                ready.append(each if is_new else _replayed(each))
                while ready:
                    yield


def _replayed(outcome: Outcome) -> Outcome:
    samples, votes = tuple(map(_replayed, outcome.samples)), tuple(map(_replayed, outcome.votes))
    origin = "replayed" if outcome.origin == "evaluated" else outcome.origin
    return replace(outcome, origin=origin, samples=samples, votes=votes)


def _store_of(ask: Ask) -> RunUrl:
    assert ask.kept is not None  # noqa: S101  # as whoever calls this has seen
    assert ask.kept.store is not None  # noqa: S101  # as above
    if ask.options.timeout.call is not None:
        raise ConfigurationError(
            f"{ask.kept.store}: Timeout(call=...) is of runs that one call evaluates alone: leave it out, and bound"
            " the time that you wait"
        )
    return ask.kept.store


class _Begun(NamedTuple):
    """A run whose cases are in the store.

    Attributes:
        evaluations: How many outcomes there will be.
        stood: How many there are, and how many of these without a score.
        places: Where the cases stand, see `Past.places`; None where the store alone says which they are.
    """

    evaluations: int
    stood: tuple[int, int]
    places: bytes | None


async def _prepared(session: Session, ask: Ask, cases: Cases) -> _Begun:
    """Return how a run stands once its cases are there."""
    kept, url, places = ask.kept, _store_of(ask), None
    assert kept is not None  # noqa: S101  # as there
    if not kept.held_only:
        _, places = await loaded(session, ask, cases)
    elif kept.retry:
        await reopen(session, kept)
    thread = Thread("fi_async-read")
    try:
        count = await thread.call(lambda: _count(url))
    finally:
        thread.close()
    return _Begun(count.evaluations, (count.done, count.done - count.scored), places)


def _count(url: RunUrl) -> RunCount:
    view, _ = count_run(url)
    with view:
        return view.count()


def _worker(session: Session, ask: Ask) -> RunWorker:
    kept = ask.kept
    assert kept is not None  # noqa: S101  # as above
    given: dict[str, Any] = {"concurrency": ask.options.concurrency} if ask.own_bound else {}
    if kept.held_only:  # nothing was loaded that says how
        given = {each.name: getattr(ask.options, each.name) for each in fields(ask.options)}
    return RunWorker(session, kept, tuple(by_name(ask.templates).values()), given)


async def _kept(url: RunUrl, worker: RunWorker, places: bytes | None) -> AsyncGenerator[tuple[Outcome, bool]]:
    """Yield the outcomes that the store has, in input order, and those of cases that nobody may begin any more.

    With each, True if nobody evaluated it, as the last load had it end: it is as new as this call.

    Raises:
        JournalError: The store cannot be read, or another load has changed which cases the run has, or where.
    """
    thread, opened = Thread("fi_async-read"), ExitStack()
    try:
        view = await thread.call(lambda: opened.enter_context(open_run(url)))
        if places not in (None, view.past.places()):
            raise JournalError(
                f"{url}: another load changed its cases while this call worked on them, so that its outcomes are no"
                " longer those of the cases given here: give each set of cases a run of its own, or call again"
            )
        loaded_at = view.info.passes[-1]
        ended = (
            (each.outcome, each.ended_at >= loaded_at and each.outcome.status is OutcomeStatus.INVALID)
            for each in view.records()
        )
        left = () if worker.over is None else ((each, True) for each in view.pending(worker.over))
        outcomes = chain(ended, left)
        while batch := await thread.call(lambda: list(islice(outcomes, _AT_ONCE))):
            for each in batch:
                yield each
    finally:
        # In its turn, also where nobody waits any more for what the thread opens.
        thread.start(opened.close, lambda _: None)
        thread.close()
