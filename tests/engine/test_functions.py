"""Functions of the user's as evaluators, each kind of them: awaited, in threads, in processes."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl
import pytest

import own_functions
from fi_async import AsyncEvaluator, FunctionError, Report, Timeout, cases_from, template

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent.parent


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # real time: threads and processes know no other


@pytest.fixture
def release():
    """What hangs in a thread waits for this, and ends with the test."""
    event = threading.Event()
    yield event
    event.set()


async def asked(cases: Any, *templates: Any, **options: Any) -> Report:
    async with AsyncEvaluator(backends=["local"]) as ev:
        return await ev.gather(cases, list(templates), **options)


def told(report: Report) -> list[Any]:
    """How each case ended: its output, or the words of its error."""
    return [each.result.output if each.result else each.error.message for each in report.outcomes]


class Oddly:
    """What a function may do beside returning a verdict."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.release = threading.Event()

    def said(self, what: str) -> Any:
        self.calls[what] += 1
        if what == "raises":
            raise ValueError("no good")
        if what == "exits":
            sys.exit(3)
        return {"nan": math.nan, "text": "yes", "number": 1, "none": None, "yes": True, "no": False}[what]


ODD = [
    ("yes", "Passed"),
    ("raises", "{} raised ValueError: no good, at test_functions.py:"),
    ("nan", "{} returned nan, and not a bool, as its annotation says"),
    ("text", "{} returned a str, and not a bool, as its annotation says"),
    ("number", "{} returned 1, and not a bool, as its annotation says"),
    ("none", "{} returned None, and not a bool, as its annotation says"),
    ("exits", "{} raised SystemExit: 3, at test_functions.py:"),
    ("no", "Failed"),
]


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "awaited"])
async def test_whatever_a_function_does_ends_its_own_case_alone(is_async):
    oddly = Oddly()

    @template(name="odd")
    def threaded(what: str) -> bool:
        return oddly.said(what)

    @template(name="odd")
    async def awaited(what: str) -> bool:
        await asyncio.sleep(0)
        return oddly.said(what)

    cases = [{"what": what} for what, _ in ODD] * 40
    report = await asked(cases, awaited if is_async else threaded, concurrency=4)
    for (_, words), said, outcome in zip(ODD * 40, told(report), report.outcomes, strict=True):
        assert said.startswith(words.format("odd"))
        assert outcome.attempts == 1
        if outcome.error is not None:
            assert isinstance(outcome.error, FunctionError)
            assert all("test_functions.py" in frame for frame in outcome.error.frames)
    assert oddly.calls == dict.fromkeys((what for what, _ in ODD), 40)
    assert (report.summary()["requests"], report.summary()["ambiguous"]) == (0, 0)


async def test_what_was_raised_is_shown_with_the_frames_of_the_user_alone():
    def deeper(value: str) -> bool:
        return int(value) > 0

    @template
    def parses(output: str) -> bool:
        return deeper(output)

    @template
    def borrows(output: str) -> bool:
        return bool(pd.Timestamp(output))

    report = await asked([{"output": "x"}], parses, borrows)
    frames = [[frame.rpartition(" ")[2] for frame in each.error.frames] for each in report.outcomes]
    assert frames == [["parses", "deeper"], ["borrows"]]
    assert told(report)[0].startswith("parses raised ValueError: invalid literal for int() with base 10: 'x', at ")


async def test_numbers_of_other_libraries_are_taken_and_labels_that_are_none_are_not():
    import numpy as np

    @template
    def truth(n: int) -> bool:
        return np.bool_(n > 1)

    @template
    def number(n: int) -> float:
        return [np.float32(0.5), np.int64(2), np.float64("inf"), np.array([1.0, 2.0])][n]

    @template(choices={"good": 1.0, "bad": 0.0})
    def label(n: int) -> Literal["good", "bad"]:
        return ["good", "bad", "Good", None][n]

    @template
    def labels(n: int) -> list[Literal["a", "b"]]:
        return [["a", "b"], [], ["c"], ("a",)][n]

    @template
    def reasoned(n: int) -> tuple[bool, str]:
        return [(True, "so"), (False, None), True, (True, "so", 1)][n]

    report = await asked([{"n": n} for n in range(4)], truth, number, label, labels, reasoned)
    by_name = {
        name: [each for each in report.outcomes if each.template == name] for name in report.summary()["templates"]
    }
    assert [each.passed for each in by_name["truth"]] == [False, False, True, True]
    assert [each.score for each in by_name["number"]] == [0.5, 2.0, None, None]
    assert [each.score for each in by_name["label"]] == [1.0, 0.0, None, None]
    assert [each.result and each.result.output for each in by_name["labels"]] == [["a", "b"], [], None, None]
    assert [each.result and each.result.reason for each in by_name["reasoned"]] == ["so", None, None, None]
    assert [each.error.message for each in by_name["label"] if each.error] == [
        "label returned a str, and not one of good, bad, as its annotation says",
        "label returned None, and not one of good, bad, as its annotation says",
    ]
    assert all(isinstance(each.error, FunctionError) for each in report.failures)


async def test_a_coroutine_that_cancels_itself_ends_its_case_and_no_other():
    @template
    async def fickle(n: int) -> bool:
        if n == 1:
            asyncio.current_task().cancel()
            await asyncio.sleep(10)
        if n == 2:
            raise asyncio.CancelledError
        return True

    report = await asked([{"n": n} for n in range(5)], fickle)
    assert told(report) == ["Passed", *["fickle raised CancelledError"] * 2, "Passed", "Passed"]


async def test_a_coroutine_that_does_not_let_itself_be_cancelled_holds_no_run(release):
    ended = asyncio.Event()

    @template
    async def stubborn(n: int) -> bool:
        while n == 1 and not release.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_soon(ended.set if n == 1 else int)
        return True

    report = await asked([{"n": n} for n in range(3)], stubborn, timeout=0.2)
    assert told(report) == ["Passed", "stubborn did not return within 0.2 s, the timeout of a case", "Passed"]
    release.set()
    await ended.wait()  # a loop that closes speaks of tasks that are left


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_hang_in_the_middle_of_many_ends_one_case(release, concurrency):
    calls: Counter[int] = Counter()

    @template
    def mostly(n: int) -> bool:
        calls[n] += 1
        if n == 700:
            release.wait(30)
        return n % 2 == 0

    began = time.perf_counter()
    report = await asked(({"n": n} for n in range(2000)), mostly, timeout=0.3, concurrency=concurrency)
    assert time.perf_counter() - began < 3
    assert [each.passed for each in report.outcomes] == [None if n == 700 else n % 2 == 0 for n in range(2000)]
    assert told(report)[700] == "mostly did not return within 0.3 s, the timeout of a case"
    assert set(calls.values()) == {1}


async def test_awaited_functions_that_hang_end_at_their_time():
    @template
    async def sleepy(n: int) -> bool:
        await asyncio.sleep(60 if n % 10 == 3 else 0)
        return True

    report = await asked([{"n": n} for n in range(100)], sleepy, timeout=0.2)
    assert [each.passed for each in report.outcomes] == [None if n % 10 == 3 else True for n in range(100)]
    assert report.wall_s < 2


async def test_a_process_that_raises_exits_dies_or_hangs_takes_no_other_case_with_it():
    whats = ["", "raises", "nan", "exits", "dies", "hangs", *[""] * 30]
    cases = [{"output": "yes" if n % 2 else "no", "what": what} for n, what in enumerate(whats)]
    cases.append({"output": own_functions.Unhandy()})
    report = await asked(cases, own_functions.in_process, timeout=1.5)
    assert [each.attempts for each in report.outcomes] == [1] * len(cases)
    said = told(report)
    assert said[1].startswith("in_process raised ValueError: no good: yes, at own_functions.py:")
    assert said[2] == "in_process returned nan, and not a bool, as its annotation says"
    assert said[3].startswith("in_process raised SystemExit: 3, at own_functions.py:")
    assert said[4] == "in_process ended its process, as a crash or os._exit() does"
    assert said[5] == "in_process did not return within 1.5 s, the timeout of a case"
    assert said[-1].startswith("in_process: TypeError: cannot pickle")
    assert [said[0], *said[6:-1]] == ["Failed", *["Failed", "Passed"] * 15]
    await no_child_is_left()


async def test_a_function_that_no_other_process_finds_says_so():
    @template(processes=1)
    def here(output: str) -> bool:
        return True

    report = await asked([{"output": "x"}] * 3, here)
    assert len(set(told(report))) == 1
    assert told(report)[0].startswith("here cannot run in processes: ")
    assert "top of a module" in told(report)[0]
    await no_child_is_left()


async def test_processes_are_those_of_the_function_and_values_come_to_them_as_they_are():
    report = await asked([{"output": "who"}, {"output": ["who"]}, {"output": None}], own_functions.lone)
    assert report.outcomes[0].score not in (0, os.getpid())
    assert [each.score for each in report.outcomes[1:]] == [0, 0]
    await no_child_is_left()


async def no_child_is_left() -> None:
    """Return once all processes have ended that this one began."""
    until = time.monotonic() + 5
    while multiprocessing.active_children():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


@template
def shown(output: Any, limit: Any = "unset", more: Any = "unset") -> str:
    return repr((output, limit, more))


async def test_parameters_with_a_default_may_be_left_out_and_blank_values_are_values():
    cases = [{"output": "x"}, {"output": "", "limit": 3}, {"output": "  \n", "limit": None, "more": [1, {"a": None}]}]
    report = await asked(cases, shown)
    assert told(report) == ["('x', 'unset', 'unset')", "('', 3, 'unset')", "('  \\n', None, [1, {'a': None}])"]
    short = await asked([{"limit": 3}, {"output": "x", "lmit": 3}], shown)
    assert [str(each.status) for each in short.outcomes] == ["invalid", "invalid"]
    assert "output" in str(short.outcomes[0].error)
    assert "lmit" in str(short.outcomes[1].error)


async def test_values_come_as_they_are_from_files_and_frames(tmp_path):
    rows = [{"output": ["a", 1], "limit": 2}, {"output": None, "limit": 0.5}, {"output": {"k": [True]}, "limit": ""}]
    lines = tmp_path / "a.jsonl"
    lines.write_text(
        '{"output": ["a", 1], "limit": 2}\n{"output": null, "limit": 0.5}\n{"output": {"k": [true]}, "limit": ""}\n'
    )
    table = tmp_path / "a.csv"
    table.write_text("output,limit\nyes,2\n,0.5\n")
    expected = [repr((row["output"], row["limit"], "unset")) for row in rows]
    assert told(await asked(rows, shown)) == expected
    assert told(await asked(cases_from(lines), shown)) == expected
    assert told(await asked(cases_from(table), shown)) == ["('yes', '2', 'unset')", "('', '0.5', 'unset')"]
    frame = pl.DataFrame({"output": [["a", "b"], None, []], "limit": [1, 2, 3]})
    said = told(await asked(frame, shown))
    assert (said[0], said[2]) == ("(['a', 'b'], 1, 'unset')", "([], 3, 'unset')")
    assert "needs the key 'output'" in said[1]  # in a frame, a cell that is missing is a key that is
    assert told(await asked(pd.DataFrame({"output": [["a"], "b"], "limit": [1, 2]}), shown)) == [
        "(['a'], 1, 'unset')", "('b', 2, 'unset')",
    ]  # fmt: skip


async def test_equal_cases_of_a_kept_run_are_asked_once_and_resumed_ones_not_at_all(tmp_path):
    calls: Counter[str] = Counter()

    @template(version="1")
    def counted(output: str) -> bool:
        calls[output] += 1
        if output == "bad" and calls[output] == 1:
            raise RuntimeError("once")
        return True

    cases = [{"output": "a"}, {"output": "b"}, {"output": "a"}, {"output": "bad"}]
    path = tmp_path / "run.db"
    first = await asked(cases, counted, run=path)
    assert [each.origin for each in first.outcomes] == ["evaluated", "evaluated", "duplicate", "evaluated"]
    assert calls == {"a": 1, "b": 1, "bad": 1}
    second = await asked([*cases, {"output": "c"}], counted, run=path)
    assert [each.passed for each in second.outcomes] == [True, True, True, None, True]
    assert calls == {"a": 1, "b": 1, "bad": 1, "c": 1}
    assert isinstance(second.outcomes[3].error, FunctionError)


async def test_no_thread_outlives_the_run_that_began_it():
    @template
    def quick(n: int) -> bool:
        time.sleep(0.001)
        return True

    report = await asked([{"n": n} for n in range(200)], quick)
    assert report.coverage == 1.0
    until = time.monotonic() + 5
    while any(each.name == "fi_async function" for each in threading.enumerate()):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


PROGRAM = """
import asyncio, sys, threading, time
from fi_async import AsyncEvaluator, template
import own_functions

@template
def hangs(output: str) -> bool:
    sys.stdout.write("begun\\n"); sys.stdout.flush()
    threading.Event().wait()

@template
async def sleeps(output: str) -> bool:
    sys.stdout.write("begun\\n"); sys.stdout.flush()
    await asyncio.sleep(600)

async def main(which, timeout):
    async with AsyncEvaluator(backends=["local"]) as ev:
        report = await ev.gather([{"output": str(n)} for n in range(40)], which, timeout=timeout)
        print(report.summary()["failed"], report.summary()["scored"])

if __name__ == "__main__":
    which = {"hangs": hangs, "sleeps": sleeps, "lone": own_functions.lone}[sys.argv[1]]
    asyncio.run(main(which, float(sys.argv[2])))
"""


def program(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
    )


@pytest.mark.parametrize("which", ["hangs", "sleeps"])
def test_an_interrupt_during_a_hang_ends_the_program_at_once(which, tmp_path):
    process = program(tmp_path, which, "600")
    process.stdout.readline()
    time.sleep(0.3)  # a signal just before a loop begins to wait is heard only when it wakes: Python's, not ours
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "Warning" not in err


@pytest.mark.parametrize(("which", "said"), [("hangs", "40 0"), ("sleeps", "40 0"), ("lone", "0 40")])
def test_a_program_ends_without_a_word_whatever_its_functions_left(which, said, tmp_path):
    out, err = program(tmp_path, which, "0.1" if which != "lone" else "20").communicate(timeout=30)
    assert (out.splitlines()[-1], err) == (said, "")


async def test_what_the_timeout_of_a_call_cuts_off_was_not_paid_for():
    @template
    async def endless(output: str) -> bool:
        await asyncio.Event().wait()
        return True

    async with AsyncEvaluator(backends=["local"]) as ev:
        report = await ev.gather([{"output": "x"}], endless, timeout=Timeout(call=0.05))
    (outcome,) = report.outcomes
    assert (str(outcome.status), outcome.ambiguous, report.counts.ambiguous) == ("cancelled", 0, 0)
