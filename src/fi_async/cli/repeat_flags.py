"""The flags that have each row evaluated several times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from fi_async._settings import RunOptions
from fi_async.cli.asked_judge import PaidJudgeChoice
from fi_async.cli.errors import UsageError
from fi_async.cli.flag_kinds import EVALUATION, FROM_ONE, WITHIN, from_one, short, whole
from fi_async.panels.certainty import fewest
from fi_async.reports.conditions import Condition

_AS_SET: Final = RunOptions()
_OF_TRIES: Final = ("pass^", "pass@")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatChoice(PaidJudgeChoice):
    """How often each row is evaluated, and what is made of that.

    Attributes:
        repeats: How often each row is evaluated under each template; auto asks further where no verdict is certain.
        reduce: What the samples of a row come to: their mean, and with --repeats auto the majority, unless given.
        precision: With --repeats auto: how probably the verdict is what most of any number of repeats would say.
        max_repeats: With --repeats auto: how often a row is evaluated at most.
    """

    repeats: Annotated[
        int | Literal["auto"],
        EVALUATION,
        Parameter(metavar="N|auto", converter=whole, validator=from_one, show_choices=False),
    ] = _AS_SET.repeats
    reduce: Annotated[Literal["mean", "majority", "median", "all", "any"] | None, EVALUATION] = _AS_SET.reduce
    precision: Annotated[float, EVALUATION, Parameter(metavar="SHARE", validator=WITHIN, show_default=short)] = (
        _AS_SET.precision
    )
    max_repeats: Annotated[int, EVALUATION, Parameter(metavar="N", converter=whole, validator=FROM_ONE)] = (
        _AS_SET.max_repeats
    )

    def check_tries(self, condition: Condition) -> None:
        """Return if each row has the samples that a condition such as pass^3 is about.

        Raises:
            UsageError: It has fewer.
        """
        metric = condition.metric or ""
        if not metric.startswith(_OF_TRIES):
            return
        k, samples = int(metric[len(_OF_TRIES[0]) :]), self.repeats
        if samples == "auto":
            samples = fewest(self.precision)
        if k > samples:
            raise UsageError(f"--min {condition} takes {k} samples of each row: give --repeats {k}")
