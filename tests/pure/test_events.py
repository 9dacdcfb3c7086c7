"""What a client says of itself: to a log, and to a listener."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from fi_async import ConfigurationError, OutcomeStatus, _events
from fi_async._events import (
    CanarySent,
    CapacityChanged,
    CaseEnded,
    Event,
    FunctionCalled,
    FunctionReturned,
    HoldBegun,
    HoldEnded,
    RequestAnswered,
    RequestDropped,
    RequestRetried,
    RequestSent,
    RunBegun,
    RunEnded,
    RunStands,
    StrategyChanged,
    emit,
    guarded,
    wants,
)

LINES = [
    (RequestSent("POST", "/new-eval/", 3, "tone"), logging.DEBUG, "sent POST /new-eval/ tone, rows 3"),
    (RequestSent("GET", "/get-evals/", attempt=2), logging.DEBUG, "sent GET /get-evals/, attempt 2"),
    (
        RequestAnswered("POST", "/new-eval/", 503, 0.25, "r-1"),
        logging.DEBUG,
        "answered POST /new-eval/: status 503 after 0.25 s, request r-1",
    ),
    (RequestAnswered("GET", "/x/", None, 120.0), logging.DEBUG, "answered GET /x/: no reply after 120 s"),
    (
        RequestRetried("/new-eval/", "status 503", 1.5, "tone"),
        logging.DEBUG,
        "again in 1.5 s: /new-eval/ tone: status 503",
    ),
    (HoldBegun("request limit", 12.0), logging.INFO, "request limit: nothing leaves for 12 s"),
    (HoldBegun("request limit"), logging.INFO, "request limit: nothing leaves until an answer has come"),
    (HoldEnded("request limit", 12.0), logging.INFO, "request limit: over after 12 s"),
    (
        CanarySent("tone"),
        logging.INFO,
        "evaluation limit: one evaluation of tone goes ahead, to see whether it is open again",
    ),
    (StrategyChanged("tone", "async", 3, "slow"), logging.INFO, "strategy of tone: async, rows 3: slow"),
    (CapacityChanged("requests", 32, 16), logging.INFO, "requests at once: 32, before 16"),
    (CaseEnded(4, "tone", OutcomeStatus.SCORED), logging.DEBUG, "case 4, tone: scored"),
    (RequestDropped("POST", "/new-eval/"), logging.DEBUG, "dropped POST /new-eval/: the run ended before its reply"),
    (
        RequestDropped("POST", "/new-eval/", has_left=False),
        logging.DEBUG,
        "dropped POST /new-eval/: it did not leave after all",
    ),
    (FunctionCalled("mine", (1, 2)), logging.DEBUG, "called mine, cases 2"),
    (FunctionReturned("mine", 0.25), logging.DEBUG, "returned mine after 0.25 s"),
    (HoldBegun("token limit", 12.0, "judge m"), logging.INFO, "judge m: token limit: nothing leaves for 12 s"),
    (HoldEnded("token limit", 12.0, "judge m"), logging.INFO, "judge m: token limit: over after 12 s"),
    (
        CapacityChanged("requests", 32, 16, at="judge m"),
        logging.INFO,
        "judge m: requests at once: 32, before 16",
    ),
    (RunBegun(3, ("tone", "mine"), 7), logging.DEBUG, "run 3 begins: tone, mine, cases 7"),
    (RunBegun(3), logging.DEBUG, "run 3 begins: no templates"),
    (
        RunStands(3, "judge m", "judge", 5, 2, 8, left=(("requests", 60.0, 40),)),
        logging.DEBUG,
        "judge m: run 3: waiting 5, under way 2 of 8, 40 requests left of 60 s",
    ),
    (RunEnded(3, 1.5), logging.DEBUG, "run 3 ended after 1.5 s"),
    (RunEnded(3, 1.5, "CancelledError"), logging.DEBUG, "run 3 ended after 1.5 s: CancelledError"),
]


@pytest.fixture
def fresh_log() -> Iterator[logging.Logger]:
    log, handlers, level = _events.log, _events.log.handlers[:], _events.log.level
    log.handlers[:] = []
    yield log
    log.handlers[:] = handlers
    log.setLevel(level)


@pytest.mark.parametrize(("event", "level", "line"), LINES, ids=lambda each: type(each).__name__)
def test_an_event_is_a_line_in_the_log_at_its_level(event, level, line, caplog):
    with caplog.at_level(logging.DEBUG, "fi_async"):
        emit(None, event)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(level, line)]


def test_every_kind_is_frozen_and_has_a_line():
    assert {type(event).__name__ for event, _, _ in LINES} == {kind.__name__ for kind in Event.__subclasses__()}
    for event, _, _ in LINES:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, dataclasses.fields(event)[0].name, "changed")


@pytest.mark.parametrize("level", [logging.WARNING, logging.INFO, logging.DEBUG])
def test_an_event_is_wanted_where_it_is_logged_or_listened_to(level, caplog):
    with caplog.at_level(level, "fi_async"):
        assert wants(None, HoldBegun) == (level <= logging.INFO)
        assert wants(SimpleNamespace(on_event=None), RequestSent) == (level <= logging.DEBUG)
        assert wants(SimpleNamespace(on_event=print), RequestSent)
        assert wants(print, RequestSent)


def test_a_listener_is_told_by_its_owner_or_itself():
    told: list[Event] = []
    first, second = HoldBegun("request limit", 1.0), HoldEnded("request limit", 1.0)
    emit(SimpleNamespace(on_event=told.append), first)
    emit(told.append, second)
    assert told == [first, second]


def test_what_a_listener_raises_is_logged_once_and_ends_nothing(caplog):
    def broken(event: Event) -> None:
        raise ValueError(f"cannot take {event}")

    listener = guarded(broken)
    assert guarded(listener) is listener
    for _ in range(3):
        emit(listener, HoldBegun("request limit", 1.0))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "on_event raised; the run goes on, and this is not said again"
    ]


def test_what_was_being_handled_meanwhile_is_not_logged(caplog):
    def broken(event: Event) -> None:
        try:
            raise KeyError("mine, too")
        except KeyError:
            raise ValueError("mine")  # noqa: B904  # its context is to be seen

    try:
        raise StopIteration("an input")
    except StopIteration:
        emit(guarded(broken), HoldBegun("request limit", 1.0))
    assert "mine, too" in caplog.text
    assert "an input" not in caplog.text


async def _awaited(event: Event) -> None:
    """Be no listener."""


@pytest.mark.parametrize("wrong", [5, "print", _awaited])
def test_what_cannot_listen_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="on_event must be a function"):
        guarded(wrong)


def test_no_listener_is_none():
    assert guarded(None) is None


@pytest.mark.parametrize(("said", "level"), [("debug", logging.DEBUG), ("INFO", logging.INFO)])
def test_the_environment_asks_for_the_log_once(said, level, monkeypatch, fresh_log, capsys):
    monkeypatch.setenv("FI_ASYNC_LOG", said)
    _events.log_as_asked()
    _events.log_as_asked()
    assert len(fresh_log.handlers) == 1
    emit(None, HoldBegun("request limit", 12.0))
    emit(None, RequestSent("GET", "/get-evals/"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("INFO fi_async: request limit: nothing leaves for 12 s")
    assert len(lines) == (2 if level == logging.DEBUG else 1)


def test_nothing_asked_sets_up_nothing(monkeypatch, fresh_log):
    monkeypatch.delenv("FI_ASYNC_LOG", raising=False)
    _events.log_as_asked()
    assert fresh_log.handlers == []


def test_another_word_is_refused(monkeypatch):
    monkeypatch.setenv("FI_ASYNC_LOG", "loud")
    with pytest.raises(ConfigurationError, match='FI_ASYNC_LOG must be "debug" or "info", not \'loud\''):
        _events.log_as_asked()
