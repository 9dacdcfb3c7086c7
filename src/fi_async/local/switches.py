"""What the server can be told to be: slow, small, strict or faulty.

All of it is plain frozen data, validated when made. `texts` reads the same from short texts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fi_async.local.chat.switches import ChatSwitches
from fi_async.local.quantities import (
    Lognormal,
    Quota,
    is_names,
    is_pairs,
    is_seconds,
    is_whole,
    require,
    require_probabilities,
    require_statuses,
    shown,
)


@dataclass(frozen=True, slots=True)
class Faults:
    """How probable each kind of fault is, from 0 to 1. At most one strikes a request, and one an evaluation.

    Args:
        status: Instead of processing, an error reply with a JSON body, by HTTP status: `{503: 0.05}`.
        html_500: Instead of processing, a 500 with an HTML page.
        reset_before: Instead of processing, the connection is reset.
        reset_after: After the evaluations were stored, the connection is reset.
        cut_json: After processing, the reply's JSON stops half-way, under a right Content-Length.
        status_after: After the evaluations were stored, a proxy's HTML page, by HTTP status (say 502 or 504).
        slow: (probability, seconds): the reply comes so many seconds late.
        fail: The evaluation ends with an engine error.
        stuck: A submitted evaluation stays pending for ever.
        dataset_fail: The rows of a dataset cannot be made of its file.
        dataset_stuck: They are never made.
        gets: True if `status`, `html_500`, `reset_before` and `cut_json` strike GETs too.

    Raises:
        ValueError: A value is out of its range, or the probabilities sum to more than 1.
    """

    status: Mapping[int, float] = field(default_factory=dict)
    html_500: float = 0.0
    reset_before: float = 0.0
    reset_after: float = 0.0
    cut_json: float = 0.0
    status_after: Mapping[int, float] = field(default_factory=dict)
    slow: tuple[float, float] = (0.0, 0.0)
    fail: float = 0.0
    stuck: float = 0.0
    dataset_fail: float = 0.0
    dataset_stuck: float = 0.0
    gets: bool = True

    def __post_init__(self) -> None:
        for each in (self.of_request("POST"), self.of_evaluation(), self.of_dataset()):
            require_probabilities(each)
        require_statuses((*self.status, *self.status_after))
        require(is_seconds(self.slow[1]), f"a slow reply is some seconds late, not {shown(self.slow[1])}")

    def of_request(self, method: str) -> Iterator[tuple[str, float]]:
        """Yield the faults that can strike a request of this method, by the names statistics count them under."""
        if method != "POST" and not self.gets:
            return
        yield from ((str(status), probability) for status, probability in self.status.items())
        yield "html_500", self.html_500
        yield "reset_before", self.reset_before
        yield "cut_json", self.cut_json
        if method == "POST":
            yield "reset_after", self.reset_after
            yield from ((f"{status}_after", probability) for status, probability in self.status_after.items())
            yield "slow", self.slow[0]

    def of_evaluation(self) -> Iterator[tuple[str, float]]:
        """Yield the faults that can strike an evaluation."""
        yield "fail", self.fail
        yield "stuck", self.stuck

    def of_dataset(self) -> Iterator[tuple[str, float]]:
        """Yield the faults that can strike the making of a dataset."""
        yield "dataset_fail", self.dataset_fail
        yield "dataset_stuck", self.dataset_stuck


@dataclass(frozen=True, slots=True)
class Switches:
    """What the server is like; the default is instant, unlimited and without faults.

    Args:
        latency: Seconds an evaluation takes.
        overhead: Seconds added to every reply, as a network would.
        capacity: How many evaluations run at once; None for any number.
        overload: What happens beyond it: they queue, or requests are refused with 503.
        queue_limit: With "refuse", how many evaluations may still queue before a 503; None for none.
        requests: The quota of HTTP requests; over it, 429 with Retry-After.
        evaluations: Quotas of evaluations; over one, a synchronous request ends in a generic 500,
            an asynchronous one is accepted and then fails as `rate_limited`.
        faults: How often what goes wrong.
        spelling: Of the keys in replies to GET: "camel" as old servers wrote them.
        call_log: The server has a log of its calls, as the platform has: a synchronous evaluation that the engine
            fails on gets a 400 with the engine's words. Without, it gets the generic 500.
        seed: Of every draw: the n-th request and the n-th evaluation meet the same fate in each run.
        keys: Secret key by API key; None takes any pair that is not empty.
        projects: The names that pipelines may use; None for any name.
        own_templates: Templates that count as the organisation's own. Only these can be configured for
            tracing: the platform answers 500 for its system templates.
        chat: What the endpoint for judges is like; of the other switches, only `overhead` and `seed` are about it.
        allow_network: Evaluate the templates that ask others over the network: `contains_valid_link`,
            `no_invalid_links`, `api_call`. Whoever can send evaluations can then have this machine send requests.
    """

    latency: float | Lognormal = 0.0
    overhead: float = 0.0
    capacity: int | None = None
    overload: Literal["queue", "refuse"] = "queue"
    queue_limit: int | None = None
    requests: Quota | None = None
    evaluations: tuple[Quota, ...] = ()
    faults: Faults = field(default_factory=Faults)
    spelling: Literal["snake", "camel"] = "snake"
    call_log: bool = True
    seed: int = 0
    keys: Mapping[str, str] | None = field(default=None, repr=False)
    projects: frozenset[str] | None = None
    own_templates: frozenset[str] = frozenset()
    chat: ChatSwitches = field(default_factory=ChatSwitches)
    allow_network: bool = False

    def __post_init__(self) -> None:
        for name, (allows, words) in _ALLOWED.items():
            value = getattr(self, name)
            # What is a secret, or may hold one, is not repeated.
            found = "" if name in ("keys", "chat") else f", not {shown(value)}"
            require(allows(value), f"{name} is {words}{found}")

    def replace(self, **changes: object) -> Switches:
        """Return a copy with these fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "latency": (lambda value: isinstance(value, Lognormal) or is_seconds(value), "0 seconds or more"),
    "overhead": (is_seconds, "0 seconds or more"),
    "capacity": (lambda value: value is None or (is_whole(value) and value >= 1), "1 or more, or None"),
    "overload": (lambda value: value in ("queue", "refuse"), '"queue" or "refuse"'),
    "queue_limit": (lambda value: value is None or (is_whole(value) and value >= 0), "0 or more, or None"),
    "requests": (lambda value: value is None or isinstance(value, Quota), "a quota or None"),
    "evaluations": (
        lambda value: isinstance(value, tuple) and all(isinstance(each, Quota) for each in value),
        "a tuple of quotas",
    ),
    "faults": (lambda value: isinstance(value, Faults), "of the type Faults"),
    "spelling": (lambda value: value in ("snake", "camel"), '"snake" or "camel"'),
    "call_log": (lambda value: isinstance(value, bool), "true or false"),
    "seed": (is_whole, "a whole number"),
    "keys": (lambda value: value is None or is_pairs(value), "secret keys by API key, or None"),
    "projects": (lambda value: value is None or is_names(value), "a frozenset of names, or None"),
    "own_templates": (is_names, "a frozenset of names"),
    "chat": (lambda value: isinstance(value, ChatSwitches), "of the type ChatSwitches"),
    "allow_network": (lambda value: isinstance(value, bool), "true or false"),
}
