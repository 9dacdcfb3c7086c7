"""The embedded backend on a port, for tests of users' own programs."""

from __future__ import annotations

from fi_async import Evaluator, ServerError
from fi_async.local import Faults

KEYS = {"fi_api_key": "any", "fi_secret_key": "any"}


def test_a_server_answers_any_key_pair_and_takes_switches_for_a_while(fi_local_server):
    with Evaluator(**KEYS, fi_base_url=fi_local_server.url, max_retries=0) as ev:
        made = fi_local_server.backend.statistics()["evaluations_made"]
        assert ev.evaluate("is_json", {"text": "[1]"}).eval_results[0].passed
        with fi_local_server.switched(faults=Faults(html_500=1.0)):
            failed = ev.gather([{"text": "[1]"}], "is_json").outcomes[0]
        assert isinstance(failed.error, ServerError)
        assert ev.evaluate("is_json", {"text": "[1]"}).eval_results[0].passed
        assert fi_local_server.backend.statistics()["evaluations_made"] == made + 2
