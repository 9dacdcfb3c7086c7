"""Clients that nobody closes: no connection and no complaint is left behind, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fi_async.local import LocalBackend, Switches
from fi_async.local.server import running

PROGRAM = """
import asyncio, gc, sys
from contextlib import suppress
if sys.argv[1] == "httpx":
    sys.modules["aiohttp"] = None  # Python's spelling of "not installed"
from fi_async import AsyncEvaluator, Evaluator

CASES = [{"text": "needle"}] * 40
ASKED = {"eval_config": {"keyword": "needle"}, "concurrency": 4}

async def reading():
    # a task that has read one outcome, and will not read another
    begun = asyncio.Event()

    async def read():
        async for outcome in AsyncEvaluator().stream(CASES, "contains", **ASKED):
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(read())
    await begun.wait()
    return task

async def cancelled():
    for _ in range(5):
        task = await reading()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

async def left_running():
    await reading()

async def dropped():
    await AsyncEvaluator().gather(CASES, "contains", progress=False, **ASKED)

async def at_the_end():
    global kept
    kept = AsyncEvaluator()
    await kept.gather(CASES, "contains", progress=False, **ASKED)

def loops_that_end_as_they_are():
    ev = AsyncEvaluator()
    for _ in range(2):  # the second finds what the first left
        loop = asyncio.new_event_loop()
        loop.run_until_complete(ev.gather(CASES, "contains", progress=False, **ASKED))
        loop.close()

def blocking():
    Evaluator().gather(CASES, "contains", progress=False, **ASKED)

if asyncio.iscoroutinefunction(globals()[sys.argv[2]]):
    asyncio.run(globals()[sys.argv[2]]())
else:
    globals()[sys.argv[2]]()
gc.collect()
"""

WITHOUT_A_LOOP = "loops_that_end_as_they_are"  # only a loop closes its sockets: Python tells who asks for all warnings


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("how", ["cancelled", "left_running", "dropped", "at_the_end", "blocking", WITHOUT_A_LOOP])
def test_a_client_that_nobody_closes_leaves_nothing_behind(transport, how):
    if transport == "aiohttp":
        pytest.importorskip("aiohttp")
    with running(LocalBackend(Switches(latency=0.02))) as url:
        ran = subprocess.run(
            [sys.executable, *(["-W", "always"] if how != WITHOUT_A_LOOP else []), "-c", PROGRAM, transport, how],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "FI_BASE_URL": url, "FI_API_KEY": "the-key", "FI_SECRET_KEY": "the-secret"},
        )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
