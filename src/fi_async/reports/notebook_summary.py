"""A report as a notebook shows it: how the cases ended, a row per template, and the first outcomes.

Everything that comes from a case or a server is escaped. Colours are the notebook's own, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from itertools import islice
from typing import Any, Final

from fi_async._models import OutcomeStatus

_SHOWN: Final = 10
_LONGEST: Final = 160
_LONGEST_ID: Final = 40
_CELL: Final = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
_NAME: Final = f"{_CELL};white-space:nowrap"  # an id in two lines is hard to tell from others
_NUMBER: Final = "text-align:right;vertical-align:top;padding:2px 12px 2px 0;font-variant-numeric:tabular-nums"
_KINDS: Final = {"reason": _CELL, **dict.fromkeys(("id", "template", "status"), _NAME)}


def notebook_html(summary: Mapping[str, Any], outcomes: Iterable[Mapping[str, Any]]) -> str:
    """Return a report as HTML.

    Args:
        summary: What `Report.summary()` returns.
        outcomes: What `Report.to_dicts()` returns; no more than the first ten are read.
    """
    counted = ", ".join(f"{summary[status]:,} {status}" for status in OutcomeStatus if summary[status]) or "no cases"
    head = f"<b>{counted}</b> &middot; coverage {summary['coverage']:.1%} &middot; {summary['wall_s']:,.1f} s"
    templates = [
        [name, f"{of['n']:,}", _number(of["mean_score"], ".3f"), _number(of["pass_rate"], ".1%")]
        for name, of in summary["templates"].items()
    ]
    first = [
        [
            str(each["index"]),
            _cut(each["id"] or "", _LONGEST_ID),
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
    kinds = [_KINDS.get(head, _NUMBER) for head in heads]
    titles = "".join(f'<th style="{kind}">{head}</th>' for head, kind in zip(heads, kinds, strict=True))
    body = "".join(f"<tr>{_cells(row, kinds)}</tr>" for row in rows)
    return f'<table style="margin:8px 0"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'


def _cells(row: list[Any], kinds: list[str]) -> str:
    return "".join(f'<td style="{kind}">{_shown(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    written = format(value, ".3f") if isinstance(value, float) else str(value)
    return escape(_cut(written, _LONGEST))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
