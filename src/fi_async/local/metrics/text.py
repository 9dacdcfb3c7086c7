"""Checks of a text's words, ends and length: the platform's function templates, answer for answer.

Their oddities are the platform's: a keyword compared without case is quoted lower-cased in the reason, a
missing parameter is a verdict (Failed, or Passed for `contains_none`) rather than an error, and white space
counts in lengths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict, pass_or_fail

_ONE_LINE_MAX_SENTENCES: Final = 2
_ONE_LINE_MAX_WORDS: Final = 50


def _cased(params: Mapping[str, Any], *texts: object) -> list[str]:
    """The texts as the template compares them: lower-cased when `case_sensitive` is off."""
    sensitive = params.get("case_sensitive", True)
    return [str(text) if sensitive else str(text).lower() for text in texts]


def contains(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when `keyword` is a substring of the text."""
    if not params.get("keyword"):
        return pass_or_fail(ok=False, reason="No keyword provided")
    text, keyword = _cased(params, inputs["text"], params["keyword"])
    found = keyword in text
    return pass_or_fail(ok=found, reason=f"Keyword '{keyword}' {'found' if found else 'not found'} in output")


def _text_and_keywords(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The text, and the keywords of a list or a comma-separated string, stripped; blank ones are dropped."""
    listed = params.get("keywords", [])
    words = listed.split(",") if isinstance(listed, str) else listed
    text, *keywords = _cased(params, inputs["text"], *(str(word).strip() for word in words))
    return text, [keyword for keyword in keywords if keyword]


def contains_all(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when each of `keywords` is a substring of the text."""
    text, keywords = _text_and_keywords(inputs, params)
    if not keywords:
        return pass_or_fail(ok=False, reason="No keywords provided")
    missing = [keyword for keyword in keywords if keyword not in text]
    if missing:
        return pass_or_fail(ok=False, reason=f"Keywords not found: {', '.join(missing)}")
    return pass_or_fail(ok=True, reason=f"{len(keywords)}/{len(keywords)} keywords found")


def contains_any(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when at least one of `keywords` is a substring of the text."""
    text, keywords = _text_and_keywords(inputs, params)
    if not keywords:
        return pass_or_fail(ok=False, reason="No keywords provided")
    return _found(text, keywords, ok_when_found=True)


def contains_none(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when no one of `keywords` is a substring of the text."""
    text, keywords = _text_and_keywords(inputs, params)
    if not keywords:
        return pass_or_fail(ok=True, reason="No keywords provided, vacuously true")
    return _found(text, keywords, ok_when_found=False)


def _found(text: str, keywords: list[str], *, ok_when_found: bool) -> Verdict:
    found = [keyword for keyword in keywords if keyword in text]
    reason = f"Keywords found: {', '.join(found)}" if found else "No keywords found in output"
    return pass_or_fail(ok=bool(found) is ok_when_found, reason=reason)


def starts_with(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text begins with `substring`."""
    if not params.get("substring"):
        return pass_or_fail(ok=False, reason="No substring provided")
    text, substring = _cased(params, inputs["text"], params["substring"])
    ok = text.startswith(substring)
    return pass_or_fail(ok=ok, reason=f"Output {'starts' if ok else 'does not start'} with '{substring}'")


def ends_with(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text ends with `substring`."""
    if not params.get("substring"):
        return pass_or_fail(ok=False, reason="No substring provided")
    text, substring = _cased(params, inputs["text"], params["substring"])
    ok = text.endswith(substring)
    return pass_or_fail(ok=ok, reason=f"Output {'ends' if ok else 'does not end'} with '{substring}'")


def equals(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the two texts are the same, white space included."""
    text, expected = _cased(params, inputs["text"], inputs["expected_text"])
    ok = text == expected
    reason = "Text exactly matches expected" if ok else "Output does not exactly match expected"
    return pass_or_fail(ok=ok, reason=reason)


def regex(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when `pattern` matches anywhere in the text; `re.error` on a bad pattern."""
    pattern = params.get("pattern")
    if not pattern:
        return pass_or_fail(ok=False, reason="No regex pattern provided")
    ok = re.search(pattern, str(inputs["text"])) is not None
    return pass_or_fail(ok=ok, reason=f"Regex pattern '{pattern}' {'found' if ok else 'not found'} in output")


def one_line(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the text is one line of at most two sentences and fifty words."""
    text = str(inputs["text"]).strip()
    lines = sum(bool(line.strip()) for line in text.split("\n"))
    # Any full stop ends a sentence, also inside a number or an address: "3.14" has two.
    sentences = sum(bool(piece.strip()) for piece in re.split(r"[.!?]", text))
    words = len(text.split())
    if lines > 1:
        return pass_or_fail(ok=False, reason=f"Text has {lines} lines, expected 1")
    if sentences > _ONE_LINE_MAX_SENTENCES:
        return pass_or_fail(ok=False, reason=f"Text has {sentences} sentences, too many for one line")
    if words > _ONE_LINE_MAX_WORDS:
        return pass_or_fail(ok=False, reason=f"Text has {words} words, too long for one line")
    return pass_or_fail(ok=True, reason=f"Text is a single line ({words} words, {sentences} sentence(s))")


def length_between(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text has `min_length` to `max_length` characters, both included."""
    if params.get("min_length") is None or params.get("max_length") is None:
        return pass_or_fail(ok=False, reason="Both min_length and max_length must be provided")
    low, high, length = int(params["min_length"]), int(params["max_length"]), len(str(inputs["text"]))
    ok = low <= length <= high
    is_ = "is" if ok else "is not"
    return pass_or_fail(ok=ok, reason=f"Text length ({length}) {is_} between {low} and {high}")


def length_greater_than(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text has more than `min_length` characters."""
    if params.get("min_length") is None:
        return pass_or_fail(ok=False, reason="No min_length provided")
    low, length = int(params["min_length"]), len(str(inputs["text"]))
    ok = length > low
    return pass_or_fail(ok=ok, reason=f"Text length ({length}) {'is' if ok else 'is not'} greater than {low}")


def length_less_than(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text has fewer than `max_length` characters."""
    if params.get("max_length") is None:
        return pass_or_fail(ok=False, reason="No max_length provided")
    high, length = int(params["max_length"]), len(str(inputs["text"]))
    ok = length < high
    return pass_or_fail(ok=ok, reason=f"Text length ({length}) {'is' if ok else 'is not'} less than {high}")


def word_count_in_range(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text has `min_words` to `max_words` words, both included."""
    count = len(str(inputs["text"]).split())
    return _in_range("Word", count, params["min_words"], params["max_words"])


def sentence_count(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """Passed when the text has `min_sentences` to `max_sentences` sentences, both included.

    A sentence ends with `.`, `!` or `?` and white space, so "Dr. Smith" makes two.
    """
    count = len(re.split(r"(?<=[.!?])\s+", str(inputs["text"]).strip()))
    return _in_range("Sentence", count, params["min_sentences"], params["max_sentences"])


def _in_range(what: str, count: int, low: int, high: int) -> Verdict:
    ok = low <= count <= high
    reason = f"{what} count {count} {'is' if ok else 'is not'} within [{low}, {high}]"
    return pass_or_fail(ok=ok, reason=reason)


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.__name__: metric
        for metric in (
            contains,
            contains_all,
            contains_any,
            contains_none,
            starts_with,
            ends_with,
            equals,
            regex,
            one_line,
            length_between,
            length_greater_than,
            length_less_than,
            word_count_in_range,
            sentence_count,
        )
    }
)
