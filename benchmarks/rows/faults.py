"""What becomes of 1,000 cases when much goes wrong: every case accounted for, none wrong, duplicates known of."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import workload
from lab import Client, Lab, Measured, Results
from table import Line

if TYPE_CHECKING:
    from server import Server

_FAULTS = ["503=0.05", "reset_before=0.02", "reset_after=0.02", "cut_json=0.01", "html_500=0.01", "fail=0.02"]
_COUNT = 1000


def faults(lab: Lab) -> list[Line]:
    """Both answers to a request whose outcome is unknown, and the official SDK, which has one only."""
    order = {"count": _COUNT, "template": "contains", "warm_up": False, "outcomes": True}
    faulty = {"faults": _FAULTS}
    clients = {
        how: Client("clients.py", "gather", {**order, "concurrency": 64, "on_ambiguous": how}, faulty, _inspected)
        for how in ("resubmit", "fail")
    }
    clients["official"] = Client("official.py", "threads", {**order, "workers": 64}, faulty, _inspected)
    results = lab.in_turn("faults", clients)
    return [*_lines(results, "resubmit"), *_lines(results, "fail")]


def _inspected(server: Server, measured: Measured) -> Measured:
    """Hold each result against its case: the verdict, and the text that the server evaluated under its id."""
    server.change(faults=[], latency=0)
    given = list(workload.needles(_COUNT))
    outcomes: list[dict[str, Any]] = measured.pop("outcomes")
    wrong = 0
    for place, outcome in enumerate(outcomes):
        if outcome["index"] != place:
            wrong += 1
        elif outcome["status"] == "scored":
            right = outcome["passed"] is workload.contains_needle(place)
            wrong += not (right and server.evaluated_text(outcome["eval_id"]) == given[place]["text"])
    return {"outcomes": len(outcomes), "wrong": wrong, "statuses": Counter(each["status"] for each in outcomes)}


def _lines(results: Results, how: str) -> list[Line]:
    runs, row = results.runs[how], f'faults, on_ambiguous="{how}"'

    def line(what: str, figure: str, must: str = "", holds: bool | None = None) -> Line:
        official = results.median("official", _FIGURES[figure]) if figure in _OFFICIAL else None
        return Line(row, what, results.median(how, _FIGURES[figure]), "", None, official, must, holds)

    def all_hold(*figures: str) -> bool:
        counts = [[_FIGURES[figure](run) for figure in figures] for run in runs]
        return all(left <= right for each in counts for left, right in itertools.pairwise(each))

    none_made_twice = all(_FIGURES["duplicates"](run) == 0 for run in runs)
    return [
        line("cases with an outcome", "outcomes", f"= {_COUNT}", all(run["outcomes"] == _COUNT for run in runs)),
        line("… scored", "scored"),
        line("… failed, with the error", "failed"),
        line("results wrong or swapped", "wrong", "= 0", all(run["wrong"] == 0 for run in runs)),
        line("evaluations made on the server", "made"),
        (
            line("… more than once (real duplicates)", "duplicates", "≤ possible", all_hold("duplicates", "possible"))
            if how == "resubmit"
            else line("… more than once (real duplicates)", "duplicates", "= 0", none_made_twice)
        ),
        line("possible_duplicates, as reported", "possible", "≤ ambiguous", all_hold("possible", "ambiguous")),
        line("ambiguous, as reported", "ambiguous"),
    ]


_FIGURES = {
    "outcomes": lambda run: run["outcomes"],
    "scored": lambda run: run["statuses"].get("scored", 0),
    "failed": lambda run: run["statuses"].get("failed", 0),
    "wrong": lambda run: run["wrong"],
    "made": lambda run: run["server"]["evaluations_made"],
    "duplicates": lambda run: run["server"]["duplicates"],
    "possible": lambda run: run["summary"]["possible_duplicates"],
    "ambiguous": lambda run: run["summary"]["ambiguous"],
}
_OFFICIAL = {"outcomes", "scored", "failed", "wrong", "made", "duplicates"}  # it reports neither of the others
