"""How close a translation comes to a reference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict
from fi_async.local.metrics.edits import edit_distance
from fi_async.local.metrics.stems import stem

_GLEU_ORDERS: Final = 4
_MISSING: Final = Verdict(0.0, "Missing reference or hypothesis")
_RECALL_WEIGHT: Final = 0.9
_NO_WORDNET: Final = (
    "METEOR requires NLTK WordNet on the backend image. "
    "Add `python -m nltk.downloader wordnet omw-1.4` to backend Dockerfile."
)


def _texts(inputs: Mapping[str, Any]) -> tuple[str, str]:
    """The reference and the hypothesis; what is 0 or false counts as missing."""
    return str(inputs["reference"] or ""), str(inputs["hypothesis"] or "")


def _counted(found: Sequence[str], order: int) -> Counter[Any]:
    """How often each n-gram of an order occurs: of a text's characters, or of a list of words."""
    if isinstance(found, str):
        return Counter(found[start : start + order] for start in range(len(found) - order + 1))
    return Counter(zip(*(found[start:] for start in range(order)), strict=False))


def _shares(hypothesis: Sequence[str], reference: Sequence[str], order: int) -> tuple[float, float]:
    """Precision and recall of the n-grams of an order, each counted as often as both have it."""
    found, wanted = _counted(hypothesis, order), _counted(reference, order)
    if len(found) > len(wanted):
        shared = sum(min(times, found[ngram]) for ngram, times in wanted.items() if ngram in found)
    else:
        shared = sum(min(times, wanted[ngram]) for ngram, times in found.items() if ngram in wanted)
    return shared / (len(hypothesis) - order + 1), shared / (len(reference) - order + 1)


def chrf_score(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """ChrF (Popović 2015): the F-beta of character n-grams, precision and recall averaged over the orders 1 to `n`.

    White space and case count, and orders that a text is too short for are left out.
    """
    reference, hypothesis = (text.strip() for text in _texts(inputs))
    if not reference or not hypothesis:
        return _MISSING
    orders = min(int(params.get("n", 6)), len(reference), len(hypothesis))
    precision = recall = 0.0
    for order in range(1, orders + 1):
        of_found, of_wanted = _shares(hypothesis, reference, order)
        precision += of_found
        recall += of_wanted
        if not of_found:
            break  # longer ones are made of these
    precision /= orders
    recall /= orders
    if precision + recall == 0:
        return Verdict(0.0, "ChrF: 0.0")
    weight = float(params.get("beta", 2.0)) ** 2
    score = max(0.0, min(1.0, (1 + weight) * precision * recall / (weight * precision + recall)))
    named = int(params.get("n", 6))
    return Verdict(score, f"ChrF{named}: {score:.4f} (P={precision:.3f}, R={recall:.3f})")


def gleu_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The geometric mean of the smaller of precision and recall, over the n-grams of 1 to 4 lower-cased words.

    The GLEU of Wu et al. (2016) takes the n-grams of all orders together; here an order without a common n-gram makes
    the score 0, and orders that a text is too short for are left out.
    """
    reference, hypothesis = (text.lower().split() for text in _texts(inputs))
    if not reference or not hypothesis:
        return _MISSING
    orders = min(_GLEU_ORDERS, len(reference), len(hypothesis))
    logarithms = 0.0
    for order in range(1, orders + 1):
        share = min(_shares(hypothesis, reference, order))
        if not share:
            return Verdict(0.0, f"GLEU: 0.0 (zero {order}-gram overlap)")
        logarithms += math.log(share)
    score = max(0.0, min(1.0, math.exp(logarithms / orders)))
    return Verdict(score, f"GLEU: {score:.4f}")


def meteor_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """METEOR (Lavie and Agarwal 2007) of lower-cased words, as NLTK computes it without WordNet.

    A word of the hypothesis is matched with an equal one of the reference, or one of an equal stem. One that has
    neither would need WordNet's synonyms, which the platform lacks: the score is then 0, and the reason says so.
    """
    reference, hypothesis = (text.lower().split() for text in _texts(inputs))
    if not reference and not hypothesis:
        return Verdict(1.0, "METEOR: 1.0000")
    if not reference or not hypothesis:
        return _MISSING
    matches = _matches(hypothesis, reference)
    if len(matches) < len(hypothesis):
        return Verdict(0.0, _NO_WORDNET)
    precision, recall = len(matches) / len(hypothesis), len(matches) / len(reference)
    mean = (precision * recall) / (_RECALL_WEIGHT * precision + (1 - _RECALL_WEIGHT) * recall)
    chunks = 1 + sum(matches[place] + 1 != matches[place + 1] for place in range(len(hypothesis) - 1))
    penalty = 0.5 * (chunks / len(matches)) ** 3.0
    score = (1 - penalty) * mean
    return Verdict(score, f"METEOR: {score:.4f}")


def _matches(hypothesis: list[str], reference: list[str]) -> dict[int, int]:
    """The place in the reference of each word of the hypothesis that has an equal one, or one of an equal stem."""
    matches = _paired(dict(enumerate(hypothesis)), dict(enumerate(reference)))
    used = set(matches.values())
    left = {place: word for place, word in enumerate(reference) if place not in used}
    lacking = {place: word for place, word in enumerate(hypothesis) if place not in matches}
    if 0 < len(lacking) <= len(left):
        by_stem = [{place: stem(word) for place, word in words.items()} for words in (lacking, left)]
        matches |= _paired(*by_stem)
    return matches


def _paired(hypothesis: dict[int, str], reference: dict[int, str]) -> dict[int, int]:
    """Pairs of places with equal words; from the end, each takes the last that is free."""
    free: dict[str, list[int]] = {}
    for place, word in reference.items():
        free.setdefault(word, []).append(place)
    return {place: free[word].pop() for place, word in reversed(hypothesis.items()) if free.get(word)}


def translation_edit_rate(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 - TER, at least 0: edits of lower-cased words, per word of the reference (Snover et al. 2006).

    Moves of phrases, which the paper counts as one edit, are none here: this is the word error rate.
    """
    reference, hypothesis = (str(inputs[key]).lower().split() for key in ("reference", "hypothesis"))
    edits = edit_distance(reference, hypothesis)
    rate = edits / len(reference)
    return Verdict(max(0.0, 1.0 - rate), f"TER: {rate:.4f} ({edits} edits / {len(reference)} words)")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (chrf_score, gleu_score, meteor_score, translation_edit_rate)}
)
