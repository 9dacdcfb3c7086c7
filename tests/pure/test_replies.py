"""What each recorded reply of the platform's own server must become, and the replies nobody recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fi_async import (
    APIStatusError,
    AuthenticationError,
    EvalStatus,
    EvaluationError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from fi_async.wire import responses, verdicts
from fi_async.wire.responses import Reply

RECORDED: dict[str, dict[str, Any]] = {
    line["name"]: line
    for line in map(json.loads, (Path(__file__).parent / "replies.jsonl").read_text(encoding="utf-8").splitlines())
}


def recorded(name: str) -> Reply:
    line = RECORDED[name]
    return Reply(line["status"], line["headers"], line["body"].encode())


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"content-type": "application/json", "x-request-id": "r-1", **named}, content)


def words(names: str) -> list[str]:
    return names.split()


# What a sync call says of each row, in the order of the rows.
SCORED: dict[str, Sequence[Any]] = {
    **dict.fromkeys(
        words("""auth_lowercase_headers auth_workspace_header_other_org content_type_charset custom_partial_input
        err_model_empty_llm_template err_model_missing_llm_template err_model_nonsense_llm_template
        err_model_null_llm_template err_model_unknown_llm_template err_span_id_only func_contains_bogus_model
        func_contains_model_ignored func_contains_param_unknown func_contains_params_pass func_custom_code_ok
        func_is_json func_regex http2_post input_template_syntax input_unicode input_url_string json_duplicate_keys
        model_turing_flash model_turing_large ratelimit_apikey_not_limited route_idempotency_header
        route_idempotency_header_repeat route_request_id_echo sync_batched_1 sync_single_passfail_pass
        sync_single_slow_2s trace_eval_true trace_eval_true_no_span"""),
        ("Passed",),
    ),
    **dict.fromkeys(
        words("""error_localizer_func error_localizer_sync func_api_call func_contains_config_without_params
        func_contains_no_params func_contains_params_fail sync_single_passfail_fail"""),
        ("Failed",),
    ),
    "func_bleu": [0.488923022434901],
    "func_levenshtein": [0.5714285714285714],
    "func_numeric_score_zero": [0.0],
    "func_recall_at_k_flat_list": [1.0, 0.0, 0.0],
    "func_recall_at_k_nested": [0.5, 0.0],
    "func_recall_at_k_strings": [0.5],
    "func_rouge": [0.8333333333333334],
    "input_nested_2": ["Passed", "Failed"],
    "mixed_first_key_list_other_string": [0.33333333333333337, 0.33333333333333337],
    "mixed_first_key_string_other_list": [0.2857142857142857],
    "sync_batched_2": ["Passed", "Passed"],
    "sync_batched_3_mixed_verdicts": ["Passed", "Failed", "Passed"],
    "sync_batched_4_nested_two_keys": [1.0, 1.0, 0.0, 1.0],
    "sync_batched_4_one_list_one_nested": [1.0, 1.0, 0.0, 1.0],
    "sync_batched_50_one_key": ["Passed"] * 50,
    "sync_batched_empty_list": [],
    "sync_batched_nested_second_longer": [1.0],
    "sync_single_choices_multi": [["joy", "surprise"]],
    "sync_single_choices_scored": [{"score": 0.66, "choice": "frequently"}],
    "sync_single_numeric_custom": [0.4],
    "sync_single_reason_custom": ["4 words"],
    "sync_single_score_llm": [0.9],
    "sync_single_score_llm_low": [0.1],
}

# How many evaluations an async call starts.
ACCEPTED = {
    "async_batched_3": 3,
    "async_batched_50_one_key": 50,
    "async_single": 1,
    "async_single_slow_2s": 1,
    "async_string_true": 1,
    "async_temporal_down": 1,
    "error_localizer_async": 1,
    "ratelimit_calllog_async": 1,
}

UNDER_WAY = {
    "async_single_slow_2s_get_processing": EvalStatus.PROCESSING,
    "get_pending": EvalStatus.PENDING,
    "get_pending_forever_after_temporal_down": EvalStatus.PENDING,
    "get_processing": EvalStatus.PROCESSING,
}

# Output and score of a poll that finds an evaluation done; those of sync calls may be stored as "failed".
COMPLETED: dict[str, tuple[Any, float | None]] = {
    "async_single_slow_2s_get": ("Passed", 1.0),
    "error_localizer_async_get": ("Failed", 0.0),
    "error_localizer_func_get": ("Failed", 0.0),
    "error_localizer_sync_get": ("Failed", 0.0),
    "func_contains_params_fail_get": ("Failed", 0.0),
    "func_levenshtein_get": (0.5714285714285714, 0.5714285714285714),
    "get_async_no_model": ("Passed", 1.0),
    "get_async_unknown_model": ("Passed", 1.0),
    "get_completed_choices_multi": (["joy", "surprise"], None),
    "get_completed_choices_scored": ({"score": 1.0, "choice": "always"}, 1.0),
    "get_completed_numeric": (0.3, 0.3),
    "get_completed_passfail_fail": ("Failed", 0.0),
    "get_completed_passfail_func": ("Passed", 1.0),
    "get_completed_passfail_func_fail": ("Failed", 0.0),
    "get_completed_passfail_pass": ("Passed", 1.0),
    "get_completed_reason": ("3 words", None),
    "get_completed_score": (0.8, 0.8),
    "get_completed_score_func": (0.5714285714285714, 0.5714285714285714),
    "get_completed_score_zero": (0.0, 0.0),
    "get_uuid_uppercase": ("Passed", 1.0),
    "get_uuid_without_dashes": ("Passed", 1.0),
    "mixed_first_key_list_other_string_get": (0.33333333333333337, 0.33333333333333337),
    "sync_single_choices_multi_get": (["joy", "surprise"], None),
    "sync_single_choices_scored_get": ({"score": 0.66, "choice": "frequently"}, 0.66),
    "sync_single_numeric_custom_get": (0.4, 0.4),
    "sync_single_passfail_fail_get": ("Failed", 0.0),
    "sync_single_reason_custom_get": ("4 words", None),
    "sync_single_score_llm_get": (0.9, 0.9),
    "sync_single_score_llm_low_get": (0.1, 0.1),
    "sync_single_slow_2s_get": ("Passed", 1.0),
}
STORED_AS_FAILED = {
    "error_localizer_func_get",
    "error_localizer_sync_get",
    "func_contains_params_fail_get",
    "sync_single_choices_multi_get",
    "sync_single_passfail_fail_get",
    "sync_single_score_llm_low_get",
}

# The server's words on an evaluation that it ran, and that failed.
FAILED = {
    "get_async_llm_bad_json": "Evaluation failed. Please try again. If the problem persists, contact support.",
    "get_failed_empty_input": "No input received for 'text'. Please check your input.",
    "get_failed_llm_error": "Evaluation failed. Please try again. If the problem persists, contact support.",
    "get_failed_optional_key_omitted": (
        "Missing required input(s) for eval: input. Required keys: ['output', 'input', 'context']. Optional keys: []."
    ),
    "get_failed_user_code": "Code eval input validation failed: Runtime error: boom in custom code",
    "ratelimit_calllog_async_get": "API call not allowed: rate_limited",
}

# 400 that names fields: which.
INVALID_FIELDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        words("""
        async_batched_4_two_keys_400 custom_extra_key err_extra_key err_input_bool err_input_dict err_input_float
        err_input_int err_input_list_of_dicts err_input_list_with_int err_input_list_with_null err_input_nested_3
        err_input_null err_inputs_empty_dict err_inputs_list err_inputs_null err_inputs_string err_missing_inputs
        err_missing_required_key sync_batched_4_two_keys_400 sync_batched_lengths_differ_400"""),
        ("inputs",),
    ),
    **dict.fromkeys(
        words("""
        err_config_not_dict err_config_null err_config_params_not_dict func_param_out_of_range func_param_unknown
        func_param_wrong_type"""),
        ("config",),
    ),
    **dict.fromkeys(
        words("err_eval_name_case err_eval_name_int err_json_array err_json_null err_json_string err_unknown_template"),
        ("non_field_errors",),
    ),
    **dict.fromkeys(["err_chunked_body", "err_empty_body", "http2_streamed_body"], ("eval_name", "inputs")),
    **dict.fromkeys(["err_eval_name_empty", "err_missing_eval_name"], ("eval_name",)),
    **dict.fromkeys(["err_is_async_invalid", "err_is_async_null"], ("is_async",)),
    **dict.fromkeys(["err_model_missing_template_models", "err_model_not_in_template_models"], ("model_name",)),
    **dict.fromkeys(["get_empty_eval_id", "get_malformed_uuid", "get_missing_eval_id"], ("eval_id",)),
    **dict.fromkeys(["get_unknown_query_param", "pipeline_unknown_field"], ("foo",)),
    **dict.fromkeys(
        words("""pipeline_get_blank_versions pipeline_unknown_project_get pipeline_unknown_version
        pipeline_unknown_version_mixed"""),
        ("versions",),
    ),
    **dict.fromkeys(["configure_org_missing_credentials", "configure_org_null_credentials"], ("credentials",)),
    **dict.fromkeys(["configure_missing_platform", "configure_org_bad_platform"], ("platform",)),
    **dict.fromkeys(["pipeline_lengths_differ", "pipeline_string_inputs"], ("eval_data.0.inputs",)),
    "configure_missing_eval_config": ("eval_config",),
    "configure_missing_key": ("eval_config.inputs",),
    "configure_org_missing_name": ("name",),
    "configure_unknown_template": ("eval_config.non_field_errors",),
    "err_unknown_and_missing": ("eval_name", "bar", "foo"),
    "err_unknown_body_field": ("idempotency_key",),
    "pipeline_duplicate_version": ("version",),
    "pipeline_empty_eval_data": ("eval_data.non_field_errors",),
    "pipeline_get_missing_params": ("project_name", "versions"),
    "pipeline_missing_fields": ("project_name", "version", "eval_data"),
    "pipeline_two_item_errors": ("eval_data.1.eval_template", "eval_data.2.inputs"),
    "pipeline_unknown_project_post": ("project_name",),
    "pipeline_unknown_template": ("eval_data.0.eval_template",),
}

# 400 with the words of whatever ran the evaluation, and no field.
INVALID_WITHOUT_FIELDS = set(
    words("""
    err_llm_bad_json_sync err_llm_empty_sync err_llm_exception_sync func_custom_code_error func_regex_bad_pattern
    input_url_string_llm sync_batched_one_item_errors sync_single_optional_key_omitted""")
)
UNPARSED = {"err_gzip_request_body", "err_invalid_utf8", "err_json_nan", "err_malformed_json", "json_bom"}

# All else that is refused: the class, the status, the server's code.
REFUSED: dict[str, tuple[type[APIStatusError], int, str | None]] = {
    **dict.fromkeys(
        words("""auth_bearer_garbage auth_bearer_garbage_plus_keys auth_disabled auth_invalid_before_body auth_wrong
        auth_wrong_secret"""),
        (AuthenticationError, 401, "authentication_failed"),
    ),
    **dict.fromkeys(
        words("auth_key_only auth_none auth_none_get get_evals_noauth route_options_noauth"),
        (AuthenticationError, 401, "not_authenticated"),
    ),
    **dict.fromkeys(
        words("eval_structure_unknown get_other_org get_twice_eval_id get_unknown_uuid"),
        (NotFoundError, 400, "invalid"),
    ),
    **dict.fromkeys(["route_404", "route_double_slash"], (NotFoundError, 404, None)),
    **dict.fromkeys(
        words("route_405_delete route_405_get_evals_post route_405_put"), (APIStatusError, 405, "method_not_allowed")
    ),
    **dict.fromkeys(["accept_html", "accept_xml"], (APIStatusError, 406, "not_acceptable")),
    **dict.fromkeys(
        words("""content_type_vnd_json err_no_content_type err_wrong_content_type_form err_wrong_content_type_multipart
        err_wrong_content_type_text"""),
        (APIStatusError, 415, "unsupported_media_type"),
    ),
    **dict.fromkeys(
        words("""
        async_batched_item2_unstorable configure_bad_platform configure_llm_no_model configure_missing_credentials
        configure_missing_name configure_null_credentials configure_ok err_custom_all_empty err_input_blank_string
        err_input_empty_string err_input_json_empty_list err_input_json_empty_string err_input_json_null_string
        input_lone_surrogate input_nul_char input_nul_char_async mixed_first_key_list_other_short_string
        ratelimit_calllog_batch ratelimit_calllog_sync ratelimit_default_50_batch_60
        sync_batched_nested_lengths_differ sync_batched_one_item_empty"""),
        (ServerError, 500, "server_error"),
    ),
    **dict.fromkeys(["eval_structure_non_numeric", "eval_structure_uuid"], (ServerError, 500, None)),
}
THROTTLED = {"ratelimit_429", "ratelimit_429_get"}

# Neither yes nor no: an empty body, a redirect, another view's page.
UNREADABLE = {
    "route_cors_preflight": ("is empty", True),
    "route_head": ("is empty", True),
    "route_options": ("has no result", False),
    "route_no_trailing_slash_get": ("is a redirect, which evaluated nothing", False),
    "route_no_trailing_slash_post": ("is a redirect, which evaluated nothing", False),
}

# Answers of the other endpoints, by part of what they say.
ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys(
        ["configure_ok_org_template", "configure_org_list_inputs"], (("message", "Configuration is valid."),)
    ),
    **dict.fromkeys(
        words("""pipeline_empty_lists pipeline_error_swallowed pipeline_ok pipeline_ok_10_items pipeline_race
        pipeline_race_50ms pipeline_some_fail pipeline_unknown_nested_field"""),
        (("message", "Evaluation run accepted and is being processed."), ("project_name", "own-project")),
    ),
    **dict.fromkeys(
        ["pipeline_processing", "pipeline_race_50ms_get", "pipeline_race_get"], (("status", "processing"),)
    ),
    **dict.fromkeys(
        words("""
        pipeline_completed pipeline_completed_two_versions pipeline_empty_lists_get pipeline_error_swallowed_get
        pipeline_some_fail_completed"""),
        (("status", "completed"),),
    ),
    "eval_structure_groundedness": (("name", "groundedness"), ("owner", "system")),
    "eval_structure_ok": (("name", "contains"), ("owner", "system")),
}


def test_every_recorded_reply_is_in_exactly_one_of_the_tables():
    tables: list[dict[str, Any]] = [
        SCORED,
        ACCEPTED,
        UNDER_WAY,
        COMPLETED,
        FAILED,
        INVALID_FIELDS,
        INVALID_WITHOUT_FIELDS,
        UNPARSED,
        REFUSED,
        THROTTLED,
        UNREADABLE,
        ANSWERED,
    ]
    assert sorted(name for table in tables for name in table) == sorted(RECORDED)
    assert len(RECORDED) == 271


def template_of(name: str) -> str:
    """The template that a recorded reply is about: all its items name the same."""
    return next(iter(in_body(name, "name")), "")


def asked_for(name: str) -> str:
    """The id that a recorded poll was about."""
    return next(iter(in_body(name, "eval_id")), "")


def in_body(name: str, field: str) -> list[Any]:
    """The values of a field in the order of the body, read without the code under test."""
    return [
        json.loads(value) for value in re.findall(rf'"{field}":("(?:[^"\\]|\\.)*"|[^,}}\]]+)', RECORDED[name]["body"])
    ]


@pytest.mark.parametrize(("name", "outputs"), SCORED.items())
def test_a_sync_reply_has_each_rows_result_in_order(name, outputs):
    it = recorded(name)
    results = verdicts.started(it, template_of(name), len(outputs), is_async=False)
    assert [result.output for result in results] == list(outputs)
    assert [type(result.output) for result in results] == [type(output) for output in outputs]
    assert [result.eval_id for result in results] == in_body(name, "eval_id")
    assert [result.reason for result in results] == in_body(name, "reason")
    assert [result.runtime for result in results] == in_body(name, "runtime")
    assert {result.request_id for result in results} <= {RECORDED[name]["headers"]["x-request-id"]}
    assert {(result.backend, result.estimate, *result.filled) for result in results} <= {("cloud", False)}


@pytest.mark.parametrize(("name", "rows"), ACCEPTED.items())
def test_an_async_reply_names_an_id_for_each_row_and_no_output(name, rows):
    it = recorded(name)
    results = verdicts.started(it, template_of(name), rows, is_async=True)
    assert [result.eval_id for result in results] == in_body(name, "eval_id")
    assert len({result.eval_id for result in results}) == rows
    assert [(result.output, result.output_type, result.score) for result in results] == [
        (None, "Pass/Fail", None)
    ] * rows


@pytest.mark.parametrize(("name", "status"), UNDER_WAY.items())
def test_a_poll_tells_an_evaluation_under_way(name, status):
    it = recorded(name)
    progress = verdicts.polled(it, asked_for(name))
    assert (progress.status, progress.result, progress.error, progress.is_done) == (status, None, None, False)


@pytest.mark.parametrize(("name", "expected"), COMPLETED.items())
def test_a_poll_brings_a_result_in_its_own_type(name, expected):
    it = recorded(name)
    progress = verdicts.polled(it, asked_for(name))
    assert progress.status is EvalStatus.COMPLETED
    assert progress.is_done
    assert progress.error is None
    result = progress.result
    assert (result.output, result.score) == expected
    assert type(result.output) is type(expected[0])
    assert [result.eval_id] == in_body(name, "eval_id")
    assert [result.runtime] == in_body(name, "runtime")
    assert [result.model] == in_body(name, "model")
    assert result.name == in_body(name, "name")[0]
    assert result.error_localizer_enabled is name.startswith("error_localizer")
    assert bool(result.error_localizer) is name.startswith("error_localizer")
    assert result.request_id == RECORDED[name]["headers"]["x-request-id"]


def test_the_verdicts_of_sync_calls_that_are_stored_as_failed_are_among_these():
    stored = {name for name in COMPLETED if in_body(name, "eval_status") == ["failed"]}
    assert stored == STORED_AS_FAILED


@pytest.mark.parametrize(("name", "words"), FAILED.items())
def test_a_poll_brings_an_error_with_the_servers_words(name, words):
    it = recorded(name)
    progress = verdicts.polled(it, asked_for(name))
    assert (progress.status, progress.result, progress.is_done) == (EvalStatus.FAILED, None, True)
    error = progress.error
    assert type(error) is EvaluationError
    assert error.server_message == words
    assert words in error.message
    assert [error.eval_id] == in_body(name, "eval_id")
    assert error.request_id == RECORDED[name]["headers"]["x-request-id"]
    assert error.throttled is (name == "ratelimit_calllog_async_get")


def refusal(it: Reply) -> Any:
    with pytest.raises((APIStatusError, ProtocolError)) as caught:
        responses.read(it)
    assert caught.value.status == it.status
    assert caught.value.request_id == it.headers.get("x-request-id")
    return caught.value


@pytest.mark.parametrize(("name", "fields"), INVALID_FIELDS.items())
def test_a_400_with_fields_is_a_validation_error_that_quotes_each(name, fields):
    error = refusal(recorded(name))
    body = json.loads(RECORDED[name]["body"])
    assert type(error) is ValidationError
    assert tuple(error.fields) == fields
    assert error.fields == body.get("errors", body["details"])
    assert error.code == "invalid"
    assert error.server_message == body["detail"]
    for field, messages in error.fields.items():
        assert f"{field}: {' '.join(messages)}" in error.message


@pytest.mark.parametrize("name", sorted(INVALID_WITHOUT_FIELDS | UNPARSED))
def test_a_400_without_fields_is_a_validation_error_with_the_servers_words(name):
    error = refusal(recorded(name))
    words = json.loads(RECORDED[name]["body"])["detail"]
    assert type(error) is ValidationError
    assert error.code == ("parse_error" if name in UNPARSED else "invalid")
    assert error.server_message == words
    assert words in error.message


@pytest.mark.parametrize("name", sorted(INVALID_WITHOUT_FIELDS | UNPARSED))
def test_a_message_about_the_whole_request_is_no_field(name):
    assert refusal(recorded(name)).fields == {}


@pytest.mark.parametrize(("name", "expected"), REFUSED.items())
def test_a_refusal_is_the_error_of_its_status(name, expected):
    kind, status, code = expected
    error = refusal(recorded(name))
    assert (type(error), error.status, error.code) == (kind, status, code)
    if code is not None:
        words = json.loads(RECORDED[name]["body"])["detail"]
        assert error.server_message == words
        assert words in error.message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("route_404", "179 bytes of text/html titled 'Not Found'"),
        ("eval_structure_uuid", "145 bytes of text/html titled 'Server Error (500)'"),
    ],
)
def test_a_page_is_told_by_its_kind_and_its_title(name, words):
    error = refusal(recorded(name))
    assert error.server_message == words
    assert words in error.message


@pytest.mark.parametrize("name", sorted(THROTTLED))
def test_a_429_says_when_to_come_back(name):
    error = refusal(recorded(name))
    assert type(error) is RateLimitError
    assert error.retry_after == 44.0
    assert error.server_message == "Rate limit exceeded: 5 api requests per minute"
    assert error.server_message in error.message


@pytest.mark.parametrize(("name", "said"), UNREADABLE.items())
def test_what_says_neither_yes_nor_no_is_a_protocol_error(name, said):
    why, lost = said
    error = refusal(recorded(name))
    assert type(error) is ProtocolError
    assert why in error.message
    assert error.lost is lost
    assert "eval_id" not in error.message


@pytest.mark.parametrize(("name", "part"), ANSWERED.items())
def test_answers_of_other_endpoints_are_handed_on(name, part):
    answer = responses.read(recorded(name))
    assert answer == json.loads(RECORDED[name]["body"])["result"]
    assert dict(part).items() <= answer.items()
    assert responses.read_body(recorded(name)) == {"status": True, "result": answer}


# -- what nobody recorded ----------------------------------------------------------------------------------------------

RECORD: dict[str, Any] = {
    "eval_id": "5c1d77cf-9fff-4ff3-a622-b83fd06ea645",
    "name": "groundedness",
    "reason": "why",
    "runtime": 9.0,
    "model": "turing_small",
    "output_type": "Pass/Fail",
    "value": "Passed",
    "error_localizer_enabled": True,
    "error_localizer": {"x": 1},
    "error_message": None,
}
IN_CAMEL = {
    "eval_id": "evalId",
    "output_type": "outputType",
    "error_localizer_enabled": "errorLocalizerEnabled",
    "error_localizer": "errorLocalizer",
    "error_message": "errorMessage",
}


def camel(record: dict[str, Any]) -> dict[str, Any]:
    return {IN_CAMEL.get(name, name): value for name, value in record.items()}


def poll(result: Any, eval_id: str = RECORD["eval_id"], template: str = "") -> verdicts.Polled:
    return verdicts.polled(reply({"status": True, "result": result}), eval_id, template)


def start(result: Any, rows: int, *, template: str = "", is_async: bool = False) -> list[Any]:
    return verdicts.started(reply({"status": True, "result": result}), template, rows, is_async=is_async)


def test_a_poll_in_the_old_spelling_reads_as_one_in_the_new():
    new = poll({"eval_status": "completed", "result": RECORD})
    old = poll({"evalStatus": "completed", "result": camel(RECORD)})
    assert new == old
    assert new.result.eval_id == RECORD["eval_id"]
    assert new.result.error_localizer == {"x": 1}


def test_a_failure_in_the_old_spelling_reads_as_one_in_the_new():
    failed = {**RECORD, "value": None, "error_message": "API call not allowed: rate_limited"}
    progress = poll({"evalStatus": "failed", "result": camel(failed)})
    assert progress.error.server_message == failed["error_message"]
    assert progress.error.eval_id == RECORD["eval_id"]
    assert progress.error.throttled


def test_items_in_the_old_spelling_read_as_those_in_the_new():
    item = {"name": "tone", "outputType": "choices", "evalId": "e-1", "output": ["joy"]}
    (result,) = start([{"evaluations": [item]}], 1)
    assert (result.eval_id, result.output_type, result.output) == ("e-1", "choices", ["joy"])


def test_where_both_spellings_are_given_the_new_one_wins():
    progress = poll({"evalStatus": "failed", "eval_status": "pending", "result": "…"})
    assert progress.status is EvalStatus.PENDING
    (result,) = start([{"evaluations": [{"eval_id": "new", "evalId": "old", "output": 1}]}], 1)
    assert result.eval_id == "new"


@pytest.mark.parametrize("status", ["Completed", "COMPLETED"])
def test_a_status_is_read_whatever_its_case(status):
    assert poll({"eval_status": status, "result": RECORD}).status is EvalStatus.COMPLETED


def test_items_without_a_group_of_evaluations_are_items_too():
    assert [result.output for result in start([{"output": "Passed"}, {"output": "Failed"}], 2)] == ["Passed", "Failed"]


def test_an_item_wrapped_like_a_poll_is_unwrapped():
    (result,) = start([{"evaluations": [{"eval_status": "completed", "result": {"name": "x", "output": 0.5}}]}], 1)
    assert (result.name, result.output) == ("x", 0.5)


def test_the_embedded_backend_says_what_it_estimates():
    (result,) = start([{"evaluations": [{"output": 1.0, "estimate": True}]}], 1)
    assert result.estimate is True


@pytest.mark.parametrize("backend", ["cloud", "local", "server"])
def test_a_result_names_who_was_asked(backend):
    body = {"status": True, "result": [{"evaluations": [{"output": 1.0}]}]}
    (result,) = verdicts.started(replace(reply(body), backend=backend), "", 1, is_async=False)
    assert result.backend == backend


@pytest.mark.parametrize(
    ("result", "named"),
    [([{"evaluations": [{}, {}]}], 2), ([{"evaluations": []}], 0), ([], 0), ("Evaluation started", 0), (None, 0)],
)
def test_as_many_items_as_rows_or_none_can_be_told_whose_it_is(result, named):
    with pytest.raises(ProtocolError, match=f"names {named} evaluations for 3 rows") as caught:
        start(result, 3)
    assert (caught.value.status, caught.value.request_id) == (200, "r-1")


@pytest.mark.parametrize(
    ("value", "output_type", "output"),
    [
        ("0.9", "score", 0.9),
        (1, "score", 1.0),
        (0, "numeric", 0.0),
        ("-2.5", "numeric", -2.5),
        ("['joy', 'surprise']", "choices", ["joy", "surprise"]),
        ("{'score': 0.66, 'choice': 'frequently'}", "choices", {"score": 0.66, "choice": "frequently"}),
        ('["joy"]', "choices", ["joy"]),
        ('["it\'s"]', "choices", ["it's"]),
        ("joy", "choices", "joy"),
        ("[not a list", "choices", "[not a list"),
        ("{'a': print}", "choices", "{'a': print}"),
        ("['joy']", "reason", "['joy']"),
        ("0.9", "reason", "0.9"),
        (True, "Pass/Fail", "Passed"),
        (False, "", "Failed"),
        (False, None, "Failed"),
        (0.5, None, 0.5),
        ("Passed", None, "Passed"),
    ],
)
def test_an_output_has_the_type_of_its_template(value, output_type, output):
    done = poll({"eval_status": "completed", "result": {"value": value, "output_type": output_type}})
    assert done.result.output == output
    assert type(done.result.output) is type(output)
    (item,) = start([{"evaluations": [{"output": value, "output_type": output_type}]}], 1)
    assert item.output == output


@pytest.mark.parametrize("value", ["high", "nan", "inf", [], {}, pytest.param(10**400, id="10**400")])
@pytest.mark.parametrize("output_type", ["score", "numeric"])
def test_a_score_that_is_no_number_is_a_protocol_error(value, output_type):
    with pytest.raises(ProtocolError, match=f"gives a {output_type} that is no number"):
        poll({"eval_status": "completed", "result": {"value": value, "output_type": output_type}})


@pytest.mark.parametrize("text", ["{[1]: 2}", "[" * 300 + "]" * 300, "{'a'", "[1, 2\x00]"], ids=repr)
def test_choices_that_cannot_be_parsed_stay_text_or_are_refused(text):
    done = poll({"eval_status": "completed", "result": {"value": text, "output_type": "choices"}})
    assert done.result.output is not None


# What each kind of value becomes in a field of text.
AS_TEXT: list[tuple[Any, str | None]] = [
    ("", ""),
    ("text", "text"),
    (5, "5"),
    (0, "0"),
    (1.5, "1.5"),
    (True, None),
    (False, None),
    ([], None),
    (["a", 1], '["a", 1]'),
    ({}, None),
    ({"é": None}, '{"é": null}'),
    (10**400, "1" + "0" * 400),
]
AS_MILLISECONDS: list[tuple[Any, float | None]] = [
    (12, 12.0),
    (1.5, 1.5),
    ("12", 12.0),
    ("12 ms", None),
    ("", None),
    ("nan", None),
    ("inf", None),
    (True, None),
    ([12], None),
    ({"ms": 12}, None),
    (10**400, None),
    ("9" * 10_000, None),
]
OTHERS = [5, 1.5, True, [], ["x"], {}, {"x": 1}]
ODD_FIELDS = [
    *(("reason", value, taken) for value, taken in AS_TEXT),
    *(("model", value, taken) for value, taken in AS_TEXT),
    *(("runtime", value, taken) for value, taken in AS_MILLISECONDS),
    *(("name", value, "") for value in OTHERS),
    ("backend", "local", "cloud"),
    *(("error_localizer_enabled", value, None) for value in ("true", 1, 0, [], {})),
    *(("estimate", value, False) for value in ("true", 1, [], {"x": 1})),
    *(("error_localizer", value, value) for value in ("text", 5, [1], {"x": [1]})),
]


@pytest.mark.parametrize(("field", "value", "taken"), ODD_FIELDS, ids=lambda value: repr(value)[:30])
def test_a_verdict_is_kept_whatever_stands_beside_it(field, value, taken, caplog):
    caplog.set_level("DEBUG", logger="fi_async")
    done = poll({"eval_status": "completed", "result": {**RECORD, field: value}})
    (item,) = start([{"evaluations": [{**RECORD, "output": "Passed", field: value}]}], 1)
    for result in (done.result, item):
        assert (result.score, result.passed, result.eval_id) == (1.0, True, RECORD["eval_id"])
        assert getattr(result, field) == taken
        assert type(getattr(result, field)) is type(taken)
        assert result.model_dump_json()
    for record in caplog.records:
        assert record.getMessage().startswith(f"{field} is a {type(value).__name__}, and ")
        assert record.getMessage().endswith("(request r-1)")
    is_number = type(value) is int and type(taken) is float
    assert len(caplog.records) == (0 if type(value) is type(taken) or is_number else 2)


@pytest.mark.parametrize("value", [5, True, ["score"], {"x": 1}], ids=repr)
@pytest.mark.parametrize(
    ("output", "score"), [("Passed", 1.0), ("Failed", 0.0), ("0.9", 0.9), (0.25, 0.25), ("{'score': 0.5}", 0.5)]
)
def test_without_a_readable_type_the_form_of_an_output_says_it(value, output, score):
    done = poll({"eval_status": "completed", "result": {**RECORD, "output_type": value, "value": output}})
    assert (done.result.score, done.result.output_type) == (score, None)


@pytest.mark.parametrize(
    ("value", "eval_id"),
    [("job-17", "job-17"), ("a/b?c", "a/b?c"), (17, "17"), (1.5, "1.5"), (["a"], '["a"]'), ("x" * 5000, "x" * 5000)],
    ids=lambda value: repr(value)[:20],
)
def test_an_id_is_opaque_text(value, eval_id):
    (accepted,) = start([{"evaluations": [{"name": "contains", "eval_id": value}]}], 1, is_async=True)
    assert accepted.eval_id == eval_id
    done = poll({"eval_status": "completed", "result": {**RECORD, "eval_id": value}}, eval_id)
    assert (done.result.eval_id, done.result.score) == (eval_id, 1.0)
    failed = poll({"eval_status": "failed", "result": {**RECORD, "value": None, "eval_id": value}}, eval_id)
    assert failed.error.eval_id == eval_id


@pytest.mark.parametrize("value", [None, "", True, [], {}], ids=repr)
def test_an_accepted_evaluation_without_an_id_is_an_error_of_its_row_alone(value):
    items = [{"eval_id": "job-1"}, {"eval_id": value}, {"eval_id": "job-3"}]
    first, second, third = start([{"evaluations": items}], 3, is_async=True)
    assert (first.eval_id, third.eval_id) == ("job-1", "job-3")
    assert type(second) is ProtocolError
    assert second.message == "the reply accepts an evaluation without naming its eval_id, at evaluation 2 of 3"
    assert not second.lost


def test_one_id_for_several_rows_scores_none_of_them():
    items = [{"eval_id": "job-1"}, {"eval_id": "job-1"}, {"eval_id": "job-3"}]
    first, second, third = start([{"evaluations": items}], 3, is_async=True)
    assert [type(each) for each in (first, second)] == [ProtocolError] * 2
    assert "gives several evaluations one eval_id, at evaluation 1 of 3" in first.message
    assert third.eval_id == "job-3"


def test_a_row_that_cannot_be_read_takes_no_other_with_it():
    items = [{"output": "0.5", "output_type": "score"}, {"output": "high", "output_type": "score"}, {"output": 1}]
    first, second, third = start([{"evaluations": items}], 3)
    assert (first.score, third.score) == (0.5, 1.0)
    assert second.message == "the reply gives a score that is no number, at evaluation 2 of 3"
    assert (second.status, second.request_id, second.lost) == (200, "r-1", False)


UNJUDGED = {**RECORD, "reason": None, "runtime": None}


def test_a_verdict_without_reason_and_runtime_is_nobodys():
    with pytest.raises(ProtocolError, match="gives a verdict that nobody judged") as caught:
        poll({"eval_status": "completed", "result": UNJUDGED})
    assert (caught.value.eval_id, caught.value.lost) == (RECORD["eval_id"], False)
    judged = {**UNJUDGED, "output": "Passed", "runtime": 3}
    unjudged = {**UNJUDGED, "output": "Passed"}
    first, second = start([{"evaluations": [judged, unjudged]}], 2)
    assert first.score == 1.0
    assert second.message == (
        "the reply gives a verdict that nobody judged (its reason and its runtime are null), at evaluation 2 of 2"
    )


@pytest.mark.parametrize(
    "change",
    [{"reason": "why"}, {"reason": ""}, {"runtime": 0}, {"runtime": "12 ms"}, {"reason": ["why"]}],
    ids=repr,
)
def test_one_of_both_is_enough(change):
    assert poll({"eval_status": "completed", "result": {**UNJUDGED, **change}}).result.score == 1.0


@pytest.mark.parametrize("absent", ["reason", "runtime"])
def test_a_server_that_never_says_why_or_how_long_is_believed(absent):
    record = {name: value for name, value in UNJUDGED.items() if name != absent}
    assert poll({"eval_status": "completed", "result": record}).result.score == 1.0


@pytest.mark.parametrize("status", ["completed", "failed", "pending"])
@pytest.mark.parametrize("spell", [dict, camel], ids=["new", "old"])
def test_what_another_evaluation_came_to_is_never_taken_for_this_ones(status, spell):
    other = "00000000-0000-4000-8000-000000000002"
    with pytest.raises(ProtocolError, match=f"is about another evaluation, '{RECORD['eval_id']}'") as caught:
        poll({"eval_status": status, "result": spell(RECORD)}, other)
    assert (caught.value.eval_id, caught.value.lost) == (other, True)


@pytest.mark.parametrize("asked", [RECORD["eval_id"].upper(), RECORD["eval_id"].replace("-", "")])
def test_a_uuid_may_come_back_in_another_form(asked):
    assert poll({"eval_status": "completed", "result": RECORD}, asked).result.score == 1.0


def test_ids_that_are_no_uuids_are_compared_as_they_are():
    with pytest.raises(ProtocolError, match="is about another evaluation, 'job-17'"):
        poll({"eval_status": "completed", "result": {**RECORD, "eval_id": "job-17"}}, "job-1")


def test_a_poll_that_names_no_id_is_believed_and_its_result_has_the_one_asked_for():
    record = {name: value for name, value in RECORD.items() if name != "eval_id"}
    assert poll({"eval_status": "completed", "result": record}, "job-1").result.eval_id == "job-1"


def test_the_raw_answer_is_held_to_its_id_too():
    body = {"status": True, "result": {"evalStatus": "completed", "result": camel(RECORD)}}
    assert verdicts.whole_answer(reply(body), RECORD["eval_id"]) == body
    with pytest.raises(ProtocolError, match="is about another evaluation") as caught:
        verdicts.whole_answer(reply(body), "job-1")
    assert caught.value.lost
    for odd in ({"status": True}, {"result": None}, {"result": {"result": "soon"}}, {"result": ["x"]}):
        assert verdicts.whole_answer(reply(odd), "job-1") == odd


def test_another_templates_verdict_is_never_a_score():
    with pytest.raises(ProtocolError, match="is about another template, 'groundedness', not 'contains'") as caught:
        poll({"eval_status": "completed", "result": RECORD}, template="contains")
    assert not caught.value.lost
    first, second = start([{"evaluations": [{"name": "tone", "output": 1}, {"output": 2}]}], 2, template="contains")
    assert "is about another template, 'tone', not 'contains', at evaluation 1 of 2" in first.message
    assert second.score == 2.0


@pytest.mark.parametrize(
    ("location", "advice"),
    [
        ("https://eu.example.com/sdk/api/v1/new-eval/", "set fi_base_url=https://eu.example.com"),
        ("https://eu.example.com:8443/fi/sdk/api/v1/new-eval/?a=1", "set fi_base_url=https://eu.example.com:8443/fi"),
        ("https://me:s3cret@eu.example.com/sdk/api/v1/?key=s3cret#s3cret", "set fi_base_url=https://eu.example.com"),
        ("//eu.example.com/sdk/api/v1/new-eval/", "set fi_base_url=https://eu.example.com"),
        ("http://[2001:db8::1]:80/sdk/api/v1/new-eval/", "set fi_base_url=http://[2001:db8::1]:80"),
        ("https://login.example.com/s3cret?next=/sdk/api/v1/", "it leads to a page of https://login.example.com;"),
        ("/sdk/api/v1/new-eval/?eval_id=s3cret", "another path of the same server; is fi_base_url right?"),
        ("ftp://example.com/s3cret", "is fi_base_url right?"),
        ("https://exa\x1bmple.com/s3cret", "is fi_base_url right?"),
        ("https://example.com:s3cret/", "is fi_base_url right?"),
        ("https://[s3cret", "is fi_base_url right?"),
        ("", "is fi_base_url right?"),
        (None, "is fi_base_url right?"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_says_which_base_url_to_set_and_shows_no_secret(status, location, advice):
    error = refusal(reply(b"", status, **({} if location is None else {"location": location})))
    assert type(error) is ProtocolError
    assert not error.lost
    assert error.message.endswith(advice) or advice in error.message
    assert "evaluated nothing" in error.message
    assert "s3cret" not in f"{error} {error.server_message} {vars(error)}"
    assert error.message.isprintable()


def test_a_template_without_keys_is_told_as_such():
    words = "Unexpected keys provided: text. Accepted keys are: "
    error = refusal(reply({"detail": "Validation failed", "errors": {"inputs": [words]}}, 400))
    assert type(error) is ValidationError
    assert "the template lists no input keys (its required_keys are empty), and then takes none" in error.message
    assert error.fields == {"inputs": [words]}
    other = refusal(reply({"detail": "Validation failed", "errors": {"inputs": [f"{words}output"]}}, 400))
    assert other.message == f"the server refused the request: inputs: {words}output"


def test_half_a_pair_is_replaced_and_what_nests_without_end_is_left_out():
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    record = {**RECORD, "reason": "half \ud83d, whole \U0001f600", "error_localizer": {"deep": deep}}
    result = poll({"eval_status": "completed", "result": record}).result
    assert (result.score, result.reason) == (1.0, "half \ufffd, whole \U0001f600")
    assert result.model_dump_json()


def test_a_byte_that_is_no_text_does_not_unmake_a_score():
    content = json.dumps({"status": True, "result": {"eval_status": "completed", "result": RECORD}}).encode()
    it = reply(content.replace(b'"why"', b'"w\xffy"'))
    assert verdicts.polled(it, RECORD["eval_id"]).result.reason == "w\ufffdy"


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        (b'"Passed"', b'"P\xffssed"'),
        (b'"value"', b'"v\xfflue"'),
        (b'"completed"', b'"com\xffleted"'),
        (b'"eval_id": "', b'"eval_id": "\xff'),
    ],
)
def test_a_byte_that_is_no_text_in_what_decides_makes_the_reply_unreadable(whole, broken):
    record = {**RECORD, "value": "Passed", "output_type": "Pass/Fail"}
    content = json.dumps({"status": True, "result": {"eval_status": "completed", "result": record}}).encode()
    assert content.count(whole) == 1
    with pytest.raises(ProtocolError, match="is no JSON from character") as caught:
        verdicts.polled(reply(content.replace(whole, broken)), RECORD["eval_id"])
    assert caught.value.lost is True


def test_a_number_of_many_digits_does_not_unmake_a_score():
    content = json.dumps({"status": True, "result": {"eval_status": "completed", "result": RECORD}}).encode()
    it = reply(content.replace(b"9.0", b"9" * 5000))
    result = verdicts.polled(it, RECORD["eval_id"]).result
    assert (result.score, result.runtime) == (1.0, None)


@pytest.mark.parametrize(
    "record",
    [{**RECORD, "value": None}, {}, "Evaluation is being processed.", None],
    ids=["null value", "no value", "text", "null"],
)
@pytest.mark.parametrize("status", ["completed", "failed"])
def test_an_evaluation_that_ended_without_a_value_has_failed(status, record):
    progress = poll({"eval_status": status, "result": record})
    assert progress.status is EvalStatus.FAILED
    assert progress.error.server_message == "the evaluation ended without a value"
    assert not progress.error.throttled


def test_a_failure_with_a_value_and_words_is_a_failure():
    progress = poll({"eval_status": "failed", "result": {**RECORD, "error_message": "boom"}})
    assert progress.error.server_message == "boom"


@pytest.mark.parametrize(
    "result", [None, [], "done", 5, {}, {"eval_status": None}, {"eval_status": "queued"}], ids=repr
)
def test_a_poll_that_does_not_say_where_it_stands_is_a_protocol_error(result):
    with pytest.raises(ProtocolError):
        poll(result)


@pytest.mark.parametrize(
    ("content", "said", "lost"),
    [
        (b"", "is empty", True),
        (b'{"status":true,"result":[{"eval', "is no JSON from character 26 of 31 on", True),
        (b'{"status":true}{"status":true}', "is no JSON from character 15 of 30 on", True),
        (b"<html></html>", "is no JSON from character 0 of 13 on", True),
        (b"\xff\xfe", "is no JSON from character 0 of 2 on", True),
        (b"[1]", "is not a JSON object", False),
        (b'"yes"', "is not a JSON object", False),
        (b"null", "is not a JSON object", False),
        (b"[" * 10**5 + b"]" * 10**5, "nests deeper than any of the API's", False),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_good_status_without_a_json_object_is_a_protocol_error(content, said, lost):
    error = refusal(reply(content))
    assert type(error) is ProtocolError
    assert error.message == f"the reply {said}"
    assert error.lost is lost
    assert error.server_message.startswith(f"{len(content)} bytes of application/json")


def test_a_json_object_without_a_result_is_a_protocol_error_but_a_body_all_the_same():
    error = refusal(reply({"status": True}))
    assert (type(error), error.message) == (ProtocolError, "the reply has no result")
    assert responses.read_body(reply({"status": True})) == {"status": True}


def test_a_200_with_status_false_is_refused():
    error = refusal(reply({"status": False, "code": "odd", "result": "no such thing"}))
    assert (type(error), error.code, error.server_message) == (APIStatusError, "odd", "no such thing")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ProtocolError),
        (304, ProtocolError),
        (400, ValidationError),
        (401, AuthenticationError),
        (402, APIStatusError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, APIStatusError),
        (409, APIStatusError),
        (413, APIStatusError),
        (429, RateLimitError),
        (499, APIStatusError),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (524, ServerError),
        (599, ServerError),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html><TITLE> Bad\nGateway </TITLE></html>", b"[]", b'{"code": 1}'])
def test_each_status_has_its_class_whatever_the_body(status, kind, content):
    assert type(refusal(reply(content, status))) is kind


@pytest.mark.parametrize("words", ["Evaluation not found.", "Evaluation not found", "Evaluation template not found."])
def test_the_400_that_means_not_found_is_not_found(words):
    error = refusal(reply({"status": False, "detail": words}, 400))
    assert (type(error), error.message) == (NotFoundError, words)


def test_words_of_an_evaluation_that_end_alike_are_no_unknown_id():
    words = "Code eval input validation failed: Runtime error: keyword not found"
    assert type(refusal(reply({"status": False, "detail": words}, 400))) is ValidationError


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "a", "message": "b", "error": "c", "result": "d"}, "a"),
        ({"detail": "", "message": "b", "error": "c"}, "b"),
        ({"detail": None, "error": "c"}, "c"),
        ({"result": {"message": "inner"}}, "inner"),
        ({"detail": "x" * 501}, "x" * 500),
    ],
)
def test_the_servers_words_are_found_in_every_shape(body, words):
    assert refusal(reply(body, 500)).server_message == words


@pytest.mark.parametrize("messages", ["only text", 5, {"code": "x"}], ids=repr)
def test_messages_that_are_no_list_are_quoted_as_they_are(messages):
    assert refusal(reply({"errors": {"inputs": messages}}, 400)).fields == {"inputs": [str(messages)]}


NOON = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "in_body", "seconds"),
    [
        ("44", None, 44.0),
        ("0", 44, 0.0),
        ("1.5", None, 1.5),
        (None, 44, 44.0),
        (None, "12", 12.0),
        ("soon", 7, 7.0),
        ("-1", 7, 7.0),
        ("nan", 7, 7.0),
        ("inf", None, None),
        ("-1", None, None),
        ("soon", None, None),
        (None, None, None),
        pytest.param(None, 10**400, None, id="10**400"),
        ("Sun, 22 Nov 2026 12:00:30 GMT", None, 30.0),
        ("Sun, 22 Nov 2026 11:59:00 GMT", None, 0.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", None, None),
        ("Sun, 22 Nov 2026 12:00:30 +99999999999999999", None, None),
    ],
)
def test_retry_after_is_read_from_the_header_a_date_or_the_body(header, in_body, seconds):
    headers = {"date": NOON} | ({} if header is None else {"retry_after": header})
    it = reply({"status": False, "result": {"code": "RATE_LIMITED", "retry_after": in_body}}, 429, **headers)
    assert refusal(it).retry_after == seconds


def test_a_retry_after_date_needs_the_servers_own_date():
    assert refusal(reply({}, 429, retry_after="Sun, 22 Nov 2026 12:00:30 GMT")).retry_after is None


def test_both_spellings_are_found_at_every_level_of_the_envelope():
    assert responses.both_spellings(
        {"eval_status": "completed", "result": {"eval_id": "e-1", "input_data": {"eval_id": "mine"}, "value": "x"}}
    ) == {
        "eval_status": "completed",
        "evalStatus": "completed",
        "result": {
            "eval_id": "e-1",
            "evalId": "e-1",
            "input_data": {"eval_id": "mine"},
            "inputData": {"eval_id": "mine"},
            "value": "x",
        },
    }


def test_both_spellings_come_from_the_old_one_too_and_overwrite_nothing():
    assert responses.both_spellings({"evalStatus": "failed", "eval_status": "pending"}) == {
        "evalStatus": "failed",
        "eval_status": "pending",
    }
    assert responses.both_spellings({"outputType": "score"}) == {"outputType": "score", "output_type": "score"}


def test_both_spellings_leave_the_body_they_are_made_of_alone():
    body = {"result": {"eval_status": "pending"}}
    responses.both_spellings(body)
    assert body == {"result": {"eval_status": "pending"}}


def test_an_output_of_null_beside_a_value_is_the_value():
    done = poll({"eval_status": "completed", "result": {"output": None, "value": "Passed", "output_type": "Pass/Fail"}})
    assert done.result is not None
    assert done.result.output == "Passed"


@pytest.mark.parametrize("listed", [{}, "text", None])
def test_a_list_of_templates_that_is_none_is_a_protocol_error(listed):
    with pytest.raises(ProtocolError, match="does not list templates"):
        responses.listed_templates(reply({"status": True, "result": listed}))


def test_what_is_no_template_among_templates_is_passed_over():
    listed = responses.listed_templates(reply({"status": True, "result": [{"name": "mine"}, 5, None]}))
    assert listed == [{"name": "mine"}]
