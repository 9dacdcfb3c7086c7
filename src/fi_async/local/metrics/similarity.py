"""How alike two texts are: edit distances, n-gram overlaps and error rates.

Words are what white space separates. The blank texts that would divide by zero never get here: the scorer
refuses them, as the platform does.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict
from fi_async.local.metrics.edits import edit_distance

_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_NUMBER: Final = re.compile(r"-?\d+\.?\d*")
_BLEU_ORDERS: Final = 4
_BLEU_NO_NGRAM: Final = 1e-9
_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION: Final = re.compile(r"[^\w\s]")
_WINKLER_PREFIX: Final = 4
_MOST_PREFIX_WEIGHT: Final = 0.25


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


def jaro_winkler_similarity(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Jaro's similarity (1989), raised for a common beginning of up to four characters (Winkler 1990).

    With m characters that match, of which t / 2 pairs are out of order, it is the mean of m / either length and
    (m - t / 2) / m; each character of the beginning adds `prefix_weight` (0.1, at most 0.25) of what lacks to 1.
    """
    output, expected = _pair(inputs, params)
    weight = min(float(params.get("prefix_weight", 0.1)), _MOST_PREFIX_WEIGHT)
    if output == expected:
        return Verdict(1.0, "Jaro-Winkler: 1.0 (exact match)")
    places = _jaro_matches(output, expected)
    if not places:
        return Verdict(0.0, "Jaro-Winkler: 0.0 (no matches)")
    matches = len(places)
    moved = sum(output[place] != expected[other] for place, other in zip(places, sorted(places.values()), strict=True))
    jaro = (matches / len(output) + matches / len(expected) + (matches - moved / 2) / matches) / 3
    beginnings = zip(output[:_WINKLER_PREFIX], expected[:_WINKLER_PREFIX], strict=False)
    prefix = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], beginnings))
    score = max(0.0, min(1.0, jaro + prefix * weight * (1 - jaro)))
    return Verdict(score, f"Jaro-Winkler: {score:.4f} (Jaro={jaro:.4f}, prefix={prefix})")


def _jaro_matches(output: str, expected: str) -> dict[int, int]:
    """The place in `expected` of each character of `output` that matches: the first free one that is near enough.

    The free places of a character are in order, and those before what is near now are never near again: each is
    looked at once.
    """
    reach = max(0, max(len(output), len(expected)) // 2 - 1)
    free: dict[str, deque[int]] = {}
    for place, character in enumerate(expected):
        free.setdefault(character, deque()).append(place)
    matches = {}
    for place, character in enumerate(output):
        others = free.get(character, deque())
        while others and others[0] < place - reach:
            others.popleft()
        if others and others[0] <= place + reach:
            matches[place] = others.popleft()
    return matches


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


def squad_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The mean of exact match and F1 of words, of answers without case, punctuation and articles (Rajpurkar 2016)."""
    output, expected = (_bare(str(inputs[key])) for key in ("output", "expected"))
    exact = float(output == expected)
    f1 = exact
    if output and expected:
        f1 = 2 * (Counter(output) & Counter(expected)).total() / (len(output) + len(expected))
    return Verdict((exact + f1) / 2, f"SQuAD: EM={exact:.0f}, F1={f1:.4f}")


def _bare(answer: str) -> list[str]:
    """The words of an answer without case, articles and punctuation; an article goes from "a-b" as well."""
    return _PUNCTUATION.sub("", _ARTICLE.sub(" ", answer.lower())).split()


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
            jaro_winkler_similarity,
            jaccard_similarity,
            fuzzy_match,
            f1_score,
            squad_score,
            rouge_score,
            bleu_score,
            word_error_rate,
            character_error_rate,
            numeric_similarity,
        )
    }
)
