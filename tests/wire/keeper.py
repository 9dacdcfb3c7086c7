"""A program whose run is kept: begun by the tests in a process of its own, killed there, and begun again.

    python keeper.py '{"url": …, "path": …, "group": …, "count": …, "options": …, "retry": […]}'

It prints "begun" once the run is, and in the end a JSON line: how each case ended, and what the run asked for.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

from fi_async import AsyncEvaluator, Outcome, RunFile


def cases(group: int, count: int) -> Iterator[dict[str, str]]:
    for number in range(count):
        yield {"text": f"group {group}, case {number}: {'needle' if number % 3 == 0 else 'straw'}"}


def told(outcome: Outcome) -> list[Any]:
    return [outcome.index, outcome.status.value, outcome.passed, type(outcome.error).__name__, outcome.origin]


async def main(order: dict[str, Any]) -> None:
    run = RunFile(order["path"], retry=order.get("retry", ()))
    async with AsyncEvaluator("key", "secret", order["url"]) as ev:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        report = await ev.gather(
            cases(order["group"], order["count"]),
            "contains",
            eval_config={"keyword": "needle"},
            run=run,
            **order["options"],
        )
    summary = report.summary()
    json.dump({"outcomes": [told(outcome) for outcome in report.outcomes], "summary": summary}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
