"""What a chat endpoint's answer comes to: a verdict with its cost, or an error that says why there is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import ASKED, KEY, NOW, PASS_FAIL, RUBRICS, SCORED, USAGE, answer, reply, verdict
from fi_async import EvaluationError
from fi_async._errors import APIError, JudgeError, NotFoundError, ProtocolError, RateLimitError, ServerError
from fi_async._results import Usage
from fi_async.wire import chat_replies
from fi_async.wire.chat_replies import Judgement, usage_of
from fi_async.wire.chat_requests import Repair

PASS = verdict("Pass")


def read(body, rubric=PASS_FAIL, **headers):
    return chat_replies.read(reply(body, **headers), rubric, ASKED, NOW)


def refused(body, **headers):
    with pytest.raises(JudgeError) as caught:
        read(body, **headers)
    return caught.value


def test_an_answer_is_a_verdict_with_all_that_stands_beside_it():
    assert read(answer(verdict("curt", "It is short.")), SCORED) == Judgement(
        output={"score": 0.5, "choice": "curt"},
        reason="It is short.",
        usage=Usage(input_tokens=58, output_tokens=20),
        cost=None,
        model="m-1-2026",
        id="chatcmpl-1",
    )


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": PASS}],
        [{"type": "thinking", "thinking": "x", "text": verdict("Fail")}, {"type": "text", "text": PASS}],
        [{"type": "text", "text": PASS[:10]}, {"type": "output_text", "text": PASS[10:]}],
    ],
)
def test_content_in_parts_is_read(content):
    assert read(answer(content)).output == "Passed"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (None, None),
        ("", None),
        (["a", 1], '["a", 1]'),
        ("half \ud800 pair", "half \N{REPLACEMENT CHARACTER} pair"),
    ],
)
def test_a_reason_is_text_or_none_and_does_not_unmake_a_verdict(reason, expected):
    found = read(answer(json.dumps({"reason": reason, "result": "Pass"})))
    assert (found.output, found.reason) == ("Passed", expected)


def test_a_reply_with_little_beside_the_verdict_is_read():
    bare = {"choices": [{"message": {"content": PASS}}]}
    assert read(bare) == Judgement("Passed", "Because.")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, Usage(input_tokens=58, output_tokens=20)),
        (
            {
                "prompt_tokens": 58,
                "completion_tokens": 20,
                "total_tokens": 78,
                "prompt_tokens_details": {"cached_tokens": 47},
                "completion_tokens_details": {"reasoning_tokens": 12},
            },
            Usage(input_tokens=58, cached_tokens=47, output_tokens=20, reasoning_tokens=12),
        ),
        # Gemini and xAI: what was thought is in the total only.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115},
            Usage(input_tokens=10, output_tokens=105, reasoning_tokens=100),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8},
            Usage(input_tokens=10, cached_tokens=8, output_tokens=5),
        ),
        ({"input_tokens": 3, "output_tokens": 4.0}, Usage(input_tokens=3, output_tokens=4)),
        (
            {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": None, "total_tokens": None},
            Usage(input_tokens=3, output_tokens=4),
        ),
        (
            {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(input_tokens=3, cached_tokens=3, output_tokens=1),
        ),
        ({"total_tokens": 78}, None),
        ({"prompt_tokens": True, "completion_tokens": 4}, None),
        ({"prompt_tokens": -1, "completion_tokens": 4}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 4}, None),
        ({"prompt_tokens": 1e300, "completion_tokens": 4}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_read_in_each_servers_words(usage, expected):
    assert usage_of(usage) == expected


@pytest.mark.parametrize(
    ("cost", "header", "expected"),
    [
        (0.00014, None, 0.00014),
        (0, None, 0.0),
        (None, "0.002", 0.002),
        (0.5, "0.002", 0.5),
        (True, None, None),
        (-1, None, None),
        ("NaN", None, None),
        (None, "free", None),
        (None, None, None),
        (10**400, None, None),
    ],
)
def test_the_endpoints_own_figure_is_taken(cost, header, expected):
    headers = {} if header is None else {"x_litellm_response_cost": header}
    assert read(answer(PASS, usage={**USAGE, "cost": cost}), **headers).cost == expected


def test_a_refusal_of_the_model_is_a_failure_in_its_words():
    error = refused(answer(None, refusal="I can't help with that."))
    assert error.message == "the judge refused to judge this case: I can't help with that."
    assert (error.repairable, error.server_message) == (False, "I can't help with that.")
    assert error.usage == Usage(input_tokens=58, output_tokens=20)
    assert isinstance(error, EvaluationError)


def test_an_answer_that_was_cut_off_is_a_failure_that_says_by_what():
    usage = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 18}}
    error = refused(answer(PASS, finish="length", usage=usage))
    assert error.message == (
        "the judge's answer was cut off after 20 tokens, 18 of them thought: give max_tokens a higher value, or leave"
        " it out"
    )
    assert not error.repairable


def test_an_answer_that_a_filter_stopped_is_a_failure():
    error = refused(answer("I will", finish="content_filter"))
    assert (error.message, error.repairable) == ("a content filter stopped the judge's answer", False)
    assert error.server_message == "I will"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("I think it passes.", 'it holds no JSON object with the key "result"'),
        (verdict("maybe"), 'its result is "maybe", and neither "Pass" nor "Fail"'),
        (None, "it said nothing"),
        ("  \n", "it said nothing"),
    ],
)
def test_words_without_a_verdict_are_never_a_score_and_may_be_repaired(content, why):
    body = answer(content, usage={**USAGE, "cost": 0.25})
    error = refused(body, x_request_id="r-9")
    assert error.message == f"the judge gave no verdict: {why}"
    assert (error.repairable, error.cost, error.model, error.request_id) == (True, 0.25, "m-1-2026", "r-9")
    assert chat_replies.repair(reply(body), error) == Repair(content or "", why)


@pytest.mark.parametrize("choices", [[], None, [None], [{}], [{"message": None}], "x"])
def test_an_answer_without_words_says_nothing(choices):
    error = refused({"choices": choices, "usage": USAGE})
    assert error.message == "the judge gave no verdict: it said nothing"
    assert error.usage.total_tokens == 78
    assert chat_replies.repair(reply({"choices": choices}), error) == Repair("", "it said nothing")


def test_words_in_an_error_are_few_and_hold_no_key():
    error = refused(answer(f"{KEY} " + "x" * 5000))
    assert error.server_message.startswith("*** xxx")
    assert len(error.server_message) <= 500


@pytest.mark.parametrize(
    ("body", "kind", "message", "lost"),
    [
        (b"", ProtocolError, "the reply is empty", True),
        (
            b" <html>",
            ProtocolError,
            "the reply is a page, and no JSON: is https://judge.test/v1 right? It mostly ends in /v1",
            True,
        ),
        (b"upstream", ProtocolError, "the reply is no JSON, or not all of it", True),
        (b'{"choices": [', ProtocolError, "the reply is no JSON, or not all of it", True),
        (
            b"[]",
            ProtocolError,
            "the reply has no choices: is https://judge.test/v1 right? It mostly ends in /v1",
            False,
        ),
        (
            b'{"status": "ok"}',
            ProtocolError,
            "the reply has no choices: is https://judge.test/v1 right? It mostly ends in /v1",
            False,
        ),
    ],
)
def test_what_is_no_answer_says_so(body, kind, message, lost):
    with pytest.raises(kind) as caught:
        read(body)
    assert caught.value.message == message
    assert caught.value.lost is lost


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"error": {"message": "slow down", "code": 429}}, RateLimitError, 429),
        ({"error": {"message": "no", "type": "overloaded_error"}}, ServerError, 529),
        ({"error": "broken"}, ServerError, 500),
        ({"object": "error", "message": "no such model", "code": 404}, NotFoundError, 404),
        ([{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}], ServerError, 503),
        ({"choices": [{"error": {"code": 502, "message": "upstream"}, "finish_reason": "error"}]}, ServerError, 502),
        ({"error": {"message": "gone"}, "choices": []}, ServerError, 500),
    ],
)
def test_an_error_in_a_good_reply_is_one(body, kind, status):
    with pytest.raises(kind) as caught:
        read(body)
    assert caught.value.status == status


@pytest.mark.parametrize("error", [None, {}, "", {"message": "a warning"}])
def test_an_error_beside_an_answer_does_not_unmake_it(error):
    assert read({**answer(PASS), "error": error}).output == "Passed"


PIECES = st.sampled_from(
    ["choices", "message", "content", "usage", "error", "code", "refusal", "finish_reason", PASS, "length"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | PIECES,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(PIECES | st.text(max_size=5), each, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(200, 599), st.sampled_from(RUBRICS))
def test_only_our_errors_leave_whatever_the_reply(body, status, rubric):
    try:
        found = chat_replies.read(reply(body, status), rubric, ASKED, NOW)
    except (APIError, JudgeError):
        return
    assert status < 300
    assert found.output is not None


@given(st.binary(max_size=200))
def test_only_our_errors_leave_whatever_the_bytes(body):
    with pytest.raises((APIError, JudgeError)):
        read(body)


@given(JSON, JSON, JSON)
def test_a_good_verdict_is_read_whatever_stands_beside_it(usage, model, number):
    found = read({**answer(PASS, usage=usage), "model": model, "id": number})
    assert found.output == "Passed"
