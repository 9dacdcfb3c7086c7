"""Metrics of runs, made of the events of a client.

Counters and gauges are kept as plain numbers and read when they are exported: an event costs them an addition. Each
attribute has so many values at most, as templates and models are named by the program.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation

from fi_async._events import (
    CaseEnded,
    HoldBegun,
    HoldEnded,
    RequestAnswered,
    RequestDropped,
    RequestRetried,
    RequestSent,
    RunBegun,
    RunEnded,
    RunStands,
)
from fi_async._models import Outcome
from fi_async._version import __version__
from fi_async.integrations import otel_attributes as names
from fi_async.integrations.otel_spans import SCOPE

_MOST: Final = 200  # values of an attribute; what is beyond is "other"
_TOGETHER: Final = 256  # measurements: 2 ms of work at once
_OTHER: Final = "other"
PLATFORM: Final = "platform"
"""The endpoint that has no name of its own."""
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_LONG: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_TOKENS: Final = tuple(4**power for power in range(14))

_Values = dict[tuple[Any, ...], float]

_COUNTERS: Final = {
    "fi_async.outcomes": (
        "{evaluation}",
        "Evaluations that have ended.",
        (names.EVALUATION, names.STATUS, names.ORIGIN, names.BACKEND, names.ERROR),
    ),
    "fi_async.refusals": ("{request}", "Requests that a limit refused (429).", (names.AT,)),
    "fi_async.retries": ("{request}", "Requests that are sent again, by what was wrong.", (names.CAUSE,)),
    "fi_async.holds": ("{hold}", "Times that nothing could leave.", (names.CAUSE, names.AT)),
    "fi_async.hold.time": ("s", "Seconds that nothing could leave.", (names.CAUSE, names.AT)),
    "fi_async.tokens": (
        "{token}",
        "Tokens that judges took, all attempts counted.",
        (names.EVALUATION, names.MODEL, names.TOKEN_TYPE),
    ),
    "fi_async.cost": ("{USD}", "Dollars that judges took.", (names.EVALUATION, names.MODEL)),
}
_GAUGES: Final = {
    "fi_async.runs": ("{run}", "Runs under way.", ()),
    "fi_async.held": ("{hold}", "1 while nothing can leave, by cause.", (names.CAUSE, names.AT)),
    "fi_async.queue": ("{request}", "Requests and cases that could leave and wait for their turn.", (names.AT,)),
    "fi_async.requests.active": ("{request}", "Requests under way.", (names.AT,)),
    "fi_async.concurrency.limit": ("{request}", "Requests that may be under way at once.", (names.AT,)),
    "fi_async.evaluations.active": ("{evaluation}", "Evaluations that are begun and not done.", (names.AT,)),
    "fi_async.budget.left": (
        "{unit}",
        "What is left of a limit in its present window.",
        (names.AT, names.LIMIT, names.WINDOW),
    ),
}
HISTOGRAMS: Final = {
    "http.client.request.duration": ("s", "Duration of HTTP client requests.", _SECONDS),
    "gen_ai.client.operation.duration": ("s", "Duration of a judge's requests.", _LONG),
    "gen_ai.client.token.usage": ("{token}", "Tokens of a judged evaluation, all attempts counted.", _TOKENS),
    "fi_async.evaluation.duration": ("s", "From an evaluation's first request to its outcome.", _LONG),
}
METRICS: Final = (*_COUNTERS, *_GAUGES, *HISTOGRAMS)
"""The names of all metrics."""


class Names:
    """Lets so many different names through: the cost of a metric is that of all the values of its attributes.

    Args:
        empty: What stands for no name.
    """

    def __init__(self, empty: str = "unknown") -> None:
        self._empty = empty
        self._known: set[str] = set()

    def __call__(self, name: str | None) -> str:
        """Return the name, or what stands for an empty one; "other" if it is new and there are too many."""
        name = name or self._empty
        if name in self._known:
            return name
        if len(self._known) >= _MOST:
            return _OTHER
        self._known.add(name)
        return name


class Metrics:
    """Makes metrics of events.

    Args:
        provider: Where they go.
    """

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(SCOPE, __version__)
        self._values: dict[str, _Values] = {name: defaultdict(float) for name in (*_COUNTERS, *_GAUGES)}
        self._templates, self._models, self._endpoints = Names(), Names(), Names(PLATFORM)
        self._sent: dict[int, RequestSent] = {}
        self._standing: dict[tuple[int, str], RunStands] = {}
        self._measured: deque[tuple[Histogram, float, Mapping[str, Any]]] = deque()
        self._attributes: dict[Hashable, Mapping[str, Any]] = {}
        for name, (unit, what, keys) in _COUNTERS.items():
            meter.create_observable_counter(name, [self._told(name, keys)], unit, what)
        for name, (unit, what, keys) in _GAUGES.items():
            meter.create_observable_gauge(name, [self._told(name, keys)], unit, what)
        self._requests, self._operations, self._usages, self._evaluations = (
            _histogram(meter, name) for name in HISTOGRAMS
        )

    def _told(self, name: str, keys: tuple[str, ...]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Return what tells an exporter, in a thread of its own, how the numbers of a metric stand."""
        values = self._values[name]

        def tell(_: CallbackOptions) -> Iterable[Observation]:
            self._record()  # before histograms are read, which come after all that is asked for
            return [
                Observation(value, {key: each for key, each in zip(keys, attributes, strict=True) if each is not None})
                for attributes, value in values.copy().items()
            ]

        return tell

    def _note(self, histogram: Histogram, value: float, attributes: Mapping[str, Any]) -> None:
        """Keep a measurement until there are some: many together take half the time of one now and then."""
        self._measured.append((histogram, value, attributes))
        if len(self._measured) >= _TOGETHER:
            self._record()

    def _record(self) -> None:
        """Record what was measured; in the event loop, or in the thread that exports."""
        with suppress(IndexError):
            while True:
                histogram, value, attributes = self._measured.popleft()
                histogram.record(value, attributes)

    # Runs

    def run_begun(self, _: RunBegun) -> None:
        """Count a run that is under way."""
        self._values["fi_async.runs"][()] += 1

    def run_ended(self, event: RunEnded) -> None:
        """Take back what is told of a run while it is under way."""
        self._record()
        self._values["fi_async.runs"][()] -= 1
        for key in [each for each in self._standing if each[0] == event.run]:
            del self._standing[key]
            self._tell_standing(key[1])

    def run_stands(self, event: RunStands) -> None:
        """Note how a run stands at an endpoint."""
        self._standing[event.run, event.at] = event
        self._tell_standing(event.at)
        at = self._endpoints(event.at)
        self._values["fi_async.concurrency.limit"][at,] = event.limit
        for of, seconds, left in event.left:
            self._values["fi_async.budget.left"][at, of, seconds] = left

    def _tell_standing(self, endpoint: str) -> None:
        """Add up how the runs stand at an endpoint."""
        runs = [each for (_, at), each in self._standing.items() if at == endpoint]
        at = (self._endpoints(endpoint),)
        self._values["fi_async.queue"][at] = sum(each.waiting for each in runs)
        self._values["fi_async.requests.active"][at] = sum(each.under_way for each in runs)
        self._values["fi_async.evaluations.active"][at] = sum(each.at_work for each in runs)

    # Requests

    def request_sent(self, event: RequestSent) -> None:
        """Remember what a reply will be to."""
        self._sent[event.request] = event

    def request_answered(self, event: RequestAnswered) -> None:
        """Count a request and its duration, and a refusal."""
        sent = self._sent.pop(event.request, None)
        if sent is None:
            return
        if event.status == 429:
            at = f"judge {sent.model}" if names.is_of_judge(sent) else ""
            self._values["fi_async.refusals"][self._endpoints(at),] += 1
        error = names.error_of(event.status, event.problem)
        self._note(self._requests, event.seconds, self._of_request(sent, event.status, error))
        if names.is_of_judge(sent):
            self._note(self._operations, event.seconds, self._of_operation(sent, error))

    def request_dropped(self, event: RequestDropped) -> None:
        """Forget it."""
        self._sent.pop(event.request, None)

    def _of_request(self, sent: RequestSent, status: int | None, error: str | None) -> Mapping[str, Any]:
        key = (sent.method, sent.endpoint, sent.url, status, error)
        if key not in self._attributes:
            told = {names.METHOD: sent.method, names.PATH: sent.endpoint, **names.server_of(sent.url)}
            told |= {} if status is None else {names.HTTP_STATUS: status}
            self._attributes[key] = told | ({} if error is None else {names.ERROR: error})
        return self._attributes[key]

    def _of_operation(self, sent: RequestSent, error: str | None) -> Mapping[str, Any]:
        told = {
            names.OPERATION: "chat",
            names.PROVIDER: names.provider_of(sent.url),
            names.MODEL: self._models(sent.model),
            **names.server_of(sent.url),
        }
        return told if error is None else {**told, names.ERROR: error}

    def request_retried(self, event: RequestRetried) -> None:
        """Count it."""
        self._values["fi_async.retries"][event.why,] += 1

    # Holds

    def hold_begun(self, event: HoldBegun) -> None:
        """Count a hold, and note that it lasts."""
        key = event.cause, self._endpoints(event.at)
        self._values["fi_async.holds"][key] += 1
        self._values["fi_async.held"][key] = 1

    def hold_ended(self, event: HoldEnded) -> None:
        """Note that it is over, and how long it lasted."""
        key = event.cause, self._endpoints(event.at)
        self._values["fi_async.held"][key] = 0
        self._values["fi_async.hold.time"][key] += event.seconds

    # Cases

    def case_ended(self, event: CaseEnded) -> None:
        """Count an outcome, and what it took. What was not evaluated in this run took nothing here."""
        outcome = event.outcome
        if outcome is None:
            return
        template = self._templates(event.template)
        error = None if outcome.error is None else type(outcome.error).__name__
        key = (template, event.status.value, outcome.origin, outcome.backend, error)
        self._values["fi_async.outcomes"][key] += 1
        if outcome.origin != "evaluated":
            return
        if outcome.latency_s is not None:
            told = {names.EVALUATION: template, names.BACKEND: outcome.backend}
            self._note(self._evaluations, outcome.latency_s, told)
        if outcome.usage is not None or outcome.cost is not None:
            self._paid(outcome, template)

    def _paid(self, outcome: Outcome, template: str) -> None:
        model = self._models(None if outcome.result is None else outcome.result.model)
        if outcome.cost is not None:
            self._values["fi_async.cost"][template, model] += outcome.cost
        if outcome.usage is None:
            return
        for kind, tokens in (("input", outcome.usage.input_tokens), ("output", outcome.usage.output_tokens)):
            self._values["fi_async.tokens"][template, model, kind] += tokens
            told = {names.OPERATION: "chat", names.MODEL: model, names.TOKEN_TYPE: kind}
            self._note(self._usages, tokens, told)


def _histogram(meter: Meter, name: str) -> Histogram:
    unit, what, bounds = HISTOGRAMS[name]
    return meter.create_histogram(name, unit, what, explicit_bucket_boundaries_advisory=list(bounds))


_shared: Final[WeakKeyDictionary[MeterProvider, Metrics]] = WeakKeyDictionary()


def metrics_of(provider: MeterProvider) -> Metrics:
    """Return the metrics of a provider: clients that share it count together."""
    if provider not in _shared:
        _shared[provider] = Metrics(provider)
    return _shared[provider]
