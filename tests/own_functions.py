"""Functions of a user's, at the top of a module, where another process finds them."""

from __future__ import annotations

import math
import os
import sys
import threading
import time

from fi_async import template


@template(processes=2)
def in_process(output: str, what: str = "") -> bool:
    if what == "raises":
        raise ValueError(f"no good: {output}")
    if what == "nan":
        return math.nan
    if what == "exits":
        sys.exit(3)
    if what == "dies":
        os._exit(3)
    if what == "hangs":
        time.sleep(60)
    return output == "yes"


@template(processes=1)
def lone(output: object) -> int:
    return os.getpid() if output == "who" else 0


@template(processes=1)
def looped(output: str) -> float:
    total = 0.0
    for number in range(int(output)):
        total += number % 7
    return total


class Unhandy(dict[str, int]):
    """A value that no other process can be handed."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
