"""What is evaluated. Every right verdict follows from the case, and every case names its index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NEEDLE = "needle"


def grounded(count: int) -> Iterator[dict[str, str]]:
    """Yield the cookbook's cases, for `groundedness`."""
    for i in range(count):
        yield {
            "output": f"Response {i}: The capital of France is Paris.",
            "context": "Paris is the capital and most populous city of France.",
            "input": f"Question {i}: What is the capital of France?",
        }


def needles(count: int) -> Iterator[dict[str, str]]:
    """Yield cases for `contains`."""
    for i in range(count):
        yield {"text": f"case {i} {NEEDLE if contains_needle(i) else 'straw'}"}


def contains_needle(index: int) -> bool:
    """Tell the right verdict of a case of `needles`: drawn-looking, so that a shift or a swap shows."""
    return (index * 2654435761 >> 7) % 3 == 0


_MADE = {"groundedness": (grounded, None), "contains": (needles, {"keyword": NEEDLE})}


def cases(template: str, count: int) -> Iterator[dict[str, str]]:
    """Yield so many cases for this template."""
    return _MADE[template][0](count)


def asked(template: str) -> dict[str, Any]:
    """Return the keywords that every case of this template is asked with, in either SDK."""
    config = _MADE[template][1]
    return {"eval_templates": template, "model_name": "turing_small", **({"eval_config": config} if config else {})}
