"""What samples and votes tell of a template, beside its scores; nothing where cases are evaluated once, by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fi_async._models import Outcome
from fi_async.reports.juror_tally import JurorTally, juror_words
from fi_async.reports.repeat_tally import RepeatTally, repeat_words


class PanelTally:
    """Counts the samples and the votes of one template."""

    def __init__(self) -> None:
        self._repeats = RepeatTally()
        self._jurors = JurorTally()

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        if outcome.samples or outcome.votes:
            self._repeats.add(outcome)
            self._jurors.add(outcome)

    def as_dict(self) -> dict[str, Any]:
        """Return them in plain values: `repeats` and `jury`, each where there is any."""
        told = {"repeats": self._repeats.as_dict(), "jury": self._jurors.as_dict()}
        return {name: of for name, of in told.items() if of is not None}


def panel_lines(told: Mapping[str, Any]) -> list[str]:
    """Return lines for people of what `PanelTally.as_dict` tells, which may stand among other things."""
    found = {"repeats": repeat_words, "jury": juror_words}
    return [f"    {name}: {', '.join(words(told[name]))}" for name, words in found.items() if told.get(name)]
