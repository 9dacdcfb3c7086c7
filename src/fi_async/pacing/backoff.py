"""How long to wait before trying again. The only importer of `backoff`."""

from __future__ import annotations

import random
from itertools import islice
from typing import Final

import backoff

FIRST: Final = 0.5
LONGEST: Final = 8.0

# backoff.expo yields None first (a protocol of its decorators), then 0.5, 1, 2, 4, 8, 8, …
_LADDER: Final = tuple(islice(backoff.expo(base=2, factor=FIRST, max_value=LONGEST), 1, 6))


def delay(attempts: int, rng: random.Random) -> float:
    """Return the seconds to wait after so many failed attempts: 0.5 s doubled up to 8 s, with jitter.

    Equal jitter, half fixed and half drawn: cases that failed together come back apart, none of them at
    once (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    longest = float(_LADDER[min(max(attempts, 1), len(_LADDER)) - 1])
    return rng.uniform(longest / 2, longest)
