"""Processes that share a budget, on real time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from fi_async import APITimeoutError, Evaluator, Timeout
from fi_async.local import LocalBackend, Quota, Switches
from fi_async.local.server import running

RUN = """
import json, sys
from fi_async import Evaluator, Limit

path, cases, limits = sys.argv[1], int(sys.argv[2]), [Limit(int(count), per=4.0) for count in sys.argv[3:]]
with Evaluator(shared_budget=path, concurrency=8) as ev:
    print("ready", flush=True)
    sys.stdin.readline()
    report = ev.gather(({"text": f"[{n}]"} for n in range(cases)), "is_json", rows=1, limits=limits)
    figures = {"coverage": report.coverage, "throttled": report.summary()["throttled"], "wall_s": report.wall_s}
    print(json.dumps(figures))
"""


KEYS = {"FI_API_KEY": "the-key", "FI_SECRET_KEY": "the-secret"}


def started(url, path, cases, *limits):
    """Return a process that is to evaluate so many cases once it is told."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(path), str(cases), *map(str, limits)],
        env={**os.environ, **KEYS, "FI_BASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(*processes):
    """Begin, and return what each process tells: its report's figures, and its seconds."""
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    lines = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]
    return [json.loads(line) for line in lines]


def await_window(seconds):
    """Return at the start of a window of the server's clock, so that a test does not depend on the hour."""
    time.sleep(seconds - time.time() % seconds)


def test_two_processes_keep_to_one_limit_and_use_it_whole(tmp_path):
    backend = LocalBackend(Switches(requests=Quota(60, 4.0), latency=0.02))
    with running(backend) as url:
        processes = [started(url, tmp_path / "budget", 65, 60) for _ in range(2)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        await_window(4.0)
        reports = told(*processes)
    assert [(report["coverage"], report["throttled"]) for report in reports] == [(1.0, 0)] * 2
    assert (backend.statistics()["posts"], backend.statistics()["refused_requests"]) == (130, 0)


def test_a_process_that_is_refused_holds_another(tmp_path):
    backend = LocalBackend(Switches(requests=Quota(20, 3.0)))
    path = tmp_path / "budget"
    with running(backend) as url, Evaluator("the-key", "the-secret", url, shared_budget=path) as ev:
        process = started(url, path, 5)
        assert process.stdout.readline() == "ready\n"
        await_window(3.0)
        for _ in range(20):
            ev.evaluate("is_json", {"text": "[1]"})
        with pytest.raises(APITimeoutError):
            ev.evaluate("is_json", {"text": "[1]"}, timeout=Timeout(call=0.2))
        assert backend.statistics()["refused_requests"] == 1
        (report,) = told(process)
    assert (report["coverage"], report["throttled"]) == (1.0, 0)
    assert backend.statistics()["refused_requests"] == 1


def test_two_processes_learn_what_a_plan_lets_through_together(tmp_path):
    backend = LocalBackend(Switches(evaluations=(Quota(20, 2.0),), latency=0.02))
    with running(backend) as url:
        processes = [started(url, tmp_path / "budget", 30) for _ in range(2)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        await_window(2.0)
        reports = told(*processes)
    assert [report["coverage"] for report in reports] == [1.0] * 2
    assert backend.statistics()["evaluations_made"] == 60
    # At first each that does not fit, held and then polled; after that canaries.
    assert backend.statistics()["refused_evaluations"] <= 2 * 40 + 10


def test_processes_that_make_the_file_at_the_same_moment_share_it(tmp_path):
    with running(LocalBackend()) as url:
        reports = told(*[started(url, tmp_path / "budget", 5, 1_000_000) for _ in range(4)])
    assert [report["coverage"] for report in reports] == [1.0] * 4
