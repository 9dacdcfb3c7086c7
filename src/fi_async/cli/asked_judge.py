"""The flags that describe a judge: a model behind an endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from fi_async.cli.flag_kinds import JUDGE, POSITIVE, Count, Flag, Several


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeChoice:
    """Which model judges, and how it is asked.

    Attributes:
        judge: A model that judges by a template's criteria, by its name at the endpoint.
        judge_url: The endpoint that /chat/completions is joined to; mostly it ends in /v1. Omitted: OpenAI.
        judge_key_env: The environment variable with its key, or none. Omitted: OPENAI_API_KEY, but on this machine.
        judge_limits: What it allows: 500/min, 100000/min:tokens.
        judge_concurrency: Requests to it under way at once. Omitted: as many as it can do with.
        judge_allow_http: Allow http to another machine.
    """

    judge: Annotated[str | None, JUDGE, Parameter(metavar="MODEL")] = None
    judge_url: Annotated[str | None, JUDGE, Parameter(metavar="URL")] = None
    judge_key_env: Annotated[str | None, JUDGE, Parameter(metavar="VARIABLE")] = None
    judge_limits: Annotated[list[str] | None, JUDGE, Several, Parameter(metavar="COUNT/TIME...")] = None
    judge_concurrency: Annotated[Count, JUDGE] = None
    judge_allow_http: Annotated[bool, JUDGE, Flag] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class PaidJudgeChoice(JudgeChoice):
    """Which model judges the cases of a run, or which jury, and what it may cost.

    Attributes:
        judge: A model that judges by a template's criteria, by its name at the endpoint; or the NAME of a judge that
            fi-async.toml describes in a table judges.NAME.
        jury: Judges that each vote on every row, two at least: NAMEs of such tables. Where there are no tables, models
            at one endpoint.
        rule: What makes a verdict of the votes. Omitted: the majority.
        judges: The tables that are meant, as a run keeps them.
        judge_price: Its dollars a million tokens, as IN/OUT or IN/OUT/CACHED. Omitted: as the extra [prices] knows.
        max_cost: Dollars that the run may spend on it, or on each of a jury; the rest stays for fi-async resume
            --max-cost.
    """

    jury: Annotated[list[str] | None, JUDGE, Several, Parameter(metavar="NAME...")] = None
    rule: Annotated[Literal["majority", "mean", "unanimous"] | None, JUDGE] = None
    judges: Annotated[dict[str, Any] | None, Parameter(parse=False)] = None
    judge_price: Annotated[str | None, JUDGE, Parameter(metavar="IN/OUT")] = None
    max_cost: Annotated[float | None, JUDGE, Parameter(metavar="DOLLARS", validator=POSITIVE)] = None


OF_JUDGES = ("judge_url", "judge_key_env", "judge_limits", "judge_concurrency", "judge_allow_http")
"""The flags that are of no use without --judge."""

OF_PAID_JUDGES = (*OF_JUDGES, "judge_price", "max_cost")
"""As above, of runs."""
