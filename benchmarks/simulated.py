"""Spreads cases over a plan of 50 a minute, 300 an hour and 1,000 a day, on the virtual clock.

    python benchmarks/simulated.py 10000

Prints the virtual seconds, the least they could be, evaluations refused, cases not scored, and the seconds it took.
"""

from __future__ import annotations

import sys
import time

import virtual
from workload import asked, cases

from fi_async import Limit
from fi_async.local import Quota

_PLAN = ((50, 60.0), (300, 3600.0), (1000, 86_400.0))
_LATENCY = 1.0


async def _spread(count: int) -> tuple[float, int, int]:
    app = virtual.backend(evaluations=tuple(Quota(*each) for each in _PLAN), latency=_LATENCY)
    limits = [Limit(*each, of="evaluations") for each in _PLAN]
    async with virtual.client(app, limits=limits) as evaluator:
        report = await evaluator.gather(list(cases("contains", count)), **asked("contains"))
    return report.wall_s, app.statistics()["refused_evaluations"], count - len(report.results)


def _bound(count: int) -> float:
    """Return the least seconds: of each length as many full windows as it takes, the longest first."""
    seconds = _LATENCY
    for quota, length in reversed(_PLAN):
        full = (count - 1) // quota
        seconds, count = seconds + full * length, count - full * quota
    return seconds


if __name__ == "__main__":
    began = time.perf_counter()
    wanted = int(sys.argv[1])
    wall, refused, lost = virtual.run(_spread(wanted))
    print(wall, _bound(wanted), refused, lost, time.perf_counter() - began)
