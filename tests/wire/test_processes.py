"""What only whole processes show: Ctrl-C, the end of an interpreter, code written for the official SDK."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from fi_async import JournalError
from fi_async.journal.view import open_view
from fi_async.local import LocalBackend, Switches
from fi_async.local.server import running


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "FI_BASE_URL": url, "FI_API_KEY": "the-key", "FI_SECRET_KEY": "the-secret"}


def start(code: str, url: str, *words: str, flags: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *flags, "-c", textwrap.dedent(code), *words],
        env=environment(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


NEVER_CLOSED = """
    import asyncio
    from fi_async import AsyncEvaluator, Evaluator, aevaluate, evaluate

    blocking = Evaluator()
    print(blocking.gather([{"text": "[1]"}] * 20, "is_json").coverage)
    print(evaluate("is_json", text="[1]").passed)

    async def main():
        ev = AsyncEvaluator()
        report = await ev.gather([{"text": "[1]"}] * 20, "is_json")
        async for outcome in ev.stream([{"text": "[1]"}] * 20, "is_json"):
            break
        return report.coverage, (await aevaluate("is_json", text="[1]")).passed

    print(asyncio.run(main()))

    def dropped():
        Evaluator().gather([{"text": "[1]"}] * 20, "is_json")

    half_read = blocking.stream(({"text": f"[{n}]"} for n in range(100)), "is_json")
    print(next(half_read).passed)
    dropped()
"""


@pytest.mark.parametrize("flags", [(), ("-W", "error")], ids=["plain", "strict"])
def test_what_nobody_closed_ends_in_silence(flags):
    with running(LocalBackend()) as url:
        process = start(NEVER_CLOSED, url, flags=flags)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "1.0\nTrue\n(1.0, True)\nTrue\n", "")


WAITING = {
    "sync": """
        from fi_async import Evaluator
        print("begun", flush=True)
        Evaluator().gather([{"text": "x"}] * 50, "contains")
    """,
    "async": """
        import asyncio
        from fi_async import AsyncEvaluator
        async def main():
            async with AsyncEvaluator() as ev:
                print("begun", flush=True)
                await ev.gather([{"text": "x"}] * 50, "contains")
        asyncio.run(main())
    """,
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one child")
@pytest.mark.parametrize("kind", WAITING)
def test_an_interrupt_ends_a_call_within_a_second(kind):
    backend = LocalBackend(Switches(latency=60))
    with running(backend) as url:
        process = start(WAITING[kind], url)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        while backend.statistics()["in_flight"] == 0:
            assert process.poll() is None, process.stderr.read()
        interrupted = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - interrupted < 1.0
    assert process.returncode == -signal.SIGINT
    assert err.strip().endswith("KeyboardInterrupt")
    for noise in ("never awaited", "Event loop is closed", "was destroyed", "Unclosed", "the-secret"):
        assert noise not in err


KEPT = {
    "sync": """
        import sys
        from fi_async import Evaluator
        print("begun", flush=True)
        Evaluator().gather([{"text": f"{n}"} for n in range(50)], "contains", run=sys.argv[1], strategy="sync")
    """,
    "async": """
        import asyncio, sys
        from fi_async import AsyncEvaluator
        async def main():
            async with AsyncEvaluator() as ev:
                print("begun", flush=True)
                await ev.gather([{"text": f"{n}"} for n in range(50)], "contains", run=sys.argv[1], strategy="sync")
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("kind", sorted(KEPT))
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_lets_the_requests_of_a_kept_run_end_and_a_second_does_not(kind, times, tmp_path):
    latency = 1.0 if times == 1 else 60
    with running(LocalBackend(Switches(latency=latency))) as url:
        process = start(KEPT[kind], url, str(tmp_path / "run.db"))
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        while not under_way(tmp_path / "run.db"):
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        if times == 2:
            time.sleep(0.3)  # the first one has to be noticed
            process.send_signal(signal.SIGINT)
        interrupted = time.monotonic()
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - interrupted < 4.0
    assert process.returncode != 0
    assert err.strip().endswith("KeyboardInterrupt")
    with open_view(tmp_path / "run.db") as view:
        assert (view.count().ambiguous == 0, bool(view.count().statuses)) == (
            (True, True) if times == 1 else (False, False)
        )


def under_way(path: Path) -> bool:
    try:
        with open_view(path) as view:
            return view.count().ambiguous > 0
    except JournalError:
        return False


OFFICIAL_HABITS = """
    import os, time
    from concurrent.futures import ThreadPoolExecutor, as_completed
    from fi_async import Evaluator, evaluate

    one = evaluate("groundedness", output="Rome is in Italy.", context="Rome lies in Italy.", model="turing_small")
    assert (one.score, one.passed) == (1.0, True) and one.reason

    keys = {"fi_api_key": os.environ["FI_API_KEY"], "fi_secret_key": os.environ["FI_SECRET_KEY"]}
    evaluator = Evaluator(**keys, max_workers=16)
    rows = [{"output": f"Answer {n}: Rome is in Italy.", "context": "Rome is a city in Italy."} for n in range(20)]

    def submit(number, row):
        batch = evaluator.evaluate(
            eval_templates="groundedness", inputs=row, model_name="turing_small", is_async=True
        )
        return number, batch.eval_results[0].eval_id

    with ThreadPoolExecutor(max_workers=8) as pool:
        ids = dict(each.result() for each in as_completed([pool.submit(submit, n, row) for n, row in enumerate(rows)]))

    done = {}
    for _ in range(200):
        for number, eval_id in ids.items():
            inner = evaluator.get_eval_result(eval_id).get("result", {})
            if isinstance(inner, dict) and inner.get("evalStatus") == "completed":
                done[number] = inner["result"]
        if len(done) == len(ids):
            break
        time.sleep(0.05)

    def hold(number, row):
        return number, evaluator.evaluate(eval_templates="groundedness", inputs=row, model_name="turing_small")

    with ThreadPoolExecutor(max_workers=8) as pool:
        held = dict(each.result() for each in as_completed([pool.submit(hold, n, row) for n, row in enumerate(rows)]))
    scored = sum(1 for batch in held.values() if batch.eval_results[0].output is not None)
    sample = done[3]
    print(len(done), scored, sample["name"], sample["value"], sample["runtime"] / 1000, held[0].eval_results[0].filled)
"""


def test_code_written_for_the_official_sdk_runs_but_for_its_import():
    with running(LocalBackend(Switches(latency=0.2))) as url:
        process = start(OFFICIAL_HABITS, url)
        out, err = process.communicate(timeout=60)
    assert (err, out) == ("", "20 20 groundedness Passed 0.2 {'input': 'output'}\n")
