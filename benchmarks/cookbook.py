"""The cookbook's "Evaluate 50+ items in parallel", word for word but for printing: which SDK runs it is the import."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any


def evaluate_in_parallel(evaluator: Any, count: int, workers: int) -> list[Any]:
    test_cases = [
        {
            "output": f"Response {i}: The capital of France is Paris.",
            "context": "Paris is the capital and most populous city of France.",
            "input": f"Question {i}: What is the capital of France?",
        }
        for i in range(count)
    ]

    def evaluate_one(index: int, test_case: dict[str, str]) -> tuple[int, Any]:
        result = evaluator.evaluate(
            eval_templates="groundedness",
            inputs=test_case,
            model_name="turing_small",
        )
        return index, result

    results: list[Any] = [None] * len(test_cases)
    with ThreadPoolExecutor(max_workers=workers) as executor:
        futures = {executor.submit(evaluate_one, i, tc): i for i, tc in enumerate(test_cases)}
        for future in as_completed(futures):
            idx, result = future.result()
            results[idx] = result
    return results


def scored(results: list[Any]) -> int:
    """Count the results with an output, as the cookbook does."""
    return sum(1 for r in results if r and r.eval_results and r.eval_results[0].output is not None)
