"""Switches from Python, from short texts, and over HTTP."""

from __future__ import annotations

import json
from dataclasses import fields

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fi_async.local import (
    Faults,
    Lognormal,
    Quota,
    Switches,
    parse_faults,
    parse_latency,
    parse_quota,
    parse_switches,
)
from fi_async.local.envelopes import UNABLE_TO_RUN
from local.api import PARIS

CONTROL = "http://local/_local/"

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("300/10s", Quota(300, 10)),
        ("50/min", Quota(50, 60)),
        (" 300 / h ", Quota(300, 3600)),
        ("1000/day", Quota(1000, 86400)),
        ("5/0.5s", Quota(5, 0.5)),
        ("2/5min", Quota(2, 300)),
    ],
)
def test_quotas(text, quota):
    assert parse_quota(text) == quota


@pytest.mark.parametrize("text", ["", "300", "300/", "300/10", "-1/s", "a/s", "5/0s", "5/week"])
def test_wrong_quotas(text):
    with pytest.raises(ValueError, match="quota"):
        parse_quota(text)


def test_what_a_quota_says_of_itself():
    assert str(Quota(5, 60)) == "5 api requests per minute"
    assert str(Quota(300, 10)) == "300 api requests per 10 seconds"
    assert str(Quota(3, 1.5)) == "3 api requests per 1.5 seconds"
    assert [Quota(1, 60).seconds_left(at) for at in (0, 59.2, 60, 16.5)] == [60, 1, 60, 44]
    assert Quota(1, 0.5).seconds_left(0.1) == 1


def test_latencies():
    assert parse_latency("2") == 2.0
    assert parse_latency("2~0.8") == Lognormal(2.0, 0.8)
    for wrong in ("", "two", "2~", "~1", "-1~1"):
        with pytest.raises(ValueError, match=r"2~0\.8 for lognormal"):
            parse_latency(wrong)


def test_faults():
    texts = ["503=0.05", "500=0.01", "504_after=0.02", "slow=0.1:5", "reset_after=0.02", "stuck = 0.1"]
    assert parse_faults(texts) == Faults(
        status={503: 0.05, 500: 0.01}, status_after={504: 0.02}, slow=(0.1, 5.0), reset_after=0.02, stuck=0.1
    )
    assert parse_faults([]) == Faults()
    assert parse_faults(["gets=off"]) == Faults(gets=False)
    assert parse_switches({"faults": {"503": 0.05, "slow": "0.1:5"}}).faults == Faults(
        status={503: 0.05}, slow=(0.1, 5.0)
    )


@pytest.mark.parametrize("text", ["", "503", "503=", "nope=0.1", "gets=0.1", "slow=0.1", "x_after=1", "fail=a"])
def test_wrong_faults(text):
    with pytest.raises(ValueError, match=r"write it as 503=0\.05, slow=0\.1:5 or gets=off"):
        parse_faults([text])


def test_all_switches_from_texts_and_values():
    switches = parse_switches(
        {
            "latency": "2~0.8",
            "overhead": 0.1,
            "capacity": 8,
            "requests": "300/10s",
            "evaluations": ["50/min", Quota(1000, 86400)],
            "faults": ["503=0.05"],
            "projects": ["default"],
            "own_templates": "contains",
            "keys": {"key": "secret"},
        }
    )
    assert switches == Switches(
        latency=Lognormal(2.0, 0.8),
        overhead=0.1,
        capacity=8,
        requests=Quota(300, 10),
        evaluations=(Quota(50, 60), Quota(1000, 86400)),
        faults=Faults(status={503: 0.05}),
        projects=frozenset({"default"}),
        own_templates=frozenset({"contains"}),
        keys={"key": "secret"},
    )
    changed = parse_switches(
        {"requests": None, "projects": None, "evaluations": "50/min", "faults": Faults(fail=0.1)}, switches
    )
    assert (changed.requests, changed.projects, changed.capacity) == (None, None, 8)
    assert (changed.evaluations, changed.faults) == ((Quota(50, 60),), Faults(fail=0.1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latency": -1}, "latency is 0 seconds or more"),
        ({"latency": True}, "latency"),
        ({"latency": float("nan")}, "latency"),
        ({"overhead": Lognormal(1, 1)}, "overhead"),
        ({"capacity": 0}, "capacity is 1 or more"),
        ({"capacity": 1.5}, "capacity"),
        ({"queue_limit": -1}, "queue_limit is 0 or more"),
        ({"overload": "drop"}, "overload"),
        ({"spelling": "kebab"}, "spelling"),
        ({"seed": "x"}, "seed"),
        ({"requests": 5}, "requests"),
        ({"evaluations": [5]}, "evaluations"),
        ({"keys": "key"}, "keys"),
        ({"nope": 1}, "there is no switch 'nope'; there are latency, "),
    ],
)
def test_wrong_switches(wrong, message):
    with pytest.raises(ValueError, match=message):
        parse_switches(wrong)


@pytest.mark.parametrize("wrong", [{"count": -1, "window_seconds": 1}, {"count": 1, "window_seconds": 0}])
def test_impossible_quotas(wrong):
    with pytest.raises(ValueError, match="quota"):
        Quota(**wrong)


@pytest.mark.parametrize("wrong", [{"median": -1, "sigma": 0}, {"median": 1, "sigma": -1}])
def test_impossible_distributions(wrong):
    with pytest.raises(ValueError, match="0"):
        Lognormal(**wrong)


async def test_statistics_and_switches_over_http(api):
    await api.post(PARIS)
    await api.get("get-evals/")
    reply = await api.get(f"{CONTROL}statistics")
    assert reply.json() == {
        "requests": 2,
        "posts": 1,
        "gets": 1,
        "evaluations_made": 1,
        "distinct": 1,
        "duplicates": 0,
        "refused_requests": 0,
        "refused_evaluations": 0,
        "faults": {},
        "in_flight": 0,
        "peak_in_flight": 1,
    }
    assert reply.json() == api.backend.statistics()

    reply = await api.post({"latency": 3.0, "faults": ["503=1"]}, path=f"{CONTROL}switches")
    assert (reply.status_code, reply.json()) == (200, {"changed": ["faults", "latency"]})
    assert api.backend.switches == Switches(latency=3.0, faults=Faults(status={503: 1.0}))
    assert (await api.post(PARIS)).status_code == 503


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"capacity": 0}', "capacity is 1 or more, or None, not 0"),
        (b"[1]", "the body is not an object with the switches to change"),
        (b"{", "Expecting property name"),
        (b'{"faults": 5}', "faults"),
        (b'{"faults": [5]}', "5 is not a fault"),
        (b'{"projects": 5}', "projects"),
    ],
)
async def test_a_wrong_change_changes_nothing(api, body, message):
    reply = await api.post(path=f"{CONTROL}switches", content=body)
    assert reply.status_code == 400
    assert message in reply.json()["error"]
    assert api.backend.switches == Switches()


@pytest.mark.parametrize(("method", "path"), [("GET", f"{CONTROL}nope"), ("GET", f"{CONTROL}switches")])
async def test_unknown_control_routes(api, method, path):
    reply = await api.client.request(method, path)
    assert reply.status_code == 404
    assert "/_local/statistics" in reply.json()["error"]


def test_no_secret_shows():
    assert "secret" not in repr(Switches(keys={"key": "secret"}))


NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([10**400, -(10**400), 1e308, 5e-324, 1e9, 1e10, 0, -0.0]),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NEAR_TEXTS = st.sampled_from(
    [
        *("1e999", "-1", "nan", "1e9", "1e9~1e9", "2~0.8", "~", "5/0s", "1/1e-9s", "1/999999999999h"),
        *("503=1", "503=nan", "²=1", "slow=1:1e9", "slow=1:inf", "502_after=1", "99999999=1", "gets=off", "fail=1"),
    ]
)
CHANGES = st.dictionaries(
    st.sampled_from([field.name for field in fields(Switches)]),
    NUMBERS | NEAR_TEXTS | st.lists(NEAR_TEXTS, max_size=3) | JSON_VALUES,
    max_size=4,
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES.map(json.dumps) | JSON_VALUES.map(json.dumps) | st.binary(max_size=20))
@example('{"latency": 1e999}')
@example('{"latency": 1' + "0" * 400 + "}")
@example('{"latency": "1e9~1e9"}')
@example('{"latency": {"median": 1}}')
@example('{"requests": "5/0.000001s"}')
@example('{"keys": {"key": 5}}')
@example('{"capacity": ' + "9" * 5000 + "}")
@example("[" * 100_000)
@example('{"faults": {"slow": "1:1e400"}}')
def test_whatever_the_control_route_is_told_nothing_breaks(start, body):
    async def ask():
        api = start()
        reply = await api.post(path=f"{CONTROL}switches", content=body)
        assert reply.status_code in (200, 400), reply.text
        if reply.status_code == 400:
            assert reply.json()["error"].strip()
            assert len(reply.content) < 10_000
            assert api.backend.switches == Switches()
        try:
            again = await api.post({**PARIS, "is_async": True})
            await api.post(PARIS)
            if again.status_code == 200 and "evaluations" in again.text:
                await api.get(eval_id=again.json()["result"][0]["evaluations"][0]["eval_id"])
        except (ConnectionResetError, ValueError):
            assert api.backend.switches.faults != Faults()  # it was told to break off, or to cut replies

    anyio.run(ask)


async def test_without_a_call_log_an_engines_error_is_the_generic_500(start):
    bad_pattern = {"eval_name": "regex", "inputs": {"text": "x"}, "config": {"params": {"pattern": "("}}}
    with_log = await start().post(bad_pattern)
    assert (with_log.status_code, "Runtime error" in with_log.json()["detail"]) == (400, True)
    api = start(call_log=False)
    without = await api.post(bad_pattern)
    assert (without.status_code, without.json()["detail"]) == (500, UNABLE_TO_RUN)
    failed = await api.progress(await api.submit(**bad_pattern))
    assert "Runtime error" in failed["result"]["error_message"]
    assert parse_switches({"call_log": False}).call_log is False
    with pytest.raises(ValueError, match="call_log is true or false, not 'no'"):
        parse_switches({"call_log": "no"})


def test_a_key_is_not_repeated_where_keys_are_wrong():
    with pytest.raises(ValueError, match=r"^keys is secret keys by API key, or None$"):
        Switches(keys={"key": 5, "other": "s3cret"})
