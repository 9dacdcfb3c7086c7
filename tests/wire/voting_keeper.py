"""A program whose run is kept, and has each case judged several times by each juror of a jury: see keeper.py."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fi_async import AsyncEvaluator, Criteria, Judge, Jury, RunFile

CALM = Criteria("calm", "Does {{text}} stay calm?")


async def main(order: dict[str, Any]) -> None:
    at = {"base_url": f"{order['url']}/v1", "api_key": "key", "concurrency": order["concurrency"]}
    jury = Jury(*(Judge(name, **at) for name in order["jurors"]))
    async with AsyncEvaluator(backends=[jury]) as ev:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        report = await ev.gather(
            [{"text": f"case {number}"} for number in range(order["count"])],
            CALM,
            repeats=order["repeats"],
            reduce="majority",
            run=RunFile(order["path"]),
            max_retries=8,
        )
    outcomes = [
        [
            [each.index, str(each.status), None if each.result is None else each.result.output],
            [[vote.passed for vote in sample.votes] for sample in each.samples],
        ]
        for each in report.outcomes
    ]
    json.dump({"outcomes": outcomes, "requests": report.counts.requests}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
