"""Evaluations of both kinds, from the request to the stored result, against what the platform answers."""

from __future__ import annotations

from uuid import UUID

import pytest

from local.api import PARIS

pytestmark = pytest.mark.anyio

GENERIC_500 = {
    "status": False,
    "type": "server_error",
    "code": "server_error",
    **dict.fromkeys(("detail", "message", "error", "result"), "Unable to run standalone evaluation. Please try again."),
}
UNSUPPORTED_INPUT = (
    "Missing required input(s) for eval: input. Required keys: ['output', 'input', 'context']. Optional keys: []."
)
GROUNDED = {"output": "It is in Paris.", "input": "Where is it?", "context": "It is in Paris."}
LOCAL = {"backend": "local", "estimate": False}


def items(reply):
    assert reply.status_code == 200, reply.text
    assert reply.json()["status"] is True
    (only,) = reply.json()["result"]
    return only["evaluations"]


async def test_a_sync_evaluation_answers_when_it_is_done(start):
    api = start(latency=2.0)
    began = api.clock.now
    (item,) = items(await api.post(PARIS))
    assert api.clock.now - began == 2.0
    UUID(item.pop("eval_id"))
    assert item == {
        "name": "contains",
        "reason": "Keyword 'Paris' found in output",
        "runtime": 2000,
        "output": "Passed",
        "output_type": "Pass/Fail",
        **LOCAL,
    }
    assert isinstance(item["runtime"], int)


async def test_an_async_evaluation_is_pending_then_processing_then_done(start):
    api = start(latency=2.0, capacity=1)
    body = {**PARIS, "is_async": True, "model": "turing_small"}
    (first,) = items(await api.post(body))
    assert first == {"name": "contains", "output_type": "Pass/Fail", "eval_id": first["eval_id"], **LOCAL}
    second = await api.submit(model="turing_small")
    waiting = "Evaluation is being processed."

    assert await api.progress(first["eval_id"]) == {"eval_status": "pending", "result": waiting}
    api.clock.now += 1.5
    assert await api.progress(first["eval_id"]) == {"eval_status": "processing", "result": waiting}
    assert await api.progress(second) == {"eval_status": "pending", "result": waiting}
    api.clock.now += 0.5
    assert await api.progress(first["eval_id"]) == {
        "eval_status": "completed",
        "result": {
            "eval_id": first["eval_id"],
            "name": "contains",
            "input_data": {"text": "Paris"},
            "reason": "Keyword 'Paris' found in output",
            "runtime": 2000.0,
            "model": "turing_small",
            "output_type": "Pass/Fail",
            "value": "Passed",
            "error_localizer_enabled": False,
            **LOCAL,
        },
    }
    api.clock.now += 1.0
    assert (await api.progress(second))["eval_status"] == "processing"
    api.clock.now += 1.0
    assert (await api.progress(second))["eval_status"] == "completed"


async def test_runtime_is_a_float_in_get_and_value_a_string(api):
    eval_id = await api.submit(
        eval_name="levenshtein_similarity", inputs={"output": "kitten", "expected": "sitting"}, config={}
    )
    reply = await api.get(eval_id=eval_id)
    assert '"runtime":0.0' in reply.text
    assert reply.json()["result"]["result"]["value"] == "0.5714285714285714"


async def test_a_failed_verdict_reads_failed_if_it_was_synchronous_and_completed_if_not(api):
    wrong = {**PARIS, "inputs": {"text": "Rome"}}
    (item,) = items(await api.post({**wrong, "model": "turing_small"}))
    sync = await api.progress(item["eval_id"])
    assert item["output"] == sync["result"]["value"] == "Failed"
    assert sync["eval_status"] == "failed"
    assert sync["result"]["error_message"] is None
    assert sync["result"]["model"] is None

    answered = await api.progress(await api.submit(**wrong))
    assert answered["eval_status"] == "completed"
    assert "error_message" not in answered["result"]


async def test_a_low_score_by_a_judge_reads_failed_too_and_one_by_code_does_not(api):
    judged = {"eval_name": "groundedness", "inputs": {**GROUNDED, "output": "Berlin hosts zebras."}}
    counted = {"eval_name": "levenshtein_similarity", "inputs": {"output": "abc", "expected": "xyz"}}
    statuses = []
    for body in (judged, counted):
        (item,) = items(await api.post(body))
        statuses.append((await api.progress(item["eval_id"]))["eval_status"])
    assert statuses == ["failed", "completed"]


async def test_an_estimate_says_so(api):
    (item,) = items(await api.post({"eval_name": "groundedness", "inputs": GROUNDED}))
    assert (item["backend"], item["estimate"]) == ("local", True)
    assert (await api.progress(item["eval_id"]))["result"]["estimate"] is True


@pytest.mark.parametrize("blank", ["", "   ", "{}", "[]", "null"])
async def test_a_blank_input_is_a_500_or_a_failure_later(api, blank):
    body = {**PARIS, "inputs": {"text": blank}}
    reply = await api.post(body)
    assert (reply.status_code, reply.json()) == (500, GENERIC_500)

    eval_id = await api.submit(**body)
    assert await api.progress(eval_id) == {
        "eval_status": "failed",
        "result": {
            "eval_id": eval_id,
            "name": "contains",
            "input_data": {"text": blank},
            "reason": None,
            "runtime": None,
            "model": None,
            "output_type": None,
            "value": None,
            "error_localizer_enabled": False,
            **LOCAL,
            "error_message": "No input received for 'text'. Please check your input.",
        },
    }


async def test_an_engine_error_is_a_400_or_a_failure_later(api):
    body = {"eval_name": "regex", "inputs": {"text": "x"}, "config": {"params": {"pattern": "("}}}
    text = "Code eval input validation failed: Runtime error: missing ), unterminated subpattern at position 0"
    reply = await api.post(body)
    assert (reply.status_code, reply.json()) == (
        400,
        {
            "status": False,
            "type": "validation_error",
            "code": "invalid",
            **dict.fromkeys(("detail", "message", "error", "result"), text),
        },
    )
    assert (await api.progress(await api.submit(**body)))["result"]["error_message"] == text


async def test_an_optional_key_may_be_missing_until_the_engine_looks(api):
    body = {"eval_name": "groundedness", "inputs": {"output": "It is in Paris.", "context": "It is in Paris."}}
    reply = await api.post(body)
    assert (reply.status_code, reply.json()["detail"]) == (400, UNSUPPORTED_INPUT)
    failed = await api.progress(await api.submit(**body, config={}))
    assert (failed["eval_status"], failed["result"]["error_message"]) == ("failed", UNSUPPORTED_INPUT)


@pytest.mark.parametrize("raw", [rb'"Paris \u0000"', rb'"Paris \ud800"'], ids=["nul", "surrogate"])
@pytest.mark.parametrize("is_async", [b"true", b"false"])
async def test_what_the_database_refuses_is_a_500(api, raw, is_async):
    body = b'{"eval_name":"contains","inputs":{"text":%b},"is_async":%b}' % (raw, is_async)
    reply = await api.post(content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()) == (500, GENERIC_500)


async def test_text_that_only_looks_like_a_nul_is_stored(api):
    text = r"Paris \u0000"
    progress = await api.progress(await api.submit(inputs={"text": text}))
    assert progress["result"]["input_data"] == {"text": text}


async def test_rows_of_a_sync_batch_run_one_after_the_other(start):
    api = start(latency=2.0)
    began = api.clock.now
    batch = items(await api.post({**PARIS, "inputs": {"text": ["Paris", "Rome", "Paris 2"]}}))
    assert [item["output"] for item in batch] == ["Passed", "Failed", "Passed"]
    assert len({item["eval_id"] for item in batch}) == 3
    assert api.clock.now - began == 6.0


async def test_one_failing_row_of_a_sync_batch_loses_the_reply_but_not_what_ran(api):
    reply = await api.post({**PARIS, "inputs": {"text": ["Paris", "", "Paris 3"]}})
    assert reply.status_code == 500
    assert api.backend.statistics()["evaluations_made"] == 2


async def test_an_async_batch_is_accepted_up_to_the_row_that_cannot_be_stored(api):
    reply = await api.post({**PARIS, "inputs": {"text": ["Paris", "\0", "Paris 3"]}, "is_async": True})
    assert (reply.status_code, reply.json()) == (500, GENERIC_500)
    assert api.backend.statistics()["evaluations_made"] == 1


async def test_one_list_has_no_limit(api):
    assert len(items(await api.post({**PARIS, "inputs": {"text": ["Paris"] * 50}, "is_async": True}))) == 50


async def test_an_empty_list_is_no_evaluation(api):
    assert items(await api.post({**PARIS, "inputs": {"text": []}})) == []


async def test_a_string_beside_a_first_list_is_taken_apart_by_character(api):
    body = {"eval_name": "levenshtein_similarity", "inputs": {"output": ["abc", "bcd"], "expected": "ab"}}
    first, second = items(await api.post(body))
    assert first["output"] == second["output"] == pytest.approx(1 / 3)
    stored = (await api.progress(second["eval_id"]))["result"]
    assert stored["input_data"] == {"output": "bcd", "expected": "b"}


async def test_a_string_too_short_for_that_is_a_500(api):
    body = {"eval_name": "levenshtein_similarity", "inputs": {"output": ["abc", "bcd", "x"], "expected": "a"}}
    assert (await api.post(body)).json() == GENERIC_500
    assert (await api.post({**body, "is_async": True})).json() == GENERIC_500


async def test_a_list_after_a_first_string_is_one_value(api):
    body = {"eval_name": "levenshtein_similarity", "inputs": {"expected": "ab", "output": ["abc", "bcd"]}}
    assert len(items(await api.post(body))) == 1


async def test_lists_of_lists_are_rows_of_lists_without_limit(api):
    rows = [["a"], ["b"], ["c"], ["d"]]
    body = {
        "eval_name": "recall_at_k",
        "inputs": {"hypothesis": rows, "reference": [["a"], ["b"], ["x"], ["d"], ["left out"]]},
        "config": {"params": {"k": 1}},
    }
    assert [item["output"] for item in items(await api.post(body))] == [1.0, 1.0, 0.0, 1.0]


async def test_input_data_comes_back_with_the_shortest_key_first(api):
    eval_id = await api.submit(eval_name="groundedness", inputs=GROUNDED, config={})
    assert list((await api.progress(eval_id))["result"]["input_data"]) == ["input", "output", "context"]


async def test_the_error_localizer_leaves_its_mark(api):
    result = (await api.progress(await api.submit(error_localizer=True)))["result"]
    assert result["error_localizer_enabled"] is True
    assert result["error_localizer"] == {"error_analysis": {}, "selected_input_key": None}


@pytest.mark.parametrize("form", [str, str.upper, lambda text: text.replace("-", "")])
async def test_any_form_of_a_uuid_finds_an_evaluation(api, form):
    eval_id = await api.submit()
    assert (await api.progress(form(eval_id)))["result"]["eval_id"] == eval_id


async def test_another_key_does_not_find_it(api):
    reply = await api.as_key("other").get(eval_id=await api.submit())
    assert (reply.status_code, reply.json()["result"]) == (400, "Evaluation not found.")


async def test_two_equal_posts_are_two_evaluations(api):
    headers = {"Idempotency-Key": "k1"}
    first, second = [items(await api.post(PARIS, headers=headers))[0]["eval_id"] for _ in range(2)]
    assert first != second
    counted = api.backend.statistics()
    assert (counted["evaluations_made"], counted["distinct"], counted["duplicates"]) == (2, 1, 1)


async def test_old_servers_spell_in_camel_case(start):
    api = start(spelling="camel", latency=1.0)
    eval_id = await api.submit(eval_name="groundedness", inputs={**GROUNDED, "input": " "}, config={})
    assert await api.progress(eval_id) == {"evalStatus": "pending", "result": "Evaluation is being processed."}
    api.clock.now += 1
    progress = await api.progress(eval_id)
    assert progress["evalStatus"] == "failed"
    result = progress["result"]
    assert result["evalId"] == eval_id
    assert result["errorMessage"].startswith("No input received")
    assert result["outputType"] is None
    assert result["inputData"] == {**GROUNDED, "input": " "}


async def test_lists_of_equal_length_are_rows_of_several_keys(api):
    body = {"eval_name": "levenshtein_similarity", "inputs": {"output": ["a", "b", "c"], "expected": ["a", "x", "c"]}}
    assert [item["output"] for item in items(await api.post(body))] == [1.0, 0.0, 1.0]
