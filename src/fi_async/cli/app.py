"""The commands, and what `--help` says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from fi_async._version import __version__
from fi_async.cli import settings, terminal
from fi_async.cli.errors import EXIT_CODES, GATE_EXIT_CODES
from fi_async.cli.options import CompareFlags, FileName, Flag, GateFlags, ResumeFlags, RunFlags, ServeFlags, at_home
from fi_async.cli.sources import STDIN

_RUN = f"""\
FILE is JSONL (.jsonl, .ndjson: one JSON object a line), CSV (.csv, with a header), Parquet (.parquet), or a \
directory of .json files; - reads JSONL from stdin. \
Columns that no template takes are carried along; a column named id comes back on every outcome. Rows that cannot \
be read or evaluated become outcomes that say why, and the others go on.

--out writes JSONL, or what its extension says: .csv, .parquet, .sqlite. Each line or row is an outcome: index (of the \
row, from 0), id, template, status (scored, failed, stalled, cancelled, invalid), score, passed, output, reason, \
error, backend, estimate, eval_id, attempts, latency_s, inputs (the row). \
They come as cases end, in any order.

Examples:
  fi-async run answers.jsonl --eval groundedness --out scores.jsonl
  fi-async run answers.csv --eval groundedness contains \\
      --param contains.keyword=Paris --map output=answer
  fi-async run answers.jsonl --eval groundedness --run nightly.db \\
      --out scores.jsonl
  cat answers.jsonl | fi-async run - --eval is_json --backend local --json

{EXIT_CODES}"""

_SERVE = """\
Examples:
  fi-async serve
  fi-async serve --latency 2~0.8 --capacity 8 --requests 300/10s
  fi-async serve --latency 1 --fault 503=0.05 reset_after=0.01

Ctrl-C stops it (exit code 0). Exit code 3: the port is taken."""

_REPORT = """\
The page holds the inputs of its cases: show it to those who may read them.

Examples:
  fi-async report nightly.db
  fi-async report nightly.db -o nightly.html"""

_RESUME = f"""\
RUN is the file of fi-async run --run, or of a program's gather(run=...) or stream(run=...). The rows are taken from \
where they came from; if that was stdin, a program, or is gone, from RUN itself. Credentials are in no file: \
FI_API_KEY, FI_SECRET_KEY and FI_BASE_URL must say what they said.

Examples:
  fi-async resume nightly.db
  fi-async resume nightly.db --out scores.jsonl

{EXIT_CODES}"""

_RETRY = f"""\
Alone it tries again what failed and what stalled, and leaves what may have been evaluated: that costs twice.

Examples:
  fi-async retry nightly.db
  fi-async retry nightly.db --failed --concurrency 4
  fi-async retry nightly.db --ambiguous --out scores.jsonl

{EXIT_CODES}"""

_RUNS = """\
Each case counts once for each template. A run that is stopped goes on with fi-async resume.

Examples:
  fi-async runs
  fi-async runs nightly --json"""

_STATUS = """\
Works while another process goes on with the run. Possibly evaluated are cases that were sent and have no answer yet, \
or none that is known.

Examples:
  fi-async status nightly.db
  fi-async status nightly.db --watch"""

_EXPORT = """\
Writes what has ended so far, as fi-async run --out does. Exit code 3: RUN is damaged; what is whole was written.

Examples:
  fi-async export nightly.db -o scores.csv"""

_TEMPLATES = """\
Examples:
  fi-async templates
  fi-async templates groundedness
  fi-async templates --local --json"""

_CONFIG = """\
Flags go above the environment (FI_ASYNC_CONCURRENCY=32), and that above a file: fi-async.toml, or [tool.fi_async] in \
pyproject.toml, the nearest from here up.

Examples:
  fi-async config
  fi-async config --json"""

_COMPARE = """\
BEFORE and AFTER are runs: their files, or the .jsonl of fi-async run --out. A case of one is that of the other if \
their ids are equal, or their inputs, whatever the judge. Shows which cases got worse or better; how much the mean \
changed, with an interval (paired bootstrap); and p, how probable so uneven a split into better and worse is if \
neither run is better (McNemar's test).

Examples:
  fi-async compare old.jsonl new.jsonl
  fi-async compare old.db new.db --html changes.html
  fi-async compare old.jsonl new.jsonl --tolerance 0.05 --json"""

_GATE = f"""\
Without --coverage, cases without a score may have \
had any, and the verdict must hold whatever it was. Quote conditions: the shell takes > for itself.

Examples:
  fi-async gate scores.jsonl --min 'groundedness>=0.9' --coverage 0.98
  fi-async gate scores.jsonl --min 'toxicity.mean<=0.1' --confidence 0.95 \\
      --junit gate.xml
  fi-async gate scores.jsonl --write-baseline base.json
  fi-async gate scores.jsonl --baseline base.json --max-regressions 2

{GATE_EXIT_CODES}"""

_TOP = """\
Examples:
  fi-async run answers.jsonl --eval groundedness --out scores.jsonl
  fi-async gate scores.jsonl --min 'groundedness>=0.9'
  fi-async templates
  fi-async COMMAND --help

Any command takes --debug: a traceback with what went wrong."""


_SERVED = ServeFlags()
_COMPARED = CompareFlags()
_GATED = GateFlags()
_RESUMED = ResumeFlags()


def execute(words: Sequence[str]) -> int:
    """Return the exit code of a command line that could be carried out.

    Raises:
        CycloptsError: It cannot be parsed.
        Exception: Whatever the command raises.
    """
    # The parser takes a lone dash for an option, and so it is one but for the file of run.
    code = _app()([STDIN if word == "-" and words[0] == "run" else word for word in words])
    return code if isinstance(code, int) else 0


def completion(shell: Literal["bash", "zsh", "fish"]) -> str:
    """Return the script by which a shell completes command lines."""
    return _app().generate_completion(shell=shell)


def _app() -> App:
    app = App(
        name="fi-async",
        help="LLM evaluations at scale against the Future AGI API, or on this machine.",
        help_format="plaintext",
        help_epilogue=_TOP,
        version=__version__,
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
        config=settings.apply,
        console=terminal.stdout(),
        suppress_keyboard_interrupt=False,
    )
    app.command(run, help_epilogue=_RUN)
    app.command(resume, help_epilogue=_RESUME)
    app.command(retry, help_epilogue=_RETRY)
    app.command(runs, help_epilogue=_RUNS)
    app.command(status, help_epilogue=_STATUS)
    app.command(export, help_epilogue=_EXPORT)
    app.command(compare, help_epilogue=_COMPARE)
    app.command(gate, help_epilogue=_GATE)
    app.command(serve, help_epilogue=_SERVE)
    app.command(report, help_epilogue=_REPORT)
    app.command(templates, help_epilogue=_TEMPLATES)
    app.command(config, help_epilogue=_CONFIG)
    app.register_install_completion_command(
        help="Install completion for this shell, or for the one that --shell names."
    )
    return app


def run(file: FileName, /, *, flags: RunFlags) -> int:
    """Evaluate every row of FILE, and print a summary.

    Args:
        file: JSONL, CSV or Parquet, by its extension, or a directory of .json files; - for JSONL from stdin.
        flags: See RunFlags.
    """
    from fi_async.cli.run import run_file  # noqa: PLC0415  # each command imports what it needs

    return run_file(file, flags)


def resume(run: Path, /, *, flags: ResumeFlags = _RESUMED) -> int:
    """Go on with a run that was stopped.

    Args:
        run: Its file.
        flags: See ResumeFlags.
    """
    from fi_async.cli.resume import resume_run  # noqa: PLC0415  # as above

    return resume_run(at_home(run), flags)


def retry(
    run: Path,
    /,
    *,
    failed: Annotated[bool, Flag] = False,
    stalled: Annotated[bool, Flag] = False,
    ambiguous: Annotated[bool, Flag] = False,
    flags: ResumeFlags = _RESUMED,
) -> int:
    """Go on with a run, and try again what ended without a score.

    Args:
        run: Its file.
        failed: Evaluate again what failed. Without any of these flags: what failed, and what stalled.
        stalled: Ask again for what the server accepted and had not finished in time.
        ambiguous: Send again what may have been evaluated, and was not sent again for that.
        flags: See ResumeFlags.
    """
    from fi_async.cli.resume import retry_run  # noqa: PLC0415  # as above

    return retry_run(at_home(run), flags, failed=failed, stalled=stalled, ambiguous=ambiguous)


def runs(folder: Path = Path(), /, *, json: Annotated[bool, Flag] = False) -> int:
    """List the runs in a directory, and how each stands.

    Args:
        folder: Where their files are. Omitted: here.
        json: Print JSON.
    """
    from fi_async.cli.standing import list_runs  # noqa: PLC0415  # as above

    return list_runs(at_home(folder), as_json=json)


def status(run: Path, /, *, watch: Annotated[bool, Flag] = False, json: Annotated[bool, Flag] = False) -> int:
    """Show how a run stands, also while it goes on.

    Args:
        run: Its file.
        watch: Show it again and again until the run ends.
        json: Print JSON; with --watch, an object a line.
    """
    from fi_async.cli.standing import show_status  # noqa: PLC0415  # as above

    return show_status(at_home(run), as_json=json, watch=watch)


def export(run: Path, /, *, out: Annotated[Path, Parameter(name=("--out", "-o"), metavar="PATH")]) -> int:
    """Write the outcomes of a run so far to a file: .csv, .parquet, .sqlite, or else one JSON object a line.

    Args:
        run: The run's file, damaged or not.
        out: The file to write.
    """
    from fi_async.cli.export import export_run  # noqa: PLC0415  # as above

    return export_run(at_home(run), at_home(out))


def compare(before: Path, after: Path, /, *, flags: CompareFlags = _COMPARED) -> int:
    """Show what changed from one run to another, for better or for worse.

    Args:
        before: The run to compare with.
        after: The run it is about.
        flags: See CompareFlags.
    """
    from fi_async.cli.compare import compare_runs  # noqa: PLC0415  # as above

    return compare_runs(at_home(before), at_home(after), flags)


def gate(run: Path, /, *, flags: GateFlags = _GATED) -> int:
    """Tell by the exit code whether a run is good enough.

    Args:
        run: Its file, or the .jsonl of fi-async run --out.
        flags: See GateFlags.
    """
    from fi_async.cli.gate import gate_run  # noqa: PLC0415  # as above

    return gate_run(at_home(run), flags)


def serve(*, flags: ServeFlags = _SERVED) -> int:
    """Serve the evaluation API on this machine, as slow, small or faulty as you say.

    Args:
        flags: See ServeFlags.
    """
    from fi_async.cli.serve import serve_local  # noqa: PLC0415  # as above

    return serve_local(flags)


def report(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"), metavar="PATH")] = None,
) -> int:
    """Write a run as one HTML page that opens in any browser, offline, and print where it is.

    Args:
        run: Its file, or the .jsonl of fi-async run --out.
        out: The page. Omitted: beside the run, under its name with .html.
    """
    from fi_async.cli.report import write_report  # noqa: PLC0415  # as above

    return write_report(at_home(run), None if out is None else at_home(out))


def templates(
    name: str | None = None,
    /,
    *,
    local: Annotated[bool, Flag] = False,
    json: Annotated[bool, Flag] = False,
) -> int:
    """List the evaluation templates, or show one. Asks no server.

    Args:
        name: The template to show.
        local: List only those that the local backend evaluates.
        json: Print JSON.
    """
    from fi_async.cli.templates import show_all, show_one  # noqa: PLC0415  # as above

    return show_all(local_only=local, as_json=json) if name is None else show_one(name, as_json=json)


def config(*, json: Annotated[bool, Flag] = False) -> int:
    """Show the settings of runs, and where each comes from. Asks no server; shows no key.

    Args:
        json: Print JSON.
    """
    return settings.show(as_json=json)
