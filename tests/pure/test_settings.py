"""Timeouts, retry policy, run options and connections: their ranges, their messages, and that keys never show."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import traceback

import pytest

from fi_async import (
    AsyncEvaluator,
    ConfigurationError,
    Evaluator,
    FiAsyncError,
    MissingCredentialsError,
    RunOptions,
    Timeout,
    __version__,
)
from fi_async._connection import CLOUD_URL, LOCAL, Connection, Credentials
from fi_async._settings import OMITTED, Limit, Omitted, RetryPolicy, RunKeywords

NOT_SECONDS = [0, -1, -0.5, math.nan, True, False, "5", [], 1j]


# -- Timeout -----------------------------------------------------------------------------------------------------------


def test_the_timeouts_have_defaults():
    assert Timeout() == Timeout(connect=10.0, read=120.0, case="auto", call=None)
    assert [Timeout(case=case).longest_case for case in ("auto", 7.0, None)] == [600.0, 7.0, None]


@pytest.mark.parametrize("name", ["connect", "read", "case", "call"])
@pytest.mark.parametrize("value", NOT_SECONDS, ids=repr)
def test_a_timeout_is_a_number_of_seconds_above_zero(name, value):
    with pytest.raises(ConfigurationError) as caught:
        Timeout(**{name: value})
    assert caught.value.message == f"timeout.{name} must be a number of seconds above 0, not {value!r}"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda most: Timeout(call=most), "timeout.call must be at most 1,000,000,000,000"),
        (lambda most: Limit(3, most), "limit.per must be at most 10,000,000,000"),
        (Limit, "limit.count must be at most 1,000,000,000,000"),
        (lambda most: RunOptions(poll_interval=most), "poll_interval must be at most 10,000,000,000"),
        (lambda most: RunOptions(concurrency=most), "concurrency must be at most 1,000,000,000,000"),
        (lambda most: RunOptions(rows=most), "rows must be at most 1,000,000,000,000"),
        (lambda most: RunOptions(max_retries=most), "max_retries must be at most 1,000,000,000,000"),
    ],
)
def test_a_number_that_nobody_can_reckon_with_is_refused(make, said):
    for most in (10**400, 10**5000):  # no float, and no text either
        with pytest.raises(ConfigurationError) as caught:
            make(most)
        assert caught.value.message == said


@pytest.mark.parametrize("make", [lambda: Limit(3, math.inf), lambda: RunOptions(poll_interval=math.inf)])
def test_what_comes_again_and_again_comes_in_finite_time(make):
    with pytest.raises(ConfigurationError, match=r"must be at most 10,000,000,000$"):
        make()
    assert Timeout(connect=math.inf, patience=math.inf).connect == math.inf


@pytest.mark.parametrize("name", ["connect", "read"])
def test_a_request_is_always_bounded(name):
    with pytest.raises(ConfigurationError, match=rf"timeout\.{name} must be .* not None"):
        Timeout(**{name: None})


@pytest.mark.parametrize("name", ["case", "call"])
def test_a_case_and_a_call_need_no_bound(name):
    assert getattr(Timeout(**{name: None}), name) is None


@pytest.mark.parametrize("value", [1, 0.001, math.inf])
def test_any_positive_number_is_a_timeout(value):
    assert Timeout(connect=value, read=value, case=value, call=value).call == value


# -- RetryPolicy -------------------------------------------------------------------------------------------------------


def test_the_retry_policy_has_defaults():
    assert RetryPolicy() == RetryPolicy(max_retries=4, on_ambiguous="resubmit", on_stalled="fail")


@pytest.mark.parametrize("value", [-1, 1.0, True, "3", None], ids=repr)
@pytest.mark.parametrize("kind", [RetryPolicy, RunOptions])
def test_max_retries_is_a_whole_number_from_zero(kind, value):
    with pytest.raises(ConfigurationError) as caught:
        kind(max_retries=value)
    assert caught.value.message == f"max_retries must be a whole number from 0, not {value!r}"


@pytest.mark.parametrize("kind", [RetryPolicy, RunOptions])
@pytest.mark.parametrize("value", ["retry", "", None, True, []], ids=repr)
def test_on_ambiguous_is_one_of_two_words(kind, value):
    with pytest.raises(ConfigurationError) as caught:
        kind(on_ambiguous=value)
    assert caught.value.message == f"on_ambiguous must be one of 'resubmit', 'fail', not {value!r}"


@pytest.mark.parametrize("value", [*NOT_SECONDS, None], ids=repr)
def test_patience_is_a_number_of_seconds(value):
    with pytest.raises(ConfigurationError, match=r"patience must be a number of seconds above 0"):
        Timeout(patience=value)


# -- RunOptions --------------------------------------------------------------------------------------------------------


def test_the_run_options_have_defaults():
    options = RunOptions()
    assert dataclasses.asdict(options) == {
        "concurrency": "auto",
        "timeout": dataclasses.asdict(Timeout()),
        "max_retries": 4,
        "on_ambiguous": "resubmit",
        "on_stalled": "fail",
        "model_name": None,
        "strategy": "auto",
        "fill_missing": True,
        "extra_keys": "forbid",
        "poll_interval": None,
        "limits": (),
        "rows": "auto",
        "repeats": 1,
        "reduce": None,
        "precision": 0.95,
        "max_repeats": 9,
    }
    assert options.retry_policy() == RetryPolicy()


def test_the_keywords_type_checkers_see_are_the_options_there_are():
    named = [name for name in RunKeywords.__annotations__ if name != "model"]  # another word for model_name
    assert named == [field.name for field in dataclasses.fields(RunOptions)]


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "8", None], ids=repr)
def test_concurrency_is_auto_or_a_whole_number_from_one(value):
    with pytest.raises(ConfigurationError) as caught:
        RunOptions(concurrency=value)
    assert caught.value.message == f'concurrency must be "auto" or a whole number from 1, not {value!r}'


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("strategy", "batch", "'auto', 'sync', 'async'"),
        ("extra_keys", "allow", "'forbid', 'ignore'"),
        ("strategy", [], "'auto'"),
    ],
)
def test_the_words_of_an_option_are_named(name, value, allowed):
    with pytest.raises(ConfigurationError) as caught:
        RunOptions(**{name: value})
    assert caught.value.message.startswith(f"{name} must be one of {allowed}")


@pytest.mark.parametrize("value", NOT_SECONDS, ids=repr)
def test_poll_interval_is_a_number_of_seconds(value):
    with pytest.raises(ConfigurationError, match="poll_interval must be a number of seconds above 0"):
        RunOptions(poll_interval=value)


def test_the_retry_policy_is_the_options_own():
    assert RunOptions(max_retries=0, on_ambiguous="fail").retry_policy() == RetryPolicy(0, "fail")


def test_what_is_omitted_keeps_its_value():
    options = RunOptions(model_name="turing_small")
    assert options.with_given() is options
    assert options.with_given(model_name=OMITTED, concurrency=OMITTED) is options
    assert options.with_given(model_name=None).model_name is None
    assert options.with_given(concurrency=2) == RunOptions(model_name="turing_small", concurrency=2)
    assert options.model_name == "turing_small"


def test_a_keyword_that_is_none_is_named():
    with pytest.raises(TypeError) as raised:
        RunOptions().with_given(time_out=3)
    assert str(raised.value) == "unexpected keyword argument 'time_out'; did you mean timeout?"


@pytest.mark.parametrize("seconds", [5, 0.5, None])
def test_a_number_as_timeout_bounds_each_case_and_leaves_the_other_timeouts(seconds):
    options = RunOptions(timeout=Timeout(connect=1, read=2, case=3, call=4))
    assert options.with_given(timeout=seconds).timeout == Timeout(connect=1, read=2, case=seconds, call=4)


def test_a_timeout_as_timeout_replaces_them_all():
    options = RunOptions(timeout=Timeout(connect=1, read=2, case=3, call=4))
    assert options.with_given(timeout=Timeout(case=9)).timeout == Timeout(case=9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": 0}, r"timeout\.case must be"),
        ({"timeout": "5"}, r"timeout\.case must be"),
        ({"concurrency": 0}, "concurrency must be"),
        ({"max_retries": -1}, "max_retries must be"),
        ({"poll_interval": 0}, "poll_interval must be"),
    ],
)
def test_a_keyword_out_of_its_range_is_named(given, message):
    with pytest.raises(ConfigurationError, match=message):
        RunOptions().with_given(**given)


def test_omitted_has_a_name_of_its_own():
    assert repr(OMITTED) == "OMITTED"
    assert Omitted.OMITTED is OMITTED
    assert pickle.loads(pickle.dumps(OMITTED)) is OMITTED
    assert copy.deepcopy(OMITTED) is OMITTED


@pytest.mark.parametrize(
    "settings", [Timeout(), RetryPolicy(), RunOptions(), Credentials("a", "b")], ids=lambda it: type(it).__name__
)
def test_settings_cannot_be_changed(settings):
    for field in dataclasses.fields(settings):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, field.name, 5)


# -- Connection --------------------------------------------------------------------------------------------------------


def test_arguments_come_before_the_environment(monkeypatch):
    for name in ("FI_API_KEY", "FI_SECRET_KEY"):
        monkeypatch.setenv(name, f"env-{name}")
    monkeypatch.setenv("FI_BASE_URL", "https://env.example")
    assert Connection.resolve("a", "s", "https://given.example") == Connection(
        "https://given.example", Credentials("a", "s")
    )
    assert Connection.resolve(None, None, None) == Connection(
        "https://env.example", Credentials("env-FI_API_KEY", "env-FI_SECRET_KEY")
    )


def test_the_cloud_is_where_requests_go_by_default():
    connection = Connection.resolve("a", "s", None)
    assert (connection.base_url, connection.backend) == (CLOUD_URL, "cloud") == ("https://api.futureagi.com", "cloud")
    assert connection.user_agent == f"fi-async/{__version__}"
    assert connection.default_headers == {}


def test_other_fields_are_taken_over():
    connection = Connection.resolve("a", "s", None, user_agent="mine/1", default_headers={"X-Team": "t"})
    assert (connection.user_agent, connection.default_headers) == ("mine/1", {"X-Team": "t"})


@pytest.mark.parametrize(
    ("api_key", "secret_key", "missing"),
    [
        (None, None, "FI_API_KEY and FI_SECRET_KEY missing"),
        ("", "", "FI_API_KEY and FI_SECRET_KEY missing"),
        ("a", None, "FI_SECRET_KEY missing"),
        (None, "s", "FI_API_KEY missing"),
    ],
)
def test_missing_keys_are_named_with_the_variables_and_the_local_backend(api_key, secret_key, missing):
    with pytest.raises(MissingCredentialsError) as caught:
        Connection.resolve(api_key, secret_key, None)
    assert caught.value.message.startswith(f"{missing}: set FI_API_KEY and FI_SECRET_KEY")
    assert "AsyncEvaluator.local()" in caught.value.message
    assert "FI_BASE_URL=local" in caught.value.message


def test_the_local_backend_needs_no_keys(monkeypatch):
    expected = Connection(LOCAL, Credentials("local", "local"))
    assert Connection.resolve(None, None, "local") == expected
    monkeypatch.setenv("FI_BASE_URL", "local")
    assert Connection.resolve(None, None, None) == expected
    assert expected.backend == "local"
    assert Connection.resolve("a", None, None).credentials == Credentials("a", "local")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://host", "https://host"),
        ("https://host/", "https://host"),
        (" https://host/prefix// ", "https://host/prefix"),
        ("https://host:8443", "https://host:8443"),
        ("https://host:", "https://host:"),
        ("https://h_o.st-1.", "https://h_o.st-1."),
        ("https://[fe80::1%25eth0]:1", "https://[fe80::1%25eth0]:1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://api.localhost", "http://api.localhost"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://bücher.example:8443/füße", "https://xn--bcher-kva.example:8443/f%C3%BC%C3%9Fe"),
    ],
)
def test_base_urls_that_can_be_used(url, base):
    connection = Connection.resolve("a", "s", url)
    assert (connection.base_url, connection.backend) == (base, "server")


@pytest.mark.parametrize(
    "url",
    [
        "host",
        "host:8000",
        "ftp://host",
        "https://",
        "https:///path",
        "//host",
        "https://host?x=1",
        "https://host/#part",
        " local",
        "LOCAL",
        "https://[::1",
        "https://host:99999",
        "https://host:port",
        "https://ho st",
        "https://ho\nst",
        "https://host/pa\tth",
        "https://ho{st",
        "https://{bücher.example",
        "https://xn--zzzzzzzz99999.example",
        "https://bü_x.example",
        "https://[::g]",
        "https://host[::1]:8",
        "https://[::1]host",
        "https://a:1:2",
    ],
)
def test_base_urls_that_cannot_be_used_are_named_with_an_example(url):
    with pytest.raises(ConfigurationError) as caught:
        Connection.resolve("a", "s", url)
    assert caught.value.message.startswith('fi_base_url must look like https://host or be "local", not ')


@pytest.mark.parametrize(
    "url", ["http://host", "http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.nip.io"]
)
def test_keys_are_not_sent_unencrypted_unless_the_user_says_so(url):
    with pytest.raises(ConfigurationError, match="unencrypted: use https, or in a program allow_insecure_http=True"):
        Connection.resolve("a", "s", url)
    assert Connection.resolve("a", "s", url, allow_insecure_http=True).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@host",
        "https://hunter2@host",
        "ftp://user:hunter2@host",
        "https://u:hunter2@host?x",
        "u:hunter2@h",
    ],
)
def test_a_login_in_the_url_is_refused_and_not_shown(url):
    with pytest.raises(ConfigurationError) as caught:
        Connection.resolve("a", "s", url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "key", ["hunter2\n", " hunter2", "hunter2 ", "hun\rter2", "hunter2é", "hun\tter2", "hunter2\0"]
)
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key):
    for pair, name in (((key, "s"), "fi_api_key"), (("a", key), "fi_secret_key")):
        with pytest.raises(ConfigurationError) as caught:
            Connection.resolve(*pair, None)
        assert caught.value.message == f"{name} holds a space, a line break or a character no header can carry"
        assert "ter2" not in "".join(traceback.format_exception(caught.value))


def test_a_base_url_of_the_environment_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("FI_BASE_URL", "ftp://user:hunter2@host")
    with pytest.raises(ConfigurationError) as caught:
        Connection.resolve("a", "s", None)
    assert caught.value.message.startswith('FI_BASE_URL must look like https://host or be "local", not ')
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("X-Token", "hunter2\n", "holds what no header can carry"),
        ("X-Token", "hunter2 ", "begins or ends with a space"),
        ("X-Token", "hunter2é", "holds what no header can carry"),
        ("X-Token", "hunter2\0", "holds what no header can carry"),
        ("X-Token", b"hunter2", "must be text, not bytes"),
        ("X-Token", None, "must be text, not NoneType"),
        ("X Token", "hunter2", "a header's name is letters, digits and hyphens"),
        ("X-Token:", "hunter2", "a header's name is letters, digits and hyphens"),
        ("", "hunter2", "a header's name is letters, digits and hyphens"),
        *((each, "hunter2", "it belongs to the connection") for each in ("Host", "content-length", "Connection")),
        ("TRANSFER-ENCODING", "hunter2", "it belongs to the connection"),
        ("x-api-key", "hunter2", "pass fi_api_key="),
        ("X-Secret-Key", "hunter2", "pass fi_secret_key="),
        ("Authorization", "hunter2", "the server would go by it instead of the key pair"),
        ("Accept-Encoding", "hunter2", "replies are unpacked within bounds"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_at_construction_and_not_shown(name, value, reason):
    with pytest.raises(ConfigurationError) as caught:
        Connection.resolve("a", "s", None, default_headers={name: value})
    assert caught.value.message.startswith(f"default_headers[{name!r}]")
    assert reason in caught.value.message
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_header_in_two_spellings_is_refused():
    with pytest.raises(ConfigurationError, match=r"default_headers\['x-team'\] is there twice"):
        Connection.resolve("a", "s", None, default_headers={"X-Team": "t", "x-team": "u"})


def test_a_user_agent_that_cannot_be_sent_is_refused():
    with pytest.raises(ConfigurationError, match="user_agent begins or ends with a space"):
        Connection.resolve("a", "s", None, user_agent="mine/1\r\nX-Api-Key: other")


def test_headers_that_are_the_callers_to_set_are_kept():
    headers = {"X-Team": "t", "accept": "application/json;v=2", "Cookie": "a=b"}
    assert Connection.resolve("a", "s", None, default_headers=headers).default_headers == headers


@pytest.mark.parametrize(
    "holder",
    [
        Credentials("hunter2", "hunter2"),
        Connection("https://host", Credentials("hunter2", "hunter2"), default_headers={"Cookie": "hunter2"}),
        Connection.resolve("hunter2", "hunter2", None),
        [Connection.resolve("hunter2", "hunter2", "http://localhost")],
        FiAsyncError("x", report=Credentials("hunter2", "hunter2")),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_keys_do_not_show(holder):
    for text in (repr(holder), str(holder), f"{holder}"):
        assert "hunter2" not in text


def test_two_connections_with_other_keys_are_not_equal():
    assert Connection.resolve("a", "s", None) != Connection.resolve("a", "t", None)


def test_a_limit_has_the_length_of_its_window():
    assert [Limit(1, per=per).seconds for per in ("second", "minute", "hour", "day", 10)] == [1, 60, 3600, 86_400, 10]
    assert Limit(300).of == "requests"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"count": 0}, "limit.count"),
        ({"count": True}, "limit.count"),
        ({"count": 1.5}, "limit.count"),
        ({"per": "month"}, "limit.per"),
        ({"per": 0}, "limit.per"),
        ({"of": "words"}, "limit.of"),
    ],
)
def test_a_limit_out_of_its_range_is_named(wrong, named):
    with pytest.raises(ConfigurationError, match=named):
        Limit(**{"count": 1, **wrong})


def test_limits_are_a_list_of_them():
    with pytest.raises(ConfigurationError, match="limits must be a list of Limit"):
        RunOptions(limits=Limit(1))
    with pytest.raises(ConfigurationError, match="limits must be a list of Limit"):
        RunOptions(limits=[300])


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "all", None], ids=repr)
def test_rows_are_auto_or_a_whole_number_from_one(value):
    with pytest.raises(ConfigurationError, match=r'rows must be "auto" or a whole number from 1'):
        RunOptions(rows=value)


@pytest.mark.parametrize("clone", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", [AsyncEvaluator, Evaluator])
def test_a_client_is_neither_pickled_nor_copied_and_says_what_to_do(kind, clone):
    made = kind("k" * 32, "s3cret" * 6)
    with pytest.raises(TypeError) as caught:
        clone(made)
    assert str(caught.value) == (
        f"{kind.__name__} cannot be pickled or copied: it holds connections and your keys. Make one in each process,"
        " say in the pool's initializer; with shared_budget= they keep to the limits together"
    )
