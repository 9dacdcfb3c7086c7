"""How alike two texts are: edit distances, n-gram overlaps and error rates.

Words are what white space separates. The blank texts that would divide by zero never get here: the scorer
refuses them, as the platform does.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict

_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_NUMBER: Final = re.compile(r"-?\d+\.?\d*")
_BLEU_ORDERS: Final = 4
_OFTEN: Final = 4  # times; where an item stands that is rarer is told when it is met, as its bits take memory
_BLEU_NO_NGRAM: Final = 1e-9


def edit_distance(source: Sequence[str], target: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions from source to target (Levenshtein 1966).

    A column of the matrix of distances is held in the bits of two integers, where it rises and where it falls (Myers
    1999, as Hyyro 2003 has it for whole texts): texts of 100 kB take seconds, not hours.
    """
    text, pattern = sorted((source, target), key=len)
    size = len(pattern)
    if not text:
        return size
    places: dict[str, list[int]] = {}
    for place, item in enumerate(pattern):
        places.setdefault(item, []).append(place)
    often = {item: _bits(each) for item, each in places.items() if len(each) > _OFTEN}
    every, last = (1 << size) - 1, 1 << (size - 1)
    rises, falls, distance = every, 0, size
    for item in text:
        equal = often[item] if item in often else _bits(places.get(item, ()))
        across = (((equal & rises) + rises) ^ rises) | equal
        up, down = falls | (every & ~(across | rises)), rises & across
        distance += bool(up & last) - bool(down & last)
        up, here = (up << 1) | 1, equal | falls
        rises, falls = ((down << 1) | ~(here | up)) & every, up & here & every
    return distance


def _bits(places: Sequence[int]) -> int:
    return sum(1 << place for place in places)


def _pair(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[str, str]:
    """The stripped `output` and `expected`, lower-cased unless `case_insensitive` is off."""
    output, expected = str(inputs["output"]).strip(), str(inputs["expected"]).strip()
    if params.get("case_insensitive", True):
        return output.lower(), expected.lower()
    return output, expected


def levenshtein_similarity(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """1 - edit distance / the longer length, over characters (Levenshtein 1966)."""
    output, expected = str(inputs["output"]), str(inputs["expected"])
    if params.get("case_insensitive", True):
        output, expected = output.lower(), expected.lower()
    if params.get("remove_punctuation", True):
        output, expected = output.translate(_NO_PUNCTUATION), expected.translate(_NO_PUNCTUATION)
    distance = edit_distance(output, expected)
    similarity = 1.0 - distance / max(len(output), len(expected), 1)
    return Verdict(similarity, f"Levenshtein Distance: {distance}, Similarity: {similarity:.3f}")


def hamming_similarity(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """The share of positions with equal characters (Hamming 1950); positions only one text has differ."""
    output, expected = _pair(inputs, params)
    length = max(len(output), len(expected))
    mismatches = length - sum(a == b for a, b in zip(output, expected, strict=False))
    similarity = 1.0 - mismatches / length
    return Verdict(similarity, f"Hamming: {similarity:.4f} ({mismatches} mismatches / {length} chars)")


def jaccard_similarity(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Distinct words in both texts / distinct words in either (Jaccard 1901)."""
    output, expected = (set(text.split()) for text in _pair(inputs, params))
    shared, union = len(output & expected), len(output | expected)
    similarity = shared / union
    return Verdict(similarity, f"Jaccard: {similarity:.4f} (|inter|={shared}, |union|={union})")


def fuzzy_match(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """The Ratcliff/Obershelp ratio of matching characters, as difflib computes it."""
    output, expected = _pair(inputs, params)
    ratio = SequenceMatcher(None, output, expected).ratio()
    return Verdict(ratio, f"Fuzzy Match: {ratio:.4f}")


def _overlap(found: list[str], wanted: list[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of two bags of words."""
    shared = (Counter(found) & Counter(wanted)).total()
    precision, recall = shared / len(found), shared / len(wanted)
    return precision, recall, 2 * precision * recall / (precision + recall) if shared else 0.0


def f1_score(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """The F1 of the output's words against the expected ones."""
    output, expected = _pair(inputs, params)
    precision, recall, f1 = _overlap(output.split(), expected.split())
    if f1 == 0:
        return Verdict(0.0, "F1: 0.0 (no token overlap)")
    return Verdict(f1, f"F1: {f1:.4f} (P={precision:.3f}, R={recall:.3f})")


def rouge_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """ROUGE-1 F1 (Lin 2004) of lower-cased words, neither stemmed nor freed of punctuation."""
    reference, hypothesis = (str(inputs[key]).lower().split() for key in ("reference", "hypothesis"))
    precision, recall, f1 = _overlap(hypothesis, reference)
    return Verdict(f1, f"ROUGE-1 F1: {f1:.4f} (P={precision:.3f}, R={recall:.3f})")


def bleu_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """BLEU-4 (Papineni et al. 2002), case-sensitive, add-one smoothed at every order (after Lin and Och 2004)."""
    reference, hypothesis = (str(inputs[key]).split() for key in ("reference", "hypothesis"))
    log_precisions = (
        math.log(_smoothed_precision(hypothesis, reference, order)) for order in range(1, _BLEU_ORDERS + 1)
    )
    brevity_penalty = min(1.0, math.exp(1 - len(reference) / len(hypothesis)))
    score = brevity_penalty * math.exp(sum(log_precisions) / _BLEU_ORDERS)
    return Verdict(score, f"BLEU-4 score: {score:.4f} (bp={brevity_penalty:.3f})")


def _smoothed_precision(hypothesis: list[str], reference: list[str], order: int) -> float:
    """The clipped n-gram precision, smoothed.

    An order that the hypothesis is too short for counts as almost nothing found, so even a perfect answer of
    one word scores 2e-07. That is what the platform answers.
    """
    found, wanted = _ngrams(hypothesis, order), _ngrams(reference, order)
    if not found:
        return _BLEU_NO_NGRAM
    return ((found & wanted).total() + 1) / (found.total() + 1)


def _ngrams(words: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def word_error_rate(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 - WER, at least 0: lower-cased words inserted, deleted or substituted, per word of the reference."""
    reference, hypothesis = (str(inputs[key]).lower().split() for key in ("reference", "hypothesis"))
    return _error_rate("WER", "words", reference, hypothesis)


def character_error_rate(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 - CER, at least 0: as `word_error_rate`, over the characters of the stripped texts."""
    reference, hypothesis = (str(inputs[key]).strip().lower() for key in ("reference", "hypothesis"))
    return _error_rate("CER", "chars", reference, hypothesis)


def _error_rate(name: str, unit: str, reference: Sequence[str], hypothesis: Sequence[str]) -> Verdict:
    edits = edit_distance(reference, hypothesis)
    rate = edits / len(reference)
    return Verdict(max(0.0, 1.0 - rate), f"{name}: {rate * 100:.1f}% ({edits} edits / {len(reference)} {unit})")


def numeric_similarity(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 - the difference of the first number in each text / the larger of them and 1, at least 0."""
    matches = {key: _NUMBER.search(str(inputs[key])) for key in ("output", "expected")}
    missing = [f"No numeric value found in {key}" for key, match in matches.items() if match is None]
    if missing:
        return Verdict(0.0, f"Cannot calculate: {'; '.join(missing)}")
    output, expected = (float(match.group()) for match in matches.values() if match)
    similarity = max(0.0, 1.0 - abs(output - expected) / max(abs(output), abs(expected), 1))
    return Verdict(similarity, f"Numeric Similarity: {similarity:.3f}")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.__name__: metric
        for metric in (
            levenshtein_similarity,
            hamming_similarity,
            jaccard_similarity,
            fuzzy_match,
            f1_score,
            rouge_score,
            bleu_score,
            word_error_rate,
            character_error_rate,
            numeric_similarity,
        )
    }
)
