"""From the words of a model to a verdict: the JSON object among them, and the result in the platform's form."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from fi_async._rubric import Rubric
from fi_async.wire.responses import storable

_LONGEST_TEXT: Final = 65_536  # characters that are searched, from the end: a verdict is never as long
_MOST_TRIES: Final = 200  # places where an object may begin and does not
_OPENING: Final = re.compile(r'\{\s*"')
_THINKS: Final = re.compile(r"\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_THOUGHT: Final = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})")
_PASSED: Final[Mapping[str, str]] = {"pass": "Passed", "passed": "Passed", "fail": "Failed", "failed": "Failed"}
_LONGEST_SHOWN: Final = 60


class NoVerdictError(ValueError):
    """A text holds no verdict; the message says what is wrong with it."""


def object_in(text: str) -> dict[str, Any]:
    """Return the last JSON object with a "result" in a text, whatever stands around it.

    Raises:
        NoVerdictError: There is none, or it names its result twice.
    """
    text = text[-_LONGEST_TEXT:]
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            whole = _DECODER.decode(stripped)
        except (json.JSONDecodeError, RecursionError):
            pass
        else:
            if (found := _with_result(whole)) is not None:
                return found
    found = _last(_after_thought(text))
    if found is None:
        raise NoVerdictError('it holds no JSON object with the key "result"')
    return found


def output_of(result: Any, rubric: Rubric) -> Any:
    """Return a result in the platform's form: "Passed" or "Failed", a number, labels, or {"score", "choice"}.

    Raises:
        NoVerdictError: It is none that the rubric allows.
    """
    if rubric.output_type == "Pass/Fail":
        return _pass_or_fail(result)
    if rubric.output_type == "score":
        return _score(result)
    labels = _labels(result, rubric)
    if rubric.is_scored:
        return {"score": rubric.choices[labels[0]], "choice": labels[0]}
    return labels


def _after_thought(text: str) -> str:
    """Return a text without what a model thought aloud first: drafts of a verdict are none.

    Raises:
        NoVerdictError: It does nothing but think.
    """
    ends = list(_THOUGHT.finditer(text))
    if _THINKS.match(text):
        if not ends:
            raise NoVerdictError("it thinks, and comes to no verdict")
        return text[ends[0].end() :]
    # Some servers leave out the beginning of the thought. An answer that only quotes its end begins with the object.
    if ends and not text.lstrip().startswith(("{", "```")):
        return text[ends[-1].end() :]
    return text


def _last(text: str) -> dict[str, Any] | None:
    found, at = None, 0
    for _ in range(_MOST_TRIES):
        opening = _OPENING.search(text, at)
        if opening is None:
            break
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
        except (json.JSONDecodeError, RecursionError):
            at = opening.start() + 1
        else:
            found = _with_result(value) or found
    return found


def _with_result(value: Any) -> dict[str, Any] | None:
    """Return an object that has a result, or the one within it that has."""
    if not isinstance(value, dict):
        return None
    keys = {str(key).strip().casefold(): each for key, each in value.items()}
    if "result" in keys:
        return keys
    within = [_with_result(each) for each in value.values() if isinstance(each, dict)]
    return next((each for each in within if each is not None), None)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    results = [value for key, value in pairs if key.strip().casefold() == "result"]
    if any(value != results[0] for value in results):
        raise NoVerdictError('it names two different "result"')
    return dict(pairs)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)  # int() refuses thousands of digits


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_int=_whole,
    parse_constant=lambda _: None,  # NaN and Infinity measure nothing
    strict=False,  # models break lines within texts
)


def _pass_or_fail(result: Any) -> str:
    if isinstance(result, bool):
        return "Passed" if result else "Failed"
    output = _PASSED.get(result.strip().casefold()) if isinstance(result, str) else None
    if output is None:
        raise NoVerdictError(f'its result is {_shown(result)}, and neither "Pass" nor "Fail"')
    return output


def _score(result: Any) -> float:
    if isinstance(result, str) and _NUMBER.fullmatch(result.strip()):
        result = float(result)
    if isinstance(result, bool) or not isinstance(result, int | float) or not math.isfinite(result):
        raise NoVerdictError(f"its result is {_shown(result)}, and no number from 0 to 1")
    if not 0 <= result <= 1:
        raise NoVerdictError(f"its result is {_shown(result)}, and not from 0 to 1")
    return abs(float(result))  # no -0.0


def _labels(result: Any, rubric: Rubric) -> list[str]:
    said = result if isinstance(result, list) else [result]
    if not rubric.multi_choice and len(said) != 1:
        raise NoVerdictError(f"its result names {len(said)} labels instead of one")
    chosen = {_label(each, rubric) for each in said}
    if not chosen:
        raise NoVerdictError("its result names no label")
    return [label for label in rubric.choices if label in chosen]


def _label(said: Any, rubric: Rubric) -> str:
    text = str(said) if isinstance(said, int) and not isinstance(said, bool) else said
    if isinstance(text, str):
        if text in rubric.choices:
            return text
        folded = text.strip().casefold()
        for label in rubric.choices:  # no two are alike: see Criteria
            if label.casefold() == folded:
                return label
    raise NoVerdictError(f"its result is {_shown(said)}, which is none of the labels")


def _shown(value: Any) -> str:
    """Return a value as a message shows it: of what is long its beginning, of lists and objects the kind."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return json.dumps(storable(value), ensure_ascii=False)[:_LONGEST_SHOWN]
