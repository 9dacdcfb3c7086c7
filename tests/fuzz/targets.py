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
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from fi_async import Case, ConfigurationError, JournalError, Limit, cases_from
from fi_async._connection import Connection, Credentials
from fi_async.background import Offer
from fi_async.background.spool import Spool
from fi_async.cli import settings
from fi_async.cli.errors import UsageError
from fi_async.engine.shared_budget import SharedBudget
from fi_async.journal.salvage import Salvage
from fi_async.journal.view import open_view
from fi_async.pacing.learned import Learned, Use
from fi_async.reports import conditions, run_files
from fi_async.sources.files import JsonTable
from fi_async.sources.rows import Source
from fuzz import chat_target, wire_targets
from fuzz.command_line import SEEDS, command_line

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
    source: Any = cases_from(path)
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


def budget(content: bytes, directory: Path) -> None:
    path = directory / "shared.budget"
    _replace(path, content)
    with suppress(ConfigurationError):
        _use(SharedBudget(path, _OWNER, lambda: 1000.0))


def _use(shared: SharedBudget) -> None:
    """Claim what a request uses, hear what others learned, and tell what was learned."""
    learned = Learned(shared)
    uses = [Use(Limit(3, per=10.0), 100, 1)]
    try:
        for now in (1.0, 2.0):
            with learned.turn(shared, now) as turn:
                assert turn is not None
                turn.take(uses, turn.used(uses))
                learned.quota.left(now, 1, learned.clock)
                learned.quota.refused(now, canary=False, clock=learned.clock)
                learned.refused(now + 5)
    finally:
        shared.disconnect()


_OWNER = Connection("https://evals.test", Credentials("fuzzed-api-key", "fuzzed-secret-key"))


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


def _of_budget(directory: Path) -> bytes:
    path = directory / "seed.budget"
    _use(SharedBudget(path, _OWNER, lambda: 1000.0))
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
    run = _of_run(directory)
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
            wire_targets.reply,
            (
                *replies,
                b'429 120\n{"result": {"retry_after": 3}}',
                f"429 {wire_targets.DATE}\n<title>x</title>".encode(),
                b"400 \n{}",
            ),
        ),
        "chat": Target(chat_target.chat, chat_target.SEEDS),
        "lines": Target(lines_of_a_run, (OUTCOME + FAILED, OUTCOME)),
        "journal": Target(journal, (run,)),
        "spool": Target(spool, (_of_spool(directory),)),
        "budget": Target(budget, (_of_budget(directory),)),
        "headers": Target(wire_targets.headers, wire_targets.HEADER_SEEDS),
        "raw_reply": Target(wire_targets.raw_reply, wire_targets.RAW_SEEDS),
        "raw_reply_over_aiohttp": Target(wire_targets.raw_reply_over_aiohttp, wire_targets.RAW_SEEDS),
        "environment": Target(wire_targets.environment, wire_targets.ENVIRONMENT_SEEDS),
        "command_line": Target(command_line(run, OUTCOME + FAILED), SEEDS),
    }
