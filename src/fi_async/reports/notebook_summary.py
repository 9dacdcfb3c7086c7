"""A report as a notebook shows it: how the cases ended, a row per template, and the first outcomes.

Everything that comes from a case or a server is escaped. Colours are the notebook's own, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from itertools import islice
from typing import Any, Final

from fi_async._models import OutcomeStatus
from fi_async._spending import cost_cell, is_own, judges_of, spent_words

_SHOWN: Final = 10
_LONGEST: Final = 160
_LONGEST_ID: Final = 40
_CELL: Final = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
_NAME: Final = f"{_CELL};white-space:nowrap"  # an id in two lines is hard to tell from others
_NUMBER: Final = "text-align:right;vertical-align:top;padding:2px 12px 2px 0;font-variant-numeric:tabular-nums"
_KINDS: Final = {"reason": _CELL, **dict.fromkeys(("id", "template", "status", "answered by"), _NAME)}


def notebook_html(summary: Mapping[str, Any], outcomes: Iterable[Mapping[str, Any]]) -> str:
    """Return a report as HTML.

    Args:
        summary: What `Report.summary()` returns.
        outcomes: What `Report.to_dicts()` returns; no more than the first ten are read.
    """
    counted = ", ".join(f"{summary[status]:,} {status}" for status in OutcomeStatus if summary[status]) or "no cases"
    head = f"<b>{counted}</b> &middot; coverage {summary['coverage']:.1%} &middot; {summary['wall_s']:,.1f} s"
    head += "".join(f" &middot; {escape(each)}" for each in spent_words(summary))
    judges = judges_of(name for of in summary["templates"].values() for name in of["answered_by"])
    head += f"<div>{escape(judges)}</div>" if judges else ""
    heads, templates = _templates(summary["templates"])
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
        _table(heads, templates),
        _table(["index", "id", "template", "status", "score", "reason"], first),
    ]
    more = f"<div>and {left:,} more: <code>.to_pandas()</code>, <code>.to_dicts()</code></div>" if left else ""
    return f"<div><div>{head}</div>{''.join(tables) if first else ''}{more}</div>"


def _templates(by_name: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Return the heads and the rows of the templates; who answered is told where it is not the platform alone."""
    heads = ["template", "n", "mean score", "pass rate"]
    tells_who = any(is_own(of["answered_by"]) for of in by_name.values())
    rows: list[list[Any]] = []
    for name, of in by_name.items():
        row = [name, f"{of['n']:,}", _number(of["mean_score"], ".3f"), _number(of["pass_rate"], ".1%")]
        tokens = "-" if of["tokens"] is None else f"{of['tokens']['total']:,}"
        who = [tokens, cost_cell(of["cost"], of["unknown_cost"]), ", ".join(of["answered_by"])]
        rows.append([*row, *(who if tells_who else [])])
    return [*heads, *(["tokens", "cost", "answered by"] if tells_who else [])], rows


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
