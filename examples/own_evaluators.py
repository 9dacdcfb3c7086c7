"""A function of one's own, criteria of one's own and a judge, in one run: who answered what, and what it cost.

Needs no key: the judge is the embedded backend's, whose verdicts are made up. Judge("gpt-5-mini") asks OpenAI.
"""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Literal

from fi_async import AsyncEvaluator, Criteria, Judge, Limit, template
from fi_async.local import ChatFaults, ChatSwitches, LocalBackend, Switches

PRICE = (0.25, 2.0)  # dollars a million tokens, in and out


@template
def cites_all(output: str, sources: list[str]) -> tuple[bool, str]:
    """Every source that was given is cited."""
    missing = [source for source in sources if source not in output]
    return not missing, f"missing: {', '.join(missing)}" if missing else "all are cited"


@template(choices={"short": 1.0, "fair": 0.5, "long": 0.0})
async def length(output: str) -> Literal["short", "fair", "long"]:
    await asyncio.sleep(0)  # where one of your own asks a service
    words = len(output.split())
    return "short" if words < 8 else "fair" if words < 20 else "long"


CALM = Criteria("calm", "Does {{output}} stay calm towards {{input}}?", choices={"calm": 1.0, "curt": 0.5, "rude": 0.0})
CASES = [
    {
        "input": f"Where is order {number}?",
        "output": f"Order {number} is on its way [1]." if number % 3 else f"Order {number} left us yesterday.",
        "context": f"Order {number} was sent.",
        "sources": ["[1]"],
    }
    for number in range(200)
]


async def main() -> None:
    faults = ChatFaults(not_json=0.05, refusal=0.02)
    server = LocalBackend(Switches(chat=ChatSwitches(prices={"stand-in": PRICE}, faults=faults)))
    judge = Judge(
        "stand-in",
        app=server,
        api_key="any",
        price=PRICE,
        max_cost=1.0,
        limits=[Limit(1_000_000, per="minute", of="tokens")],
    )
    templates = ["one_line", "groundedness", CALM, cites_all, length]
    async with AsyncEvaluator(backends=["local", judge]) as ev:
        plan = await ev.plan(CASES, templates)
        print(f"planned: {plan.requests} requests, {plan.tokens:,} tokens, about ${plan.cost or 0:.2f}")
        report = await ev.gather(CASES, templates)
    for name in report.summary()["templates"]:
        outcomes = [outcome for outcome in report.outcomes if outcome.template == name]
        statuses = Counter(outcome.status.value for outcome in outcomes)
        print(f"{name:13} by {outcomes[0].backend:6} {dict(statuses)}")
    print("no verdict:", report.failures[0].error)

    spent = sum(Decimal(str(outcome.cost or 0)) for outcome in report.outcomes)
    tokens = sum(outcome.usage.total_tokens for outcome in report.outcomes if outcome.usage)
    charged = server.chat_statistics()["dollars"]
    if len(report.outcomes) != len(CASES) * len(templates) or abs(spent - charged) > Decimal("1e-9"):
        raise SystemExit(f"{len(report.outcomes)} outcomes, ${spent}, and the endpoint charged ${charged}")
    print(f"{len(report.outcomes)} outcomes, {tokens:,} tokens, ${spent:.4f}, as the endpoint counted")


asyncio.run(main())
