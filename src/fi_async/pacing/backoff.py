"""How long to wait before trying again. The only importer of `backoff`."""

from __future__ import annotations

import random
from functools import cache
from itertools import islice
from typing import Final

FIRST: Final = 0.5
LONGEST: Final = 8.0


def delay(attempts: int, rng: random.Random) -> float:
    """Return the seconds to wait after so many failed attempts: 0.5 s doubled up to 8 s, with jitter.

    Equal jitter, half fixed and half drawn: cases that failed together come back apart, none of them at
    once (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    ladder = _ladder()
    longest = ladder[min(max(attempts, 1), len(ladder)) - 1]
    return rng.uniform(longest / 2, longest)


@cache
def _ladder() -> tuple[float, ...]:
    import backoff  # noqa: PLC0415  # its decorators import what a client that waits for nothing has no use for

    # It yields None first (a protocol of its decorators), then 0.5, 1, 2, 4, 8, 8, …
    return tuple(map(float, islice(backoff.expo(base=2, factor=FIRST, max_value=LONGEST), 1, 6)))
