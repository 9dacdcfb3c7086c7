"""Quotas of requests and tokens in fixed windows: reserved when a request comes, settled when it is answered."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush
from typing import Final, Literal

from fi_async.local.chat import refusals
from fi_async.local.chat.switches import ChatSwitches
from fi_async.local.envelopes import Headers, HttpReply
from fi_async.local.quantities import Quota

_EARLY_SECONDS: Final = 1.0

ChatOwner = tuple[str, str]
"""A key and a model."""

ChatReason = Literal["requests", "tokens", "too_large", "early"]
"""Why a request gets a 429: a quota, that it is larger than one, or no reason but the server's."""


class AmountWindows:
    """Counts amounts per owner in fixed windows, and takes back at its time what turns out not to be used."""

    def __init__(self) -> None:
        self._used: defaultdict[tuple[ChatOwner, Quota], dict[int, int]] = defaultdict(dict)
        self._changes: list[tuple[float, int, tuple[ChatOwner, Quota], int, int]] = []
        self._number = 0

    def used(self, owner: ChatOwner, quota: Quota, now: float) -> int:
        """Return how much of the window of `now` is used."""
        self._settle(now)
        return self._used[owner, quota].get(quota.window(now), 0)

    def take(self, owner: ChatOwner, quota: Quota, amount: int, now: float) -> None:
        """Use so much of the window of `now`."""
        used = self._used[owner, quota]
        window = quota.window(now)
        for past in [each for each in used if each < window]:
            del used[past]
        used[window] = used.get(window, 0) + amount

    def settle_later(self, owner: ChatOwner, quota: Quota, change: int, taken: float, due: float) -> None:
        """Change, from the time `due`, what was used of the window of `taken`."""
        self._number += 1
        heappush(self._changes, (due, self._number, (owner, quota), quota.window(taken), change))

    def _settle(self, now: float) -> None:
        while self._changes and self._changes[0][0] <= now:
            _, _, key, window, change = heappop(self._changes)
            if window in self._used[key]:
                self._used[key][window] += change


class ChatQuotas:
    """The quotas of requests and of tokens, for each key and model."""

    def __init__(self) -> None:
        self._requests = AmountWindows()
        self._tokens = AmountWindows()

    def admit(self, owner: ChatOwner, chat: ChatSwitches, estimate: int, now: float) -> ChatReason | None:
        """Let a request in, of an estimate of so many tokens; or return why not, having used nothing."""
        requests, tokens = chat.requests, chat.tokens
        if requests is not None and self._requests.used(owner, requests, now) >= requests.count:
            return "requests"
        if tokens is not None and estimate > tokens.count:
            return "too_large"
        if tokens is not None and self._tokens.used(owner, tokens, now) + estimate > tokens.count:
            return "tokens"
        if requests is not None:
            self._requests.take(owner, requests, 1, now)
        if tokens is not None:
            self._tokens.take(owner, tokens, estimate, now)
        return None

    def settle(self, owner: ChatOwner, chat: ChatSwitches, unused: int, taken: float, due: float) -> None:
        """Give back at the time `due` what was not used of an estimate made at the time `taken`."""
        if chat.tokens is not None:
            self._tokens.settle_later(owner, chat.tokens, -unused, taken, due)

    def headers(self, owner: ChatOwner, chat: ChatSwitches, now: float) -> Headers:
        """Return the headers that tell of the limits that there are, in the manner of the style."""
        found: list[tuple[str, str]] = []
        for kind, quota, meter in (
            ("requests", chat.requests, self._requests),
            ("tokens", chat.tokens, self._tokens),
        ):
            if quota is None or chat.style in ("gemini", "openrouter", "ollama"):
                continue
            left = max(0, quota.count - meter.used(owner, quota, now))
            end = quota.ends(now)
            is_anthropic = chat.style == "anthropic"
            told = {"limit": str(quota.count), "remaining": str(left)}
            if "reset" in refusals.hints_of(chat):
                told["reset"] = refusals.rfc_3339(end) if is_anthropic else refusals.go_duration(end - now)
            name = "anthropic-ratelimit-{kind}-{what}" if is_anthropic else "x-ratelimit-{what}-{kind}"
            found += [(name.format(kind=kind, what=what), value) for what, value in told.items()]
        return tuple(found)


def refusal(chat: ChatSwitches, reason: ChatReason, estimate: int, now: float) -> HttpReply:
    """Return the 429 of a request of an estimate of so many tokens."""
    if reason == "too_large" and chat.tokens is not None:
        return refusals.too_large(chat.tokens.count, estimate)
    kind, quota = ("tokens", chat.tokens) if reason == "tokens" else ("requests", chat.requests)
    if reason == "early" or quota is None:
        return refusals.rate_limited(chat, kind, "the server is busy", _EARLY_SECONDS, _EARLY_SECONDS)
    limit = f"{quota.count} in {quota.window_seconds:g} s"
    return refusals.rate_limited(chat, kind, limit, quota.ends(now) - now, quota.window_seconds)
