"""The exact bytes and addresses that each endpoint is asked with."""

from __future__ import annotations

from uuid import UUID

import pytest

from fi_async import InvalidCaseError
from fi_async.wire import requests
from fi_async.wire.requests import HttpCall, Parameters

ID = "5c1d77cf-9fff-4ff3-a622-b83fd06ea645"


def test_a_row_goes_as_plain_strings_and_all_defaults_are_left_out():
    call = requests.new_eval(Parameters("contains"), [{"text": "Paris"}], is_async=False)
    assert call == HttpCall(
        "POST",
        "/sdk/api/v1/new-eval/",
        b'{"eval_name":"contains","inputs":{"text":"Paris"}}',
        repeatable=False,
    )


def test_every_field_has_its_place():
    parameters = Parameters(
        "t",
        model="turing_small",
        config={"k": 3, "deep": {"a": [None, True]}},
        custom_eval_name="mine",
        trace_eval=True,
        span_id="00f067aa0ba902b7",
        error_localizer=True,
    )
    assert requests.new_eval(parameters, [{"b": "1", "a": "2"}], is_async=True).body == (
        b'{"eval_name":"t","inputs":{"b":"1","a":"2"},"model":"turing_small","span_id":"00f067aa0ba902b7",'
        b'"custom_eval_name":"mine","trace_eval":true,"is_async":true,"error_localizer":true,'
        b'"config":{"params":{"k":3,"deep":{"a":[null,true]}}}}'
    )


@pytest.mark.parametrize("config", [None, {}])
def test_a_config_without_parameters_is_left_out(config):
    body = requests.new_eval(Parameters("t", config=config), [{"a": "x"}], is_async=False).body
    assert body == b'{"eval_name":"t","inputs":{"a":"x"}}'


def test_several_rows_go_as_lists_in_the_order_of_the_first_rows_keys():
    rows = [{"b": "1", "a": "2"}, {"a": "4", "b": "3"}, {"b": "5", "a": "6"}]
    assert requests.new_eval(Parameters("t"), rows, is_async=True).body == (
        b'{"eval_name":"t","inputs":{"b":["1","3","5"],"a":["2","4","6"]},"is_async":true}'
    )


def test_rows_that_are_sent_are_not_changed():
    rows = [{"a": "1"}, {"a": "2"}]
    requests.new_eval(Parameters("t"), rows, is_async=False)
    assert rows == [{"a": "1"}, {"a": "2"}]


def test_text_goes_as_utf8_and_not_as_escapes():
    body = requests.new_eval(Parameters("t"), [{"a": 'né "日本" \U0001f642\n'}], is_async=False).body
    assert body == '{"eval_name":"t","inputs":{"a":"né \\"日本\\" \U0001f642\\n"}}'.encode()


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"k": {1, 2}}, "TypeError"),
        ({"k": float("nan")}, "ValueError"),
        ({"k": "secret\ud800"}, "UnicodeEncodeError"),
        ({("secret",): 1}, "TypeError"),
    ],
)
def test_a_config_without_a_json_form_is_refused_and_not_quoted(config, why):
    with pytest.raises(InvalidCaseError) as caught:
        requests.new_eval(Parameters("t", config=config), [{"a": "x"}], is_async=False)
    assert caught.value.field == "eval_config"
    assert caught.value.message.startswith(f"eval_config holds a value with no JSON form ({why})")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("keys", "rows"), [(1, 1000), (2, 3), (3, 3), (0, 3)])
def test_the_servers_bound_of_three_is_for_two_keys_or_more(keys, rows):
    assert requests.max_rows(keys) == rows


@pytest.mark.parametrize("eval_id", [ID, ID.upper(), ID.replace("-", "")])
def test_a_poll_asks_for_one_id_in_any_spelling_of_it(eval_id):
    assert requests.get_eval(eval_id) == HttpCall(
        "GET", f"/sdk/api/v1/new-eval/?eval_id={eval_id}", None, repeatable=True
    )


@pytest.mark.parametrize(
    ("eval_id", "said"),
    [
        ("", "blank"),
        (" \n", "blank"),
        (None, "NoneType"),
        (5, "int"),
        (b"x", "bytes"),
        (ID.split("-"), "list"),
    ],
    ids=repr,
)
def test_what_is_no_text_is_no_id(eval_id, said):
    with pytest.raises(InvalidCaseError) as caught:
        requests.eval_id_of(eval_id)
    assert caught.value.field == "eval_id"
    assert caught.value.message == f"eval_id must be a text, as submit() returns it, not {said}"


def test_an_id_may_be_a_uuid_object():
    assert requests.eval_id_of(UUID(ID)) == ID
    assert requests.eval_id_of("job-17") == "job-17"


@pytest.mark.parametrize(
    ("eval_id", "quoted"),
    [
        ("job-17", "job-17"),
        ("17", "17"),
        ("a/b?c", "a%2Fb%3Fc"),
        ("x&foo=1#y z%", "x%26foo%3D1%23y%20z%25"),
        ("../\r\nHost: evil", "..%2F%0D%0AHost%3A%20evil"),
        ("Größe", "Gr%C3%B6%C3%9Fe"),
        ("\ud800", "%3F"),
        ("", ""),
        ("x" * 3000, "x" * 3000),
    ],
)
def test_an_id_is_opaque_text_that_is_sent_back_quoted(eval_id, quoted):
    assert requests.get_eval(eval_id) == HttpCall("GET", f"/sdk/api/v1/new-eval/?eval_id={quoted}")


def test_the_list_of_templates():
    assert requests.get_evals() == HttpCall("GET", "/sdk/api/v1/get-evals/")


def test_configurations_are_checked_as_they_are_given_and_may_be_sent_twice():
    assert requests.configure_evaluations({"platform": "langfuse", "eval_config": {}}) == HttpCall(
        "POST",
        "/sdk/api/v1/configure-evaluations/",
        b'{"platform":"langfuse","eval_config":{}}',
        repeatable=True,
    )
    with pytest.raises(InvalidCaseError) as caught:
        requests.configure_evaluations({"eval_config": object()})
    assert caught.value.field == "eval_config"


def test_a_pipeline_is_not_to_be_sent_twice():
    data = ({"eval_template": "tone", "inputs": {"output": ["a"]}},)
    assert requests.evaluate_pipeline("p", "v1", data) == HttpCall(
        "POST",
        "/sdk/api/v1/evaluate-pipeline/",
        b'{"project_name":"p","version":"v1","eval_data":[{"eval_template":"tone","inputs":{"output":["a"]}}]}',
        repeatable=False,
    )
    with pytest.raises(InvalidCaseError) as caught:
        requests.evaluate_pipeline("p", "v1", [{"inputs": float("inf")}])
    assert caught.value.field == "eval_data"


def test_project_and_versions_are_quoted():
    call = requests.pipeline_results("my project/ü&x=1", ["v 1", "v+2", "é"])
    assert call == HttpCall(
        "GET",
        "/sdk/api/v1/evaluate-pipeline/?project_name=my%20project%2F%C3%BC%26x%3D1&versions=v%201%2Cv%2B2%2C%C3%A9",
    )


@pytest.mark.parametrize(
    "call",
    [
        requests.new_eval(Parameters("t"), [{"a": "x"}], is_async=False),
        requests.get_eval(ID),
        requests.get_evals(),
        requests.configure_evaluations({}),
        requests.evaluate_pipeline("p", "v", []),
        requests.pipeline_results("p", ["v"]),
    ],
    ids=lambda call: call.path,
)
def test_every_path_ends_in_a_slash_and_only_a_post_has_a_body(call):
    assert call.path.split("?")[0].startswith("/sdk/api/v1/")
    assert call.path.split("?")[0].endswith("/")
    assert (call.body is not None) is (call.method == "POST")


def test_a_config_nested_beyond_reason_is_refused():
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(InvalidCaseError, match="eval_config holds a value with no JSON form"):
        requests.new_eval(Parameters("contains", config={"deep": nested}), [{"text": "x"}], is_async=False)
    while nested:  # a chain this long must not be freed in one recursion
        nested = nested.pop()
