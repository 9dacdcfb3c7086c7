"""Templates that somebody else answers, in place of the embedded backend's own verdicts."""

from __future__ import annotations

import asyncio

import pytest

from fi_async import AsyncEvaluator, EvaluationError, Judge, ValidationError
from fi_async.cli.served_judge import ServedJudge
from fi_async.local import LocalBackend, Switches
from fi_async.local.answers import Answers
from fi_async.local.store import Evaluation, MemoryStore

pytestmark = pytest.mark.anyio

CASE = {"output": "Paris.", "context": "Paris is the capital of France."}
LOW = {"result": "Fail", "reason": "It is not grounded."}


def judging(verdict=LOW, **switches):
    """An endpoint whose model gives this verdict, and a judge that asks it."""
    endpoint = LocalBackend(Switches(**switches), judge=lambda *_: verdict)
    return endpoint, ServedJudge(Judge("m", base_url="http://127.0.0.1/v1", api_key="k", app=endpoint))


def client(backend, **options):
    return AsyncEvaluator.local(backend, **options)


@pytest.mark.parametrize("strategy", ["sync", "async"])
async def test_the_judges_verdict_comes_over_the_api(strategy):
    endpoint, served = judging()
    backend = LocalBackend(answers=served.answers)
    async with client(backend, strategy=strategy) as ev:
        report = await ev.gather([CASE, {**CASE, "output": "Rome."}], ["groundedness", "is_json"], extra_keys="ignore")
    await served.aclose()
    results = [each.result for each in report.outcomes if each.template == "groundedness"]
    assert [(each.output, each.passed, each.reason, each.estimate) for each in results] == [
        ("Failed", False, "It is not grounded.", False)
    ] * 2
    assert endpoint.judged("m").total() == 2


async def test_a_poll_names_the_model_and_asks_nobody_again():
    endpoint, served = judging()
    async with client(LocalBackend(answers=served.answers)) as ev:
        started = await ev.submit("groundedness", CASE, model_name="turing_small")
        result = await started.result()
        again = await ev.get_eval_result(started.id)
    await served.aclose()
    assert (result.model, again["result"]["result"]["model"], again["result"]["eval_status"]) == ("m", "m", "completed")
    assert endpoint.judged("m").total() == 1


async def test_until_there_is_an_answer_it_is_being_processed():
    answered = asyncio.Event()

    async def answer(template, inputs, params):
        assert (template, inputs, params) == ("tone", {"output": "x"}, {})
        await answered.wait()
        return ["joy"], "It laughs.", None

    async with client(LocalBackend(answers={"tone": answer})) as ev:
        started = await ev.submit("tone", {"output": "x"})
        assert (await ev.get_eval_result(started.id))["result"]["eval_status"] == "processing"
        answered.set()
        result = await started.result()
    assert (result.output, result.reason, result.model) == (["joy"], "It laughs.", None)


async def test_what_keeps_it_from_an_answer_fails_as_on_the_platform():
    asked = []

    async def answer(*_):
        asked.append(1)
        raise RuntimeError("the model is out of order")

    async with client(LocalBackend(answers={"tone": answer}), max_retries=0) as ev:
        with pytest.raises(EvaluationError, match="the model is out of order"):
            await (await ev.submit("tone", {"output": "x"})).result()
        with pytest.raises((EvaluationError, ValidationError), match="the model is out of order"):
            await ev.evaluate("tone", {"output": "x"})
        assert len(asked) == 2
    assert len(asked) == 2


async def test_a_blank_input_is_refused_as_ever_and_nobody_is_asked():
    row = Evaluation(b"1", "k", "tone", '{"output":" "}', "{}", None, True, False, 0.0, 0.0, None, b"")

    async def answer(*_):
        raise AssertionError

    answers = Answers({"tone": answer}, MemoryStore())
    found = await answers.answer(row)
    assert (found.error, found.is_blank) == ("No input received for 'output'. Please check your input.", True)
    assert answers.find(row) == found
    assert not answers.is_open(row)


async def test_answers_are_kept_with_the_evaluations(tmp_path):
    endpoint, served = judging()
    store = tmp_path / "kept.sqlite"
    backend = LocalBackend(answers=served.answers, store=store)
    async with client(backend) as ev:
        started = await ev.submit("groundedness", CASE)
        await started.result()
    backend.close()
    backend = LocalBackend(answers=served.answers, store=store)
    async with client(backend) as ev:
        assert (await ev.poll(started.id)).output == "Failed"
    backend.close()
    await served.aclose()
    assert endpoint.judged("m").total() == 1


async def test_a_batch_ends_at_the_first_that_fails():
    async def answer(template, inputs, params):
        if inputs["output"] == "b":
            raise RuntimeError("no")
        return ["joy"], None, None

    async with client(LocalBackend(answers={"tone": answer}), rows=3, strategy="sync") as ev:
        report = await ev.gather([{"output": text} for text in "acd"], "tone")
        assert [each.result.output for each in report.outcomes] == [["joy"]] * 3
        report = await ev.gather([{"output": text} for text in "abc"], "tone")
    assert [each.status.value for each in report.outcomes] == ["scored", "failed", "scored"]


async def test_a_template_that_nobody_else_answers_is_as_before():
    async with client(LocalBackend(answers={})) as ev:
        assert (await ev.evaluate("groundedness", CASE)).eval_results[0].estimate
