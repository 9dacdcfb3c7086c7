from __future__ import annotations

import asyncio
import copy
import dataclasses
import errno
import inspect
import os
import pickle
import sqlite3
import threading
import typing
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext

import httpx
import pytest

import fi_async
from embedded import NEEDLE, texts
from fi_async import (
    AsyncEvaluator,
    BlockingExecution,
    BlockingStream,
    Case,
    ClientStatistics,
    ConfigurationError,
    EvalStatus,
    Evaluator,
    Execution,
    InvalidCaseError,
    NotFoundError,
    RunOptions,
    StalledError,
    Stream,
    cases_from,
)
from fi_async._loop_thread import LoopThread, loop_thread
from fi_async.background import BackgroundQueue
from fi_async.blocking import BlockingQueue
from fi_async.local import LocalBackend, Switches


@pytest.fixture
def ev() -> Iterator[Evaluator]:
    with Evaluator.local(max_workers=8) as evaluator:
        yield evaluator


def passed(ev: Evaluator, text: str = "a needle") -> bool | None:
    return ev.evaluate("contains", {"text": text}, eval_config=NEEDLE).eval_results[0].passed


def test_the_methods_are_those_of_the_client_without_await(ev):
    report = ev.gather([*texts(4), Case({"text": ""})], "contains", eval_config=NEEDLE)
    assert [outcome.passed for outcome in report.outcomes] == [True, False, False, True, None]
    assert len(ev.list_evaluations()) >= 156
    assert repr(ev) == "<Evaluator local concurrency=8>"
    assert repr(ev.with_options(concurrency=2)) == "<Evaluator local concurrency=2>"
    assert Evaluator.evaluate.__doc__ == AsyncEvaluator.evaluate.__doc__


def test_its_statistics_are_the_clients(ev):
    assert ev.statistics().polling == ClientStatistics().polling
    assert ev.statistics().concurrency.under_way == 0


def test_errors_are_raised_as_they_are(ev):
    with pytest.raises(InvalidCaseError, match="is blank"):
        ev.evaluate("contains", {"text": ""})


def test_a_handle_is_awaited_by_blocking(ev):
    execution = ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
    assert isinstance(execution, BlockingExecution)
    assert (execution.status, execution.is_done(), execution.error_message) == (EvalStatus.PENDING, False, None)
    assert execution.result().passed is True
    assert repr(execution) == f"<Execution {execution.id} completed>"
    again = ev.get_execution(execution.id)
    assert again.is_done()
    assert again.wait(timeout=1) is again
    assert ev.poll(execution.id).passed is True
    assert ev.get_eval_result(execution.id)["result"]["evalStatus"] == "completed"
    assert len(ev.submit("contains", {"text": ["a", "b"]}, eval_config=NEEDLE)) == 2
    with pytest.raises(NotFoundError):
        ev.get_execution("00000000-0000-4000-8000-000000000000")


def test_a_handle_stalls_as_the_clients_does():
    with Evaluator.local(LocalBackend(Switches(latency=60))) as ev, pytest.raises(StalledError):
        ev.submit("contains", {"text": "x"}).wait(timeout=0.01)


def test_a_stream_can_be_left(ev):
    outcomes = ev.stream(({"text": f"needle {n}"} for n in range(5)), "contains", eval_config=NEEDLE)
    assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2, 3, 4]
    endless = ev.stream(iter(lambda: {"text": "needle"}, None), "contains", eval_config=NEEDLE)
    assert next(endless).passed
    endless.close()


def test_it_works_where_a_loop_already_runs(ev):
    async def cell() -> bool | None:
        return passed(ev)

    assert asyncio.run(cell()) is True


def test_many_threads_share_one_loop(ev):
    seen: dict[int, bool | None] = {}

    def use(number: int) -> None:
        seen[number] = passed(ev, "needle" if number % 2 else "straw")

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: bool(number % 2) for number in range(8)}
    assert len([thread for thread in threading.enumerate() if thread.name == "fi_async"]) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # 3.12 warns of just this
def test_a_forked_child_begins_a_loop_of_its_own(ev):
    assert passed(ev)
    child = os.fork()
    if child == 0:
        os._exit(0 if passed(ev) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert passed(ev)


def test_after_a_stop_the_next_call_begins_anew(ev):
    assert passed(ev)
    loop_thread.stop()
    loop_thread.stop()
    assert passed(ev)


def test_a_loop_that_cannot_be_begun_is_told_and_tried_again():
    answers = [OSError(errno.EMFILE, "Too many open files"), asyncio.new_event_loop()]

    def loop_factory() -> asyncio.AbstractEventLoop:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    background = LoopThread(loop_factory=loop_factory)
    with pytest.raises(OSError, match="Too many open files"):
        background.portal()
    assert background.run(asyncio.sleep, 0, "begun") == "begun"
    background.stop()


def test_one_line_is_enough(monkeypatch):
    monkeypatch.setenv("FI_BASE_URL", "local")
    result = fi_async.evaluate(
        "groundedness", output="It is in Paris.", context="It is in Paris.", model="turing_small"
    )
    assert (result.score, result.passed, result.model) == (1.0, True, "turing_small")
    assert "Lexical estimate" in result.reason


def test_the_rest_of_the_api_is_there(ev):
    data = [{"eval_template": "contains", "inputs": {"text": ["needle"]}}]
    assert ev.evaluate_pipeline("project", "v1", data)["result"]["version"] == "v1"
    assert ev.get_pipeline_results("project", ["v1"])["status"] is True


def test_threads_offer_to_a_queue(ev, tmp_path):
    taken = []

    def offer(number: int) -> None:
        for place in range(50):
            assert queue.offer({"text": f"needle {number} {place}"})

    with ev.background("contains", sink=taken.append, eval_config=NEEDLE, spool=tmp_path / "spool") as queue:
        threads = [threading.Thread(target=offer, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert queue.put(Case({"text": "straw"}, id="last"))
        assert queue.drained(30) is True
        assert repr(queue) == "<BackgroundQueue waiting=0 running=0 done=201 dropped=0>"
        assert (queue.last_error, queue.error) == (None, None)
    assert queue.statistics().done == len({outcome.case.offer_id for outcome in taken}) == 201
    assert [outcome.passed for outcome in taken if outcome.case.id == "last"] == [False]
    assert queue.offer({"text": "late"}) is False


def test_what_is_wrong_with_a_queue_is_raised_on_entering(ev):
    with pytest.raises(NotFoundError), ev.background("contians", sink=print):
        pytest.fail("entered")


# -- streams -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows_of_a_cursor() -> Iterator[Callable[[int], sqlite3.Cursor]]:
    """What returns rows of SQLite, which refuses every thread but this one."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
    with closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = lambda _, row: {"text": row[0]}
        yield lambda count: database.execute(f"{numbers} SELECT 'needle ' || i FROM n", (count,))


@pytest.mark.parametrize("wrapped", [lambda rows: rows, cases_from, lambda rows: (r for r in rows)])
def test_cases_are_read_in_the_thread_that_has_them(wrapped, rows_of_a_cursor, ev):
    asked = {"eval_config": NEEDLE}
    assert len(list(ev.stream(wrapped(rows_of_a_cursor(300)), "contains", **asked))) == 300
    report = ev.gather(cases=wrapped(rows_of_a_cursor(150)), eval_templates="contains", **asked)
    assert [outcome.index for outcome in report.outcomes] == list(range(150))
    assert report.coverage == 1.0
    assert ev.plan(wrapped(rows_of_a_cursor(7)), "contains", **asked).cases == 7


def test_what_a_generator_raises_is_raised_where_it_is_read(ev):
    def broken() -> Iterator[dict[str, str]]:
        yield from ({"text": f"needle {number}"} for number in range(100))
        raise LookupError(f"in {threading.current_thread().name}")

    told = f"in {threading.current_thread().name}"
    taken = []
    with pytest.raises(LookupError, match=told), ev.stream(broken(), "contains", eval_config=NEEDLE) as run:
        taken += run
    with pytest.raises(LookupError, match=told):
        ev.gather(broken(), "contains", eval_config=NEEDLE)


def test_a_generator_may_use_the_client_itself(ev):
    def checked() -> Iterator[dict[str, str]]:
        for number in range(5):
            yield {"text": "needle" if passed(ev, f"needle {number}") else "straw"}

    assert [each.passed for each in ev.gather(checked(), "contains", eval_config=NEEDLE).outcomes] == [True] * 5


def test_a_kept_run_reads_here_too(rows_of_a_cursor, ev, tmp_path):
    asked = {"eval_config": NEEDLE, "run": tmp_path / "run.db"}
    assert ev.gather(rows_of_a_cursor(100), "contains", **asked).coverage == 1.0
    again = list(ev.stream(rows_of_a_cursor(100), "contains", **asked))
    assert {outcome.origin for outcome in again} == {"replayed"}


def test_an_interrupted_generator_ends_the_run(ev):
    def interrupted() -> Iterator[dict[str, str]]:
        yield {"text": "needle"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(ev.stream(interrupted(), "contains", eval_config=NEEDLE))
    with pytest.raises(KeyboardInterrupt):
        ev.gather(interrupted(), "contains", eval_config=NEEDLE)
    assert passed(ev)


def test_leaving_the_block_ends_the_run():
    app = LocalBackend(Switches())
    with Evaluator.local(app) as ev:
        with ev.stream(iter(lambda: {"text": "needle"}, None), "contains", eval_config=NEEDLE, rows=1) as run:
            assert isinstance(run, BlockingStream)
            assert next(run).passed
            assert run.statistics().concurrency.limit >= 1
            assert run.counts.requests >= 1
        asked = app.statistics()["requests"]
        assert list(run) == []
        assert passed(ev)
        assert app.statistics()["requests"] == asked + 1


def test_a_slow_consumer_slows_the_reading_of_its_generator():
    read = 0

    def counted() -> Iterator[dict[str, str]]:
        nonlocal read
        for number in range(5000):
            read += 1
            yield {"text": f"needle {number}"}

    with Evaluator.local(concurrency=4, strategy="sync") as ev, ev.stream(counted(), "contains", rows=1) as run:
        for taken, _ in zip(range(1, 200), run, strict=False):
            assert read - taken <= 64 + 2 * 4


# -- it is the client --------------------------------------------------------------------------------------------------

PAIRS = [
    (AsyncEvaluator, Evaluator, {"aclose": "close"}),
    (Execution, BlockingExecution, {}),
    (Stream, BlockingStream, {"aclose": "close"}),
    (BackgroundQueue, BlockingQueue, {}),
]
OF_THE_LOOP = {"asend", "athrow", "drive", "take", "release"}  # what awaits, or what the engine itself calls


@pytest.mark.parametrize(("awaited", "blocking", "names"), PAIRS, ids=lambda each: getattr(each, "__name__", ""))
def test_both_clients_have_the_same_methods_with_the_same_arguments(awaited, blocking, names):
    members = [name for name, _ in inspect.getmembers(awaited) if not name.startswith("_") and name not in OF_THE_LOOP]
    assert members
    for name in [*members, *(["__init__"] if awaited is AsyncEvaluator else [])]:
        ours, theirs = getattr(blocking, names.get(name, name)), getattr(awaited, name)
        if not callable(theirs):
            continue
        expected, got = inspect.signature(theirs), inspect.signature(ours)
        assert [(each.name, each.kind, each.default) for each in got.parameters.values()] == [
            (each.name, each.kind, each.default) for each in expected.parameters.values()
        ], name
        assert inspect.getdoc(ours), name


def test_what_a_handle_says_of_itself_is_the_same(ev):
    execution = ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
    shown = {name for name in vars(execution._execution) if not name.startswith("_")}
    assert {name: getattr(execution, name) for name in sorted(shown)} == {
        "error": None,
        "id": execution.id,
        "status": EvalStatus.PENDING,
        "template": "contains",
    }


@pytest.mark.parametrize("client", [AsyncEvaluator, Evaluator])
@pytest.mark.parametrize("name", ["gather", "stream", "plan", "background", "with_options", "__init__"])
def test_each_keyword_of_a_run_is_in_the_signature(client, name):
    parameters = inspect.signature(getattr(client, name)).parameters
    assert {field.name for field in dataclasses.fields(RunOptions)} | {"model"} <= set(parameters)
    assert "options" not in parameters


def test_overloads_are_there_for_type_checkers():
    for name, count in (("evaluate", 3), ("submit", 3), ("poll", 2)):
        assert len(typing.get_overloads(getattr(AsyncEvaluator, name))) == count
        assert len(typing.get_overloads(getattr(Evaluator, name))) == count


def test_handles_may_be_polled(ev):
    handles = ev.submit("contains", [{"text": "needle"}, {"text": "straw"}], eval_config=NEEDLE)
    report = ev.poll(handles)
    assert [(each.template, each.passed) for each in report.outcomes] == [("contains", True), ("contains", False)]
    assert ev.poll(handles[0]).passed is True


def test_one_dict_is_no_list_of_cases(ev):
    """Nor are its keys, which is what iterating over it gives."""
    for cases in ({"text": "needle"}, {"text": ["needle", "straw"]}):
        for call in (ev.gather, ev.plan, lambda *asked: list(ev.stream(*asked))):
            with pytest.raises(ConfigurationError, match="an iterable of dicts or Cases, or a frame, not dict"):
                call(cases, "is_json")


def test_what_cannot_be_polled_is_told(ev):
    with pytest.raises(ConfigurationError, match="poll takes ids and Executions, not None"):
        ev.poll(None)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_handle_is_not_pickled_and_says_how_to_make_it_again(ev, copied):
    blocking = ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
    for handle in (blocking, blocking._execution):
        with pytest.raises(TypeError, match=r"Execution cannot be pickled or copied: .* get_execution\(id\)"):
            copied(handle)


@pytest.mark.parametrize("client", [AsyncEvaluator, Evaluator])
@pytest.mark.parametrize(
    ("given", "told"), [("a client", "str"), (httpx.Client, "httpx.Client"), (httpx.AsyncClient, "type")]
)
def test_only_a_client_that_is_awaited_can_send_requests(client, given, told):
    refused = pytest.raises(ConfigurationError, match=rf"http_client must be an httpx\.AsyncClient, not {told}$")
    with given() if given is httpx.Client else nullcontext(given) as http_client, refused:
        client("key", "secret", http_client=http_client)


@pytest.mark.parametrize("client", [AsyncEvaluator, Evaluator])
def test_a_judge_has_a_name(client):
    for word in ("model", "model_name"):
        with pytest.raises(ConfigurationError, match="model_name must be the name of a judge, not 5"):
            client.local(**{word: 5})
