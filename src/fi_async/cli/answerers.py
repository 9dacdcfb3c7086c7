"""Which backends answer a template of the platform, by the names that `--backends` takes."""

from __future__ import annotations

from collections.abc import Sequence

from fi_async.backends.chosen import FUNCTIONS, PLATFORM
from fi_async.backends.functions import exact_names
from fi_async.backends.rubrics import judged_names
from fi_async.backends.words import JUDGE


def who_answers(name: str) -> Sequence[str]:
    """Return which of local, judge and cloud answer a template, in that order."""
    found = {FUNCTIONS: name in exact_names(), JUDGE: name in judged_names(), PLATFORM: True}
    return [backend for backend, answers in found.items() if answers]
