"""The command line as its own process, against servers on real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fi_async.cli import main
from fi_async.local import LocalBackend, Switches
from fi_async.local.server import running

CLI = [sys.executable, "-W", "error", "-m", "fi_async"]
ENVIRONMENT = {**os.environ, "FI_API_KEY": "local", "FI_SECRET_KEY": "local", "COLUMNS": "80"}
NO_ACCOUNT = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("FI_")}


def start(*words, env=ENVIRONMENT, **how):
    return subprocess.Popen(
        [*CLI, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", **how
    )


def ended(process):
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps({"id": n, "text": f"Paris {n}"}) + "\n" for n in range(300)))
    return file


def test_a_run_against_a_server(rows, tmp_path):
    out = tmp_path / "out.jsonl"
    with running(LocalBackend()) as url:
        words = ["run", str(rows), "--eval", "contains", "--param", "keyword=7", "--out", str(out)]
        code, table, err = ended(start(*words, env={**ENVIRONMENT, "FI_BASE_URL": url}))
    assert (code, err) == (0, "")
    assert "contains" in table
    assert sorted(json.loads(line)["index"] for line in out.read_text().splitlines()) == list(range(300))


def test_an_interrupt_stops_promptly_and_keeps_what_was_written(rows, tmp_path):
    out = tmp_path / "out.jsonl"
    with running(LocalBackend(Switches(latency=0.3))) as url:
        words = ["run", str(rows), "--eval", "is_json", "--out", str(out)]
        process = start(*words, env={**ENVIRONMENT, "FI_BASE_URL": url})
        wait_for(lambda: out.exists() and out.read_text().count("\n") >= 16)
        process.send_signal(signal.SIGINT)
        interrupted = time.monotonic()
        code, table, err = ended(process)
        assert time.monotonic() - interrupted < 1
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert code == 130
    assert f"interrupted: {len(written)} of 300 cases done; they are in {out}. " in err
    assert "Traceback" not in err
    assert " scored " in table


def test_an_interrupt_while_stdin_is_silent(tmp_path):
    kept = tmp_path / "out.jsonl"
    words = ["run", "-", "--eval", "is_json", "--json", "--out", str(kept)]
    process = start(*words, env=NO_ACCOUNT, stdin=subprocess.PIPE)
    process.stdin.write('{"text": "1"}\n')
    process.stdin.flush()
    assert "using the embedded local backend" in process.stderr.readline()
    wait_for(lambda: kept.exists() and kept.read_text())
    process.send_signal(signal.SIGINT)
    interrupted = time.monotonic()
    process.wait(timeout=10)
    assert time.monotonic() - interrupted < 1
    code, out, err = ended(process)
    assert code == 130
    assert json.loads(out)["scored"] == 1
    assert err == f"interrupted: 1 cases done; they are in {kept}. Requests cut off may have been evaluated.\n"


def test_a_wrong_key_is_one_line(rows, capsys, monkeypatch):
    with running(LocalBackend(Switches(keys={"right": "right"}))) as url:
        for name, value in {"FI_BASE_URL": url, "FI_API_KEY": "wrong", "FI_SECRET_KEY": "sesame"}.items():
            monkeypatch.setenv(name, value)
        assert main(["run", str(rows), "--eval", "is_json"]) == 3
        assert main(["run", str(rows), "--eval", "my_own_template"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert err.count("Check FI_API_KEY and FI_SECRET_KEY") == 2
    assert "sesame" not in err


def test_a_template_that_the_server_does_not_know(rows, capsys, monkeypatch):
    with running(LocalBackend()) as url:
        for name, value in {"FI_BASE_URL": url, "FI_API_KEY": "local", "FI_SECRET_KEY": "local"}.items():
            monkeypatch.setenv(name, value)
        assert main(["run", str(rows), "--eval", "is_jason"]) == 2
    assert "did you mean is_json" in capsys.readouterr().err


def test_a_server_that_is_not_there(rows, capsys, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for name, value in {"FI_BASE_URL": url, "FI_API_KEY": "local", "FI_SECRET_KEY": "local"}.items():
            monkeypatch.setenv(name, value)
        assert main(["run", str(rows), "--eval", "is_json", "--max-retries", "0"]) == 3
    assert f"no request reached {url}: could not connect" in capsys.readouterr().err


def test_serve_prints_its_address_and_stops_quietly():
    process = start("serve", "--port", "0", "--latency", "30")
    told = [process.stdout.readline() for _ in range(7)]
    url = told[0].split()[2]
    assert told[2:] == [
        f"  export FI_BASE_URL={url}\n",
        "  export FI_API_KEY=local\n",
        "  export FI_SECRET_KEY=local\n",
        "\n",
        f"A model to test judges with: POST {url}/v1/chat/completions\n",
    ]
    client = start("run", "-", "--eval", "is_json", env={**ENVIRONMENT, "FI_BASE_URL": url}, stdin=subprocess.PIPE)
    client.stdin.write('{"text": "1"}\n')
    client.stdin.flush()
    taken = start("serve", "--port", url.rpartition(":")[2])
    code, out, err = ended(taken)
    assert (code, out) == (3, "")
    assert "is taken; --port 0 takes a free one" in err
    process.send_signal(signal.SIGINT)
    interrupted = time.monotonic()
    assert ended(process) == (0, "", "")
    assert time.monotonic() - interrupted < 1.5
    client.send_signal(signal.SIGINT)
    assert ended(client)[0] == 130


@pytest.mark.parametrize("words", [["templates", "--json"], ["run", "--help"]])
def test_a_reader_that_leaves_is_no_error(words):
    with subprocess.Popen([*CLI, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_importing_the_package_imports_no_extra():
    code = "import sys, fi_async.cli; sys.exit(any(name in sys.modules for name in ('cyclopts', 'rich', 'uvicorn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path.cwd()).returncode == 0
