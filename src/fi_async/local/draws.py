"""Chance that does not depend on who comes first: the n-th draw of a purpose is fixed by the seed alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from statistics import NormalDist

from fi_async.local.quantities import LONGEST, Lognormal

_STANDARD_NORMAL = NormalDist()
_GREATEST_EXPONENT = 700.0  # of what is a float


def uniform(seed: int, purpose: str, n: int) -> float:
    """Return the n-th draw for this purpose, strictly between 0 and 1.

    A hash rather than a stream: clients that overtake each other do not change what the n-th request meets.
    """
    digest = hashlib.blake2b(b"%d %b %d" % (seed, purpose.encode(), n), digest_size=8).digest()
    # 52 bits and a half: neither end of the interval can be reached, not even by rounding.
    return ((int.from_bytes(digest) >> 12) + 0.5) / 2**52


def pick(chances: Iterable[tuple[str, float]], draw: float) -> str | None:
    """Return the name that this draw falls on, with each name as wide as its probability; None beyond them."""
    edge = 0.0
    for name, probability in chances:
        edge += probability
        if draw < edge:
            return name
    return None


def latency(distribution: float | Lognormal, seed: int, n: int, purpose: str = "latency") -> float:
    """Return the seconds that the n-th evaluation takes, or the n-th of whatever the purpose is."""
    if isinstance(distribution, Lognormal):
        normal = _STANDARD_NORMAL.inv_cdf(uniform(seed, purpose, n))
        return min(LONGEST, distribution.median * math.exp(min(_GREATEST_EXPONENT, distribution.sigma * normal)))
    return distribution
