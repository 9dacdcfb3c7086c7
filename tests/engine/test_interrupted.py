"""A server that is away for a while, or refuses whoever asks: nothing is lost, and nothing is paid twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import APIConnectionError, AuthenticationError

pytestmark = pytest.mark.anyio


class Away:
    """A transport to which the server is not there for some seconds."""

    def __init__(self, transport: Any, begins: float, ends: float) -> None:
        self._transport = transport
        self._begins, self._ends = begins, ends
        self.tried: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def send(self, *args: Any, **more: Any) -> Any:
        if self._begins <= anyio.current_time() < self._ends:
            self.tried.append(anyio.current_time())
            raise APIConnectionError("could not connect: refused", sent=False, unreachable=True)
        return await self._transport.send(*args, **more)


async def test_a_server_that_is_away_for_15_s_costs_no_case_and_no_retry():
    app = backend(latency=0.5)
    async with client(app, concurrency=16) as ev:
        away = ev._session.transport = Away(ev._session.transport, 2.0, 17.0)
        report = await ev.gather(texts(250), "contains", eval_config=NEEDLE)
    summary = report.summary()
    assert (report.coverage, summary["retries"], summary["possible_duplicates"]) == (1.0, 0, 0)
    assert Counter(away.tried) == {2.0: 16, 2.5: 1, 3.5: 1, 5.5: 1, 9.5: 1}
    assert app.statistics()["evaluations_made"] == 250
    assert report.wall_s <= 19.5 + (250 - 64) / 16 * 0.5 + 1.0  # the next try is 10 s after the last that failed


async def test_a_wrong_key_leaves_nothing_in_doubt(tmp_path):
    file = tmp_path / "run.db"
    app = backend(latency=1.0, keys={"local": "another"})
    async with client(app, concurrency=16, strategy="sync") as ev:
        with pytest.raises(AuthenticationError) as caught:
            await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=file)
    assert caught.value.report.summary()["ambiguous"] == 0
    assert app.statistics()["posts"] == 16
    app = backend(latency=1.0)
    async with client(app, concurrency=16, strategy="sync") as ev:
        report = await ev.gather(texts(40), "contains", eval_config=NEEDLE, run=file)
    summary = report.summary()
    assert (report.coverage, summary["ambiguous"], summary["possible_duplicates"]) == (1.0, 0, 0)
    assert app.statistics()["evaluations_made"] == 40
