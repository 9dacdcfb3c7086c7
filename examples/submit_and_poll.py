"""Starts evaluations, forgets them, and comes back for the results with nothing but their ids."""

import asyncio

from fi_async import AsyncEvaluator, StalledError
from fi_async.local import LocalBackend, Switches

SERVER = LocalBackend(Switches(latency=1.0))  # takes a second an evaluation, so that there is something to wait for
CASES = [
    {"input": "Which is the capital?", "output": f"The capital is {city}.", "context": f"The capital is {right}."}
    for city, right in [("Paris", "Paris"), ("Nice", "Paris"), ("Rome", "Rome"), ("Milan", "Rome"), ("Oslo", "Oslo")]
]


async def start() -> list[str]:
    """What a web handler or a nightly job does: hand over, keep the ids, leave."""
    async with AsyncEvaluator.local(SERVER) as ev:
        executions = await ev.submit("groundedness", CASES)
        print(f"submitted {len(executions)}, the first is {executions[0].status}")
        return [execution.id for execution in executions]


async def collect(ids: list[str]) -> None:
    """What another program does later. Asking costs nothing, however often."""
    async with AsyncEvaluator.local(SERVER) as ev:
        try:
            await ev.poll(ids[0], timeout=0.2)
        except StalledError as error:
            print(f"not done yet: {error.message}")
        report = await ev.poll(ids)
    for outcome in report.outcomes:
        print(outcome.index, outcome.status, outcome.result.output if outcome.result else outcome.error)
    polls, seconds = report.counts.polls, report.wall_s
    print(f"{len(report.results)} of {len(ids)} results, {polls} polls, {seconds:.1f} s of waiting")


async def main() -> None:
    ids = await start()
    await collect(ids)


asyncio.run(main())
