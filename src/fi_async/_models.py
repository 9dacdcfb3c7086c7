"""What users hand in and get back: Case, Template, Outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from fi_async._errors import FiAsyncError
from fi_async._public import public
from fi_async._values import NotPlainError, id_text, shown_inputs

if TYPE_CHECKING:
    from fi_async._results import EvalResult, Usage

Inputs = Mapping[str, Any]
"""One set of inputs by key: strings, or anything with a JSON form; arrays, dates, Decimals have one."""

OnAmbiguous = Literal["resubmit", "fail"]
"""What to do with a request that left and whose outcome is unknown."""

OnStalled = Literal["fail", "resubmit", "wait"]
"""What to do with an evaluation that the server accepted and does not finish in its time."""

Origin = Literal["evaluated", "replayed", "reused", "duplicate"]
"""Where an outcome comes from: this call, this run before it was resumed, another run, an equal case of this run."""


_OF_WHOLE = frozenset({"index", "id", "template"})
_TOKEN_KINDS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


@runtime_checkable
class NamedTemplate(Protocol):
    """Any object or class with an `eval_name`, as the template classes of the official SDK have."""

    @property
    def eval_name(self) -> str:
        """The template's name."""


TemplateLike = str | NamedTemplate | type[NamedTemplate]
"""A template by its name, or any object with an `eval_name`."""


@public
@dataclass(frozen=True, slots=True)
class Case:
    """One set of inputs to evaluate, with an id of your own that comes back on its outcomes.

    Args:
        inputs: Values by key: a string, or anything richer, which is sent as its JSON text.
        id: Yours; never sent to the server. A number, a UUID or the like becomes its text; a case whose id has none
            ends a run as invalid.

    Example:
        >>> Case({"output": "Paris", "context": "Paris is in France."}, id="q-17").id
        'q-17'
    """

    inputs: Inputs
    id: str | None = None

    if TYPE_CHECKING:

        def __init__(self, inputs: Inputs, id: object = None) -> None: ...  # noqa: A002  # the field's name

    def __post_init__(self) -> None:
        if self.id is not None and type(self.id) is not str:
            with suppress(NotPlainError):  # the door of a run refuses it, and says why
                object.__setattr__(self, "id", id_text(self.id))


@public
class EvalStatus(StrEnum):
    """Where an evaluation stands on the server."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


@public
@dataclass(frozen=True, slots=True)
class Template:
    """The facts of one evaluation template.

    Attributes:
        name: What requests call it; case-sensitive.
        required_keys: The input keys; the server takes exactly these.
        output_type: "Pass/Fail", "score", "numeric", "choices" or "reason".
        description: What it evaluates, in the platform's words.
        choices: The labels it may answer with, if it chooses.
        tags: What the platform files it under.
        params: Name and facts of each parameter that `eval_config` accepts.
        partial: True if keys may be left out (custom evaluations).
        system: True for one of the platform's own.
        optional_keys: Further keys, which a case may lack.
        raw: True if it takes values as they are, of any type, blank ones and None too: a function of yours. Others
            take text.
    """

    name: str
    required_keys: tuple[str, ...]
    output_type: str = ""
    description: str = ""
    choices: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False
    system: bool = True
    optional_keys: tuple[str, ...] = ()
    raw: bool = False


@public
class OutcomeStatus(StrEnum):
    """How a case ended."""

    SCORED = "scored"
    FAILED = "failed"
    STALLED = "stalled"
    CANCELLED = "cancelled"
    INVALID = "invalid"


@public
@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case ended under one template: with a result, or with the error that says why not.

    Attributes:
        index: The case's position in the input, from 0.
        case: The case as it was handed in.
        template: The template's name.
        status: scored, failed, stalled, cancelled or invalid.
        result: The result, if scored.
        error: Why there is none, otherwise.
        attempts: Evaluation requests made for it, the first included; 0 if none was sent.
        ambiguous: How many of these left and had no readable answer.
        possible_duplicates: How many of the ambiguous were sent again, and so may be paid twice.
        eval_id: The evaluation's id on the server, if known.
        backend: Who was asked: "cloud", "local" (this process), "server" (one of your own), "judge" (a model of yours,
            not the platform's), "code" (a function of yours), or "imported" (another tool).
        latency_s: Seconds from its first request to its outcome.
        usage: The tokens that a judge of yours took for it, all its answers counted; None if nobody says.
        cost: What these cost, in dollars; None if no price is known.
        origin: "evaluated"; or "replayed", "reused", "duplicate" where nothing was sent for it.
        samples: With `repeats`, what each of them came to, in their order; this outcome is what `reduce` makes of them.
        at_first: With repeats="auto", how many samples each case has at first; None of a fixed number.
        votes: With a jury, what each juror said, in the jury's order; this outcome is what its `rule` makes of them.
        sample: Which of the samples of its case it is, from 0.
        juror: Which juror's vote it is; None of all else.
    """

    index: int
    case: Case
    template: str
    status: OutcomeStatus
    result: EvalResult | None = None
    error: FiAsyncError | None = None
    attempts: int = 0
    ambiguous: int = 0
    possible_duplicates: int = 0
    eval_id: str | None = None
    backend: str = "cloud"
    latency_s: float | None = None
    usage: Usage | None = None
    cost: float | None = None
    origin: Origin = "evaluated"
    samples: Sequence[Outcome] = field(default=(), repr=False)
    votes: Sequence[Outcome] = field(default=(), repr=False)
    sample: int = 0
    juror: str | None = None
    at_first: int | None = None

    @property
    def score(self) -> float | None:
        """The result's score; None without one."""
        return self.result.score if self.result else None

    @property
    def passed(self) -> bool | None:
        """The result's verdict; None without one."""
        return self.result.passed if self.result else None

    @property
    def pass_share(self) -> float | None:
        """1.0 for passed, 0.0 for failed; of samples or votes whose mean was taken, the share that passed.

        None without verdicts.
        """
        if self.result is None or self.passed is not None:
            return None if self.passed is None else float(self.passed)
        shares = [each.pass_share for each in self.samples_at_first or self.votes if each.result is not None]
        told = [share for share in shares if share is not None]
        return sum(told) / len(told) if told and len(told) == len(shares) else None

    @property
    def samples_at_first(self) -> Sequence[Outcome]:
        """The samples that were asked for whatever they say: all of them, but with repeats="auto".

        What share of these passed tells without bias how the judge does. Further ones are asked for only where the
        first do not agree, and would draw it to 0 and 1.
        """
        return [each for each in self.samples if self.at_first is None or each.sample < self.at_first]

    def evaluations(self) -> Iterator[Outcome]:
        """Yield the single evaluations behind it: its samples, and of a jury the votes; itself if it is one."""
        parts = self.samples or self.votes
        if not parts:
            yield self
        for part in parts:
            yield from part.evaluations()

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values: what the command line writes, and what `Report.to_dicts` lists.

        `inputs` are the case's, or the row of its file or frame as it stands there; None if it cannot be read. Arrays,
        dates and the like are as they were sent; what has no JSON form is its `str()`. `tokens` are all that were paid
        for, and those of each kind beside them; cached ones are among the input, reasoning among the output. To add up
        costs, leave out outcomes whose `origin` is "reused" or "duplicate": these were paid elsewhere. `samples` and
        `votes` are there where the outcome has any, each as such a dict, with what it shares with the whole left out;
        and `at_first` with repeats="auto".
        """
        return {**self._told(), "inputs": shown_inputs(getattr(self.case, "given", self.case.inputs))}

    def _told(self) -> dict[str, Any]:
        """Return it as plain values, but for the inputs."""
        result, error = self.result, self.error
        invalid = self.status is OutcomeStatus.INVALID
        return {
            "index": self.index,
            "id": self.case.id,
            "template": self.template,
            "status": self.status.value,
            "score": self.score,
            "passed": self.passed,
            "output": None if result is None else result.output,
            "reason": None if result is None else result.reason,
            "error": None if error is None else str(error) if invalid else f"{type(error).__name__}: {error}",
            "backend": self.backend,
            "model": None if result is None else result.model,
            "estimate": None if result is None else result.estimate,
            "eval_id": self.eval_id or (None if result is None else result.eval_id),
            "attempts": self.attempts,
            "latency_s": self.latency_s,
            "tokens": None if self.usage is None else self.usage.total_tokens,
            **{kind: None if self.usage is None else getattr(self.usage, kind) for kind in _TOKEN_KINDS},
            "cost": self.cost,
            "origin": self.origin,
            **self._parts(),
        }

    def _parts(self) -> dict[str, Any]:
        """Return samples and votes as plain values, under their names; nothing where there are none."""
        named = {"samples": self.samples, "votes": self.votes}
        told: dict[str, Any] = {name: [each._as_part() for each in parts] for name, parts in named.items() if parts}
        return told if self.at_first is None else {**told, "at_first": self.at_first}

    def _as_part(self) -> dict[str, Any]:
        """Return what a sample or a vote has of its own."""
        mark = {"sample": self.sample} if self.juror is None else {"sample": self.sample, "juror": self.juror}
        told = {name: value for name, value in self._told().items() if value is not None and name not in _OF_WHOLE}
        return mark | told
