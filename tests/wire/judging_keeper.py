"""A program whose run is kept, and asks a judge, the platform and a function: see keeper.py."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from fi_async import AsyncEvaluator, Criteria, Judge, Outcome, RunFile, template

CALM = Criteria("calm", "Does {{text}} stay calm?", choices={"calm": 1.0, "curt": 0.5, "rude": 0.0})


@template
def even(text: str) -> bool:
    time.sleep(0.002)
    return int(text.split()[3].rstrip(":")) % 2 == 0


def cases(group: int, count: int) -> list[dict[str, str]]:
    return [
        {"text": f"group {group}, case {number}: {'needle' if number % 3 == 0 else 'straw'}"} for number in range(count)
    ]


def told(outcome: Outcome) -> list[Any]:
    output = None if outcome.result is None else outcome.result.output
    return [outcome.index, outcome.template, outcome.status.value, output, type(outcome.error).__name__]


async def main(order: dict[str, Any]) -> None:
    judge = Judge("m", base_url=f"{order['url']}/v1", api_key="key", concurrency=16)
    async with AsyncEvaluator("key", "secret", order["url"], backends=[judge, "cloud"]) as ev:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        report = await ev.gather(
            cases(order["group"], order["count"]),
            [CALM, even, "contains"],
            eval_config={"contains": {"keyword": "needle"}},
            run=RunFile(order["path"]),
            on_ambiguous="resubmit",
            max_retries=8,
        )
    json.dump({"outcomes": [told(outcome) for outcome in report.outcomes], "summary": report.summary()}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
