"""The embedded backend: the evaluation API on this machine, without a key, an account or a network.

It is the same server in process (an ASGI application), in tests, and behind `fi-async serve`; with switches
it is slow, small, strict or faulty. What it evaluates are the platform's code evaluators, and estimates of
some that ask a model. The rest of the package reaches it through HTTP only.
"""

from __future__ import annotations

from fi_async.local.app import LocalBackend
from fi_async.local.chat.switches import ChatFaults, ChatSwitches
from fi_async.local.quantities import Lognormal, Quota
from fi_async.local.reading import parse_latency, parse_quota
from fi_async.local.switches import Faults, Switches
from fi_async.local.texts import parse_faults, parse_switches

__all__ = [
    "ChatFaults",
    "ChatSwitches",
    "Faults",
    "LocalBackend",
    "Lognormal",
    "Quota",
    "Switches",
    "parse_faults",
    "parse_latency",
    "parse_quota",
    "parse_switches",
]
