"""Stems of English words, by Porter's algorithm (1980) with the departures of NLTK's default."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

_IRREGULAR: Final[Mapping[str, str]] = {
    **dict.fromkeys(("sky", "skies"), "sky"),
    **dict.fromkeys(("inning", "innings"), "inning"),
    **dict.fromkeys(("outing", "outings"), "outing"),
    **dict.fromkeys(("canning", "cannings"), "canning"),
    **{f"{letter}ying": f"{letter}ie" for letter in "dlt"},
    **{word: word for word in ("news", "howe", "proceed", "exceed", "succeed")},
}
_SHORTEST: Final = 3  # letters; shorter words are their own stems

_VOWELS: Final = frozenset("aeiou")
_VOWEL_RUN_ENDS: Final = re.compile(r"[aeiou][^aeiou]")

_Rules = Sequence[tuple[str, str]]
# A rule's suffix and what takes its place; of the rules of a step only the first whose suffix a word has counts.
_STEP_2: Final[_Rules] = (
    *(("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble")),
    *(("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate")),
    *(("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al")),
    *(("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful")),
)
_STEP_3: Final[_Rules] = (
    *(("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")),
)
_STEP_4: Final = (
    *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate"),
    *("iti", "ous", "ive", "ize"),
)


def stem(word: str) -> str:
    """The stem of a lower-case word; equal for most of its forms, though not always a word."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < _SHORTEST:
        return word
    word = _without_participle(_without_plural(word))
    if word.endswith("y") and len(word) > 2 and _is_consonant(word, -2):
        word = word[:-1] + "i"
    return _without_final_e(_without_affix(_with_simpler_affix(_step_2(word), _STEP_3)))


def _is_consonant(word: str, place: int) -> bool:
    """Whether a letter is a consonant; a y is one after a vowel, and as the first letter."""
    if word[place] != "y":
        return word[place] not in _VOWELS
    place %= len(word)
    others = word[:place].rstrip("y")
    after_consonant = bool(others) and others[-1] not in _VOWELS
    return (place - len(others)) % 2 == after_consonant


def _sounds(word: str) -> str:
    """The word with each y as what it is: "i" as a vowel, as it stands as a consonant."""
    if "y" not in word:
        return word
    sounds, vowel = [], True
    for letter in word:
        vowel = letter in _VOWELS or (letter == "y" and not vowel)
        sounds.append("i" if vowel and letter == "y" else letter)
    return "".join(sounds)


def _measure(word: str) -> int:
    """How many times consonants follow vowels: Porter's m."""
    return len(_VOWEL_RUN_ENDS.findall(_sounds(word)))


def _has_vowel(word: str) -> bool:
    return not _VOWELS.isdisjoint(_sounds(word))


def _ends_like_hop(word: str) -> bool:
    """Whether it ends consonant, vowel, consonant, the last no w, x or y; or is a vowel and a consonant."""
    if len(word) == 2:
        return not _is_consonant(word, 0) and _is_consonant(word, 1)
    if len(word) < 2 or word[-1] in "wxy":
        return False
    return _is_consonant(word, -3) and not _is_consonant(word, -2) and _is_consonant(word, -1)


def _without_plural(word: str) -> str:
    """Step 1a."""
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    return word if word.endswith("ss") else word.removesuffix("s")


def _without_participle(word: str) -> str:
    """Step 1b."""
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix) and _has_vowel(word.removesuffix(suffix)):
            return _mended(word.removesuffix(suffix))
    return word


def _mended(word: str) -> str:
    """The word as it was before its participle's ending: "hoping" was hope, "hopping" hop."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if len(word) > 1 and word[-1] == word[-2] and _is_consonant(word, -1):
        return word if word[-1] in "lsz" else word[:-1]
    return word + "e" if _measure(word) == 1 and _ends_like_hop(word) else word


def _step_2(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]):
        word = word[:-2]
    if word.endswith("logi"):
        return word[:-1] if _measure(word[:-3]) else word
    return _with_simpler_affix(word, _STEP_2)


def _with_simpler_affix(word: str, rules: _Rules) -> str:
    """Steps 2 and 3."""
    for suffix, instead in rules:
        if word.endswith(suffix):
            rest = word.removesuffix(suffix)
            return rest + instead if _measure(rest) else word
    return word


def _without_affix(word: str) -> str:
    """Step 4."""
    for suffix in _STEP_4:
        if word.endswith(suffix):
            rest = word.removesuffix(suffix)
            ok = _measure(rest) > 1 and (suffix != "ion" or rest[-1] in "st")
            return rest if ok else word
    return word


def _without_final_e(word: str) -> str:
    """Steps 5a and 5b."""
    if word.endswith("e"):
        rest = word[:-1]
        measure = _measure(rest)
        if measure > 1 or (measure == 1 and not _ends_like_hop(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
