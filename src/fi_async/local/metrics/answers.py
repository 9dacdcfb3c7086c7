"""Checks of an answer for which no answers of the platform's are recorded; they follow its definitions.

Outputs agree with these definitions; the words of the reasons may differ from a server's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict, pass_or_fail
from fi_async.local.metrics.similarity import bleu_score

_BLEU_WEIGHT: Final = 0.7
_KEYWORDS: Final = frozenset(
    """
    def class return if elif else for while try except finally with import from as in not and or is lambda yield
    async await None True False function const let var SELECT FROM WHERE JOIN INSERT UPDATE DELETE CREATE
    """.split()  # noqa: SIM905 - a list of forty quoted words is harder to read
)
_WORD: Final = re.compile(r"\w+")
_SOUNDS: Final = {
    letter: digit
    for letters, digit in (("BFPV", "1"), ("CGJKQSXZ", "2"), ("DT", "3"), ("L", "4"), ("MN", "5"), ("R", "6"))
    for letter in letters
}


def answer_similarity(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """How alike `response` and `expected_response` are, by `comparator`; a threshold is told, and changes nothing.

    In spite of its name the default, "CosineSimilarity", is difflib's ratio of matching characters (Ratcliff and
    Obershelp 1988), without case; "NormalisedLevenshteinSimilarity" is the same with case. "JaccardSimilarity" and
    "SorensenDiceSimilarity" compare the sets of words, "PhoneticSimilarity" those of their Soundex codes.

    Raises:
        ValueError: The comparator is "JaroWincklerSimilarity".
    """
    comparator = str(params.get("comparator") or "CosineSimilarity")
    threshold = params.get("failure_threshold")
    threshold = 0.5 if threshold is None else float(threshold)
    score = _compared(comparator, str(inputs["response"]), str(inputs["expected_response"]))
    below = f" (below threshold {threshold})" if score < threshold else ""
    return Verdict(score, f"{comparator} score: {score:.4f}{below}")


def _compared(comparator: str, response: str, expected: str) -> float:
    ours, theirs = response.lower(), expected.lower()
    match comparator:
        case "NormalisedLevenshteinSimilarity":
            return SequenceMatcher(None, response, expected).ratio()
        case "JaccardSimilarity":
            return _jaccard(set(ours.split()), set(theirs.split()))
        case "SorensenDiceSimilarity":
            shared = _jaccard(set(ours.split()), set(theirs.split()))
            return 2 * shared / (1 + shared)
        case "PhoneticSimilarity":
            return _jaccard(set(map(_soundex, _WORD.findall(ours))), set(map(_soundex, _WORD.findall(theirs))))
        case "JaroWincklerSimilarity":
            raise ValueError("comparator is 'JaroWincklerSimilarity': use the template jaro_winkler_similarity for it")
    return SequenceMatcher(None, ours, theirs).ratio()


def _jaccard(ours: set[str], theirs: set[str]) -> float:
    return len(ours & theirs) / len(ours | theirs) if ours or theirs else 1.0


def _soundex(word: str) -> str:
    """The first letter and the digits of three consonants that follow; equal neighbours among these count once."""
    word = word.upper()
    if not word[0].isalpha():
        return "0000"
    last, digits = _SOUNDS.get(word[0], ""), ""
    for letter in word[1:]:
        digit = _SOUNDS.get(letter, "")
        if digit and digit != last:
            digits, last = digits + digit, digit
    return f"{word[0]}{digits}000"[:4]


def code_bleu(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """0.7 BLEU-4 of what white space separates + 0.3 of the share of the reference's keywords that the code has.

    Of the four parts of CodeBLEU (Ren et al. 2020) it has the n-gram match, computed as `bleu_score` is, and, in
    place of the weighted n-gram match, the keywords: 40 of Python, JavaScript and SQL, each counted once. It has
    neither the match of syntax trees nor that of the data flow. So it is on the platform.
    """
    bleu = float(bleu_score(inputs, {}).output)  # type: ignore[arg-type]  # its output is a number
    wanted, used = (_KEYWORDS.intersection(str(inputs[key]).split()) for key in ("reference", "hypothesis"))
    keywords = len(wanted & used) / len(wanted) if wanted else 1.0
    score = _BLEU_WEIGHT * bleu + (1 - _BLEU_WEIGHT) * keywords
    return Verdict(score, f"CodeBLEU: {score:.4f} (BLEU={bleu:.4f}, kw={keywords:.4f})")


def latency_check(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text is a number of milliseconds of at most `max_latency_ms`."""
    text, most = str(inputs["text"]).strip(), params.get("max_latency_ms")
    try:
        latency = float(text)
    except ValueError:
        return pass_or_fail(ok=False, reason=f"Cannot parse latency value: {text}")
    if most is None:
        return pass_or_fail(ok=True, reason=f"Latency: {latency:.1f}ms")
    ok = latency <= most
    return pass_or_fail(ok=ok, reason=f"Latency {latency:.1f}ms {'<=' if ok else '>'} {most:.1f}ms limit")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (answer_similarity, code_bleu, latency_check)}
)
