"""One outcome of several: of the votes of a jury, and of the samples of a case.

A verdict is given where no evaluation that is missing could change it; and means and medians of samples of what there
is, as samples of one judge are alike. What cannot be told is no verdict, and says so. Nothing depends on the order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from fi_async._errors import FiAsyncError, UndecidedError
from fi_async._models import Outcome, OutcomeStatus
from fi_async.panels.shape import PanelShape

if TYPE_CHECKING:
    from fi_async._results import EvalResult, Usage

_ENDS: Final = (OutcomeStatus.INVALID, OutcomeStatus.CANCELLED, OutcomeStatus.STALLED, OutcomeStatus.FAILED)
_DECIDES_ALONE: Final = (OutcomeStatus.INVALID, OutcomeStatus.CANCELLED)
_NOT_SENT: Final = ("replayed", "reused", "duplicate")
_HALF: Final = 0.5
_SHOWN_CAUSES: Final = 3
_NOTHING: Final = "without a verdict"


def what_said(outcome: Outcome) -> Hashable | None:
    """Return what an outcome says, as it is compared with others: a verdict, labels, or which half a score is in."""
    label = _label(outcome)
    return label if label is not None or outcome.score is None else outcome.score >= _HALF


def _label(outcome: Outcome) -> Hashable | None:
    """Return the verdict or the labels of an outcome; None of a score, or of none."""
    result = outcome.result
    if result is None or result.passed is not None:
        return None if result is None else result.passed
    if result.choices is not None:
        return tuple(sorted(result.choices))
    return None if result.score is not None else str(result.output)


def vote_of(votes: Sequence[Outcome], shape: PanelShape) -> Outcome:
    """Return what the votes of a jury come to, in one sample of a case: each seat has its vote, or why it has none."""
    told = _Combined(votes, shape.jury, votes=votes, sample=votes[0].sample)
    if (ended := told.without_verdict()) is not None:
        return ended
    scored = [each for each in votes if each.result is not None]
    labels = [label for each in scored if (label := _label(each)) is not None]
    if (shape.rule == "mean" and all(each.score is not None for each in scored)) or not labels:
        return _of_jurors_scores(told, scored, shape)
    label, count = Counter(labels).most_common(1)[0]
    needed = len(votes) if shape.rule == "unanimous" else len(votes) // 2 + 1
    if count < needed:
        what = "not unanimous" if shape.rule == "unanimous" else "no majority"
        return told.failed(f"{what} of {len(votes)} jurors: {_count(votes)}")
    return told.like(next(each for each in scored if _label(each) == label), _count(votes))


def _of_jurors_scores(told: _Combined, scored: Sequence[Outcome], shape: PanelShape) -> Outcome:
    """Return the mean or the median of the votes. Jurors are not alike: one that is missing would change it."""
    words = _count(told.parts)
    if shape.rule == "unanimous":
        return told.failed(f"unanimous is of verdicts and labels, and these are scores: {words}")
    what = "mean" if shape.rule == "mean" else "median"
    if len(scored) < len(told.parts):
        return told.failed(f"no {what} of {words}: each juror's vote is needed")
    scores = [each.score for each in scored if each.score is not None]
    return told.number(fmean(scores) if what == "mean" else median(scores), f"the {what} of {words}")


def sample_of(samples: Sequence[Outcome], shape: PanelShape) -> Outcome:
    """Return what the samples of a case come to."""
    told = _Combined(samples, None, samples=samples)
    if shape.precision is not None:  # further samples that were not begun: what there is stays
        begun = [each for each in samples if each.sample < shape.repeats or each.status is not OutcomeStatus.CANCELLED]
        told = _Combined(begun, None, samples=begun, at_first=shape.repeats)
    if (ended := told.without_verdict()) is not None:
        return ended
    parts = told.parts
    scored = [each for each in parts if each.result is not None]
    labels = [label for each in scored if (label := _label(each)) is not None]
    scores = [each.score for each in scored if each.score is not None]
    words = _count(parts)
    if len(scores) == len(scored) and (shape.reduce in ("mean", "median") or not labels):
        return _of_scores(told, scores, shape, words)
    if shape.reduce in ("all", "any"):
        return _of_all(told, labels, shape, words)
    label, count = Counter(labels).most_common(1)[0]
    if 2 * count <= len(parts):
        return told.failed(f"no majority of {len(parts)} samples: {words}")
    return told.like(next(each for each in scored if _label(each) == label), words)


def _of_scores(told: _Combined, scores: Sequence[float], shape: PanelShape, words: str) -> Outcome:
    if shape.reduce == "mean":
        return told.number(fmean(scores), f"the mean of {words}")
    if shape.reduce in ("all", "any"):
        if len(scores) < len(told.parts):
            return told.failed(f'reduce="{shape.reduce}" of {words}: each sample is needed')
        value, which = (min(scores), "lowest") if shape.reduce == "all" else (max(scores), "highest")
        return told.number(value, f"the {which} of {words}")
    return told.number(median(scores), f"the median of {words}")


def _of_all(told: _Combined, labels: Sequence[Hashable], shape: PanelShape, words: str) -> Outcome:
    """Return whether all samples passed, or any did; of labels, whether all are the same."""
    parts, deciding = told.parts, shape.reduce == "any"
    if not all(isinstance(label, bool) for label in labels):
        if shape.reduce == "all" and len(labels) == len(parts) and len(set(labels)) == 1:
            return told.like(parts[0], words)
        return told.failed(f'reduce="{shape.reduce}": the samples are not all alike: {words}')
    wanted = deciding if deciding in labels else None if len(labels) < len(parts) else not deciding
    if wanted is None:
        return told.failed(f'reduce="{shape.reduce}" of {words}: those without a verdict could change it')
    return told.like(next(each for each in parts if each.passed is wanted), words)


def _count(parts: Sequence[Outcome]) -> str:
    """Return in words what was said how often: "2 Passed (mini, qwen), 1 without a verdict (third)"."""
    said: dict[str, list[str]] = {}
    for each in parts:
        said.setdefault(_word(each), []).append(each.juror or "")
    order = sorted(said, key=lambda word: (word == _NOTHING, -len(said[word]), word))
    return ", ".join(f"{len(said[word])} {word}{_names(said[word])}" for word in order)


def _word(outcome: Outcome) -> str:
    result = outcome.result
    if result is None:
        return _NOTHING
    if result.choices is not None:
        return " + ".join(sorted(result.choices)) or "no label"
    return str(result.output) if result.passed is not None or result.score is None else f"{result.score:.4g}"


def _names(jurors: Sequence[str]) -> str:
    return f" ({', '.join(sorted(jurors))})" if all(jurors) else ""


class _Combined:
    """Several outcomes of one case on their way to one.

    Args:
        parts: One at least.
        model: What to call who gave them; None to call it as the parts do.
        facts: Fields of the one outcome.
    """

    def __init__(self, parts: Sequence[Outcome], model: str | None, **facts: Any) -> None:
        self.parts = parts
        self._model = model
        self._facts = facts

    def without_verdict(self) -> Outcome | None:
        """Return how it ended if no part has a verdict, or one is missing that is still to come; else None."""
        found = {each.status: each for each in reversed(self.parts)}
        alone = next((found[status] for status in _DECIDES_ALONE if status in found), None)
        if alone is None and OutcomeStatus.SCORED in found:
            return None
        ended = alone or next(found[status] for status in _ENDS if status in found)
        if ended.status is OutcomeStatus.INVALID:  # nothing was sent: there is nothing to show of each
            self._facts.update(samples=(), votes=(), at_first=None)
        return self._outcome(ended.status, error=ended.error)

    def failed(self, message: str) -> Outcome:
        """Return that there is no verdict, and why."""
        causes = [f"{_by(each)}{type(each.error).__name__}: {each.error.message}" for each in self.parts if each.error]
        said = "; ".join([message, *sorted(causes)[:_SHOWN_CAUSES]])
        return self._outcome(OutcomeStatus.FAILED, error=UndecidedError(said))

    def number(self, value: float, words: str) -> Outcome:
        """Return a score."""
        first = next(each.result for each in self.parts if each.result is not None)
        is_number = first.passed is None and not isinstance(first.output, dict | list)
        return self._scored(first, words, output=value, output_type=first.output_type if is_number else "score")

    def like(self, part: Outcome, words: str) -> Outcome:
        """Return the verdict of a part."""
        assert part.result is not None  # noqa: S101  # it has one
        return self._scored(part.result, words)

    def _scored(self, like: EvalResult, words: str, **output: Any) -> Outcome:
        usage, cost = self._paid()
        known = {
            **output,
            "reason": "\n".join([words, *sorted(self._reasons())]),
            "model": self._model or like.model,
            "usage": usage,
            "cost": cost,
            "estimate": any(each.result.estimate for each in self.parts if each.result is not None),
            **dict.fromkeys(("eval_id", "request_id", "error_localizer", "runtime")),
        }
        return self._outcome(OutcomeStatus.SCORED, result=like.model_copy(update=known))

    def _reasons(self) -> list[str]:
        """Return why each juror voted so; samples are many, and say it themselves."""
        told = [each for each in self.parts if each.juror is not None and each.result is not None]
        return [f"{each.juror}: {each.result.reason}" for each in told if each.result and each.result.reason]

    def _paid(self) -> tuple[Usage | None, float | None]:
        usages = [each.usage for each in self.parts if each.usage is not None]
        costs = [each.cost for each in self.parts if each.cost is not None]
        total = None
        for usage in usages:
            total = usage if total is None else total + usage
        return total, math.fsum(costs) if costs else None

    def _outcome(
        self, status: OutcomeStatus, *, result: EvalResult | None = None, error: FiAsyncError | None = None
    ) -> Outcome:
        parts, first = self.parts, self.parts[0]
        usage, cost = self._paid()
        origins = {each.origin for each in parts}
        took = [each.latency_s for each in parts if each.latency_s is not None]
        return replace(
            first,
            status=status,
            result=result,
            error=error,
            attempts=sum(each.attempts for each in parts),
            ambiguous=sum(each.ambiguous for each in parts),
            possible_duplicates=sum(each.possible_duplicates for each in parts),
            eval_id=None,
            latency_s=max(took, default=None),
            usage=usage,
            cost=cost,
            origin="evaluated" if "evaluated" in origins else next(each for each in _NOT_SENT if each in origins),
            **{"samples": (), "votes": (), "sample": 0, "juror": None, "at_first": None, **self._facts},
        )


def _by(outcome: Outcome) -> str:
    return "" if outcome.juror is None else f"{outcome.juror}: "
