"""The client processes of the official SDK (ai-evaluation 1.1.0), with the patterns of its cookbook; see harness."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from cookbook import evaluate_in_parallel, scored
from fi.evals import Evaluator
from harness import KEYS, Growth, Meter, main, wait_for_window
from workload import asked, cases

_POLL_SECONDS = 3  # the cookbook's
_LONGEST_WAIT = 45  # 15 rounds of these


def threads(
    url: str,
    count: int,
    workers: int,
    template: str,
    *,
    warm_up: bool = True,
    window: float = 0.0,
    outcomes: bool = False,
) -> dict[str, Any]:
    """Evaluate all cases in a thread pool, each by a call of `evaluate`."""
    evaluator = Evaluator(fi_base_url=url, max_workers=workers, **KEYS)
    if warm_up:
        _in_threads(lambda inputs: _evaluate(evaluator, template, inputs), cases(template, workers), workers)
    wait_for_window(window)
    meter = Meter()
    results = _in_threads(lambda inputs: _evaluate(evaluator, template, inputs), cases(template, count), workers)
    measured: dict[str, Any] = meter.read(count)
    measured["scored"] = sum(result.output is not None for result in results)
    if outcomes:
        measured["outcomes"] = [
            {
                "index": index,
                "status": "scored" if result.output is not None else "failed",
                "passed": {"Passed": True, "Failed": False}.get(result.output),
                "eval_id": result.eval_id or None,
            }
            for index, result in enumerate(results)
        ]
    return measured


def _evaluate(evaluator: Evaluator, template: str, inputs: dict[str, str], **more: Any) -> Any:
    return evaluator.evaluate(inputs=inputs, **asked(template), **more).eval_results[0]


def _in_threads(
    call: Callable[[Any], Any], items: Iterable[Any], workers: int, done: Callable[[], None] = lambda: None
) -> list[Any]:
    given = list(items)
    results: list[Any] = [None] * len(given)
    with ThreadPoolExecutor(max_workers=workers) as executor:
        futures = {executor.submit(call, item): index for index, item in enumerate(given)}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            done()
    return results


def memory(url: str, count: int, first: int, workers: int) -> dict[str, Any]:
    """Evaluate many cases as in `threads`; the SDK has no way that keeps fewer results than cases."""
    evaluator = Evaluator(fi_base_url=url, max_workers=workers, **KEYS)
    growth, meter = Growth(first), Meter()
    given = cases("contains", count)
    _in_threads(lambda inputs: _evaluate(evaluator, "contains", inputs), given, workers, growth.one_done)
    return growth.read() | meter.read(count)


def poll(url: str, count: int, workers: int, template: str) -> dict[str, Any]:
    """Submit all with is_async=True, then poll in rounds: the cookbook's, with the key that servers now answer."""
    evaluator = Evaluator(fi_base_url=url, max_workers=workers, **KEYS)
    meter = Meter()
    accepted = _in_threads(
        lambda inputs: _evaluate(evaluator, template, inputs, is_async=True).eval_id, cases(template, count), workers
    )
    pending, until = set(accepted), time.monotonic() + _LONGEST_WAIT
    while pending and time.monotonic() < until:
        pending -= {eval_id for eval_id in pending if _is_completed(evaluator.get_eval_result(eval_id))}
        if pending:
            time.sleep(_POLL_SECONDS)
    return meter.read(count) | {"scored": count - len(pending)}


def _is_completed(answer: dict[str, Any]) -> bool:
    inner = answer.get("result", {})
    return isinstance(inner, dict) and "completed" in (inner.get("eval_status"), inner.get("evalStatus"))


def parallel(url: str, count: int, workers: int) -> dict[str, Any]:
    """Run the cookbook's block."""
    meter = Meter()
    results = evaluate_in_parallel(Evaluator(fi_base_url=url, **KEYS), count, workers)
    return meter.read(count) | {"scored": scored(results)}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # it logs every failure; printing them is not what is measured
    main({"threads": threads, "memory": memory, "poll": poll, "parallel": parallel})
