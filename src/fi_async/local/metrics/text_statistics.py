"""What a text's words say of it: how varied, how repetitive, how easy to read it is.

Words are what white space separates, punctuation included; but for readability they are lower-cased.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict

_SENTENCE_END: Final = re.compile(r"[.!?]+")
_VOWELS: Final = re.compile(r"[aeiouy]+")
_AROUND_WORDS: Final = ".,!?;:'\"()-"
_EASIEST: Final = 100.0  # on Flesch's scale


def _words(inputs: Mapping[str, Any]) -> list[str]:
    return str(inputs["text"]).lower().split()


def _ngrams(words: list[str], order: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram occurs; none in a text of fewer words."""
    if len(words) < order:
        return Counter()
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def distinct_n(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Distinct-n (Li et al. 2016): the distinct n-grams of words / all n-grams; 0 in a text of fewer words."""
    order = int(params.get("n", 1))
    ngrams = _ngrams(_words(inputs), order)
    if not ngrams:
        return Verdict(0.0, f"Too short for {order}-grams")
    share = len(ngrams) / ngrams.total()
    return Verdict(share, f"Distinct-{order}: {share:.4f} ({len(ngrams)}/{ngrams.total()})")


def type_token_ratio(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Distinct words (types) / words (tokens) (Johnson 1944)."""
    words = _words(inputs)
    types = len(set(words))
    ratio = types / len(words)
    return Verdict(ratio, f"TTR: {ratio:.4f} ({types} types / {len(words)} tokens)")


def repetition_rate(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """1 - the share of the n-grams of words that occurred before; 1 in a text of fewer words."""
    order = int(params.get("n", 3))
    ngrams = _ngrams(_words(inputs), order)
    if not ngrams:
        return Verdict(1.0, "Text too short")
    repeated = ngrams.total() - len(ngrams)
    rate = repeated / ngrams.total()
    return Verdict(max(0.0, 1 - rate), f"Repetition rate: {rate:.4f} ({repeated} repeated {order}-grams)")


def readability_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Flesch's reading ease / 100, within 0 and 1 (Flesch 1948); the reason has Kincaid's grade too (1975).

    The ease is 206.835 - 1.015 * words per sentence - 84.6 * syllables per word, the grade 0.39 * words per sentence
    + 11.8 * syllables per word - 15.59, at least 0. A run of full stops and the like ends a sentence, inside a number
    or an address too. The syllables of a word are its runs of vowels, y among them, less one for an e at its end, but
    never less than one.
    """
    text = str(inputs["text"])
    words = text.split()
    sentences = max(1, sum(bool(piece.strip()) for piece in _SENTENCE_END.split(text)))
    of_sentence, of_word = len(words) / sentences, sum(map(_syllables, words)) / len(words)
    ease = max(0.0, min(_EASIEST, 206.835 - 1.015 * of_sentence - 84.6 * of_word))
    grade = max(0.0, 0.39 * of_sentence + 11.8 * of_word - 15.59)
    counts = f"{len(words)} words, {sentences} sentences"
    return Verdict(ease / _EASIEST, f"Flesch Reading Ease={ease:.1f}/100, Grade Level={grade:.1f} ({counts})")


def _syllables(word: str) -> int:
    word = word.lower().strip(_AROUND_WORDS)
    count = len(_VOWELS.findall(word))
    return max(1, count - word.endswith("e"))


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (distinct_n, type_token_ratio, repetition_rate, readability_score)}
)
