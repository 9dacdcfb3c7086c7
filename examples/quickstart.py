"""Three cases, one call: what each came to. Needs no key: it asks the embedded backend."""

import asyncio

from fi_async import AsyncEvaluator

PASSAGE = "The Eiffel Tower stands on the Champ de Mars in Paris."
CASES = [
    {"input": "Where is it?", "output": "The Eiffel Tower is in Paris.", "context": PASSAGE},
    {"input": "Where is it?", "output": "The Eiffel Tower is in Berlin.", "context": PASSAGE},
    {"input": "Where is it?", "output": "", "context": PASSAGE},
]


async def main() -> None:
    async with AsyncEvaluator.local() as ev:  # AsyncEvaluator() asks the cloud, with FI_API_KEY and FI_SECRET_KEY
        report = await ev.gather(CASES, "groundedness", model_name="turing_small")
    for outcome in report.outcomes:
        print(outcome.index, outcome.status, outcome.score, outcome.error or "")
    print(report)


asyncio.run(main())
