"""What is offered to a queue, and what a queue tells of itself."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from fi_async._models import Case


@dataclass(frozen=True, slots=True)
class Offer(Case):
    """A case that was offered to a queue. Sinks find it as the `case` of its outcomes.

    Attributes:
        offer_id: One for each offer, the same after a restart: with the template's name it tells whether an outcome
            was stored before. Ids sort in the order of the offers.
        offered_at: When it was offered, in seconds since the epoch.
    """

    offer_id: str = ""
    offered_at: float = 0.0


def offer_ids(now: float, after: str = "") -> Iterator[str]:
    """Return an endless supply of ids, each greater than the one before it and than `after`. Threads may share it.

    Args:
        now: Seconds since the epoch.
        after: The greatest id of an earlier supply. The clock may have been set back since.
    """
    began = int(now * 1e6)
    if after:
        began = max(began, int(after.partition("-")[0], 16) + 1)
    # Not a generator, which refuses a thread while another has it.
    return map(f"{began:016x}-{secrets.token_hex(4)}-{{:08x}}".format, count())


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a queue has done so far, in cases: one of several templates counts once.

    `offered + replayed == dropped + kept + waiting + running + done`.

    Attributes:
        offered: Cases offered, those that were dropped included.
        replayed: Cases of earlier processes that the spool had at the start.
        dropped: Cases refused as the queue was full or closed, or not evaluated by the end of its drain.
        waiting: Cases in the queue.
        running: Cases that were taken from it, and whose outcomes the sink does not have yet.
        done: Cases whose outcomes went to the sink.
        failed: Those among the done without a score under some template.
        kept: Cases that the spool has for the next start, after the end of the drain.
        cut_off: Those among the dropped that the end of the drain cut off.
        sink_errors: Outcomes that the sink raised for.
        spool_errors: Writes to the spool that failed. Their cases were evaluated all the same.
    """

    offered: int = 0
    replayed: int = 0
    dropped: int = 0
    waiting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    kept: int = 0
    cut_off: int = 0
    sink_errors: int = 0
    spool_errors: int = 0
