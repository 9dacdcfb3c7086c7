"""How long a chat endpoint says to wait: in its headers, in whichever style, or in its body.

| where, in this order                                        | form                                      |
|-------------------------------------------------------------|-------------------------------------------|
| `retry-after-ms`                                            | milliseconds                              |
| `retry-after`                                               | seconds, or an HTTP date                  |
| `x-ratelimit-reset-requests`, `-tokens`                     | `1s`, `6m0s`, `20ms`, or seconds          |
| `x-ratelimit-reset`, `ratelimit-reset`                      | seconds, or a time in s or ms since 1970  |
| `anthropic-ratelimit-…-reset`                               | RFC 3339                                  |
| body: `RetryInfo.retryDelay` (Gemini)                       | `45.8s`                                   |
| body: `error.metadata` (OpenRouter)                         | seconds, or headers as above              |
| body: "try again in 1.2s", "retry after 20 seconds"         | words                                     |
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from fi_async.wire.chat_refusals import body_of, error_in
from fi_async.wire.responses import Reply, epoch_of, objects_of, retry_after

LONGEST_WAIT: Final = 86_400.0  # seconds: what says more has the clock wrong, or will not be waited for anyway
_LONGEST_TEXT: Final = 2_000
_PART: Final = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([a-zµ]*)", re.IGNORECASE)
_UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
_IN_WORDS: Final = re.compile(
    r"(?:try again|retry|retrying|wait)\s+(?:in|after|for)\s+([0-9][^,;!\n]{0,40})", re.IGNORECASE
)
_EPOCH: Final = 1e9  # no wait is as long, so that what is more is a time
_EPOCH_MS: Final = 1e11


def wait_of(reply: Reply, now: float) -> float | None:
    """Return the seconds that a refusal says to wait, at most a day; None if it does not say.

    Args:
        reply: The refusal.
        now: Seconds since the epoch: what times in the reply are taken relative to, where it has no Date of its own.
    """
    clock = now if reply.date is None else reply.date
    for wait in _said(reply, clock):
        if wait is not None and math.isfinite(wait):
            return min(max(0.0, wait), LONGEST_WAIT)
    return None


def _said(reply: Reply, clock: float) -> Iterator[float | None]:
    headers = reply.headers
    yield _thousandth(_seconds(headers.get("retry-after-ms")))
    yield retry_after(reply)
    date = epoch_of(headers.get("retry-after"))
    yield None if date is None else date - clock
    yield _reset(headers, "x-ratelimit-{}-{}", ("requests", "tokens"), clock)
    yield _moment(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset"), clock)
    kinds = ("requests", "tokens", "input-tokens", "output-tokens")
    yield _reset(headers, "anthropic-ratelimit-{1}-{0}", kinds, clock)
    body = body_of(reply)
    error = error_in(body)
    for detail in objects_of(error.get("details")):
        yield _seconds(detail.get("retryDelay"))
    metadata = error.get("metadata")
    if isinstance(metadata, dict):
        yield _seconds(metadata.get("retry_after_seconds"))
        yield _of_openrouter(metadata.get("headers"), clock)
    yield _in_words(error.get("message") or error.get("detail") or body.get("message"))


def _reset(headers: Mapping[str, str], form: str, kinds: tuple[str, ...], clock: float) -> float | None:
    """Return the wait for whichever limit was met.

    That is the one of which nothing remains. Where something does of all, a request wanted more tokens than are left:
    it is never more than one request.
    """
    waits = {kind: _moment(headers.get(form.format("reset", kind)), clock) for kind in kinds}
    known = {kind: wait for kind, wait in waits.items() if wait is not None}
    spent = [wait for kind, wait in known.items() if _seconds(headers.get(form.format("remaining", kind))) == 0]
    of_tokens = [wait for kind, wait in known.items() if kind != "requests"]
    return max(spent or of_tokens or known.values(), default=None)


def _moment(said: object, clock: float) -> float | None:
    """Return the seconds until a time, or the seconds themselves where they are given."""
    seconds = _seconds(said)
    if seconds is not None:
        at = seconds / 1e3 if seconds >= _EPOCH_MS else seconds
        return at - clock if seconds >= _EPOCH else seconds
    if not isinstance(said, str):
        return None
    try:
        when = datetime.fromisoformat(said.strip())
        return None if when.tzinfo is None else when.timestamp() - clock
    except (ValueError, OverflowError):
        return None


def _seconds(said: object) -> float | None:
    """Return a duration in seconds: a number, or a text such as "1h2m3.5s"; None if it is none."""
    if isinstance(said, int | float) and not isinstance(said, bool):
        return float(said) if abs(said) < 1e15 else None
    if not isinstance(said, str) or len(said) > 60 or not said.strip():
        return None
    total, end, text = 0.0, 0, said.strip()
    while end < len(text):
        part = _PART.match(text, end)
        unit = None if part is None else _UNITS.get(part[2].lower())
        if part is None or unit is None:
            return None
        total, end = total + float(part[1]) * unit, part.end()
    return total


def _thousandth(value: float | None) -> float | None:
    return None if value is None else value / 1e3


def _of_openrouter(headers: object, clock: float) -> float | None:
    """Return what the headers say that an endpoint before this one was refused with."""
    if not isinstance(headers, dict):
        return None
    lower = {str(name).lower(): value for name, value in headers.items()}
    after = _seconds(lower.get("retry-after"))
    return after if after is not None else _moment(lower.get("x-ratelimit-reset"), clock)


def _in_words(message: Any) -> float | None:
    """Return the wait that a sentence names: the numbers after "try again in", as far as they have units."""
    found = _IN_WORDS.search(message[:_LONGEST_TEXT]) if isinstance(message, str) else None
    if found is None:
        return None
    total, end, text = 0.0, 0, found[1]
    while (part := _PART.match(text, end)) and (part[2].lower() in _UNITS):
        total, end = total + float(part[1]) * _UNITS[part[2].lower()], part.end()
    return total if end else None
