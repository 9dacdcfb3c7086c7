"""Streams 5,000 cases through the embedded backend into a JSONL file, in memory that does not grow with them.

    python gather_thousands.py [FILE] [CASES]

The cases are generated as they are asked for. The consumer is slow at times, and so is the reading then.
"""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from fi_async import AsyncEvaluator, Case
from fi_async.local import LocalBackend, Switches

CONCURRENCY = 64
CITIES = ["Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito", "Hanoi"]


class Cases:
    """Cases made one at a time, counted as they are read."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.read = 0

    def __iter__(self) -> Iterator[Case]:
        for position in range(self.number):
            self.read += 1
            city = CITIES[position % len(CITIES)]
            said = city if position % 10 else "Atlantis"
            inputs = {
                "input": f"Where was parcel {position} handed over?",
                "output": f"Parcel {position} was handed over in {said}.",
                "context": f"The courier handed over parcel {position} in {city}.",
            }
            yield Case(inputs, id=f"parcel-{position}")


async def main(path: Path, number: int) -> None:
    cases, statuses, passed, ahead = Cases(number), Counter(), 0, 0
    began = perf_counter()
    async with AsyncEvaluator.local(LocalBackend(Switches(latency=0.01)), concurrency=CONCURRENCY) as ev:
        with path.open("w", encoding="utf-8") as file:
            async for outcome in ev.stream(cases, "groundedness"):
                statuses[str(outcome.status)] += 1
                passed += bool(outcome.passed)
                ahead = max(ahead, cases.read - statuses.total())
                line = {"id": outcome.case.id, "status": str(outcome.status), "score": outcome.score}
                file.write(json.dumps(line) + "\n")
                if statuses.total() % 1000 == 0:
                    print(f"{statuses.total():,} done, {cases.read - statuses.total()} more read")
                    await asyncio.sleep(0.1)  # a consumer that takes its time
    seconds = perf_counter() - began
    if statuses.total() != number or ahead > 4 * CONCURRENCY:
        raise SystemExit(f"{statuses.total()} outcomes of {number} cases, {ahead} read ahead")
    print(f"{dict(statuses)}, pass rate {passed / number:.1%}, never more than {ahead} cases in memory")
    print(f"{number:,} cases in {seconds:.1f} s, {number / seconds:,.0f} a second; lines in {path.name}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch) / "outcomes.jsonl"
        asyncio.run(main(target, int(sys.argv[2]) if len(sys.argv) > 2 else 5000))
