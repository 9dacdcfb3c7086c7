from __future__ import annotations

import anyio
import pytest

from clock import VirtualClockLoop
from embedded import NEEDLE, texts
from fi_async import Report
from judged import CALM, PRICE, Endpoint, client, talks


@pytest.fixture(scope="module")
def report() -> Report:
    """Two templates, of which one has scores for half of its cases, and one has none at all."""

    async def run() -> Report:
        endpoint = Endpoint()
        async with client("local", endpoint.judge(price=PRICE)) as ev:
            good = await ev.gather(
                [*({**talk, **text} for talk, text in zip(talks(4), texts(4), strict=True)), *texts(4)],
                [CALM, "contains"],
                eval_config={"contains": NEEDLE},
                extra_keys="ignore",
            )
            none = await ev.gather([{"wrong": "1"}] * 3, "is_json")
        return Report([*good.outcomes, *none.outcomes], good.wall_s, good.counts)

    return anyio.run(run, backend_options={"loop_factory": VirtualClockLoop})
