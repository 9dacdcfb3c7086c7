from __future__ import annotations

import errno

import pytest

from fi_async.local import Faults, Lognormal, Quota, Switches, server

FLAGS = (
    "--host 127.0.0.2 --port 0 --latency 2~0.8 --overhead 0.1 --capacity 4 --requests 300/10s"
    " --evaluations 50/min 9/s --fault 503=0.05 slow=0.1:5 --spelling camel --no-call-log --seed 7 --store made.sqlite"
    " --allow-network --key a:b --key c:d:e"
)


@pytest.fixture
def served(monkeypatch):
    """Note what the server is started with, in place of starting it; `ends` is what it ends in."""

    class Served:
        url, ends = "http://127.0.0.1:8100", None

        def __call__(self, backend, host, port, *, on_started, grace):
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
        "  export FI_SECRET_KEY=local\n"
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
