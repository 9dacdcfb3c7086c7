from __future__ import annotations

import asyncio
import json

import pytest

from fi_async import AsyncEvaluator, ConfigurationError, FiAsyncError, InvalidCaseError, OutcomeStatus, ServerError
from fi_async.reports.run_files import load_run, outcomes_of

LINE = {"index": 0, "template": "tone", "status": "scored", "output": 0.5, "inputs": {"output": "x"}}


def written(path, *lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def test_lines_are_a_run_in_input_order(tmp_path):
    failed = {"status": "failed", "output": None, "error": "ServerError: down", "attempts": 4}
    verdict = {"output": "Passed", "passed": True, "reason": "so", "id": "a", "backend": "local", "eval_id": "e"}
    label = {"output": "Passed", "passed": None}
    lines = [{**LINE, "index": 2, **failed}, {**LINE, "index": 1, **verdict}, {**LINE, **label}, "\n"]
    path = written(tmp_path / "nightly.jsonl", *lines)
    run = load_run(path)
    assert (run.info.name, run.info.templates, run.count().pending) == ("nightly", ("tone",), 0)
    assert (run.info.started_at, run.info.ended_at) == (0.0, path.stat().st_mtime)
    first, second, third = outcomes_of(run)
    assert (first.index, first.passed, first.result.choices, first.case.inputs) == (
        0,
        None,
        ["Passed"],
        {"output": "x"},
    )
    assert (second.case.id, second.passed, second.score, second.result.reason) == ("a", True, 1.0, "so")
    assert (second.backend, second.eval_id) == ("local", "e")
    assert (third.status, third.score, third.attempts) == (OutcomeStatus.FAILED, None, 4)


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        ("failed", "ServerError: down: for good", ServerError("down: for good")),
        (
            "failed",
            "ServerError: down (now) (status 503, request r-1, attempt 4)",
            ServerError("down (now)", status=503, request_id="r-1", attempts=4),
        ),
        ("failed", "CircuitError: open", FiAsyncError("CircuitError: open")),
        ("failed", "late", FiAsyncError("late")),
        ("invalid", "StalledError: is blank", InvalidCaseError("StalledError: is blank")),
    ],
)
def test_an_error_is_what_its_text_names(status, text, error, tmp_path):
    [found] = outcomes_of(load_run(written(tmp_path / "in.jsonl", {**LINE, "status": status, "error": text})))
    assert (type(found.error), vars(found.error), str(found.error)) == (type(error), vars(error), str(error))


def test_no_lines_are_a_run_of_nothing(tmp_path):
    run = load_run(written(tmp_path / "in.ndjson"))
    assert (run.info.templates, run.info.backend, list(run.records())) == ((), "", [])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"index"', "Expecting ':' delimiter: line 1 column 9 (char 8)"),
        ("[]", "it has no 'index'"),
        ("7", "argument of type 'int' is not"),
        ({"text": "Paris"}, "it has no 'index'"),
        ({**LINE, "status": "fine"}, "'fine' is not a valid OutcomeStatus"),
        ({**LINE, "index": "one"}, "invalid literal for int() with base 10: 'one'"),
    ],
)
def test_lines_of_something_else(line, said, tmp_path):
    path = written(tmp_path / "in.jsonl", LINE, line)
    with pytest.raises(ConfigurationError) as raised:
        load_run(path)
    assert str(raised.value).startswith(f"{path}, line 2: no line that fi-async run --out writes: {said}")


def test_what_is_no_file(tmp_path):
    for path, what in ((tmp_path, "a directory, not a file"), (tmp_path / "x.jsonl", "no such file")):
        with pytest.raises(ConfigurationError) as raised:
            load_run(path)
        assert str(raised.value) == f"{path}: {what}"


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet", "scores.sqlite", "base.json"])
def test_a_table_is_no_run(name, tmp_path):
    (tmp_path / name).touch()
    with pytest.raises(ConfigurationError) as raised:
        load_run(tmp_path / name)
    said = "no run: give a run's file, or the .jsonl that fi-async run --out writes"
    assert str(raised.value) == f"{tmp_path / name}: {said}"


@pytest.mark.parametrize("name", ["nightly.db", "nightly.sqlite"])
def test_any_other_file_is_a_journal(name, tmp_path):
    path = tmp_path / name

    async def run():
        async with AsyncEvaluator.local() as ev:
            await ev.gather([{"text": "[1]"}, {"text": "[1"}], "is_json", run=path)

    asyncio.run(run())
    with load_run(path) as kept:
        assert [outcome.passed for outcome in outcomes_of(kept)] == [True, False]
        assert (kept.info.name, kept.info.templates, kept.count().pending) == ("nightly", ("is_json",), 0)
