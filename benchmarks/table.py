"""The one table: a line a figure, with its bound, the official SDK's figure, and whether it is as it must be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEAD = ("", "what", "fi_async", "bound", "x bound", "official SDK", "x official", "must be", "is")


@dataclass(frozen=True)
class Line:
    """One figure.

    Attributes:
        row: The name of the row it belongs to.
        what: What was measured, and of how many.
        ours: The figure of fi_async; None if it was not measured.
        unit: Of all figures of the line; none for counts, which no ratio is taken of.
        bound: What no client can better, or the least one could spend.
        official: The figure of the official SDK.
        must: What the figure must be, in words; empty if it is reported only.
        holds: Whether it is.
    """

    row: str
    what: str
    ours: float | None
    unit: str = ""
    bound: float | None = None
    official: float | None = None
    must: str = ""
    holds: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the line's cells."""
        return (
            self.row,
            self.what,
            _figure(self.ours, self.unit),
            _figure(self.bound, self.unit),
            _ratio(self.ours, self.bound),
            _figure(self.official, self.unit),
            _ratio(self.ours, self.official if self.unit else None),
            self.must,
            {None: "", True: "✔", False: "✘"}[self.holds],
        )


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _ratio(value: float | None, against: float | None) -> str:
    return f"{value / against:.2f}" if value is not None and against else ""


def aligned(lines: Iterable[Line]) -> str:
    """Return the table in columns, as Markdown too."""
    rows: list[Sequence[str]] = [_HEAD]
    above = ""
    for line in lines:
        row, *others = line.cells()
        rows.append(["" if row == above else row, *others])
        above = row
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    )
