from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterator

import pytest

import fi_async
from embedded import NEEDLE, texts
from fi_async import (
    AsyncEvaluator,
    BlockingExecution,
    Case,
    ClientStatistics,
    EvalStatus,
    Evaluator,
    InvalidCaseError,
    NotFoundError,
    StalledError,
)
from fi_async._loop_thread import LoopThread, loop_thread
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
