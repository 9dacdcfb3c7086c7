"""What every metric answers, and the shape of a metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Verdict(NamedTuple):
    """One evaluation's answer: the output, of the template's type, and the sentence that explains it."""

    output: str | float | list[str] | dict[str, Any]
    reason: str


Metric = Callable[[Mapping[str, Any], Mapping[str, Any]], Verdict]
"""Called with the evaluation's inputs and its params."""


def pass_or_fail(*, ok: bool, reason: str) -> Verdict:
    """The verdict of a Pass/Fail template."""
    return Verdict("Passed" if ok else "Failed", reason)
