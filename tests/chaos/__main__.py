"""Plays rounds of chaos, and checks each: `python -m chaos --rounds N --seed S [--short] [--keep DIRECTORY]`.

Round n of seed S has the seed S + n: a round that failed is played again by `--rounds 1 --seed` with the number that
is printed. It keeps its files, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from .checker import faults, tally
from .orders import MISCHIEF, Order, draw
from .rounds import play

_SHOWN = 12


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def described(order: Order) -> str:
    options = " ".join(f"{name}={value}" for name, value in order.options.items())
    kills = " ".join(f"{name}@{after:.3g}" for name, after in order.kills)
    return (
        f"{order.count}x{len(order.templates)} {order.door} {order.transport}{' kept' if order.kept else ''} {options}"
        f" mischief={sorted(order.mischief)} faults={order.switches['faults']} kills=[{kills}]"
        f" restarts={len(order.restarts)}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None, help="drawn, and printed, if it is not given")
    parser.add_argument("--short", action="store_true", help="fewer cases and kills")
    parser.add_argument("--only", choices=MISCHIEF, action="append", help="what the proxy does, often; may be repeated")
    parser.add_argument("--keep", type=Path, default=None, help="where the files of rounds that failed go")
    asked = parser.parse_args(arguments)
    first = secrets.randbelow(10**8) if asked.seed is None else asked.seed
    say(f"{asked.rounds} rounds from seed {first}")
    total, failed, began = Counter[str](), 0, perf_counter()
    for seed in range(first, first + asked.rounds):
        order = draw(seed, short=asked.short)
        if asked.only:
            order = replace(order, mischief=dict.fromkeys(asked.only, 0.08))
        place = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-", dir=asked.keep))
        played = asyncio.run(play(order, place))
        found = faults(played)
        counted = tally(played)
        total += counted
        say(f"round {seed}: {'FAILED' if found else 'ok'} in {played.seconds:.1f} s, {dict(counted)}")
        if not found:
            shutil.rmtree(place)
            continue
        failed += 1
        say(f"  {described(order)}")
        for each in found[:_SHOWN]:
            say(f"  {each}")
        say(f"  {len(found)} faults; files: {place}; again: --rounds 1 --seed {seed}{' --short' * asked.short}")
    whole, seconds = asked.rounds - failed, perf_counter() - began
    say(f"{whole} of {asked.rounds} rounds without a fault in {seconds:.0f} s: {dict(total)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
