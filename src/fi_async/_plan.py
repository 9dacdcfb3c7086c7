"""What a run would take, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from fi_async._public import public

PIPELINE: Final = (
    "evaluate_pipeline() is one request, but gives aggregates only and may never end: gather() gives every outcome."
)


@public
@dataclass(frozen=True, slots=True)
class TemplatePlan:
    """What a run would take under one template.

    Attributes:
        template: Its name. Of a jury, each juror has a plan.
        evaluations: Cases that can be sent, each as often as it is evaluated at first.
        requests: Those that start evaluations, and polls.
        minutes: Expected, if it ran alone.
        strategy: "sync" or "async", as things stand; a run may change it as it learns.
        rows: Cases that one request carries.
        why: The reason for these.
        limit: What sets the time.
        latency_s: Seconds that an evaluation takes.
        latency_is: Where that comes from: "given", "learned" by this client, or "assumed".
        polls: How often an evaluation is asked for; 0 if requests are held.
        late_s: Seconds from its end until that is found; 0 if requests are held.
        polls_are: Where these two come from: "learned" by this client, or "assumed".
        backend: Who answers: "cloud", "server", "local", "judge" or "code".
        model: Which model, if a judge of yours does.
        tokens: What a judge is reckoned to take; None where nothing counts them.
        cost: What that costs, in dollars; None if nobody knows.
    """

    template: str
    evaluations: int
    requests: int
    minutes: float
    strategy: Literal["sync", "async"]
    rows: int
    why: str
    limit: str
    latency_s: float
    latency_is: Literal["given", "learned", "assumed"]
    polls: float = 0.0
    late_s: float = 0.0
    polls_are: Literal["learned", "assumed"] = "assumed"
    backend: str = "cloud"
    model: str | None = None
    tokens: int | None = None
    cost: float | None = None


@public
@dataclass(frozen=True, slots=True, repr=False)
class RunPlan:
    """What a run would take, as far as is known. `print` it for a table.

    Attributes:
        cases: All that were read.
        templates: For each template.
        minutes: Expected for the whole run.
        limit: What sets that time.
        duplicates: Cases whose inputs are those of an earlier one: each would be paid.
        invalid: Cases that cannot be sent under one template or more.
        invalid_because: The first few reasons.
    """

    cases: int
    templates: Sequence[TemplatePlan]
    minutes: float
    limit: str
    duplicates: int = 0
    invalid: int = 0
    invalid_because: Sequence[str] = ()

    @property
    def requests(self) -> int:
        """Requests of the whole run."""
        return sum(each.requests for each in self.templates)

    @property
    def evaluations(self) -> int:
        """Evaluations that would be started, and paid."""
        return sum(each.evaluations for each in self.templates)

    @property
    def tokens(self) -> int | None:
        """Tokens that judges are reckoned to take; None without one."""
        known = [each.tokens for each in self.templates if each.tokens is not None]
        return sum(known) if known else None

    @property
    def cost(self) -> float | None:
        """Dollars that judges are reckoned to cost; None without one, or where nobody knows the price of one."""
        judged = [each for each in self.templates if each.tokens is not None]
        costs = [each.cost for each in judged if each.cost is not None]
        return sum(costs) if judged and len(costs) == len(judged) else None

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, ready for JSON."""
        whole = {"cases": self.cases, "evaluations": self.evaluations, "requests": self.requests}
        return {**whole, "tokens": self.tokens, "cost": self.cost, **asdict(self), "note": PIPELINE}

    def __repr__(self) -> str:
        return f"<RunPlan {self._total()}>"

    def _total(self) -> str:
        return (
            f"{self.cases:,} cases, {self.evaluations:,} evaluations, {self.requests:,} requests,"
            f" about {_minutes(self.minutes)}{self._judged()}"
        )

    def _judged(self) -> str:
        if self.tokens is None:
            return ""
        return f", {self.tokens:,} tokens, {'of unknown cost' if self.cost is None else f'about ${self.cost:,.2f}'}"

    def __str__(self) -> str:
        rows = [("template", "by", "evaluations", "requests", "time", "strategy", "rows")]
        rows += [
            (
                each.template,
                each.model or each.backend,
                f"{each.evaluations:,}",
                f"{each.requests:,}",
                _minutes(each.minutes),
                each.strategy,
                f"{each.rows}",
            )
            for each in self.templates
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{self._total()}. What sets the time: {self.limit}", ""]
        for name, *numbers in rows:
            aligned = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
            lines.append("  ".join([name.ljust(widths[0]), *aligned]))
        lines += ["", *dict.fromkeys(_reason(each) for each in self.templates)]
        if self.duplicates:
            lines.append(f"duplicates of earlier cases, which would be paid again: {self.duplicates:,}")
        if self.invalid:
            lines.append(f"invalid cases, which cannot be sent: {self.invalid:,}")
            lines += [f"  {because}" for because in self.invalid_because]
        asks_platform = any(each.requests and each.model is None for each in self.templates)
        return "\n".join([*lines, PIPELINE] if asks_platform else lines)


def _minutes(minutes: float) -> str:
    seconds = 60 * minutes
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{minutes:,.1f} min" if minutes < 100 else f"{minutes / 60:,.1f} h"


def _reason(plan: TemplatePlan) -> str:
    latency = f"{plan.latency_s:.3g} s an evaluation, {plan.latency_is}"
    polls = f"; {plan.polls:.1f} polls each, {plan.late_s:.2g} s late, {plan.polls_are}" if plan.polls else ""
    return f"{plan.template}: {plan.why}; {latency}{polls}"
