"""A row of another tool's results: what was evaluated, and what each of its graders said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fi_async._results import EvalResult, Usage
from fi_async.journal.records import IMPORTED

SCORE: Final = ".score"
"""The end of the template that has the number of a grader that gives a number and a verdict."""

_GREATEST: Final = 1e100  # what is beyond has no square
_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("passed", "pass", "true"), True),
    **dict.fromkeys(("failed", "fail", "false"), False),
}


@dataclass(frozen=True, slots=True)
class ForeignVerdict:
    """What one grader said of a row.

    Attributes:
        template: What it is called in the run.
        result: The result; None if it failed.
        error: Why it failed, in the tool's words; empty if it did not.
        usage: The tokens that it took; None if the tool does not say.
    """

    template: str
    result: EvalResult | None
    error: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """A row of another tool's file.

    Attributes:
        place: Where it stands, such as "results.jsonl, line 3".
        id: Its id; None without one.
        inputs: What was evaluated, by key.
        verdicts: What each grader said.
        fault: Why it cannot be read; empty if it can.
        failure: Why no grader said anything, in the tool's words; empty if they did. It counts under every template.
        is_named: True if no two rows are to have its id.
        own: What tells it from every other row, where the tool says so: the same twice is one row read twice.
    """

    place: str
    id: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    verdicts: Sequence[ForeignVerdict] = ()
    fault: str = ""
    failure: str = ""
    own: str | None = None


def verdicts_of(
    name: str,
    passed: object,
    score: object,
    *,
    reason: object = None,
    numbers: bool = True,
    usage: Usage | None = None,
) -> list[ForeignVerdict]:
    """Return what a grader said: its verdict under its name, and its number under the same with `.score`.

    A number alone has the name itself. What is neither a verdict nor a number becomes a failure, never a score.

    Args:
        name: What the grader is called.
        passed: True or False, or such a word; None if it says none.
        score: A number; None if it gives none.
        reason: Its words.
        numbers: False for a grader whose number is but its verdict.
        usage: The tokens that it took; told once.
    """
    said = _words(reason)
    if passed is None and score is None:
        return [ForeignVerdict(name, None, "it has neither a verdict nor a score")]
    if passed is None:
        return [_score(name, score, said, usage)]
    found = [_verdict(name, passed, said, usage)]
    if numbers and score is not None:
        found.append(_score(f"{name}{SCORE}", score, said, None))
    return found


def _verdict(name: str, passed: object, reason: str | None, usage: Usage | None) -> ForeignVerdict:
    word = _WORDS.get(passed.strip().lower()) if isinstance(passed, str) else passed
    if not isinstance(word, bool):
        return ForeignVerdict(name, None, f"its verdict is {_shown(passed)}, neither true nor false", usage)
    output = "Passed" if word else "Failed"
    result = EvalResult(name=name, output=output, output_type="Pass/Fail", reason=reason, backend=IMPORTED, usage=usage)
    return ForeignVerdict(name, result, usage=usage)


def _score(name: str, score: object, reason: str | None, usage: Usage | None) -> ForeignVerdict:
    if isinstance(score, bool) or not isinstance(score, int | float) or not _is_finite(score):
        return ForeignVerdict(name, None, f"its score is {_shown(score)}, which is no number", usage)
    result = EvalResult(
        name=name, output=float(score), output_type="score", reason=reason, backend=IMPORTED, usage=usage
    )
    return ForeignVerdict(name, result, usage=usage)


def _is_finite(score: float) -> bool:
    try:
        return math.isfinite(score) and abs(score) <= _GREATEST
    except OverflowError:  # a whole number beyond every float
        return False


def _words(reason: object) -> str | None:
    return reason if isinstance(reason, str) and reason.strip() else None


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of too many digits
        text = "a number of too many digits"
    return text if len(text) <= 60 else f"{text[:60]}…"


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[Any]:
    """Return a JSON array; an empty one for anything else."""
    return value if isinstance(value, list) else ()


def whole(value: object) -> int:
    """Return a whole number from 0; 0 for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
        return value
    return 0


def usage_of(prompt: object, completion: object, cached: object = 0) -> Usage | None:
    """Return the tokens that a tool counted; None if it counted none."""
    found = Usage(input_tokens=whole(prompt), output_tokens=whole(completion), cached_tokens=whole(cached))
    return found if found.total_tokens else None
