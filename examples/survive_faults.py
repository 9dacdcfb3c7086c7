"""Evaluates 300 cases on a server that fails, cuts connections and limits, and accounts for every one of them.

The server counts what it did; the report counts what the client saw. Both are printed side by side, once for
each answer to the question: a request left, its reply was lost: send it again?
"""

import asyncio

from fi_async import AsyncEvaluator
from fi_async.local import Faults, LocalBackend, Quota, Switches

UNRELIABLE = Switches(
    latency=0.02,
    requests=Quota(150, 1.0),  # over 150 requests a second: 429
    faults=Faults(status={503: 0.04}, reset_before=0.01, reset_after=0.03, cut_json=0.01, fail=0.02),
    seed=3,
)
CASES = [
    {"input": "Which box?", "output": f"Box {box} is full.", "context": f"Box {box} is full."} for box in range(300)
]


async def run(on_ambiguous: str) -> None:
    backend = LocalBackend(UNRELIABLE)
    async with AsyncEvaluator.local(backend, concurrency=32) as ev:
        report = await ev.gather(CASES, "groundedness", on_ambiguous=on_ambiguous)
    seen, did = report.summary(), backend.statistics()
    if [outcome.index for outcome in report.outcomes] != list(range(len(CASES))):
        raise SystemExit("a case has no outcome, or more than one")
    if did["duplicates"] > seen["possible_duplicates"]:
        raise SystemExit("a case was evaluated twice, and the report does not say so")
    print(f'on_ambiguous="{on_ambiguous}"')
    print(f"  scored {seen['scored']}, failed {seen['failed']}, retries {seen['retries']}, 429s {seen['throttled']}")
    print(f"  ambiguous {seen['ambiguous']}, possible duplicates {seen['possible_duplicates']}")
    print(f"  the server: {did['evaluations_made']} evaluations, {did['duplicates']} of them duplicates")
    kinds = sorted({type(outcome.error).__name__ for outcome in report.failures})
    print(f"  {len(CASES)} of {len(CASES)} cases accounted for in {report.wall_s:.1f} s; errors: {', '.join(kinds)}")


async def main() -> None:
    for on_ambiguous in ("resubmit", "fail"):
        await run(on_ambiguous)


asyncio.run(main())
