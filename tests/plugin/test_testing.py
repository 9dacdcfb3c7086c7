"""The fixtures that the plugin brings along for tests of users' own programs."""

from __future__ import annotations

from fi_async import ServerError
from fi_async.local import Faults, Switches


def test_an_evaluator_asks_the_tests_own_backend(fi_local, fi_local_backend):
    assert fi_local.evaluate("is_json", {"text": "[1]"}).eval_results[0].passed
    assert fi_local_backend.statistics()["evaluations_made"] == 1


async def test_so_does_one_that_is_awaited(fi_local_async, fi_local_backend, anyio_backend):
    fi_local_backend.switches = Switches(faults=Faults(html_500=1.0))
    outcome = (await fi_local_async.gather([{"text": "[1]"}], "is_json", max_retries=0)).outcomes[0]
    assert isinstance(outcome.error, ServerError)
    assert fi_local_backend.statistics()["evaluations_made"] == 0
