"""kill -9 and freezes of workers in mid-run: nothing is lost or wrong, and what may be paid twice is counted.

FI_ASYNC_ORDEAL takes the ordeals of `ordeal.py` as a JSON list; where it does not, there is a small one.
"""

from __future__ import annotations

import json
import os
import sys

import pytest

import killing
from ordeal import LATENCY, Ordeal

SMALL = [{"cases": 400, "workers": 2, "kills": 1, "freezes": 1, "on_ambiguous": "resubmit"}]
ORDEALS = json.loads(os.environ.get("FI_ASYNC_ORDEAL", "null")) or SMALL


@pytest.fixture
def server():
    process, url = killing.serve("--port", "0", "--latency", LATENCY)
    yield url
    process.kill()
    process.communicate()


@pytest.mark.parametrize("order", ORDEALS, ids=lambda order: order["on_ambiguous"])
def test_a_run_whose_workers_die_and_freeze_ends_right(order, postgres_url, server):
    ordeal = Ordeal(postgres_url, server, **order)
    before = killing.statistics(server)
    try:
        ordeal.load()
        ordeal.endure()
        found = ordeal.verdict(before)
    finally:
        ordeal.close()
    sys.stdout.write(f"\n{found}\n")
    assert found["lost"] == found["twice"] == found["wrong"] == found["unscored"] == 0
    harms = order["kills"] + order["freezes"]
    if order["on_ambiguous"] == "fail":
        assert (found["paid twice"], found["counted"]) == (0, 0)
        assert found["ambiguous"] <= harms * ordeal.concurrency
    else:
        assert found["paid twice"] <= found["counted"] <= harms * ordeal.concurrency
