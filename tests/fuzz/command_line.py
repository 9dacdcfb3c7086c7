"""Command lines of any words, in a directory with a run and a few rows in it."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from fi_async.cli import main, serve
from fi_async.cli.errors import UsageError
from fi_async.cli.judge_flags import JudgeFlags
from fi_async.cli.options import ServeFlags
from fi_async.local import parse_switches

_ROWS = b'{"id": 1, "text": "[1]"}\n{"id": 2, "text": "[1"}\n'
_ELSEWHERE = ("/", "\\", "..", "~", ":")
_CODES = frozenset(range(6))

SEEDS = (
    b"run\nin.jsonl\n--eval\nis_json\n--backend\nlocal\n--min\nis_json>=0.5\n--coverage\n0.9\n--limit\n2",
    b"run\nin.jsonl\n--eval\nis_json\ncontains\n--param\ncontains.keyword=a\n--map\ntext=id\n--set\nb=[1]\n--json",
    b"run\n-\n--eval\nis_json\n--limits\n300/min\n40/10s\n--sample\n1\n--seed\n3\n--timeout\n1e3\n--out\no.csv",
    b"gate\nrun.db\n--min\nis_json.pass_rate>=40%\n--confidence\n0.9\n--junit\nj.xml\n--backend\nlocal",
    b"gate\nrun.jsonl\n--baseline\nrun.db\n--max-regressions\n1\n--by\ninputs\n--write-baseline\nb.json",
    b"compare\nrun.db\nrun.jsonl\n--tolerance\n0.1\n--lower-is-better\nis_json\n--html\nc.html",
    b"compare\nrun.db\nrun.jsonl\nrun.db\n--baseline\nrun.jsonl\n--fail-if-worse\n--json",
    b"import\nin.jsonl\n--as\njsonl\n-o\ni.db\n--score\nid\n--template\na",
    b"import\nrun.jsonl\n--as\npromptfoo\n--out\ni.db\n--prompt\n0\n--json",
    b"export\nrun.db\no.sqlite",
    b"report\nrun.db\no.html",
    b"status\nrun.db\n--json",
    b"resume\nrun.db\n--concurrency\nauto\n--max-retries\n0",
    b"retry\nrun.db\n--failed\n--ambiguous\n--no-progress",
    b"runs\n--json",
    b"templates\nis_json\n--local",
    b"config\n--json",
    b"serve\n--latency\n2~0.8\n--requests\n300/10s\n--fault\n503=0.05\nslow=0.1:5\n--key\na:b",
    b"serve\n--judge-tokens\n100000/min\n--judge-malformed\n0.02",
    b"run\n--help",
    b"--version",
    b"--debug\nrun",
)


def _only_parsed(flags: ServeFlags, judge_flags: JudgeFlags) -> int:
    """Read the switches of a server, and serve nothing."""
    try:
        changes = serve._changes(flags, serve._keys(flags.key or ()))
        parse_switches({**changes, "chat": judge_flags.changes()})
    except ValueError as error:
        raise UsageError(str(error)) from None
    return 0


def _is_safe(words: list[str]) -> bool:
    """Tell whether these words stay in the directory, and come to an end."""
    if any(part in word for word in words[1:] for part in _ELSEWHERE if "=" not in word or part != ":"):
        return words[:1] == ["serve"]
    return not any("watch" in word or "install" in word for word in words)


def command_line(run: bytes, lines: bytes) -> Callable[[bytes, Path], None]:
    """Return the target; `run` and `lines` are a run's file, and the same exported."""

    def call(content: bytes, directory: Path) -> None:
        words = content.replace(b"\0", b"").decode(errors="surrogateescape").split("\n")[:40]
        if not _is_safe(words):
            return
        if words[0] == "run":
            words.insert(1, "--dry-run")  # limits of one request an hour hold
        place = directory / "here"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "run.db").write_bytes(run)
        (place / "run.jsonl").write_bytes(lines)
        (place / "in.jsonl").write_bytes(_ROWS)
        code, said = _executed(words, place)
        assert code in _CODES, (code, said)
        assert "unexpected " not in said, said
        assert "Traceback" not in said or "--debug" in words, said

    return call


def _executed(words: list[str], place: Path) -> tuple[int, str]:
    """Return the exit code and what was said on stderr, on a console of few letters."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "cp1252") for _ in range(2))
    before = Path.cwd()
    os.chdir(place)
    try:
        with (
            patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(_ROWS))),
            patch.object(sys, "stdout", out),
            patch.object(sys, "stderr", err),
            patch.object(serve, "serve_local", _only_parsed),
        ):
            code = main(words)
    finally:
        os.chdir(before)
    err.flush()
    return code, err.buffer.getvalue().decode("cp1252")
