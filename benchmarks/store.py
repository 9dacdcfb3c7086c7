"""One run in PostgreSQL by one worker and by two, beside a run that a file keeps, and one that nothing does.

    python benchmarks/store.py                  20,000 cases: about 2 minutes
    python benchmarks/store.py 8000 200000      so many cases; and how long `status` takes of so many more

Each worker has the API simulated within its own process, which answers after 0.05 s, so that no server takes part of
the machine. PostgreSQL is started here; its commits are written to the disk. Prints cases a second, the processor's
time for each case, and the seconds from a case's first request to its outcome. The run whose status is asked for has
ended, and was put there by SQL.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import psycopg  # what is imported on the way would be counted as work

import fi_async.runs.stored_calls  # noqa: F401  # as above
from fi_async import AsyncEvaluator
from fi_async._run_url import RunUrl
from fi_async.cli.status import status_of
from fi_async.store.tallies import COUNTED
from postgres_server import PostgresServer

_LATENCY = 0.05
_CONCURRENCY = 128  # more than a processor can do with
_CALM = 16  # so few that the processor has time, and latencies are those of a case
_ASKED = {"eval_config": {"keyword": "needle"}}


def _cases(count: int) -> list[dict[str, str]]:
    return [{"text": f"case {number} {'straw' if number % 3 else 'needle'}"} for number in range(count)]


async def _simulated(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request for one evaluation, as the platform does."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await asyncio.sleep(_LATENCY)
    passed = "Passed" if b" needle" in body else "Failed"
    name = dict(scope["headers"])[b"x-request-id"]
    told = {"name": "contains", "reason": "", "runtime": 0, "output": passed, "output_type": "Pass/Fail"}
    answer = json.dumps({"status": True, "result": [{"evaluations": [{**told, "eval_id": name.decode()}]}]}).encode()
    headers = [(b"content-type", b"application/json"), (b"x-request-id", name)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _client(concurrency: int = _CONCURRENCY) -> AsyncEvaluator:
    return AsyncEvaluator.local(_simulated, strategy="sync", rows=1, concurrency=concurrency)


def _measured(what: Any) -> dict[str, Any]:
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    latencies = asyncio.run(what())
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "latencies": latencies}


def _streamed(count: int, path: str | None, concurrency: int = _CONCURRENCY) -> list[dict[str, Any]]:
    return _each_alone([(_streams, count, path, concurrency)])


def _each_alone(calls: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return what each call measured: at the same time, in a process and a session of its own.

    Linux shares its processors among sessions: so each has what it would have on a machine that is as busy as this one.
    """
    context = multiprocessing.get_context("spawn")
    ready, told = context.Barrier(len(calls)), context.Queue()
    at_work = [context.Process(target=_alone, args=(*call, ready, told)) for call in calls]
    for each in at_work:
        each.start()
    found = [told.get() for _ in at_work]
    for each in at_work:
        each.join()
    return found


def _alone(call: Any, *args: Any) -> None:
    *given, ready, told = args
    os.setsid()
    ready.wait()
    told.put(call(*given))


def _streams(count: int, path: str | None, concurrency: int) -> dict[str, Any]:
    async def run() -> list[float]:
        found = []
        async with _client(concurrency) as ev, ev.stream(_cases(count), "contains", run=path, **_ASKED) as outcomes:
            async for each in outcomes:
                assert each.passed == (each.index % 3 == 0)
                found.append(each.latency_s or 0.0)
        return found

    return _measured(run)


def _works(url: str, concurrency: int) -> dict[str, Any]:
    async def run() -> list[float]:
        found: list[float] = []
        async with _client() as ev:
            await ev.work(url, concurrency=concurrency, on_outcome=lambda each: found.append(each.latency_s or 0.0))
        return found

    return _measured(run)


def _shared(url: str, count: int, workers: int, concurrency: int = _CONCURRENCY) -> list[dict[str, Any]]:
    async def load() -> None:
        async with _client() as ev:
            await ev.load(
                _cases(count), "contains", run=url, strategy="sync", rows=1, concurrency=_CONCURRENCY, **_ASKED
            )

    asyncio.run(load())
    return _each_alone([(_works, url, concurrency)] * workers)


def _row(name: str, count: int, found: list[dict[str, Any]], store: float = 0.0) -> dict[str, Any]:
    latencies = [seconds for each in found for seconds in each["latencies"]]
    assert len(latencies) == count, (name, len(latencies))
    wall = max(each["wall"] for each in found)
    return {
        "run": name,
        "cases a second": round(count / wall),
        "µs of a worker's processor a case": round(1e6 * sum(each["cpu"] for each in found) / count),
        "µs of the server's a case": round(1e6 * store / count),
        "median ms to the outcome": round(1e3 * statistics.median(latencies), 1),
    }


def _server_cpu(database: PostgresServer) -> float:
    """Return the seconds of processor that the server, and all its children that have ended, took."""
    ticks = 0
    parent = database._process.pid if database._process else 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == parent:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == parent:
            ticks += sum(map(int, fields[11:13]))
    return ticks / 100


_ENDED = (
    '{"status":"scored","backend":"cloud","latency_s":0.05,"attempts":1,"eval_id":"0123456789abcdef","result":'
    '{"name":"contains","output":"Passed","reason":"","output_type":"Pass/Fail","eval_id":"0123456789abcdef"}}'
)
_FILL_CASES = """
    INSERT INTO fi_async.cases
    SELECT %(run)s, n, md5(n::text), 'contains', n - 1, NULL, '{"text":"straw"}' FROM generate_series(2, %(cases)s) AS n
"""
_FILL_EVENTS = """
    INSERT INTO fi_async.events (run, n, kind, at, worker, body)
    SELECT %(run)s, n, kind, extract(epoch FROM now()) - 1e3 + n / 2e3, 1, CASE kind WHEN 5 THEN %(body)s END
    FROM generate_series(2, %(cases)s) AS n, unnest(ARRAY[1, 5]) AS kind ORDER BY n, kind
"""
_FILL_CHUNKS = """
    INSERT INTO fi_async.chunks (run, chunk, first, last, done)
    SELECT %(run)s, n / 200 + 2, n, least(n + 199, %(cases)s), true FROM generate_series(2, %(cases)s, 200) AS n
"""
_COUNT_CHUNKS = f"UPDATE fi_async.chunks AS held SET {COUNTED} WHERE run = %(run)s AND done AND chunk > 1"


def _status(database: PostgresServer, count: int) -> dict[str, Any]:
    """Return how long it takes to tell how a run stands that has so many cases."""
    url = f"{database.url()}/large"
    _shared(url, 1, 1)
    with psycopg.connect(database.url(), autocommit=True) as connection:
        ((run,),) = connection.execute("SELECT run FROM fi_async.runs WHERE name = 'large'").fetchall()
        for statement in (_FILL_CASES, _FILL_EVENTS, _FILL_CHUNKS, _COUNT_CHUNKS):
            connection.execute(statement.encode(), {"run": run, "cases": count, "body": _ENDED})
        for table in ("cases", "events", "chunks"):
            connection.execute(f"VACUUM ANALYZE fi_async.{table}".encode())
    took = []
    for _ in range(5):
        began = time.perf_counter()
        found = status_of(RunUrl.parse(url), time.time())
        took.append(time.perf_counter() - began)
        assert found.statuses == {"scored": count}, found
    return {"run": "status", "cases": count, "median ms of status": round(1e3 * statistics.median(took), 1)}


def main(count: int, of_status: int = 0) -> list[dict[str, Any]]:
    rows = [_row("nothing keeps it", count, _streamed(count, None))]
    with tempfile.TemporaryDirectory() as folder:
        rows.append(_row("a file", count, _streamed(count, f"{folder}/run.db")))
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        database = PostgresServer(directory, fsync="on")
        database.start()
        for workers in (1, 2):
            before = _server_cpu(database)
            found = _shared(f"{database.url()}/run_{workers}", count, workers)
            rows.append(_row(f"PostgreSQL, workers: {workers}", count, found, _server_cpu(database) - before))
        rows += _latencies(database, max(500, count // 20))
        if of_status:
            rows.append(_status(database, of_status))
        database.stop()
    return rows


def _latencies(database: PostgresServer, count: int) -> list[dict[str, Any]]:
    rows = [_row("nothing keeps it, few at once", count, _streamed(count, None, _CALM))]
    with tempfile.TemporaryDirectory() as folder:
        rows.append(_row("a file, few at once", count, _streamed(count, f"{folder}/run.db", _CALM)))
    found = _shared(f"{database.url()}/latencies", count, 1, _CALM)
    return [*rows, _row("PostgreSQL, few at once", count, found)]


if __name__ == "__main__":
    for row in main(*map(int, sys.argv[1:] or [20_000])):
        print(json.dumps(row, ensure_ascii=False))
