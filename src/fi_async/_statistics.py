"""What a run asked of the server, and what a client knows of it at one moment, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from fi_async._public import public

T = TypeVar("T")


@public
@dataclass(slots=True)
class Counts:
    """What a run asked of the server.

    Attributes:
        requests: HTTP requests sent, polls and repeats included.
        polls: Those that asked for a result.
        retries: Requests repeated after a failure.
        throttled: Refusals by a rate limit, waited out.
        ambiguous: Evaluation requests that left and had no readable answer.
        possible_duplicates: Evaluations asked for again after that, which may be paid twice.
        removed: Cases that the run's file has from earlier, and that were not among these; each sample and each vote
            that is no longer asked for counts too.
    """

    requests: int = 0
    polls: int = 0
    retries: int = 0
    throttled: int = 0
    ambiguous: int = 0
    possible_duplicates: int = 0
    removed: int = 0


@public
@dataclass(frozen=True, slots=True)
class LimitStatistics:
    """A limit that was given, and what is left of it.

    Attributes:
        count: So many requests or evaluations in each window.
        seconds: The length of the window.
        of: "requests", "evaluations" or "tokens".
        left: How many of them may still leave in this window.
    """

    count: int = 0
    seconds: float = 0.0
    of: Literal["requests", "evaluations", "tokens"] = "requests"
    left: int = 0


@public
@dataclass(frozen=True, slots=True)
class ConcurrencyStatistics:
    """How many requests may be under way at once, and why so many.

    Attributes:
        limit: How many.
        under_way: How many are.
        why: What the last round of measuring found; None where the number was given.
        throughput: Evaluations a second in that round; None before there was one.
        latency: Seconds that a request took in it; None before there was one.
        episodes: How often the server was found to be overloaded; None where the number was given.
    """

    limit: int = 0
    under_way: int = 0
    why: str | None = None
    throughput: float | None = None
    latency: float | None = None
    episodes: int | None = None


@public
@dataclass(frozen=True, slots=True)
class PollingStatistics:
    """What polls took, and how late they saw that an evaluation had ended.

    Attributes:
        evaluations: Those that polls found done.
        polls_per_evaluation: The mean; None before there was one.
        lateness_s: Seconds from the end of an evaluation to the poll that saw it: the mean, estimated; None before
            there was one.
        lateness_bound_p95_s: The same seconds at most, for 95 % of the recent; None before there was one.
    """

    evaluations: int = 0
    polls_per_evaluation: float | None = None
    lateness_s: float | None = None
    lateness_bound_p95_s: float | None = None


@public
@dataclass(frozen=True, slots=True)
class EndpointStatistics:
    """What a client knows of an endpoint beside the platform: of a judge of yours.

    Attributes:
        name: Which it is, such as "judge gpt-5-mini".
        waiting_for: What runs wait for there, such as "judge gpt-5-mini: token limit, 14 s to the next window"; None
            if for nothing but replies.
        opens_in_s: Seconds until another request may leave for it, as far as limits have a say; infinity if an answer
            has to come first.
        refusals: Requests that a rate limit of its refused.
        learned_requests_per_window: How many requests a window takes, as refusals told; None until one did.
        limits: The limits that were given for it, of tokens too, and what is left of each.
        unreachable_for_s: Seconds for which no connection to it could be opened; 0 if one could.
        concurrency: How many requests to it may be under way at once.
    """

    name: str = ""
    waiting_for: str | None = None
    opens_in_s: float = 0.0
    refusals: int = 0
    learned_requests_per_window: int | None = None
    limits: tuple[LimitStatistics, ...] = ()
    unreachable_for_s: float = 0.0
    concurrency: ConcurrencyStatistics = ConcurrencyStatistics()


@public
@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """What a client knows of the server, and what it waits for. `dataclasses.asdict` makes plain values of it.

    Attributes:
        waiting_for: What its runs wait for, such as "request limit, 14 s to the next window"; None if for nothing but
            replies.
        opens_in_s: Seconds until another evaluation may leave, as far as limits have a say; infinity if an answer has
            to come first.
        refusals: Requests that a rate limit refused.
        refused_evaluations: Evaluations that a limit of the plan stopped.
        learned_requests_per_window: How many requests a window takes, as refusals told; None until one did.
        learned_evaluations_per_window: How many evaluations a window takes, as refusals told; None until one did.
        learned_window_s: The length of that window of evaluations, in seconds; None until it is known.
        limits: The limits that were given, and what is left of each.
        limits_by_clock_of: Whose clock their windows are kept by: the "server"'s, or this "machine"'s, with windows
            taken at their worst, as long as the server tells no time.
        unreachable_for_s: Seconds for which no connection to the server could be opened; 0 if one could.
        shared_budget: The file, or the database, that limits are shared through; None if they are not.
        concurrency: How many requests may be under way at once.
        polling: What polls took.
        endpoints: The same of each judge that was asked, in the order of their first requests; all else here is of
            the platform.
    """

    waiting_for: str | None = None
    opens_in_s: float = 0.0
    refusals: int = 0
    refused_evaluations: int = 0
    learned_requests_per_window: int | None = None
    learned_evaluations_per_window: int | None = None
    learned_window_s: float | None = None
    limits: tuple[LimitStatistics, ...] = ()
    limits_by_clock_of: Literal["server", "machine"] = "machine"
    unreachable_for_s: float = 0.0
    shared_budget: str | None = None
    concurrency: ConcurrencyStatistics = ConcurrencyStatistics()
    polling: PollingStatistics = PollingStatistics()
    endpoints: tuple[EndpointStatistics, ...] = ()


def client_statistics(
    gate: Mapping[str, Any],
    *,
    concurrency: Mapping[str, Any],
    polling: Mapping[str, Any],
    waiting_for: str | None,
    endpoints: Sequence[EndpointStatistics] = (),
) -> ClientStatistics:
    """Return what the parts of a client tell of themselves, as one. What a part does not tell has its default."""
    limits = tuple(_known(LimitStatistics, each) for each in gate.get("limits", ()))
    return _known(
        ClientStatistics,
        {
            **gate,
            "limits": limits,
            "concurrency": _known(ConcurrencyStatistics, concurrency),
            "polling": _known(PollingStatistics, polling),
            "waiting_for": waiting_for,
            "endpoints": tuple(endpoints),
        },
    )


def endpoint_statistics(
    name: str, gate: Mapping[str, Any], *, concurrency: Mapping[str, Any], waiting_for: str | None
) -> EndpointStatistics:
    """Return what the parts of an endpoint tell of themselves, as one."""
    return _known(
        EndpointStatistics,
        {
            **gate,
            "name": name,
            "limits": tuple(_known(LimitStatistics, each) for each in gate.get("limits", ())),
            "concurrency": _known(ConcurrencyStatistics, concurrency),
            "waiting_for": waiting_for,
        },
    )


def _known(kind: type[T], told: Mapping[str, Any]) -> T:
    """Return what is told as one of a kind. A test holds that every key that a part tells has a field."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # each kind is a dataclass
    return kind(**{name: value for name, value in told.items() if name in names})
