"""How well labels were predicted: `output` are the predicted ones, `expected` the true ones.

Both are JSON arrays, or one label each; labels are compared without case. Lists of different lengths score 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._lists import labels, numbers
from fi_async.local.metrics._verdict import Metric, Verdict

Compare = Callable[[Sequence[str], Sequence[str], Mapping[str, Any]], Verdict]
"""Called with the predicted labels, as many true ones, and the params."""

_NO_LABEL: Final = Verdict(0.0, "positive_label is required")
_NEAREST: Final = 1e-15  # how near to 0 and 1 a probability may come: log 0 is infinite


def of_labels(compare: Compare) -> Metric:
    """The metric that reads the labels of `output` and `expected`, and compares as many of the one as of the other."""

    def metric(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
        predicted, true = labels(inputs["output"]), labels(inputs["expected"])
        if len(predicted) != len(true):
            return Verdict(0.0, f"Length mismatch: {len(predicted)} vs {len(true)}")
        if not true:
            return Verdict(0.0, "Invalid input")
        return compare(predicted, true, params)

    metric.__name__, metric.__doc__ = compare.__name__, compare.__doc__
    return metric


def _hits(predicted: Sequence[str], true: Sequence[str]) -> int:
    return sum(a == b for a, b in zip(predicted, true, strict=True))


@of_labels
def accuracy(predicted: Sequence[str], true: Sequence[str], _params: Mapping[str, Any]) -> Verdict:
    """The share of right predictions."""
    hits = _hits(predicted, true)
    share = hits / len(true)
    return Verdict(share, f"Accuracy: {share:.4f} ({hits}/{len(true)})")


@of_labels
def balanced_accuracy(predicted: Sequence[str], true: Sequence[str], _params: Mapping[str, Any]) -> Verdict:
    """The mean recall of the true classes (Brodersen et al. 2010); a class that is only predicted has none."""
    of_class = Counter(true)
    found = Counter(label for guess, label in zip(predicted, true, strict=True) if guess == label)
    mean = sum(found[label] / of_class[label] for label in sorted(of_class)) / len(of_class)
    return Verdict(mean, f"Balanced Accuracy: {mean:.4f} ({len(of_class)} classes)")


def _outcomes(predicted: Sequence[str], true: Sequence[str], positive: str) -> tuple[int, int, int]:
    """The true positives, the false positives and the false negatives."""
    of_pair = Counter((guess == positive, label == positive) for guess, label in zip(predicted, true, strict=True))
    return of_pair[True, True], of_pair[True, False], of_pair[False, True]


@of_labels
def precision_score(predicted: Sequence[str], true: Sequence[str], params: Mapping[str, Any]) -> Verdict:
    """The share of `positive_label` predictions that are right: TP / (TP + FP); 0 without such predictions."""
    if params.get("positive_label") is None:
        return _NO_LABEL
    positive = str(params["positive_label"]).lower()
    right, wrong, _ = _outcomes(predicted, true, positive)
    if not right + wrong:
        return Verdict(0.0, f"No positive predictions for '{positive}'")
    precision = right / (right + wrong)
    return Verdict(precision, f"Precision: {precision:.4f} (TP={right}, FP={wrong})")


@of_labels
def f_beta_score(predicted: Sequence[str], true: Sequence[str], params: Mapping[str, Any]) -> Verdict:
    """(1 + b²) P R / (b² P + R) of the precision P and the recall R of `positive_label` (van Rijsbergen 1979)."""
    if params.get("positive_label") is None:
        return _NO_LABEL
    beta = float(params.get("beta", 1.0))
    right, wrong, missed = _outcomes(predicted, true, str(params["positive_label"]).lower())
    if not right:
        return Verdict(0.0, f"F{beta}: 0.0")
    precision, recall = right / (right + wrong), right / (right + missed)
    score = (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
    return Verdict(score, f"F{beta}: {score:.4f} (P={precision:.4f}, R={recall:.4f})")


@of_labels
def matthews_correlation(predicted: Sequence[str], true: Sequence[str], _params: Mapping[str, Any]) -> Verdict:
    """(c + 1) / 2 of the correlation c of predictions and labels.

    Of two classes, c is that of Matthews (1975), and 0 where a class is never predicted or never true. Of k > 2 it is
    what the platform takes for it, (a - 1/k) / (1 - 1/k) with the accuracy a: not the coefficient of Gorodkin (2004).
    Of one class it is 0, so one label that is right scores 0.5.
    """
    classes = set(predicted).union(true)
    if len(classes) == 2:
        right, wrong, missed = _outcomes(predicted, true, min(classes))
        rest = len(true) - right - wrong - missed
        scale = math.sqrt((right + wrong) * (right + missed) * (rest + wrong) * (rest + missed))
        correlation = (right * rest - wrong * missed) / scale if scale else 0.0
    elif len(classes) > 2:
        chance = 1 / len(classes)
        correlation = (_hits(predicted, true) / len(true) - chance) / (1 - chance)
    else:
        correlation = 0.0
    score = (correlation + 1) / 2
    return Verdict(max(0.0, score), f"MCC: {correlation:.4f}, normalized={score:.4f}")


def log_loss(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 / (1 + loss) of the mean loss -(y log p + (1 - y) log(1 - p)) of the probabilities p, natural logarithm.

    `output` holds each p, `expected` each y, 0 or 1. A p is taken as 1e-15 from 0 and 1 at least.

    Raises:
        ValueError: Something is not a number, or the loss is none.
    """
    probabilities, true = numbers(inputs["output"]), numbers(inputs["expected"])
    if len(probabilities) != len(true) or not true:
        return Verdict(0.0, "Invalid input")
    loss = -sum(y * _log(p) + (1 - y) * _log(1 - p) for y, p in zip(true, probabilities, strict=True)) / len(true)
    return Verdict(share(1 / (1 + loss)), f"Log Loss={loss:.4f}")


def _log(probability: float) -> float:
    return math.log(max(min(probability, 1 - _NEAREST), _NEAREST))


def share(score: float) -> float:
    """The score, kept from 0 to 1 as the platform keeps it.

    Raises:
        ValueError: It is not a number, as of infinite inputs.
    """
    if math.isnan(score):
        raise ValueError("the score is not a number: the inputs have to be finite numbers")
    return min(max(score, 0.0), 1.0)


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        "accuracy": accuracy,
        "balanced_accuracy": balanced_accuracy,
        "precision_score": precision_score,
        "f_beta_score": f_beta_score,
        "matthews_correlation": matthews_correlation,
        "log_loss": log_loss,
    }
)
