"""How patiently, how fast and where a run is kept: Timeout, RetryPolicy, Limit, RunFile, RunOptions."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, Self, TypedDict, get_args

from fi_async._errors import ConfigurationError, instead
from fi_async._models import OnAmbiguous, OnStalled
from fi_async._public import public
from fi_async._run_url import RunUrl, is_store_url
from fi_async.panels.certainty import MOST, PRECISION, fewest
from fi_async.panels.shape import Reduce

Strategy = Literal["auto", "sync", "async"]
Concurrency = int | Literal["auto"]
ExtraKeys = Literal["forbid", "ignore"]
Repeats = int | Literal["auto"]
Retried = Literal["failed", "stalled", "ambiguous"]


class Omitted(Enum):
    """The type of OMITTED, so that a keyword left out is told apart from None."""

    OMITTED = "omitted"

    def __repr__(self) -> str:
        return "OMITTED"


OMITTED: Final = Omitted.OMITTED


def positive(owner: str, name: str, value: float | None, *, optional: bool = False, longest: float = math.inf) -> None:
    """Return if the value is a number of seconds above 0.

    Raises:
        ConfigurationError: It is not, or above `longest`; the message names it.
    """
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ConfigurationError(f"{owner}{name} must be a number of seconds above 0, not {value!r}")
    _at_most(f"{owner}{name}", value, longest if isinstance(value, float) else min(longest, _MOST))


def _at_most(name: str, value: float, most: float) -> None:
    if value > most:  # a whole number of thousands of digits can be neither shown nor reckoned with
        raise ConfigurationError(f"{name} must be at most {most:,.0f}")


_MOST: Final = 10**12
_LONGEST: Final = 1e10  # seconds: three centuries
_LONGEST_CASE: Final = 600.0
_MOST_REPEATS: Final = 1_000
_CHANCE: Final = 0.5


@public
@dataclass(frozen=True, slots=True)
class Timeout:
    """How long to wait, in seconds.

    Args:
        connect: For a connection to open.
        read: For a reply to begin and to go on. A sync evaluation holds its reply until it is scored.
        case: For one case, from its first request to its outcome. Time that a rate limit takes is not
            counted. None: no bound. "auto": 600 s, and less for an accepted evaluation once it is known how long
            others take: ten times what nine of ten took, and no less than 120 s.
        call: For a whole call, `gather` and `stream` included. None: no bound.
        patience: For a server that is not there: its connections are refused, or nobody knows its name. All requests
            wait meanwhile, and no retries are used up. As long as none ever got through, 30 s at most.
    """

    connect: float = 10.0
    read: float = 120.0
    case: float | Literal["auto"] | None = "auto"
    call: float | None = None
    patience: float = 300.0

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name != "case" or self.case != "auto":
                positive("timeout.", each.name, getattr(self, each.name), optional=each.name in ("case", "call"))

    @property
    def longest_case(self) -> float | None:
        """The bound of one case, whatever is learned."""
        return _LONGEST_CASE if self.case == "auto" else self.case


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What is tried again, and how often.

    Args:
        max_retries: See RunOptions.
        on_ambiguous: See RunOptions.
        on_stalled: See RunOptions.
    """

    max_retries: int = 4
    on_ambiguous: OnAmbiguous = "resubmit"
    on_stalled: OnStalled = "fail"

    def __post_init__(self) -> None:
        if isinstance(self.max_retries, bool) or not isinstance(self.max_retries, int) or self.max_retries < 0:
            raise ConfigurationError(f"max_retries must be a whole number from 0, not {self.max_retries!r}")
        _at_most("max_retries", self.max_retries, _MOST)
        _one_of("on_ambiguous", self.on_ambiguous, get_args(OnAmbiguous))
        _one_of("on_stalled", self.on_stalled, get_args(OnStalled))

    @property
    def may_resubmit(self) -> bool:
        """True if an evaluation that may have run is sent again."""
        return self.max_retries > 0 and self.on_ambiguous == "resubmit"


def _whole(name: str, value: object, *, or_auto: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        allowed = '"auto" or a whole number from 1' if or_auto else "a whole number from 1"
        raise ConfigurationError(f"{name} must be {allowed}, not {value!r}")
    _at_most(name, value, _MOST)


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


_LENGTHS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}


@public
@dataclass(frozen=True, slots=True)
class Limit:
    """What the server, or your plan, allows in a fixed window of its clock.

    Args:
        count: So many requests, evaluations or tokens, at most.
        per: The window: "second", "minute", "hour", "day", or seconds. Windows begin at multiples of it since the
            epoch: a minute's at each full UTC minute.
        of: "requests" counts every request, polls too; "evaluations" counts rows that are started; "tokens", of a Judge
            only, counts what requests are reckoned to take, and then what they took.

    Raises:
        ConfigurationError: A value is out of its range.

    Example:
        >>> Limit(300, per="minute").seconds
        60.0
    """

    count: int
    per: Literal["second", "minute", "hour", "day"] | float = "minute"
    of: Literal["requests", "evaluations", "tokens"] = "requests"

    def __post_init__(self) -> None:
        _whole("limit.count", self.count)
        if isinstance(self.per, str):
            _one_of("limit.per", self.per, tuple(_LENGTHS))
        else:
            positive("limit.", "per", self.per, longest=_LONGEST)
        _one_of("limit.of", self.of, ("requests", "evaluations", "tokens"))

    @property
    def seconds(self) -> float:
        """The length of the window."""
        return _LENGTHS[self.per] if isinstance(self.per, str) else float(self.per)


@public
@dataclass(frozen=True, slots=True)
class RunFile:
    """A file that keeps a run, so that the same call made again goes on where the last one stopped.

    Args:
        path: SQLite, made if it is not there, readable by its owner only. It holds inputs and results, and no keys. Or
            the URL of a PostgreSQL database that ends in the run's name, `postgresql://user@host/database/nightly`:
            others may then help, see `AsyncEvaluator.work`.
        retry: What is tried again of that which ended before: "failed", "stalled" (asked for, not submitted again)
            and "ambiguous" cases.
        duplicates: Equal work (template, judge, parameters and inputs) is evaluated "once", and its outcome given
            to each case; "refuse" ends the second as invalid.
        reuse: Paths of other runs, as a shell's pattern such as `runs/*.db`: their results are taken for equal work.
        drain: Seconds that requests under way may take to their end when the run is stopped.
        source: Where a command line took the cases from; kept with the run.
        lease: Seconds that a worker of a run in a database may be silent before others take over what it has.
        held_only: True if the cases given are those that the file holds: those that it is known to lack stay pending.

    Raises:
        ConfigurationError: A value is out of its range.

    Example:
        >>> RunFile("nightly.db", retry=["failed"]).duplicates
        'once'
    """

    path: str | os.PathLike[str] | RunUrl
    retry: Sequence[Retried] = ()
    duplicates: Literal["once", "refuse"] = "once"
    reuse: str | None = None
    drain: float = 5.0
    source: Mapping[str, Any] = field(default_factory=dict)
    held_only: bool = False
    lease: float = 30.0

    def __post_init__(self) -> None:
        self._check_path()
        if is_store_url(self.reuse):
            raise ConfigurationError("reuse takes the files of runs, and not the URL of a database: name files")
        if self.reuse is not None:
            object.__setattr__(self, "reuse", os.path.expanduser(self.reuse))  # noqa: PTH111  # a pattern
        if isinstance(self.retry, str):
            raise ConfigurationError(f"retry must be a list, such as [{self.retry!r}]")
        for each in self.retry:
            _one_of("retry", each, get_args(Retried))
        _one_of("duplicates", self.duplicates, ("once", "refuse"))
        positive("", "drain", self.drain)
        positive("", "lease", self.lease)

    def _check_path(self) -> None:
        if is_store_url(self.path):
            object.__setattr__(self, "path", RunUrl.parse(str(self.path)))
        if isinstance(self.path, RunUrl):
            return
        if isinstance(self.path, os.PathLike) and os.fspath(self.path).startswith(("postgresql:/", "postgres:/")):
            raise ConfigurationError("run is the URL of a database as a path: pass it as text, it is no path")
        if not isinstance(self.path, str | os.PathLike) or not os.fspath(self.path):
            raise ConfigurationError(f"run must be the path of a file, or the URL of a database, not {self.path!r}")
        object.__setattr__(self, "path", os.path.expanduser(self.path))  # noqa: PTH111  # a name nobody has stays
        if os.path.isdir(self.path):  # noqa: PTH112  # no Path is needed for it
            raise ConfigurationError(f"run={os.fspath(self.path)!r} is a directory: name a file in it")

    @property
    def store(self) -> RunUrl | None:
        """The run in a database; None if a file keeps it."""
        return self.path if isinstance(self.path, RunUrl) else None

    @property
    def file(self) -> Path:
        """The path of the file.

        Raises:
            ConfigurationError: It is a database that keeps the run.
        """
        if isinstance(self.path, RunUrl):
            raise ConfigurationError(f"{self.path}: this needs a run's file, and not a database")
        return Path(self.path)


class RunKeywords(TypedDict, total=False):
    """The keywords that shape a run, as type checkers see them; RunOptions says what each means."""

    concurrency: Concurrency
    timeout: float | Timeout | None
    max_retries: int
    on_ambiguous: OnAmbiguous
    on_stalled: OnStalled
    model_name: str | None
    model: str | None
    strategy: Strategy
    fill_missing: bool
    extra_keys: ExtraKeys
    poll_interval: float | None
    limits: Sequence[Limit]
    rows: int | Literal["auto"]
    repeats: Repeats
    reduce: Reduce | None
    precision: float
    max_repeats: int


@public
@dataclass(frozen=True, slots=True)
class RunOptions:
    """What shapes a run. Each is a keyword of `gather` and `stream`, with its default at construction.

    Args:
        concurrency: Requests under way at once; "auto" finds how many the server can do with. Evaluations that the
            server works on between polls are not counted.
        timeout: Seconds for each case, from its first request to its outcome, waits for rate limits not counted; None
            sets no bound. A Timeout bounds more, such as `Timeout(call=10)` the call as a whole.
        max_retries: Further attempts after a failed one; 0 tries nothing again, not even a 429. Waiting out a rate
            limit is not counted.
        on_ambiguous: What to do with a request that was sent and whose reply was lost, so that it may have run:
            "resubmit" sends it again, and counts a possible duplicate; "fail" ends the case with an AmbiguousError.
        on_stalled: What to do with an evaluation that the server accepted and does not finish in the case's time:
            "fail" ends the case as stalled; "resubmit" starts it anew, once, and counts a possible duplicate; "wait"
            goes on asking for as long as it takes.
        model_name: The judge, such as "turing_small"; None leaves it to the template. Calls take it as `model` too.
        strategy: "sync" holds each request until its cases are scored; "async" submits them, then polls; "auto"
            does what takes the least time, as far as the run has seen.
        fill_missing: Fill a missing required key from its documented alias and list it in `result.filled`;
            False refuses such a case.
        extra_keys: "forbid" refuses a case with a key that none of the run's templates takes; "ignore"
            leaves the key out.
        poll_interval: Seconds between two polls of one evaluation; None adapts to what the run has seen.
        limits: What the server or your plan allows, where you know it: it is kept to exactly. What is not given is
            learned from the first refusal.
        rows: Cases that one request carries; "auto" sends several where that costs nothing, or where requests are
            what is scarce. The server takes 3 at most of cases with two or more keys.
        repeats: How often each case is evaluated under each template: each sample is an evaluation of its own, asked
            for and paid by itself. "auto" asks further only where the verdict is not certain. What is computed, and
            so says the same again, is evaluated once.
        reduce: What the samples come to: "mean" of their scores; "majority", what more than half of all say; "median";
            "all" or "any", whether they passed. None is "mean", and "majority" for repeats="auto".
        precision: For repeats="auto": how probably the verdict is what more than half of all repeats would say.
        max_repeats: For repeats="auto": how often a case is evaluated at most.

    Raises:
        ConfigurationError: A value is out of its range; the message names it.
    """

    concurrency: Concurrency = "auto"
    timeout: Timeout = field(default_factory=Timeout)
    max_retries: int = 4
    on_ambiguous: OnAmbiguous = "resubmit"
    on_stalled: OnStalled = "fail"
    model_name: str | None = None
    strategy: Strategy = "auto"
    fill_missing: bool = True
    extra_keys: ExtraKeys = "forbid"
    poll_interval: float | None = None
    limits: Sequence[Limit] = ()
    rows: int | Literal["auto"] = "auto"
    repeats: Repeats = 1
    reduce: Reduce | None = None
    precision: float = PRECISION
    max_repeats: int = MOST

    def __post_init__(self) -> None:
        if isinstance(self.limits, Limit) or not all(isinstance(each, Limit) for each in self.limits):
            raise ConfigurationError(f"limits must be a list of Limit, not {self.limits!r}")
        if any(each.of == "tokens" for each in self.limits):
            raise ConfigurationError(
                'limits of tokens are a judge\'s: pass Judge(..., limits=[Limit(..., of="tokens")])'
            )
        if self.concurrency != "auto":
            _whole("concurrency", self.concurrency, or_auto=True)
        if self.rows != "auto":
            _whole("rows", self.rows, or_auto=True)
        _one_of("strategy", self.strategy, get_args(Strategy))
        _one_of("extra_keys", self.extra_keys, get_args(ExtraKeys))
        if not isinstance(self.model_name, str | None):
            raise ConfigurationError(f"model_name must be the name of a judge, not {self.model_name!r}")
        positive("", "poll_interval", self.poll_interval, optional=True, longest=_LONGEST)
        self.retry_policy()
        self._check_repeats()

    def _check_repeats(self) -> None:
        if self.repeats != "auto":
            _whole("repeats", self.repeats, or_auto=True)
            _at_most("repeats", self.repeats, _MOST_REPEATS)
        if self.reduce is not None:
            _one_of("reduce", self.reduce, get_args(Reduce))
        _whole("max_repeats", self.max_repeats)
        _at_most("max_repeats", self.max_repeats, _MOST_REPEATS)
        sure = self.precision
        if isinstance(sure, bool) or not isinstance(sure, int | float) or not _CHANCE < sure < 1:
            raise ConfigurationError(f"precision must be a probability above 0.5 and below 1, not {sure!r}")
        if self.repeats != "auto":
            return
        if self.reduce == "mean":
            raise ConfigurationError(
                'repeats="auto" asks no further where samples agree, which draws their mean to 0 and 1: take'
                ' reduce="majority", or give repeats a number'
            )
        if self.reduce in ("all", "any"):
            raise ConfigurationError(
                f'repeats="auto" finds what a judge says in most repeats, and reduce="{self.reduce}" asks for what it'
                " says in each of a number of them: give repeats a number"
            )
        if (least := fewest(sure)) > self.max_repeats:
            raise ConfigurationError(
                f"precision={sure:g} takes {least:,} repeats that say the same, and max_repeats is"
                f" {self.max_repeats}: raise max_repeats, or lower precision"
            )

    def retry_policy(self) -> RetryPolicy:
        """Return the retry policy these options describe."""
        return RetryPolicy(self.max_retries, self.on_ambiguous, on_stalled=self.on_stalled)

    def with_given(self, **given: Any) -> Self:
        """Return a copy with the keywords that were given; those OMITTED keep their value here.

        A `timeout` that is a number, or None, bounds each case, and leaves the other timeouts as they are. `model` is
        another word for `model_name`.

        Raises:
            ConfigurationError: A value is out of its range, or both words for the judge name different ones; the
                message names the keyword.
            TypeError: There is no such keyword.
        """
        changes = {name: value for name, value in given.items() if value is not OMITTED}
        known = [each.name for each in fields(self)]
        if "model" in changes:
            changes["model_name"] = same_judge(changes.pop("model"), changes.get("model_name", OMITTED))
        if unknown := next((name for name in changes if name not in known), None):
            raise TypeError(f"unexpected keyword argument {unknown!r}{instead(unknown, known)}")
        if "timeout" in changes and not isinstance(changes["timeout"], Timeout):
            changes["timeout"] = replace(self.timeout, case=changes["timeout"])
        return replace(self, **changes) if changes else self


def same_judge(model: str | None, model_name: str | Omitted | None) -> str | None:
    """Return the judge that a call names, by either word.

    Raises:
        ConfigurationError: They name different ones.
    """
    if model_name is not OMITTED and model != model_name:
        raise ConfigurationError(
            f"model={model!r} and model_name={model_name!r} are two words for the judge: give one of them"
        )
    return model


def not_picklable(client: object) -> str:
    """Return why a client or a handle cannot be pickled, and what to do instead."""
    if hasattr(client, "id"):
        return (
            f"{type(client).__name__} cannot be pickled or copied: it holds a client. Keep its id: get_execution(id)"
            " makes it again anywhere"
        )
    return (
        f"{type(client).__name__} cannot be pickled or copied: it holds connections and your keys. Make one in each"
        " process, say in the pool's initializer; with shared_budget= they keep to the limits together"
    )
