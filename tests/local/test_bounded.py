"""No evaluation of the embedded backend keeps its event loop, or goes on without end."""

from __future__ import annotations

import json
import re
import threading
import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async.local import LocalBackend, Switches, ahead, bounded, scoring
from fi_async.local.metrics import METRICS
from fi_async.local.metrics.edits import edit_distance
from local.api import Api

pytestmark = pytest.mark.anyio

ENDLESS = {
    "eval_name": "regex",
    "inputs": {"text": "a" * 28 + "!"},
    "config": {"params": {"pattern": "(a+)+$"}},
}
TOO_LONG = "Code eval input validation failed: Runtime error: took longer than 0.3 s"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Have a process ready, and little patience with it."""
    bounded._bench._known.clear()
    scoring.run_evaluator("regex", {"text": "ab"}, {"pattern": "(b)"})
    bounded._bench._known.clear()
    monkeypatch.setattr(bounded, "LIMIT", 0.3)


def test_a_pattern_without_end_is_ended_and_the_loop_goes_on():
    anyio.run(_meet_a_pattern_without_end)  # in real time: the virtual clock stands still meanwhile


async def _meet_a_pattern_without_end():
    api = Api(LocalBackend(), None)
    waits = []

    async def beat():
        while True:
            before = time.perf_counter()
            await anyio.sleep(0.01)
            waits.append(time.perf_counter() - before)

    async with anyio.create_task_group() as group:
        group.start_soon(beat)
        began = time.perf_counter()
        reply = await api.post(ENDLESS)
        took = time.perf_counter() - began
        group.cancel_scope.cancel()
    assert (reply.status_code, reply.json()["detail"]) == (400, TOO_LONG)
    assert took < 3.0
    assert len(waits) > 5
    assert max(waits) < 0.25


async def test_one_that_was_submitted_fails_and_is_not_evaluated_at_each_poll(monkeypatch):
    api = Api(LocalBackend(), None)
    eval_id = await api.submit(**ENDLESS)
    asked = []
    monkeypatch.setattr(bounded, "_started", lambda started=bounded._started: asked.append(1) or started())
    for _ in range(3):
        assert (await api.progress(eval_id))["result"]["error_message"] == TOO_LONG
    quick = {"eval_name": "regex", "inputs": {"text": "ab"}, "config": {"params": {"pattern": "(b)"}}}
    assert (await api.post(quick)).json()["result"][0]["evaluations"][0]["output"] == "Passed"
    assert len(asked) == 1  # the process that was ended, and no other, was replaced


def test_what_a_pattern_says_there_is_what_it_says_here():
    assert scoring.run_evaluator("regex", {"text": "xaab"}, {"pattern": "(a+)b"}).output == "Passed"
    with pytest.raises(re.error) as caught:
        re.compile("(a+")
    with pytest.raises(scoring.EngineError, match=re.escape(str(caught.value))):
        scoring.run_evaluator("regex", {"text": "x"}, {"pattern": "(a+"})


@pytest.mark.parametrize(
    ("pattern", "length", "expected"),
    [
        ("Paris", 10_000, False),
        (r"\d+", 500, False),
        (r"[a-z()*+]{2}", 500, False),
        (r"^\(\+\)$", 500, False),
        (r"\d+", 5_000, True),
        (r"\d+-\d+", 500, True),
        ("a?" * 25 + "a" * 25, 25, True),
        ("(a+)+$", 5, True),
        ("(a|a)(a|a)", 5, True),
    ],
)
def test_what_may_take_long_is_told_from_the_pattern_and_the_text(pattern, length, expected):
    assert bounded.may_take_long("regex", {"text": "x" * length}, {"pattern": pattern}) is expected


FAILS_FIRST = [("regex", {"text": " "}, {"pattern": "(a)"}), ("regex", {"text": "later"}, {"pattern": "(a+)"})]


@pytest.mark.parametrize(("to_the_end", "verdicts"), [(True, 1), (False, 0)])
async def test_what_follows_a_failure_is_evaluated_ahead_where_it_is_asked_for(to_the_end, verdicts):
    await ahead.settle(FAILS_FIRST, Switches(), to_the_end=to_the_end)
    assert len(bounded._bench._known) == verdicts


LARGE = {
    "is_html": {"text": "<a>" * 16_000 + "</b>" * 12_000},
    "is_json": {"text": "[1]," * 25_000},
    "is_email": {"text": "a@" + "a." * 50_000},
    "fuzzy_match": {
        "output": "".join(map(chr, range(200, 20_000))) * 5,
        "expected": "".join(map(chr, range(20_000, 200, -1))) * 5,
    },
    "levenshtein_similarity": {"output": "abcde" * 20_000, "expected": "bacdeg" * 16_000},
    "word_error_rate": {"hypothesis": "a b c " * 16_000, "reference": "c b d " * 16_000},
}


@pytest.mark.parametrize(("name", "inputs"), LARGE.items())
def test_whatever_is_large_is_bounded(name, inputs):
    began = time.perf_counter()
    try:
        scoring.run_evaluator(name, inputs, {})
    except scoring.EngineError as error:
        assert "took longer than 0.3 s" in str(error)  # noqa: PT017  # either is right
    assert time.perf_counter() - began < 5.0


def by_rows(source, target):
    """The distance as the definition has it (Wagner and Fischer 1974)."""
    row = list(range(len(target) + 1))
    for deletions, item in enumerate(source, start=1):
        diagonal, row[0] = row[0], deletions
        for column, other in enumerate(target, start=1):
            substituted = diagonal + (item != other)
            diagonal = row[column]
            row[column] = min(substituted, diagonal + 1, row[column - 1] + 1)
    return row[-1]


words = st.lists(st.sampled_from(["a", "b", "c", "é"]), max_size=80)


@given(words, words)
def test_edit_distances_are_those_of_the_definition(source, target):
    assert edit_distance(source, target) == by_rows(source, target)
    assert edit_distance("".join(source), "".join(target)) == by_rows(source, target)


def test_every_metric_runs_in_the_other_process_as_in_this_one(monkeypatch):
    monkeypatch.setattr(bounded, "LIMIT", 30.0)
    inputs = {"text": "one (b) two"}
    assert bounded._bench.verdict(
        '{"name": "one_line", "inputs": {"text": "one (b) two"}, "params": {}}', 30.0
    ) == METRICS["one_line"](inputs, {})


async def test_code_however_short_is_read_out_of_the_event_loop(monkeypatch):
    api = Api(LocalBackend(), None)
    asked = []
    ask = bounded.Bench._ask
    monkeypatch.setattr(
        bounded.Bench, "_ask", lambda self, *job: asked.append(threading.get_ident()) or ask(self, *job)
    )
    code = {"eval_name": "syntax_validation", "inputs": {"text": "x = 1"}}
    assert (await api.post(code)).json()["result"][0]["evaluations"][0]["output"] == "Passed"
    eval_id = await api.submit(eval_name="code_complexity", inputs={"text": "x = 1"}, config={})
    assert (await api.progress(eval_id))["result"]["reason"] == "Cyclomatic complexity: 1, score=1.000"
    assert len(asked) == 2
    assert threading.get_ident() not in asked


def test_what_warnings_are_here_changes_no_verdict(monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    bench = bounded.Bench()
    job = {"name": "syntax_validation", "inputs": {"text": r"'\d'"}, "params": {}}
    try:
        assert bench.verdict(json.dumps(job), 30.0).output == "Passed"
    finally:
        bench.close()
