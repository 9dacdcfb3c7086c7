"""A program that makes a dataset and has it evaluated: begun by the tests in a process of its own, and killed there.

    python dataset_keeper.py '{"url": …, "name": …, "count": …, "resume": …}'

It prints "begun" once it begins, "made" once all rows are there, and "started" once they are being evaluated.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

from fi_async import AsyncEvaluator


def rows(count: int) -> Iterator[dict[str, str]]:
    for number in range(count):
        yield {"id": f"q-{number}", "text": f"case {number}: {'needle' if number % 3 == 0 else 'straw'}"}


def tell(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main(order: dict[str, Any]) -> None:
    tell("begun")
    async with AsyncEvaluator("key", "secret", order["url"], max_retries=12) as ev:
        dataset = await ev.datasets.create(rows(order["count"]), name=order["name"], resume=order["resume"])
        tell("made")
        await dataset.evaluate("contains", eval_config={"keyword": "needle"})
        tell("started")
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
