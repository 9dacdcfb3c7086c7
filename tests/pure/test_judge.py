"""A judge: where it is, with what key, and each mistake told before anything is sent."""

from __future__ import annotations

import copy
import math
import pickle
import re

import pytest

from chat import KEY, PASS_FAIL, SCORE
from fi_async import ConfigurationError, Limit, MissingCredentialsError
from fi_async._results import Usage
from fi_async.backends import judge as module
from fi_async.backends.judge import Endpoint, Judge
from fi_async.backends.prices import Price
from fi_async.wire.chat_requests import ChatModel

LOCAL = "http://127.0.0.1:11434/v1"
OTHER = "https://judge.test/v1"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_a_judge_has_openais_endpoint_unless_another_is_named():
    judge = Judge("gpt-5-mini")
    assert (judge.base_url, judge.label, judge.is_local) == ("https://api.openai.com/v1", "gpt-5-mini", False)
    assert Judge("m", base_url=f" {LOCAL}/ ", name="mine").base_url == LOCAL
    assert Judge("m", base_url=LOCAL, name="mine").label == "mine"
    assert Judge("m", base_url=LOCAL).is_local


# The key


def test_the_key_is_read_from_the_variable_when_it_is_needed(monkeypatch):
    judge = Judge("m")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert judge.request_headers() == {"Authorization": f"Bearer {KEY}"}
    assert judge.asked == ChatModel("m", "https://api.openai.com/v1", "OPENAI_API_KEY", (KEY,))


def test_a_missing_key_names_the_variable_and_the_way_without():
    judge = Judge("m", base_url=OTHER)
    for ask in (judge.request_headers, lambda: judge.endpoint, lambda: judge.asked):
        with pytest.raises(MissingCredentialsError) as caught:
            ask()
        assert caught.value.message == (
            "Judge 'm': OPENAI_API_KEY missing: set it, or pass api_key=; where https://judge.test/v1 needs no key,"
            " pass api_key=None"
        )


@pytest.mark.parametrize(
    "options", [{"base_url": LOCAL}, {"api_key": None, "base_url": OTHER}, {"base_url": "http://localhost:8000/v1"}]
)
def test_no_key_is_sent_to_this_machine_or_where_none_is_wanted(options, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    judge = Judge("m", **options)
    assert judge.request_headers() == {}
    assert judge.asked.key_source is None


def test_a_key_that_is_given_goes_to_this_machine_too():
    judge = Judge("m", base_url=LOCAL, api_key=KEY)
    assert judge.request_headers() == {"Authorization": f"Bearer {KEY}"}
    assert judge.asked.key_source == "api_key="


def test_a_header_may_carry_the_key_instead():
    judge = Judge("m", base_url=OTHER, headers={"api-key": KEY, "X-Title": "mine"})
    assert judge.request_headers() == {"api-key": KEY, "X-Title": "mine"}
    assert judge.asked == ChatModel("m", OTHER, "headers['api-key']", (KEY, "mine"))


def test_secrets_show_nowhere(monkeypatch):
    judge = Judge("m", api_key=KEY, headers={"X-Other": "hidden-too"}, extra_body={"user": "hidden-too"})
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for shown in (repr(judge), str(judge), repr(judge.asked), repr(judge.endpoint), judge.fingerprint(PASS_FAIL)):
        assert KEY not in shown
        assert "hidden-too" not in shown


def test_a_judge_with_a_secret_is_not_pickled_and_one_without_is():
    plain = Judge("m", base_url=OTHER, price=(1, 2), limits=[Limit(5)], extra_body={"seed": 1})
    assert pickle.loads(pickle.dumps(plain)) == copy.deepcopy(plain) == plain
    for options in ({"api_key": KEY}, {"headers": {"a": "b"}}):
        with pytest.raises(TypeError, match="cannot be pickled or copied: it holds a key, or headers") as caught:
            pickle.dumps(Judge("m", **options))
        assert KEY not in str(caught.value)


# What tells judges apart


def test_endpoints_are_equal_where_limits_are_shared():
    one = Judge("m", base_url=OTHER, api_key=KEY, temperature=0.0, name="a")
    assert one.endpoint == Judge("m", base_url=f"{OTHER}/", api_key=KEY, name="b").endpoint
    assert len({Judge("m", base_url=LOCAL).endpoint, Judge("m", base_url=LOCAL, api_key=None).endpoint}) == 1
    others = [
        Judge("n", base_url=OTHER, api_key=KEY),
        Judge("m", base_url=LOCAL, api_key=KEY),
        Judge("m", base_url=OTHER, api_key=f"{KEY}2"),
        Judge("m", base_url=OTHER, api_key=KEY, headers={"OpenAI-Organization": "o"}),
    ]
    assert len({each.endpoint for each in (one, *others)}) == 5
    assert re.fullmatch(
        r"Endpoint\(base_url='https://judge.test/v1', model='m', account='[0-9a-f]{16}'\)", repr(one.endpoint)
    )
    assert isinstance(one.endpoint, Endpoint)


CHANGES = [{"model": "n"}, {"base_url": LOCAL}, {"temperature": 0.5}, {"max_tokens": 9}, {"extra_body": {"seed": 1}}]
NO_CHANGES = [
    {"api_key": KEY},
    {"price": (1, 2)},
    {"name": "x"},
    {"max_cost": 1.0},
    {"concurrency": 2},
    {"limits": [Limit(5)]},
]


def test_a_fingerprint_takes_what_a_verdict_depends_on_and_nothing_else():
    given = {"model": "m", "base_url": OTHER}
    first = Judge(**given).fingerprint(PASS_FAIL)
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert {Judge(**given | change).fingerprint(PASS_FAIL) for change in NO_CHANGES} == {first}
    changed = [Judge(**given | change).fingerprint(PASS_FAIL) for change in CHANGES]
    changed.append(Judge(**given).fingerprint(SCORE))
    assert len({first, *changed}) == 1 + len(changed)


def test_a_fingerprint_takes_the_words_around_the_criteria(monkeypatch):
    first = Judge("m").fingerprint(PASS_FAIL)
    monkeypatch.setattr(module, "PROMPT_VERSION", 10_000)
    assert Judge("m").fingerprint(PASS_FAIL) != first


def test_a_judge_can_be_hashed_compared_and_does_not_change_with_what_it_was_given():
    headers, extra = {"a": "b"}, {"stop": ["x"]}
    judge = Judge("m", headers=headers, extra_body=extra)
    assert len({judge, Judge("m", headers=headers, extra_body=extra)}) == 1
    headers["c"] = "d"
    extra["stop"].append("y")
    assert (judge.headers, judge.extra_body) == ({"a": "b"}, {"stop": ["x"]})
    assert Judge("m", limits=[Limit(5)]).limits == (Limit(5),)


# Money


def test_a_given_price_comes_before_the_table(monkeypatch):
    assert Judge("m", price=(1, 2)).price == Price(1, 2)
    assert Judge("m", price=(1, 2)).pricing().cost(Usage(output_tokens=1_000_000)) == 2.0
    monkeypatch.setattr(module, "price_from_tables", lambda model, base_url: (model, base_url))
    assert Judge("m").pricing() == ("m", "https://api.openai.com/v1")
    assert Judge("m", price=(0, 0)).pricing() == Price(0, 0)


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": ""}, "Judge: model must be the name that the endpoint has for it, such as \"gpt-5-mini\", not ''"),
        ({"model": None}, 'Judge: model must be the name that the endpoint has for it, such as "gpt-5-mini", not None'),
        (
            {"base_url": "api.openai.com/v1"},
            "Judge 'm': base_url must look like https://api.openai.com/v1, not 'api.openai.com/v1'",
        ),
        ({"base_url": "local"}, "Judge 'm': base_url must look like https://api.openai.com/v1, not 'local'"),
        (
            {"base_url": "https://x.test/v1?a=b"},
            "Judge 'm': base_url must look like https://api.openai.com/v1, not 'https://x.test/v1?a=b'",
        ),
        ({"base_url": "https://me:secret@x.test/v1"}, "Judge 'm': base_url must not hold a user name or password"),
        ({"base_url": None}, "Judge 'm': base_url must be text, such as 'https://api.openai.com/v1', not NoneType"),
        (
            {"base_url": "http://gpu.test/v1"},
            (
                "Judge 'm': base_url 'http://gpu.test/v1' would send the key and the cases "
                "unencrypted: use https, or in a program allow_insecure_http=True"
            ),
        ),
        (
            {"base_url": "https://x.test/v1/chat/completions/"},
            "Judge 'm': base_url ends in /chat/completions, which is added to it: pass 'https://x.test/v1'",
        ),
        ({"api_key": ""}, "Judge 'm': api_key is empty: pass a key, or None for no key"),
        ({"api_key": 3}, "Judge 'm': api_key must be text, or None for no key, not int"),
        ({"api_key": "sk\nx"}, "Judge 'm': api_key holds a space, a line break or a character no header can carry"),
        ({"api_key": "schlüssel"}, "Judge 'm': api_key holds a space, a line break or a character no header can carry"),
        ({"headers": "x"}, "Judge 'm': headers must be a dict of text by name, not str"),
        (
            {"headers": {"Content-Type": "x"}},
            "Judge 'm': headers['Content-Type'] cannot be set: it says what the body is",
        ),
        ({"headers": {"a b": "x"}}, "Judge 'm': headers['a b']: a header's name is letters, digits and hyphens"),
        (
            {"headers": {"a": "x\n"}},
            "Judge 'm': headers['a'] begins or ends with a space, or holds what no header can carry",
        ),
        ({"headers": {"a": "x", "A": "y"}}, "Judge 'm': headers['A'] is there twice, in two spellings"),
        (
            {"headers": {"Authorization": "x"}, "api_key": KEY},
            "Judge 'm': headers['Authorization'] stands beside api_key: give one of them, and api_key=None",
        ),
        (
            {"limits": Limit(5)},
            "Judge 'm': limits must be a list of Limit, not Limit(count=5, per='minute', of='requests')",
        ),
        ({"limits": [5]}, "Judge 'm': limits must be a list of Limit, not [5]"),
        ({"limits": None}, "Judge 'm': limits must be a list of Limit, not None"),
        ({"concurrency": 0}, "Judge 'm': concurrency must be \"auto\" or a whole number from 1, not 0"),
        ({"max_cost": 0}, "Judge 'm': max_cost must be dollars above 0, not 0"),
        ({"max_cost": math.inf}, "Judge 'm': max_cost must be dollars above 0, not inf"),
        ({"max_cost": "5"}, "Judge 'm': max_cost must be dollars above 0, not '5'"),
        (
            {"price": 5},
            (
                "Judge 'm': price must be dollars a million tokens as (input, output) or "
                "(input, output, cached), such as (0.25, 2.0), not 5"
            ),
        ),
        ({"temperature": 3}, "Judge 'm': temperature must be a number from 0 to 2, not 3"),
        ({"temperature": math.nan}, "Judge 'm': temperature must be a number from 0 to 2, not nan"),
        ({"max_tokens": 0}, "Judge 'm': max_tokens must be a whole number from 1, not 0"),
        ({"max_tokens": 1.5}, "Judge 'm': max_tokens must be a whole number from 1, not 1.5"),
        ({"name": ""}, "Judge 'm': name must be one line of text, not ''"),
        ({"extra_body": [1]}, "Judge 'm': extra_body must be a dict of parameters by name"),
        ({"extra_body": {1: 2}}, "Judge 'm': extra_body must be a dict of parameters by name"),
        ({"extra_body": {"temperature": 1}}, "Judge 'm': extra_body['temperature'] cannot be set: pass temperature="),
        (
            {"extra_body": {"max_completion_tokens": 1}},
            "Judge 'm': extra_body['max_completion_tokens'] cannot be set: pass max_tokens=",
        ),
        (
            {"extra_body": {"stream": True}},
            "Judge 'm': extra_body['stream'] cannot be set: an answer is read as a whole",
        ),
        (
            {"extra_body": {"x": {1, 2}}},
            "Judge 'm': extra_body holds a value with no JSON form: use text, numbers, lists and dicts",
        ),
        (
            {"extra_body": {"x": math.nan}},
            "Judge 'm': extra_body holds a value with no JSON form: use text, numbers, lists and dicts",
        ),
    ],
)
def test_each_mistake_is_told_with_its_fix(options, message):
    with pytest.raises(ConfigurationError) as caught:
        Judge(**{"model": "m"} | options)
    assert caught.value.message == message
    assert "secret" not in caught.value.message


def test_http_to_another_machine_has_to_be_allowed():
    assert Judge("m", base_url="http://gpu.test/v1", allow_insecure_http=True).base_url == "http://gpu.test/v1"


def test_a_key_in_the_variable_that_no_header_carries_is_refused(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk x")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY holds a space"):
        Judge("m").request_headers()
