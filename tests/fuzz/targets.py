"""What is fed any bytes: each target returns, or raises an error that its docstring promises, in bounded time."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from fi_async import APIError, Case, ConfigurationError, JournalError, cases_from
from fi_async._errors import JudgeError
from fi_async._rubric import Rubric
from fi_async.background import Offer
from fi_async.background.spool import Spool
from fi_async.cli import settings
from fi_async.cli.errors import UsageError
from fi_async.journal.salvage import Salvage
from fi_async.journal.view import open_view
from fi_async.reports import conditions, run_files
from fi_async.sources.files import JsonTable
from fi_async.sources.rows import Source
from fi_async.wire import chat_replies, chat_requests, responses, verdicts, waits
from fi_async.wire.chat_requests import ChatModel, Traits
from fi_async.wire.responses import Reply

OUTCOME = (
    b'{"index": 0, "id": "a", "template": "is_json", "status": "scored", "score": 1.0, "output": "Passed",'
    b' "error": null, "inputs": {"text": "[1]"}, "attempts": 1}\n'
)
FAILED = b'{"index": 1, "template": "t", "status": "failed", "error": "ServerError: x (status 500)", "inputs": {}}\n'


@dataclass(frozen=True)
class Target:
    """Takes bytes; `seeds` are some that it makes sense of."""

    run: Callable[[bytes, Path], None]
    seeds: tuple[bytes, ...]


def _read(path: Path) -> None:
    source = cases_from(path)
    with suppress(ConfigurationError):
        cases = list(source)
        assert all(isinstance(case, Case) for case in cases)
        # Of Parquet it is the footer that counts, which may be what is damaged.
        assert source.count() == len(cases) or path.suffix == ".parquet"
        source.table.columns()


def _reader(name: str) -> Callable[[bytes, Path], None]:
    def run(content: bytes, directory: Path) -> None:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        with suppress(ConfigurationError):
            _read(path.parent if path.parent != directory else path)

    return run


def stream(content: bytes, directory: Path) -> None:
    with suppress(ConfigurationError):
        assert all(isinstance(case, Case) for case in Source(JsonTable("stdin", lambda: io.BytesIO(content))))


def condition(content: bytes, directory: Path) -> None:
    with suppress(ConfigurationError):
        found = conditions.parse_condition(content.decode(errors="surrogateescape"))
        assert conditions.parse_condition(str(found)) == found or not str(found).isascii()


def _settings(name: str) -> Callable[[bytes, Path], None]:
    def run(content: bytes, directory: Path) -> None:
        (directory / name).write_bytes(content)
        before = Path.cwd()
        os.chdir(directory)
        try:
            with suppress(UsageError):
                settings.given()
        finally:
            os.chdir(before)
            (directory / name).unlink()

    return run


def reply(content: bytes, directory: Path) -> None:
    """A reply's status, headers and body, the body after the first line."""
    head, _, body = content.partition(b"\n")
    status, _, header = head.decode(errors="replace").partition(" ")
    code = int(status) if status.isascii() and status.isdecimal() and len(status) < 5 else 200
    for headers in ({"retry-after": header, "date": header}, {"retry-after": header, "date": _DATE}):
        got = Reply(code, headers, body)
        _ = got.date, got.request_id
        for read in _READERS.values():
            with suppress(APIError):
                read(got)


_DATE = "Fri, 02 Jan 2026 12:00:00 GMT"
_READERS: Mapping[str, Callable[[Reply], object]] = {
    "body": responses.read_body,
    "held": lambda got: verdicts.started(got, "t", 1, is_async=False),
    "poll": lambda got: verdicts.polled(got, "id"),
    "templates": responses.listed_templates,
    "spelled": lambda got: responses.both_spellings(responses.read_body(got)),
}


def chat(content: bytes, directory: Path) -> None:
    """A reply of a chat endpoint: its status, a header, and the body after the first line."""
    head, _, body = content.partition(b"\n")
    status, _, header = head.decode(errors="replace").partition(" ")
    code = int(status) if status.isascii() and status.isdecimal() and len(status) < 5 else 200
    said = dict.fromkeys(("retry-after-ms", "retry-after", "x-ratelimit-reset-tokens", "ratelimit-reset"), header)
    got = Reply(code, said, body)
    wait = waits.wait_of(got, 0.0)
    assert wait is None or 0.0 <= wait <= waits.LONGEST_WAIT
    for rubric in _RUBRICS:
        with suppress(APIError, JudgeError):
            chat_replies.read(got, rubric, ChatModel("m", "https://judge.test/v1"), 0.0)
        call = chat_requests.request(rubric, {"output": "x"}, "m", Traits(), temperature=0.0)
        Traits().learn(got, call)


_RUBRICS = (
    Rubric("verdict", "[output]", ("output",)),
    Rubric("score", "[output]", ("output",), "score"),
    Rubric("labels", "[output]", ("output",), "choices", choices={"a": 1.0, "b": 0.0}),
)


def lines_of_a_run(content: bytes, directory: Path) -> None:
    path = directory / "run.jsonl"
    path.write_bytes(content)
    with suppress(ConfigurationError), run_files.load_run(path) as run:
        list(run.records())


def journal(content: bytes, directory: Path) -> None:
    path = directory / "run.db"
    _replace(path, content)
    with suppress(JournalError), open_view(path) as view:
        list(view.records())
    with suppress(JournalError), Salvage(path) as saved:
        list(saved.records())


def spool(content: bytes, directory: Path) -> None:
    path = directory / "queue.spool"
    _replace(path, content)
    with suppress(ConfigurationError, OSError), closing(Spool(path)) as found:
        found.page("", 100)
        found.write([Offer({"text": "a"}, None, "z")], [])


def _replace(path: Path, content: bytes) -> None:
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    path.write_bytes(content)


# Seeds


def _of_parquet() -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"id": ["a", "b"], "text": ["x", None]}), buffer)
    return buffer.getvalue()


def _of_spool(directory: Path) -> bytes:
    path = directory / "seed.spool"
    with closing(Spool(path)) as made:
        made.write([Offer({"text": "a"}, "mine", "1"), Offer({"text": "b"}, None, "2")], [])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    return path.read_bytes()


def _of_run(directory: Path) -> bytes:
    from fi_async import Evaluator
    from fi_async.local import LocalBackend, Switches

    path = directory / "seed.db"
    with Evaluator.local(LocalBackend(Switches())) as ev:
        ev.gather([{"text": "[1]"}, {"text": "[1"}, {"text": " "}], "is_json", run=path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    return path.read_bytes()


def targets(directory: Path) -> Mapping[str, Target]:
    """Return the targets by name; `directory` is where seeds are made."""
    lines = b'{"id": 1, "text": "a"}\n\n{"text": [1, {"a": null}]}\n'
    results = [
        {"evaluations": [{"name": "is_json", "output": "Passed", "reason": "r", "runtime": 3, "evalId": "e"}]},
        {"evalStatus": "completed", "result": {"value": "['a', {'b': 1}]", "outputType": "choices"}},
        {"eval_status": "failed", "result": {"error_message": "rate_limited", "eval_id": 7}},
        [{"name": "t", "requiredKeys": ["a"]}],
    ]
    said = '<think>{"result": 0}</think>```json\n{"reason": "r", "result": "a"}\n```'
    answered = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    replies = [b"200 \n" + json.dumps({"status": True, "result": each}).encode() for each in results]
    return {
        "jsonl": Target(_reader("in.jsonl"), (lines, b"[" + lines.strip().replace(b"\n\n", b",\n") + b"]")),
        "json": Target(_reader("in.json"), (b'[{"a": 1},\n 2]', b'{\n "a": 1\n}\n{\n "a": 2\n}')),
        "csv": Target(_reader("in.csv"), (b'id,text,\n1,"a\n""b""",\n2,c\n', b"\xef\xbb\xbftext\n\xff\n")),
        "directory": Target(_reader("in/a.json"), (lines, b'[{"text": "a"}]')),
        "parquet": Target(_reader("in.parquet"), (_of_parquet(),)),
        "stream": Target(stream, (lines, b"[\n" + lines)),
        "condition": Target(condition, (b"groundedness>=0.9", b"t.pass_rate <= 50%", b"a.mean>1e-3")),
        "settings": Target(_settings("fi-async.toml"), (b'backend = "local"\nconcurrency = 3\n', b"[a.b]\nc = [1]\n")),
        "project": Target(_settings("pyproject.toml"), (b'[tool.fi_async]\nmodel = "m"\n', b"tool = 3\n")),
        "reply": Target(
            reply,
            (
                *replies,
                b'429 120\n{"result": {"retry_after": 3}}',
                f"429 {_DATE}\n<title>x</title>".encode(),
                b"400 \n{}",
            ),
        ),
        "chat": Target(
            chat,
            (
                b"200 \n" + json.dumps(answered).encode(),
                b'429 6m0s\n[{"error": {"code": 429, "message": "retry in 1.5s", "details": [{"retryDelay": "2s"}]}}]',
                b'400 \n{"error": {"message": "Unsupported: temperature", "param": "response_format", "code": null}}',
            ),
        ),
        "lines": Target(lines_of_a_run, (OUTCOME + FAILED, OUTCOME)),
        "journal": Target(journal, (_of_run(directory),)),
        "spool": Target(spool, (_of_spool(directory),)),
    }
