"""What becomes of cases that a judge answers: a generator, as all jobs are, and what the jobs of one judge share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from fi_async._errors import (
    ConfigurationError,
    CostLimitError,
    FiAsyncError,
    JudgeError,
    NotFoundError,
    QuotaExhaustedError,
    ValidationError,
)
from fi_async._rubric import Rubric
from fi_async.backends.judge import Judge
from fi_async.backends.prices import Priced
from fi_async.engine import outcomes
from fi_async.engine.attempts import Context, Job, LaneOver, Steps, ask
from fi_async.engine.outcomes import DENIED
from fi_async.engine.work import Work
from fi_async.pacing.purse import Purse
from fi_async.pacing.token_estimates import TokenEstimate, TokenForecast
from fi_async.wire import chat_replies, chat_requests
from fi_async.wire.chat_refusals import body_of
from fi_async.wire.chat_replies import Judgement
from fi_async.wire.chat_requests import Repair, Traits
from fi_async.wire.requests import HttpCall
from fi_async.wire.responses import Reply

if TYPE_CHECKING:
    from fi_async._results import EvalResult, Usage

_LONGER: Final = 4  # than the mean answer: as long as one is taken to be at most, where `max_tokens` does not say it
_LEAST_LONGEST: Final = 1_000  # tokens


@dataclass(slots=True)
class Known:
    """What was learned of a judge, over all runs of a client.

    Attributes:
        traits: How its endpoint takes requests.
        estimates: What requests take, by template.
    """

    traits: Traits
    estimates: dict[str, TokenEstimate] = field(default_factory=dict)


class Judging:
    """What the jobs of one judge share in one run.

    Args:
        judge: Who is asked.
        known: What was learned of it.
        wall_clock: Seconds since the epoch.
        spent: Dollars that earlier passes of the run have spent on it.

    Attributes:
        rubrics: What it is told to decide, by template.
        purse: What the run may spend on it.

    Raises:
        ConfigurationError: It has a `max_cost`, and nobody knows its price.
    """

    def __init__(self, judge: Judge, known: Known, wall_clock: Callable[[], float], spent: float = 0.0) -> None:
        self.judge = judge
        self.rubrics: dict[str, Rubric] = {}
        self.purse = Purse(judge.max_cost, spent)
        self._asked = judge.asked
        self._known = known
        self._wall_clock = wall_clock
        self._priced: Priced | None = judge.pricing()
        if judge.max_cost is not None and self._priced is None:
            raise ConfigurationError(
                f"Judge({judge.label!r}): max_cost needs a price to reckon with: give price=(input, output) in dollars"
                " a million tokens, or install fi-async[prices], which knows those of many models"
            )

    def call(self, work: Work, repair: Repair | None = None) -> HttpCall:
        """Return the request that asks for a verdict on a work."""
        assert work.row is not None  # noqa: S101  # such a work has inputs
        judge = self.judge
        call = chat_requests.request(
            self.rubrics[work.parameters.template],
            work.row.inputs,
            judge.model,
            self._known.traits,
            temperature=judge.temperature,
            max_tokens=judge.max_tokens,
            extra=judge.extra_body,
            repair=repair,
        )
        forecast = self._forecast(work, call)
        # Endpoints reserve all that an answer may take, where a request says it, and give the rest back afterwards.
        return replace(call, tokens=forecast.input_tokens + (judge.max_tokens or forecast.output_tokens))

    def _estimate(self, template: str) -> TokenEstimate:
        if template not in self._known.estimates:
            self._known.estimates[template] = TokenEstimate(self.judge.max_tokens)
        return self._known.estimates[template]

    def _forecast(self, work: Work, call: HttpCall) -> TokenForecast:
        return self._estimate(work.parameters.template).of(call.body or b"")

    def reckoned(self, work: Work, call: HttpCall) -> float:
        """Return the dollars that a request may cost; 0 where no bound asks for it."""
        if self._priced is None or not self.purse.is_bound:
            return 0.0
        from fi_async._results import Usage  # noqa: PLC0415  # pydantic: 60 ms, when there is a result

        forecast = self._forecast(work, call)
        longest = self.judge.max_tokens or max(_LEAST_LONGEST, _LONGER * forecast.output_tokens)
        return self._priced.cost(Usage(input_tokens=forecast.input_tokens, output_tokens=longest)) or 0.0

    def weigh(self, work: Work) -> tuple[int, float | None]:
        """Return the tokens and the dollars that a work is reckoned to take; None for a price that nobody knows."""
        from fi_async._results import Usage  # noqa: PLC0415  # as above

        forecast = self._forecast(work, self.call(work))
        usage = Usage(input_tokens=forecast.input_tokens, output_tokens=forecast.output_tokens)
        return forecast.total_tokens, None if self._priced is None else self._priced.cost(usage)

    def may_begin(self, work: Work) -> bool:
        """Return True if a work may be begun: it fits the purse, or nothing is under way that could make it fit."""
        return not self.purse.is_bound or self.purse.is_idle or self.purse.fits(self.reckoned(work, self.call(work)))

    def read(self, reply: Reply, work: Work) -> Judgement:
        """Return the verdict of a reply. Raises as `chat_replies.read` does."""
        rubric = self.rubrics[work.parameters.template]
        return chat_replies.read(reply, rubric, self._asked, self._wall_clock())

    def learns(self, reply: Reply | None, call: HttpCall) -> bool:
        """Return True if a refusal taught to ask in another way."""
        return reply is not None and self._known.traits.learn(reply, call)

    def paid(self, work: Work, call: HttpCall, usage: Usage | None, cost: float | None) -> None:
        """Take note of what an answer took."""
        if usage is not None:
            self._estimate(work.parameters.template).learn(call.body or b"", usage)
            if cost is None and self._priced is not None:
                cost = self._priced.cost(usage)
        if cost is not None:
            self.purse.spend(cost)
        work.history.paid(usage, cost)

    def too_dear(self) -> CostLimitError:
        """Return why a case is not begun."""
        judge, spent = self.judge, self.purse.spent
        return CostLimitError(
            f"max_cost of {judge.label} is {judge.max_cost:g} dollars, {spent:.4f} are spent, and another case might"
            " exceed it: a kept run made again with a higher max_cost goes on"
        )


def judged(works: Sequence[Work], context: Context, judging: Judging) -> Job:
    """Return a job that asks a judge about one case, and once more where its answer holds no verdict."""
    (work,) = works

    def steps() -> Steps[Sequence[Any]]:
        call = judging.call(work)
        reserved = judging.reckoned(work, call)
        if not judging.purse.fits(reserved):
            return [LaneOver(judging.too_dear()), work]
        judging.purse.reserve(reserved)
        try:
            return (yield from _verdict(work, call, context, judging))
        finally:
            judging.purse.release(reserved)

    return Job(steps(), works)


def _verdict(work: Work, call: HttpCall, context: Context, judging: Judging) -> Steps[Sequence[Any]]:
    repair: Repair | None = None
    while True:
        heard: list[Reply] = []

        def read(reply: Reply, heard: list[Reply] = heard) -> Judgement:
            heard[:] = [reply]
            return judging.read(reply, work)

        try:
            judgement = yield from ask(call, read, context, [work])
        except JudgeError as error:
            judging.paid(work, call, error.usage, error.cost)
            if not error.repairable or repair is not None:
                return [outcomes.failed(work, context, error)]
            repair = chat_replies.repair(heard[0], error)
        except FiAsyncError as error:
            if not (_is_about_form(error) and judging.learns(heard[0] if heard else None, call)):
                return _ended_by(error, work, context)
        else:
            judging.paid(work, call, judgement.usage, judgement.cost)
            return [outcomes.scored(work, context, _result(work, judgement, judging, heard[0]))]
        call = judging.call(work, repair)


def _is_about_form(error: FiAsyncError) -> bool:
    """Return True if the endpoint may take the same request in another form."""
    return isinstance(error, ValidationError | NotFoundError)


def _ended_by(error: FiAsyncError, work: Work, context: Context) -> Sequence[Any]:
    """Return what becomes of a work that led to an error.

    Raises:
        FiAsyncError: Every other request would meet it too, and there is something to mend: the key, the model's name.
    """
    if isinstance(error, (*DENIED, NotFoundError)):
        raise error
    if isinstance(error, QuotaExhaustedError):
        return [LaneOver(error), work]
    return [outcomes.failed(work, context, error)]


def _result(work: Work, judgement: Judgement, judging: Judging, reply: Reply) -> EvalResult:
    from fi_async._results import EvalResult  # noqa: PLC0415  # pydantic: 60 ms, when there is a result

    rubric = judging.rubrics[work.parameters.template]
    return EvalResult(
        name=rubric.name,
        output=judgement.output,
        reason=judgement.reason,
        runtime=1000 * (work.attempt.seen_at - work.attempt.sent_at),
        output_type=rubric.output_type,
        model=judging.judge.label,
        backend="judge",
        request_id=reply.request_id or judgement.id,
    )


def tokens_used(reply: Reply) -> int | None:
    """Return the tokens that an answer took, by its own figure; None if it has none."""
    usage = chat_replies.usage_of(body_of(reply).get("usage"))
    return None if usage is None else usage.total_tokens
