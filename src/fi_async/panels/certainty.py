"""How often a judge has to be asked about one case until it is certain what it says of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Final

PRECISION: Final = 0.95
"""How certain a verdict has to be, where nobody says it."""

MOST: Final = 9
"""How many repeats a case may have at most, where nobody says it."""

_PRIOR: Final = 0.5  # Jeffreys': a judge that says one thing mostly says it always


@lru_cache(maxsize=4096)
def certainty(lead: int, n: int) -> float:
    """Return how probably a judge gives an answer in more than half of all repeats that it gave `lead` times of `n`.

    The share has a beta distribution of parameters lead + 1/2 and n - lead + 1/2 (Jeffreys' prior; L. D. Brown,
    T. T. Cai and A. DasGupta, Statistical Science 16 (2001) 101), and what is returned is the part of it above 1/2,
    by the recurrence of the incomplete beta function I(a + 1, b) = I(a, b) - x^a (1 - x)^b / (a B(a, b)), and its
    mirror image in b, from I(1/2, 1/2) = 1/2 on.
    """
    below = 0.5
    a = b = _PRIOR
    for _ in range(lead):
        below -= _step(a, b, a)
        a += 1
    for _ in range(n - lead):
        below += _step(a, b, b)
        b += 1
    return min(1.0, max(0.0, 1 - below))


def _step(a: float, b: float, raised: float) -> float:
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return math.exp((a + b) * math.log(0.5) - math.log(raised) - log_beta)


def fewest(precision: float, lead: int = 0, n: int = 0, most: int = 10_000) -> int:
    """Return how many further repeats make a verdict certain at the least: if all of them say the same as `lead` of n.

    `most`, if not even so many do.
    """
    return next((more for more in range(1, most) if certainty(lead + more, n + more) >= precision), most)


def further(said: Sequence[Hashable], asked: int, precision: float, most: int) -> int:
    """Return how many more repeats a case is worth: 0 if its verdict is certain, or it has had its share.

    Args:
        said: What its repeats said, those without a verdict left out.
        asked: How many repeats there were, those included.
        precision: How probably what is said most is what is said in more than half of all repeats.
        most: How many repeats there may be.
    """
    if not said or asked >= most:
        return 0
    (_, lead), *_ = Counter(said).most_common(1)
    if certainty(lead, len(said)) >= precision:
        return 0
    return min(most - asked, fewest(precision, lead, len(said), most - asked))
