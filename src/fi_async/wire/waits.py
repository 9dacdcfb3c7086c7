"""How long a chat endpoint says to wait: in its headers, in whichever style, or in its body."""

from __future__ import annotations

from fi_async.wire.responses import Reply


def wait_of(reply: Reply, now: float) -> float | None:
    """Return the seconds that a refusal says to wait, at most a day; None if it does not say.

    Args:
        reply: The refusal.
        now: Seconds since the epoch: what times in the reply are taken relative to, where it has no Date of its own.
    """
    raise NotImplementedError
