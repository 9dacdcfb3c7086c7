"""What the texts of an evaluation hold as lists: labels, numbers, the items of a JSON array."""

from __future__ import annotations

import json
from typing import Any


def json_list(value: Any) -> list[Any] | None:
    """The value as a list, or that of its JSON text; None when it is neither."""
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            return None
        if isinstance(parsed, list):
            return parsed
    return None


def labels(value: Any) -> list[str]:
    """The labels of a JSON array, lower-cased; of any other text the whole, stripped, as the only one.

    So "cat, dog" is one label, and the number 1 is the same label as the text "1".
    """
    items = json_list(value)
    return [str(value).strip().lower()] if items is None else [str(item).lower() for item in items]


def numbers(value: Any) -> list[float]:
    """The numbers of a JSON array, or of a text that separates them with commas.

    An array that holds something else is read as such a text, so the fault names what stands before its first comma.

    Raises:
        ValueError: Something is not a number.
    """
    items = json_list(value)
    if items is not None:
        try:
            return [float(item) for item in items]
        except (TypeError, ValueError, OverflowError):
            if not isinstance(value, str):
                raise
    return [float(item.strip()) for item in str(value).split(",") if item.strip()]
