"""The commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from fi_async._version import __version__
from fi_async.cli import help_texts, settings, terminal
from fi_async.cli.dataset_commands import dataset_app
from fi_async.cli.flag_kinds import Flag, at_home, home_of_runs, named
from fi_async.cli.input_rows import STDIN
from fi_async.cli.judge_flags import JudgeFlags
from fi_async.cli.options import (
    AgreeFlags,
    CompareFlags,
    FileName,
    GateFlags,
    ImportFlags,
    LabelFlags,
    LoadFlags,
    ResumeFlags,
    RunFlags,
    ServeFlags,
)
from fi_async.cli.store_flags import ControlFlags, RunName, WorkFlags

_SERVED = ServeFlags()
_JUDGED = JudgeFlags()
_COMPARED = CompareFlags()
_GATED = GateFlags()
_AGREED = AgreeFlags()
_LABELLED = LabelFlags()
_RESUMED = ResumeFlags()
_WORKING = WorkFlags()
_CONTROLLED = ControlFlags()


def execute(words: Sequence[str]) -> int:
    """Return the exit code of a command line that could be carried out.

    Raises:
        CycloptsError: It cannot be parsed.
        Exception: Whatever the command raises.
    """
    # The parser takes a lone dash for an option, and so it is one but for the file of run.
    code = _app()([STDIN if word == "-" and words[0] in ("run", "load") else word for word in words])
    return code if isinstance(code, int) else 0


def completion(shell: Literal["bash", "zsh", "fish"]) -> str:
    """Return the script by which a shell completes command lines."""
    return _app().generate_completion(shell=shell)


def _app() -> App:
    app = App(
        name="fi-async",
        help="LLM evaluations at scale against the Future AGI API, or on this machine.",
        help_format="plaintext",
        help_epilogue=help_texts.TOP,
        version=__version__,
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
        config=settings.apply,
        console=terminal.stdout(),
        suppress_keyboard_interrupt=False,
    )
    app.command(run, help_epilogue=help_texts.RUN)
    app.command(load, help_epilogue=help_texts.LOAD)
    app.command(work, help_epilogue=help_texts.WORK)
    app.command(control, help_epilogue=help_texts.CONTROL)
    app.command(resume, help_epilogue=help_texts.RESUME)
    app.command(retry, help_epilogue=help_texts.RETRY)
    app.command(runs, help_epilogue=help_texts.RUNS)
    app.command(status, help_epilogue=help_texts.STATUS)
    app.command(export, help_epilogue=help_texts.EXPORT)
    app.command(import_, name="import", help_epilogue=help_texts.IMPORT)
    app.command(merge, help_epilogue=help_texts.MERGE)
    app.command(compare, help_epilogue=help_texts.COMPARE)
    app.command(gate, help_epilogue=help_texts.GATE)
    app.command(label, help_epilogue=help_texts.LABEL)
    app.command(agree, help_epilogue=help_texts.AGREE)
    app.command(serve, help_epilogue=help_texts.SERVE)
    app.command(report, help_epilogue=help_texts.REPORT)
    app.command(templates, help_epilogue=help_texts.TEMPLATES)
    app.command(config, help_epilogue=help_texts.CONFIG)
    app.command(dataset_app())
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


def load(file: FileName, /, *, flags: LoadFlags) -> int:
    """Put every row of FILE into a run in a database, for fi-async work to evaluate. Evaluates nothing.

    Args:
        file: As of run.
        flags: See LoadFlags.
    """
    from fi_async.cli.stored_runs import load_file  # noqa: PLC0415  # as above

    return load_file(file, flags)


def work(run: RunName, /, *, flags: WorkFlags = _WORKING) -> int:
    """Work on a run in a database, beside others, until nothing is left to do.

    Args:
        run: The URL of a PostgreSQL database that ends in the run's name.
        flags: See WorkFlags.
    """
    from fi_async.cli.stored_runs import work_on  # noqa: PLC0415  # as above

    return work_on(run, flags)


def control(
    run: RunName, what: Literal["pause", "resume"] | None = None, /, *, flags: ControlFlags = _CONTROLLED
) -> int:
    """Pause or resume all workers of a run, or set what they keep to, while they work; show what is set.

    Args:
        run: The URL of a PostgreSQL database that ends in the run's name.
        what: What they are to do. Omitted: as they do.
        flags: See ControlFlags.
    """
    from fi_async.cli.stored_runs import control_run  # noqa: PLC0415  # as above

    return control_run(run, what, flags)


def resume(run: RunName, /, *, flags: ResumeFlags = _RESUMED) -> int:
    """Go on with a run that was stopped.

    Args:
        run: Its file, or the URL of its database, where others may go on with it, too.
        flags: See ResumeFlags.
    """
    from fi_async.cli.resume import resume_run  # noqa: PLC0415  # as above

    return resume_run(named(run), flags)


def retry(
    run: RunName,
    /,
    *,
    failed: Annotated[bool, Flag] = False,
    stalled: Annotated[bool, Flag] = False,
    ambiguous: Annotated[bool, Flag] = False,
    flags: ResumeFlags = _RESUMED,
) -> int:
    """Go on with a run, and try again what ended without a score.

    Args:
        run: Its file, or the URL of its database.
        failed: Evaluate again what failed. Without any of these flags: what failed, and what stalled.
        stalled: Ask again for what the server accepted and had not finished in time.
        ambiguous: Send again what may have been evaluated, and was not sent again for that.
        flags: See ResumeFlags.
    """
    from fi_async.cli.resume import retry_run  # noqa: PLC0415  # as above

    return retry_run(named(run), flags, failed=failed, stalled=stalled, ambiguous=ambiguous)


def runs(place: RunName | None = None, /, *, json: Annotated[bool, Flag] = False) -> int:
    """List the runs in a directory, or in a database, and how each stands.

    Args:
        place: Where their files are, or the URL of the database, without a run. Omitted: here.
        json: Print JSON.
    """
    from fi_async.cli.status import list_runs  # noqa: PLC0415  # as above

    return list_runs(home_of_runs(place), as_json=json)


def status(run: RunName, /, *, watch: Annotated[bool, Flag] = False, json: Annotated[bool, Flag] = False) -> int:
    """Show how a run stands, also while it goes on.

    Args:
        run: Its file, or the URL of its database, which tells of its workers too.
        watch: Show it again and again until the run ends.
        json: Print JSON; with --watch, an object a line.
    """
    from fi_async.cli.status import show_status  # noqa: PLC0415  # as above

    return show_status(named(run), as_json=json, watch=watch)


def export(
    run: RunName,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"), metavar="PATH")],
    labels: Annotated[bool, Flag] = False,
    eval: Annotated[str | None, Parameter(metavar="NAME")] = None,  # noqa: A002  # the flag's name
) -> int:
    """Write the outcomes of a run so far to a file: .csv, .parquet, .sqlite, or else one JSON object a line.

    Args:
        run: The run's file, damaged or not, or the URL of its database.
        out: The file to write.
        labels: Write the labels that people gave instead, to .csv or .jsonl, as fi-async agree reads them.
        eval: With --labels: of which template. Omitted: the one that has labels.
    """
    from fi_async.cli.export import export_labels, export_run  # noqa: PLC0415  # as above

    if labels:
        return export_labels(named(run), at_home(out), eval)
    return export_run(named(run), at_home(out))


def import_(file: Path, /, *, flags: ImportFlags) -> int:
    """Make a run of the results of another tool, for report, compare, gate, label, agree and export.

    Args:
        file: The results, as the tool writes them.
        flags: See ImportFlags.
    """
    from fi_async.cli.importing import import_file  # noqa: PLC0415  # as above

    return import_file(at_home(file), flags)


def merge(
    *runs: Path,
    out: Annotated[Path, Parameter(name=("--out", "-o"), metavar="PATH")],
    json: Annotated[bool, Flag] = False,
) -> int:
    """Make one run of its shards: equal work once, each case at its place in the source.

    Args:
        runs: The files that fi-async run --shard I/N --run PATH kept, of each shard one.
        out: The file to make.
        json: Print JSON.
    """
    from fi_async.cli.merge import merge_runs  # noqa: PLC0415  # as above

    return merge_runs([at_home(run) for run in runs], at_home(out), as_json=json)


def compare(before: RunName, after: RunName, /, *others: RunName, flags: CompareFlags = _COMPARED) -> int:
    """Show what changed from one run to another, or to several, for better or for worse.

    Args:
        before: The run to compare with: its file, the URL of its database, or the .jsonl of fi-async run --out.
        after: The run it is about, likewise.
        others: Further runs.
        flags: See CompareFlags.
    """
    from fi_async.cli.compare import compare_files  # noqa: PLC0415  # as above

    return compare_files([named(each) for each in (before, after, *others)], flags)


def gate(run: RunName, /, *, flags: GateFlags = _GATED) -> int:
    """Tell by the exit code whether a run is good enough.

    Args:
        run: Its file, the URL of its database, or the .jsonl of fi-async run --out.
        flags: See GateFlags.
    """
    from fi_async.cli.gate import gate_run  # noqa: PLC0415  # as above

    return gate_run(named(run), flags)


def label(run: RunName, /, *, flags: LabelFlags = _LABELLED) -> int:
    """Draw cases of a run, and show them one by one in a browser to be labelled by keyboard.

    Args:
        run: Its file, the URL of its database, or the .jsonl of fi-async run --out.
        flags: See LabelFlags.
    """
    from fi_async.cli.label import label_run  # noqa: PLC0415  # as above

    return label_run(named(run), flags)


def agree(run: RunName, labels: RunName | None = None, /, *, flags: AgreeFlags = _AGREED) -> int:
    """Show how far the judge of a run agrees with people, and the true pass rate behind what it says.

    Args:
        run: Its file, the URL of its database, or the .jsonl of fi-async run --out.
        labels: A CSV or JSONL file with the columns label, and id, index or the inputs; or another run, which has some.
            Omitted: those that RUN keeps.
        flags: See AgreeFlags.
    """
    from fi_async.cli.agree import check_agreement  # noqa: PLC0415  # as above

    return check_agreement(named(run), None if labels is None else named(labels), flags)


def serve(*, flags: ServeFlags = _SERVED, judge_flags: JudgeFlags = _JUDGED) -> int:
    """Serve the evaluation API on this machine, and a model to test judges with, as slow, small or faulty as you say.

    Args:
        flags: See ServeFlags.
        judge_flags: See JudgeFlags.
    """
    from fi_async.cli.serve import serve_local  # noqa: PLC0415  # as above

    return serve_local(flags, judge_flags)


def report(
    run: RunName,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"), metavar="PATH")] = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Write a run as one HTML page that opens in any browser, offline, and print where it is.

    Args:
        run: Its file, the URL of its database, or the .jsonl of fi-async run --out.
        out: The page. Omitted: beside the run's file, or here, under its name with .html.
        json: Print its numbers as JSON instead, with how far the judge agrees with people.
    """
    from fi_async.cli.export import write_report  # noqa: PLC0415  # as above

    return write_report(named(run), None if out is None else at_home(out), as_json=json)


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
