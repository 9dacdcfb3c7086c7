from __future__ import annotations

import asyncio
import errno
import re
from dataclasses import fields
from decimal import Decimal

import pytest

from fi_async import AsyncEvaluator
from fi_async.local import ChatFaults, ChatSwitches, Faults, LocalBackend, Lognormal, Quota, Switches, server

FLAGS = (
    "--host 127.0.0.2 --port 0 --latency 2~0.8 --overhead 0.1 --capacity 4 --requests 300/10s"
    " --evaluations 50/min 9/s --fault 503=0.05 slow=0.1:5 --spelling camel --no-call-log --seed 7 --store made.sqlite"
    " --allow-network --key a:b --key c:d:e"
)
JUDGE_FLAGS = (
    "--judge-style azure --judge-hints body reset --judge-models a b:7b --judge-keys sk-1 --judge-latency 2~0.8"
    " --judge-capacity 4 --judge-queue-limit 0 --judge-requests 600/min --judge-tokens 100000/min --judge-reserve 9"
    " --judge-insufficient-quota-after 7 --judge-context-length 8192"
    " --judge-refused-parameters temperature b:7b:max_tokens --judge-json-schema ignored --judge-reasoning-tokens 64"
    " --judge-no-cache --judge-no-usage --judge-prices a=1.25:10 b:7b=1:0.1:2"
    " --judge-faults 503=0.05 not_json=0.1 slow=0.1:5"
)
JUDGE_SWITCHES = re.compile(r"__judge_(?:no_)?(\w+)")


@pytest.fixture
def served(monkeypatch):
    """Note what the server is started with, in place of starting it; `ends` is what it ends in."""

    class Served:
        url, ends = "http://127.0.0.1:8100", None

        def __call__(self, backend, host, port, *, on_started, grace, on_stopped=None):
            self.on_stopped = on_stopped
            self.backend, self.host, self.port, self.grace = backend, host, port, grace
            on_started(self.url)
            if self.ends is not None:
                raise self.ends

    noted = Served()
    monkeypatch.setattr(server, "serve", noted)
    return noted


def test_it_prints_what_a_client_needs(cli, served):
    ended = cli("serve")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "Listening at http://127.0.0.1:8100 (Ctrl-C stops it). To use it:\n\n"
        "  export FI_BASE_URL=http://127.0.0.1:8100\n"
        "  export FI_API_KEY=local\n"
        "  export FI_SECRET_KEY=local\n\n"
        "A model to test judges with: POST http://127.0.0.1:8100/v1/chat/completions\n"
    )
    assert (served.host, served.port, served.backend.switches) == ("127.0.0.1", 8100, Switches())
    assert served.grace <= 1


def test_every_flag_reaches_the_server(cli, served, tmp_path):
    ended = cli("serve", FLAGS)
    assert ended.code == 0
    assert served.host == "127.0.0.2"
    assert served.backend.switches == Switches(
        latency=Lognormal(2.0, 0.8),
        overhead=0.1,
        capacity=4,
        requests=Quota(300, 10.0),
        evaluations=(Quota(50, 60.0), Quota(9, 1.0)),
        faults=Faults(status={503: 0.05}, slow=(0.1, 5.0)),
        spelling="camel",
        call_log=False,
        allow_network=True,
        seed=7,
        keys={"a": "b", "c": "d:e"},
    )
    assert (tmp_path / "made.sqlite").exists()
    assert "export FI_API_KEY=a\n  export FI_SECRET_KEY=b\n" in ended.out


def test_every_flag_about_judges_reaches_the_server(cli, served):
    ended = cli("serve", JUDGE_FLAGS)
    assert ended.code == 0, ended.err
    assert served.backend.switches.chat == ChatSwitches(
        style="azure",
        hints=frozenset({"body", "reset"}),
        models=frozenset({"a", "b:7b"}),
        keys=frozenset({"sk-1"}),
        latency=Lognormal(2.0, 0.8),
        capacity=4,
        queue_limit=0,
        requests=Quota(600, 60.0),
        tokens=Quota(100_000, 60.0),
        reserve=9,
        insufficient_quota_after=7,
        context_length=8192,
        refused_parameters=frozenset({"temperature", "b:7b:max_tokens"}),
        json_schema="ignored",
        reasoning_tokens=64,
        cache=False,
        usage=False,
        prices={"a": (Decimal("1.25"), Decimal(10)), "b:7b": (Decimal(1), Decimal("0.1"), Decimal(2))},
        faults=ChatFaults(status={503: 0.05}, not_json=0.1, slow=(0.1, 5.0)),
    )
    assert {each.name for each in fields(ChatSwitches)} == set(JUDGE_SWITCHES.findall(JUDGE_FLAGS.replace("-", "_")))


def test_hints_can_all_be_left_out(cli, served):
    assert cli("serve --judge-hints none").code == 0
    assert served.backend.switches.chat == ChatSwitches(hints=frozenset())


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--judge-prices gpt=5", "'gpt=5' is not a price; write it as MODEL=1.25:10"),
        ("--judge-faults nope=1", "'nope=1' is not a fault of chat"),
        ("--judge-tokens 5", "'5' is not a quota"),
        ("--judge-latency soon", "'soon' is not a latency"),
    ],
)
def test_what_no_switch_can_be(flag, said, cli, served):
    ended = cli(f"serve {flag}")
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize(
    ("url", "told"), [("http://0.0.0.0:8100", "http://127.0.0.1:8100"), ("http://[::]:8100", "http://[::1]:8100")]
)
def test_a_server_at_every_address_is_reached_at_the_loopback(url, told, cli, served):
    served.url = url
    assert f"export FI_BASE_URL={told}\n" in cli("serve").out


def test_an_early_interrupt_is_quiet(cli, served):
    served.ends = KeyboardInterrupt()
    ended = cli("serve")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EADDRINUSE, "in use"), "port 8100 of 127.0.0.1 is taken; --port 0 takes a free one"),
        (OSError(errno.EADDRNOTAVAIL, "no such address"), "cannot listen at 127.0.0.1, port 8100: no such address"),
        (OSError("odd"), "cannot listen at 127.0.0.1, port 8100: odd"),
    ],
)
def test_a_port_that_cannot_be_had(error, said, cli, served):
    served.ends = error
    ended = cli("serve")
    assert (ended.code, ended.err) == (3, f"fi-async: {said}\n")


def test_a_judge_answers_in_place_of_the_estimates(cli, served, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-the-key")
    other = LocalBackend(judge=lambda *_: {"result": "Fail", "reason": "No."})

    def serve(backend, *_, on_started, on_stopped, grace):
        on_started("http://127.0.0.1:8100")
        case = {"output": "Paris", "context": "Paris is big."}

        async def ask():
            async with AsyncEvaluator.local(backend) as ev:
                result = (await ev.evaluate("groundedness", case)).eval_results[0]
            await on_stopped()
            return result

        served.result = asyncio.run(ask())

    monkeypatch.setattr(server, "serve", serve)
    with server.running(other) as url:
        ended = cli(f"serve --judge m --judge-url {url}/v1 --judge-key-env JUDGE_KEY --judge-latency 0")
        assert (ended.code, ended.err) == (0, "")
        assert f"Judged templates are answered by m at {url}/v1\n" in ended.out
    assert "sk-the-key" not in ended.out
    assert (served.result.output, served.result.reason, served.result.estimate) == ("Failed", "No.", False)
    assert other.judged("m").total() == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--judge-url http://127.0.0.1:1/v1", "--judge-url is about a judge that answers: name its model by --judge"),
        ("--judge m", "OPENAI_API_KEY missing: set it for --judge m"),
        ("--judge m --judge-key-env none --judge-limits 5", "--judge-limits 5: write it as COUNT/TIME"),
    ],
)
def test_a_judge_that_cannot_answer(flags, said, cli, served, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ended = cli(f"serve {flags}")
    assert ended.code == 2
    assert said in ended.err
