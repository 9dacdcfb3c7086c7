"""What a user's type checker makes of the public names. Checked by mypy, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, assert_type

from fi_async import (
    AsyncEvaluator,
    BatchRunResult,
    BlockingExecution,
    BlockingStream,
    Case,
    ClientStatistics,
    Counts,
    Criteria,
    EvalResult,
    Evaluator,
    Execution,
    ImportedRun,
    Judge,
    Outcome,
    Report,
    RunMatrix,
    Stream,
    Timeout,
    aevaluate,
    compare_runs,
    evaluate,
    import_run,
    template,
)
from fi_async.integrations.otel import instrument

if TYPE_CHECKING:
    import httpx


CALM = Criteria("calm", "Is {{output}} calm?")


@template
def short(output: str) -> bool:
    """Tell whether a text is short."""
    return len(output) < 100


async def awaited(client: httpx.AsyncClient) -> None:
    """Hold the types of the client."""
    async with AsyncEvaluator(
        "key", "secret", concurrency=8, timeout=Timeout(case=30), on_ambiguous="fail", http_client=client
    ) as ev:
        batch = await ev.evaluate("groundedness", {"output": "x", "context": "y"}, model_name="turing_small", timeout=5)
        assert_type(batch, BatchRunResult)
        assert_type(batch.eval_results[0], EvalResult)
        assert_type(batch.eval_results[0].score, float | None)
        assert_type(batch.eval_results[0].passed, bool | None)
        assert_type(ev.get_execution("id"), Execution)
        assert_type(await ev.get_execution("id"), EvalResult)
        assert_type(await ev.poll("id"), EvalResult)
        assert_type(await ev.submit("toxicity", {"output": "x"}, timeout=5), Execution)
        assert_type(await ev.submit("toxicity", [{"output": "x"}]), list[Execution])
        assert_type(await ev.submit(["toxicity", "tone"], {"output": "x"}), list[Execution])
        names = ["toxicity", "tone"]
        assert_type(await ev.submit(names, {"output": "x"}), list[Execution])
        assert_type(await ev.evaluate(names, output="x"), BatchRunResult)
        assert_type(await ev.evaluate(("toxicity", short), output="x"), BatchRunResult)
        report = await ev.gather([{"output": "x"}, Case({"output": "y"}, id="1")], ["toxicity"], concurrency=64)
        assert_type(report, Report)
        assert_type(report.results, list[EvalResult])
        async for outcome in ev.stream(numbers(), "toxicity", timeout=None, strategy="async"):
            assert_type(outcome, Outcome)
        assert_type(await ev.evaluate("toxicity", output="x"), EvalResult)
        assert_type(await ev.poll(ev.get_execution("id"), timeout=5), EvalResult)
        assert_type(ev.statistics(), ClientStatistics)
        async with ev.stream([{"output": "x"}], "toxicity", model="turing_small") as run:
            assert_type(run, Stream)
            assert_type(run.counts, Counts)
            async for outcome in run:
                assert_type(outcome, Outcome)
        async with ev.background("toxicity", sink=print, on_full="wait", concurrency=4) as queue:
            assert_type(queue.offer({"output": "x"}), bool)
            assert_type(await queue.put(Case({"output": "x"})), bool)
        assert_type(ev.with_options(max_retries=0), AsyncEvaluator)
        await ev.gather([], "toxicity", concurency=3)  # type: ignore[call-arg]  # a misspelt keyword is seen
        await ev.gather([], "toxicity", on_ambiguous="maybe")  # type: ignore[arg-type]  # so is a wrong value
    assert_type(await aevaluate("toxicity", output="x"), EvalResult)
    assert_type(await aevaluate(short, output="x"), EvalResult)
    async with AsyncEvaluator(backends=["local", Judge("m", max_cost=1.0), "cloud"]) as ev:
        assert_type(await ev.gather([{"output": "x"}], ["is_json", CALM, short]), Report)
        assert_type(await ev.evaluate(CALM, output="x"), EvalResult)
        assert_type(instrument(ev), AsyncEvaluator)


async def numbers() -> AsyncIterator[dict[str, str]]:
    """Yield cases."""
    yield {"output": "x"}


def blocking() -> None:
    """Hold the types of the facade: the client's, without the await."""
    with Evaluator(max_workers=8) as ev:
        assert_type(ev.evaluate("toxicity", {"output": "x"}), BatchRunResult)
        assert_type(ev.gather([{"output": "x"}], "toxicity", concurrency=3), Report)
        assert_type(ev.get_execution("id"), BlockingExecution)
        assert_type(ev.get_execution("id").result(), EvalResult)
        for outcome in ev.stream([{"output": "x"}], "toxicity"):
            assert_type(outcome, Outcome)
        with ev.stream([{"output": "x"}], "toxicity", concurrency=3) as run:
            assert_type(run, BlockingStream)
            assert_type(run.statistics(), ClientStatistics)
        assert_type(ev.evaluate("toxicity", output="x"), EvalResult)
        assert_type(ev.submit("toxicity", {"output": "x"}, timeout=5), BlockingExecution)
        assert_type(ev.submit("toxicity", [{"output": "x"}]), list[BlockingExecution])
        assert_type(ev.submit(["toxicity", "tone"], {"output": "x"}), list[BlockingExecution])
        assert_type(ev.evaluate(["toxicity", "tone"], output="x"), BatchRunResult)
        assert_type(instrument(ev), Evaluator)
        assert_type(ev.poll("id"), EvalResult)
        assert_type(ev.poll(ev.get_execution("id")), EvalResult)
        assert_type(ev.with_options(max_retries=0), Evaluator)
        assert_type(ev.statistics(), ClientStatistics)
        with ev.background("toxicity", sink=print, on_full="wait") as queue:
            assert_type(queue.offer({"output": "x"}), bool)
        Evaluator(concurency=3)  # type: ignore[call-arg]  # a misspelt keyword is seen everywhere
        ev.with_options(on_ambiguous="maybe")  # type: ignore[arg-type]  # and a wrong value
        ev.stream([], "toxicity", concurency=3)  # type: ignore[call-arg]  # in streams, too
        ev.submit("toxicity", {"output": "x"}, modle="x")  # type: ignore[call-overload]  # and in overloads
        ev.gather([], "toxicity", concurency=3)  # type: ignore[call-arg]  # a misspelt keyword is seen
    assert_type(evaluate("toxicity", output="x"), EvalResult)
    assert_type(evaluate(CALM, backends=["local", Judge("m")], output="x"), EvalResult)
    with Evaluator(backends=[Judge("m")]) as ev:
        assert_type(ev.gather([{"output": "x"}], [CALM, short]), Report)
    evaluate("toxicity", backends=["clod"], output="x")  # type: ignore[list-item]  # so is a backend that is none


def compared(old: Report, new: Report) -> None:
    imported = import_run("results.json", "other.db", tool="promptfoo")
    assert_type(imported, ImportedRun)
    matrix = compare_runs([old, new, imported.run], names=["old", "new", "other"])
    assert_type(matrix, RunMatrix)
    assert_type(matrix.difference("new").adjusted_p, float | None)
    compare_runs({"old": old.outcomes, "new": new}, baseline="new", by="id")
