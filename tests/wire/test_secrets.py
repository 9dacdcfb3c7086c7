"""Everything is run at DEBUG with a marked key and marked inputs, and every byte written anywhere is searched."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from fi_async import AsyncEvaluator, FiAsyncError, Timeout
from fi_async.background import JsonlSink, SqlSink
from fi_async.local import Faults, LocalBackend, Switches
from fi_async.local.server import running
from fi_async.wire.transport import Transport
from scripted import Scripted

pytestmark = pytest.mark.anyio

KEY = "marked-key-5d1f0c7be2"
SECRET = "marked-secret-93aa41d60f"  # it is what this test looks for
INPUT = "marked-input-77c2e9"
KEYS = {"fi_api_key": KEY, "fi_secret_key": SECRET}
NEEDLE = {"keyword": "needle"}
CASES = [
    {"text": f"{INPUT} with a needle"},
    {"text": f"{INPUT} with a straw"},
    {"text": f"{INPUT}\0"},
    {"text": {INPUT}},
    {"text": f"{INPUT} extra", "more": INPUT},
    [INPUT],
]
WITH_INPUTS = ("run.db", "out.", "report.html", "queue.spool", "in.", "gate.baseline")
"""The files that inputs belong into, by how their names begin."""


def forms(secret: str) -> list[bytes]:
    """A text as it may be written: as it is, in base64, in a URL, in escapes."""
    raw = secret.encode()
    encoded = base64.b64encode(raw).rstrip(b"=")[:-1]  # its last letter depends on what follows
    return list(dict.fromkeys([raw, encoded, quote(secret, safe="").encode(), raw.hex().encode(), raw[::-1]]))


def leaks(directory: Path) -> list[str]:
    """Return what is where it should not be: the keys in any file, the inputs in those they do not belong into."""
    found = []
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        content = path.read_bytes()
        wanted = {"key": KEY, "secret": SECRET}
        if not path.name.startswith(WITH_INPUTS):
            wanted["input"] = INPUT
        seen = [name for name, secret in wanted.items() if any(form in content for form in forms(secret))]
        found += [f"{name} in {path.name}" for name in seen]
    return found


@pytest.fixture(autouse=True)
def log(tmp_path) -> Iterator[None]:
    """Have all that is logged, by whatever library, written to a file."""
    handler = logging.FileHandler(tmp_path / "everything.log")
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()


@contextmanager
def told(directory: Path, name: str) -> Iterator[None]:
    """Have all that an error says of itself written to a file, in every form that programs write errors in."""
    try:
        yield
    except FiAsyncError as error:
        _write(directory, name, error)


def _write(directory: Path, name: str, *errors: BaseException | None) -> None:
    with (directory / f"{name}.error").open("ab") as file:
        for error in filter(None, errors):
            said = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
            file.write("\n".join(said).encode("utf-8", "backslashreplace"))
            vars(error)["report"] = None  # it holds the cases, which are the caller's
            file.write(pickle.dumps(error))


def _note(directory: Path, *things: object) -> None:
    with (directory / "things.txt").open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(f"{thing!r}\n{thing}\n" for thing in things)


async def _gather(ev: AsyncEvaluator, directory: Path, name: str, **how: object) -> None:
    with told(directory, name):
        report = await ev.gather(CASES, "contains", eval_config=NEEDLE, **how)
        _note(directory, report, report.summary(), ev, ev.statistics())
        _write(directory, name, *(each.error for each in report.outcomes))
        report.to_html(directory / "report.html")
        with suppress(FiAsyncError):
            report.raise_for_failures()


async def _background(ev: AsyncEvaluator, directory: Path) -> None:
    def broken(outcome: object) -> None:
        raise RuntimeError(f"a sink that quotes {outcome}")

    sinks = [JsonlSink(directory / "sink.jsonl"), SqlSink(f"sqlite:///{directory}/sink.db"), broken]
    for number, sink in enumerate(sinks):
        spool = directory / f"queue.spool{number}"
        async with ev.background("contains", eval_config=NEEDLE, sink=sink, spool=spool) as queue:
            for case in CASES[:5]:
                queue.offer(case)
            await queue.drained(10)
            _note(directory, queue, queue.statistics())


def _switched(**switches: object) -> LocalBackend:
    return LocalBackend(Switches(**switches))


HOSTILE = {
    "refusal": (401, {"detail": f"not {KEY}"}),
    "forbidden": (403, {"detail": "no"}),
    "invalid": (400, {"errors": {"inputs": ["wrong"]}}),
    "failing": (500, b"<title>oops</title>"),
    "cut": (200, b'{"status": true, "resu'),
    "redirect": (302, b"", {"location": f"https://elsewhere.example/?key={SECRET}"}),
    "odd": (200, {"status": True, "result": [{"evaluations": [{"name": 5}]}]}),
}


@pytest.mark.parametrize("over", ["ASGI", "slots", "aiohttp"])
async def test_no_key_is_written_anywhere_and_no_input_where_it_does_not_belong(over, tmp_path, monkeypatch, capfd):
    if over == "slots":
        monkeypatch.setattr("fi_async.wire.transport.find_spec", lambda _: None)
    policies = {"max_retries": 0, "timeout": Timeout(read=1.0, connect=1.0)}
    backends = {
        "good": _switched(),
        "polled": _switched(latency=0.02),
        "faulty": _switched(faults=Faults(status={503: 0.4}, fail=0.3)),
        "resetting": _switched(faults=Faults(reset_before=0.2, reset_after=0.2, cut_json=0.2)),
        **{name: Scripted(reply) for name, reply in HOSTILE.items()},
    }
    for name, app in backends.items():
        how = {"run": tmp_path / "run.db"} if name == "good" else {"strategy": "async"} if name == "polled" else {}
        if over == "slots" and name == "redirect":
            continue  # httpcore logs the headers of replies: what a server says back there is the server's leak
        if over == "ASGI":
            async with AsyncEvaluator(**KEYS, fi_base_url="http://127.0.0.1:9", **policies) as ev:
                ev._session.transport = Transport(ev._session.connection, app=app)
                await _gather(ev, tmp_path, name, **how)
            continue
        with running(app) as url:
            async with AsyncEvaluator(**KEYS, fi_base_url=url, **policies) as ev:
                await _gather(ev, tmp_path, name, **how)
                if name == "good":
                    await _background(ev, tmp_path)
                    with told(tmp_path, "nobody"):
                        await ev.gather(CASES[:1], "no_such_template")
                _note(tmp_path, ev, ev._session, ev._session.connection, ev._session.transport)
    async with AsyncEvaluator(**KEYS, fi_base_url="http://127.0.0.1:9", **policies) as ev:
        await _gather(ev, tmp_path, "unreachable")
    for wrong in ({"fi_api_key": KEY + "\n"}, {"fi_base_url": f"ftp://{KEY}:{SECRET}@x"}):
        with told(tmp_path, "configuration"):
            AsyncEvaluator(**{**KEYS, **wrong})
    out, err = capfd.readouterr()
    (tmp_path / "stdout.txt").write_text(out)
    (tmp_path / "stderr.txt").write_text(err)
    assert leaks(tmp_path) == []


async def test_the_command_line_writes_no_key(tmp_path):
    rows = "".join(json.dumps({"id": n, **case}) + "\n" for n, case in enumerate(CASES[:2]))
    (tmp_path / "in.jsonl").write_text(rows + f'{{"text": "{INPUT}\n{{"text": ""}}\n')
    environment = {**os.environ, "FI_API_KEY": KEY, "FI_SECRET_KEY": SECRET, "PYTHONASYNCIODEBUG": "1"}
    run = ["run", "in.jsonl", "--eval", "contains", "--param", "keyword=needle", "--debug"]
    commands = [
        [*run, "--out", "out.jsonl", "--run", "run.db"],
        *([*run, "--out", f"out.{ending}"] for ending in ("csv", "sqlite")),
        ["gate", "run.db", "--min", "contains>=0.9", "--junit", "gate.xml"],
        ["report", "run.db", "--out", "report.html"],
        ["status", "run.db"],
        ["config"],
        ["config", "--json"],
        ["run", "in.jsonl", "--eval", "contains", "--debug", "--concurrency", SECRET],
    ]
    with running(_switched()) as url:
        for number, command in enumerate(commands):
            ended = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "fi_async", *command],
                cwd=tmp_path,
                env={**environment, "FI_BASE_URL": url},
                capture_output=True,
                check=False,
            )
            logged = ended.stderr
            if number == len(commands) - 1:
                logged = logged.replace(SECRET.encode(), b"")  # it stands in the command that was typed
            (tmp_path / f"{number}.stderr").write_bytes(logged)
            (tmp_path / f"out.{number}").write_bytes(ended.stdout)  # which shows what failed
    assert (tmp_path / "out.csv").is_file()
    assert leaks(tmp_path) == []


@pytest.mark.parametrize("secret", ["key", "secret", "input"])
@pytest.mark.parametrize("form", range(4))
def test_the_scan_sees_what_is_planted(secret, form, tmp_path):
    assert leaks(tmp_path) == []
    planted = forms({"key": KEY, "secret": SECRET, "input": INPUT}[secret])
    (tmp_path / "a.txt").write_bytes(b"before " + planted[form % len(planted)] + b" after")
    assert leaks(tmp_path) == [f"{secret} in a.txt"]


def test_the_scan_reads_the_log_and_knows_where_inputs_belong(tmp_path):
    logging.getLogger("httpcore.http11").debug("headers %s", {"X-Api-Key": KEY, "body": INPUT})
    (tmp_path / "run.db").write_text(f"{INPUT} {SECRET}")
    assert leaks(tmp_path) == ["key in everything.log", "input in everything.log", "secret in run.db"]
