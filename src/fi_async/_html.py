"""A report as a notebook shows it: how the cases ended, a row per template, and the first outcomes.

Everything that comes from a case or a server is escaped. Colours are the notebook's own, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from itertools import islice
from typing import Any, Final

_SHOWN: Final = 10
_LONGEST: Final = 160
_CELL: Final = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
_NUMBER: Final = "text-align:right;vertical-align:top;padding:2px 12px 2px 0;font-variant-numeric:tabular-nums"
_STATUSES: Final = ("scored", "failed", "stalled", "cancelled", "invalid")


def report_html(summary: Mapping[str, Any], outcomes: Iterable[Mapping[str, Any]]) -> str:
    """Return a report as HTML.

    Args:
        summary: As `Report.summary()`.
        outcomes: As `Report.to_dicts()`; no more than the first are read.
    """
    counted = ", ".join(f"{summary[status]:,} {status}" for status in _STATUSES if summary[status]) or "no cases"
    head = f"<b>{counted}</b> &middot; coverage {summary['coverage']:.1%} &middot; {summary['wall_s']:,.1f} s"
    templates = [
        [name, f"{of['n']:,}", _number(of["mean_score"], ".3f"), _number(of["pass_rate"], ".1%")]
        for name, of in summary["templates"].items()
    ]
    first = [
        [
            str(each["index"]),
            each["id"],
            each["template"],
            each["status"],
            each["score"],
            each["reason"] or each["error"],
        ]
        for each in islice(outcomes, _SHOWN)
    ]
    left = summary["evaluations"] - len(first)
    tables = [
        _table(["template", "n", "mean score", "pass rate"], templates),
        _table(["index", "id", "template", "status", "score", "reason"], first),
    ]
    more = f"<div>and {left:,} more: <code>.to_pandas()</code>, <code>.to_dicts()</code></div>" if left else ""
    return f"<div><div>{head}</div>{''.join(tables) if first else ''}{more}</div>"


def _table(heads: list[str], rows: list[list[Any]]) -> str:
    kinds = [_NUMBER if head in ("n", "mean score", "pass rate", "index", "score") else _CELL for head in heads]
    titles = "".join(f'<th style="{kind}">{head}</th>' for head, kind in zip(heads, kinds, strict=True))
    body = "".join(f"<tr>{_cells(row, kinds)}</tr>" for row in rows)
    return f'<table style="margin:8px 0"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'


def _cells(row: list[Any], kinds: list[str]) -> str:
    return "".join(f'<td style="{kind}">{_shown(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    written = format(value, ".3f") if isinstance(value, float) else str(value)
    return escape(written if len(written) <= _LONGEST else f"{written[: _LONGEST - 1]}…")


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
