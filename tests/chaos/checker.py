"""Holds what the client wrote, the run's file and the server's store against each other."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from fi_async.journal.view import open_view
from fi_async.local import scoring

from .client import KEYS, told
from .orders import PARAMS, inputs_of
from .rounds import Pass, Played, hung

Pair = tuple[int, str]
"""A case's position, and a template."""

_ENDED: Final = ("scored", "failed", "stalled")
_FATAL: Final = 3


class Made(NamedTuple):
    """An evaluation that the server accepted; `error` is why it failed whatever its inputs."""

    template: str
    inputs: dict[str, str]
    error: str | None
    counts: bool


def faults(played: Played) -> list[str]:
    """Return everything that is wrong with what is left of a round, a line each, each beginning with its kind."""
    return [*_processes(played), *_outcomes(played), *_leaks(played)]


def _processes(played: Played) -> Iterator[str]:
    for number, each in enumerate(played.passes):
        if hung(each.ended):
            yield f"hang: pass {number} did not end:\n{each.words}"
        elif each.ended not in (None, 0, _FATAL):
            yield f"crash: pass {number} ended with {each.ended}: {each.words[-2000:]}"
        elif each.words:
            yield f"words: pass {number} complained: {each.words[-2000:]}"


def _outcomes(played: Played) -> Iterator[str]:
    final = played.passes[len(played.order.kills)]
    lines, summary = _read(final)
    if final.ended != 0:
        if not hung(final.ended):
            yield f"lost: the last pass was stopped: {summary}"
        return
    found = {_pair(line): line for line in lines}
    wanted = {(index, name) for index in range(played.order.count) for name in played.order.templates}
    yield from (f"lost: {pair} has no outcome" for pair in sorted(wanted - found.keys()))
    yield from (f"wrong: {pair} was not asked for" for pair in sorted(found.keys() - wanted))
    yield from (f"twice: {pair} has {n} outcomes" for pair, n in Counter(map(_pair, lines)).items() if n > 1)
    made = _made(played.store)
    cases = played.order.cases()
    for pair in sorted(wanted & found.keys()):
        yield from _one(pair, found[pair], inputs_of(pair[1], cases[pair[0]]), made)
    yield from _causes(played, lines)
    yield from _duplicates(played, found, cases, made)
    yield from _sums(summary, found)
    yield from _earlier(played, found)
    if played.run is not None:
        yield from _journal(played.run, found)
        yield from _replay(played.passes[-1], found)


def _one(pair: Pair, line: dict[str, Any], inputs: dict[str, str], made: dict[str, Made]) -> Iterator[str]:
    """Yield what is wrong with one outcome: what it says must be what the server made of these very inputs."""
    if line["status"] not in _ENDED:
        yield f"lost: {pair} ended as {line['status']}: {line['said']}"
    if line["status"] == "scored":
        verdict = scoring.run_evaluator(pair[1], inputs, PARAMS.get(pair[1], {}))
        if line["output"] != verdict.output or not _is_told(line["reason"], verdict.reason):
            yield f"wrong: {pair} is {line['output']!r} ({line['reason']}), not {tuple(verdict)}"
    if line["eval_id"] is None:
        if line["status"] in ("scored", "stalled"):
            yield f"wrong: {pair} is {line['status']} without an eval_id"
        return
    row = made.get(line["eval_id"])
    if row is None:
        yield f"wrong: {pair} names an evaluation that was never made, {line['eval_id']}"
    elif (row.template, row.inputs) != (pair[1], inputs):
        yield f"swapped: {pair} has the evaluation of {row.template} of {row.inputs}"
    elif line["status"] == "scored" and row.error is not None:
        yield f"wrong: {pair} is scored, and its evaluation failed: {row.error}"
    elif line["error"] == "EvaluationError" and row.error is None:
        yield f"wrong: {pair} is failed ({line['said']}), and its evaluation did not"


def _causes(played: Played, lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the errors that nothing in the round accounts for."""
    order = played.order
    faults, kinds = " ".join(order.switches.get("faults", ())), set(order.mischief)
    impatient = order.options["max_retries"] == 0
    trouble = bool(faults or kinds or order.restarts or order.switches.get("capacity"))
    why = {
        "APIConnectionError": trouble,
        "APITimeoutError": True,  # a machine that has other things to do
        "ServerError": trouble or "evaluations" in order.switches,
        "ProtocolError": "cut_json" in faults or bool(kinds - {"delay", "early_hints"}),
        "RateLimitError": "requests" in order.switches and impatient,
        "EvaluationError": "fail" in faults or ("evaluations" in order.switches and impatient),
        "AmbiguousError": order.options["on_ambiguous"] == "fail" or (impatient and bool(order.kills)),
        "StalledError": True,
        "ValidationError": "corrupt_request" in kinds or "fail" in faults,  # as sync requests are told of it
        "NotFoundError": "corrupt_request" in kinds,
        "APIStatusError": "corrupt_request" in kinds,
    }
    for line in lines:
        if line["error"] is not None and not why.get(line["error"], False):
            yield f"wrong: {_pair(line)} failed for no reason of this round: {line['error']}: {line['said']}"


def _is_told(reason: str | None, wanted: str) -> bool:
    """Tell whether a reason is the wanted one; where a byte of it was no text, the sign for that says so."""
    parts = map(re.escape, re.split("\ufffd+", reason or ""))
    return re.fullmatch(".{1,6}".join(parts), wanted, re.DOTALL) is not None


def _duplicates(
    played: Played, found: dict[Pair, dict[str, Any]], cases: list[dict[str, str]], made: dict[str, Made]
) -> Iterator[str]:
    counted: Counter[tuple[str, str]] = Counter()
    for row in made.values():
        counted[row.template, json.dumps(row.inputs, sort_keys=True)] += row.counts
    for pair, line in found.items():
        n = counted.pop((pair[1], json.dumps(inputs_of(pair[1], cases[pair[0]]), sort_keys=True)), 0)
        told_of = line["possible_duplicates"]
        if n > 1 + told_of:
            yield f"duplicates: {pair} was evaluated {n} times, and {told_of} possible duplicates told"
        if n > 1 and played.order.options["on_ambiguous"] == "fail" and told_of == 0:
            yield f'duplicates: {pair} was evaluated {n} times in spite of "fail"'
    yield from (f"wrong: {n} evaluations of what is no case: {what}" for what, n in counted.items())


def _sums(summary: dict[str, Any], found: dict[Pair, dict[str, Any]]) -> Iterator[str]:
    """Yield where the summary says other numbers than the outcomes."""
    counted = Counter(line["status"] for line in found.values())
    for status in ("scored", "failed", "stalled", "cancelled", "invalid"):
        if summary[status] != counted[status]:
            yield f"sums: the summary has {summary[status]} {status}, and there are {counted[status]}"
    told_of = sum(line["possible_duplicates"] for line in found.values())
    if summary["possible_duplicates"] != told_of:
        yield f"sums: the summary has {summary['possible_duplicates']} possible duplicates, the outcomes {told_of}"


def _earlier(played: Played, found: dict[Pair, dict[str, Any]]) -> Iterator[str]:
    """Yield what a client handed out before it was killed, and a later one does not."""
    for number, each in enumerate(played.passes[: len(played.order.kills)]):
        for line in _read(each)[0]:
            now = found.get(_pair(line))
            if line["status"] in _ENDED and (now is None or _facts(line) != _facts(now)):
                yield f"wrong: pass {number} handed out {line}, the last {now}"


def _journal(run: Path, found: dict[Pair, dict[str, Any]]) -> Iterator[str]:
    with open_view(run) as view:
        kept = {_pair(line): line for line in (told(record.outcome) for record in view.records())}
        count = view.count()
    counted = Counter(line["status"] for line in found.values())
    told_of = sum(line["possible_duplicates"] for line in found.values())
    its = (count.evaluations, dict(count.statuses), count.accepted, count.ambiguous, count.possible_duplicates)
    ours = (len(found), dict(counted), 0, 0, told_of)
    if its != ours or not count.is_all:
        yield f"journal: it counts {its}, the outcomes are {ours}"
    for pair in sorted(found.keys() | kept.keys()):
        line, record = found.get(pair), kept.get(pair)
        if line is None or record is None or _facts(line) != _facts(record):
            yield f"journal: of {pair} it has {record}, the client {line}"


def _replay(last: Pass, found: dict[Pair, dict[str, Any]]) -> Iterator[str]:
    lines, summary = _read(last)
    again = {_pair(line): line for line in lines}
    if summary.get("requests") != 0:
        yield f"replay: {summary}"
    yield from (
        f"replay: {pair} was {line}, and is {again.get(pair)}"
        for pair, line in found.items()
        if pair not in again or _facts(again[pair]) != _facts(line)
    )


def _leaks(played: Played) -> Iterator[str]:
    for file in sorted(played.place.glob("*")):
        if file.name.startswith(("run.db", "pass-")):
            content = file.read_bytes()
            yield from (f"leak: {file.name} has a key" for key in KEYS if key.encode() in content)


def _facts(line: dict[str, Any]) -> tuple[Any, ...]:
    names = ("status", "output", "reason", "error", "said", "eval_id", "attempts", "ambiguous", "possible_duplicates")
    return tuple(line[name] for name in names)


def _pair(line: dict[str, Any]) -> Pair:
    return line["index"], line["template"]


def _read(each: Pass) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the outcomes that a client wrote, and its last word; a line that a kill cut in two is none."""
    outcomes: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    text = each.lines.read_text(encoding="utf-8") if each.lines.exists() else ""
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        read = json.loads(line)
        if "index" in read:
            outcomes.append(read)
        else:
            last = read.get("summary", read)
    return outcomes, last


def _made(store: Path) -> dict[str, Made]:
    """Return what the server accepted, by eval_id."""
    with closing(sqlite3.connect(store)) as db:
        rows = db.execute("select id, template, inputs, error, made_of from evaluations").fetchall()
    return {
        str(UUID(bytes=id_)): Made(template, json.loads(inputs), error, bool(made_of))
        for id_, template, inputs, error, made_of in rows
    }


def tally(played: Played) -> Counter[str]:
    """Return what a round came to, for the sums over many."""
    lines, _ = _read(played.passes[len(played.order.kills)])
    counted = Counter(line["status"] for line in lines)
    counted["possible duplicates"] = sum(line["possible_duplicates"] for line in lines)
    made: defaultdict[str, int] = defaultdict(int)
    for row in _made(played.store).values():
        made[row.template + json.dumps(row.inputs, sort_keys=True)] += row.counts
    counted["evaluated again"] = sum(n - 1 for n in made.values() if n > 1)
    counted["kills"] = sum(each.ended is None for each in played.passes)
    counted["mischief"] = sum(1 for _ in (played.place / "proxy.log").open())
    return counted
