"""Whatever happens to a run, in any order, it can be gone on with: nothing is lost or wrong, all is told."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import anyio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clock import VirtualClockLoop, wall_clock
from embedded import NEEDLE, backend, client, texts
from fi_async import AmbiguousError, RunFile
from fi_async._threads import hops
from fi_async.journal.view import open_view
from fi_async.local import Faults, Lognormal

COUNT = 30
FAULTS = {
    "none": Faults(),
    "some": Faults(status={503: 0.05}, status_after={502: 0.05}, reset_after=0.05, cut_json=0.03),
}


class Crashes(RuleBasedStateMachine):
    """One run of 30 cases that is begun, killed, cancelled, looked at and gone on with, on one virtual clock."""

    @initialize(
        strategy=st.sampled_from(["sync", "async"]),
        on_ambiguous=st.sampled_from(["resubmit", "fail"]),
        faults=st.sampled_from(sorted(FAULTS)),
        seed=st.integers(0, 9),
    )
    def begin(self, strategy: Any, on_ambiguous: Any, faults: str, seed: int) -> None:
        self.loop = VirtualClockLoop()
        self.place = Path(tempfile.mkdtemp())
        self.app = backend(latency=Lognormal(2.0, 0.5), faults=FAULTS[faults], seed=seed)
        self.options = {"strategy": strategy, "on_ambiguous": on_ambiguous, "max_retries": 8}
        self.forbids = on_ambiguous == "fail"
        self.generation = 0
        self.outcomes: dict[int, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()
            shutil.rmtree(self.place)

    @property
    def path(self) -> Path:
        return self.place / f"run-{self.generation}.db"

    def gather(self, **kept: Any) -> Any:
        async def run() -> Any:
            async with client(self.app, concurrency=8, **self.options) as ev:
                ev._session.wall_clock = wall_clock
                file = RunFile(self.path, **kept)
                return await ev.gather(texts(COUNT), "contains", eval_config=NEEDLE, run=file)

        return run()

    @rule(seconds=st.floats(0.0, 12.0))
    def kill(self, seconds: float) -> None:
        """Go on with what the disk held at that moment, as after a kill: whatever came later is as if it had not."""

        async def run() -> None:
            running = asyncio.ensure_future(self.gather(drain=0.001))
            await anyio.sleep(seconds)
            while hops.under_way:
                pass  # a commit under way is there or not, as on a disk, but not half of its copy
            for file in self.place.glob(f"{self.path.name}*"):
                if not file.name.endswith(("-shm", "-lock")):
                    shutil.copy(file, self.place / file.name.replace(self.path.name, f"run-{self.generation + 1}.db"))
            running.cancel()
            await asyncio.wait([running])

        self.loop.run_until_complete(run())
        self.generation += 1

    @rule(seconds=st.floats(0.0, 12.0), drain=st.floats(0.001, 5.0))
    def cancel(self, seconds: float, drain: float) -> None:
        async def run() -> None:
            with anyio.move_on_after(seconds):
                await self.gather(drain=drain)

        self.loop.run_until_complete(run())

    @rule(retry=st.sets(st.sampled_from(["failed", "stalled", "ambiguous"])))
    def finish(self, retry: set[Any]) -> None:
        report = self.loop.run_until_complete(self.gather(retry=sorted(retry)))
        assert [outcome.index for outcome in report.outcomes] == list(range(COUNT))
        for outcome in report.outcomes:
            if outcome.result is not None:
                assert outcome.passed == (outcome.index % 3 == 0)
            else:
                assert isinstance(outcome.error, AmbiguousError)
                assert self.forbids
        if "ambiguous" in retry:
            self.options["on_ambiguous"] = "resubmit"  # it was bidden: from here on, evaluations may be doubled

    @precondition(lambda self: self.path.exists())
    @invariant()
    def what_ended_stays(self) -> None:
        with open_view(self.path) as view:
            assert view.past.count <= COUNT
            scored = {r.outcome.index: r.outcome.eval_id for r in view.records() if r.outcome.result is not None}
        assert scored.items() >= {n: each for n, each in self.outcomes.items() if n in scored}.items()
        self.outcomes = scored

    @invariant()
    def nothing_is_paid_twice_unbidden(self) -> None:
        if hasattr(self, "app") and self.options["on_ambiguous"] == "fail":
            assert self.app.statistics()["duplicates"] == 0


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=25, stateful_step_count=6, deadline=None)
