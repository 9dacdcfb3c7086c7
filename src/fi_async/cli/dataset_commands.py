"""`fi-async dataset`: the commands about datasets on the platform, as the parser reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from fi_async.cli import help_texts
from fi_async.cli.dataset_flags import DatasetFlags, OutPath, Patience
from fi_async.cli.flag_kinds import Flag, Several, at_home
from fi_async.cli.options import FileName


def dataset_app() -> App:
    """Return the commands of `fi-async dataset`."""
    app = App(
        name="dataset",
        help="Datasets on the platform: rows that are kept and evaluated there.",
        help_epilogue=help_texts.DATASET,
    )
    app.command(push, help_epilogue=help_texts.DATASET_PUSH)
    app.command(evaluate, help_epilogue=help_texts.DATASET_EVALUATE)
    app.command(status)
    app.command(pull, help_epilogue=help_texts.DATASET_PULL)
    app.command(retry)
    app.command(stop)
    app.command(list_datasets, name="list")
    app.command(remove, name="rm")
    return app


def push(
    file: FileName,
    /,
    *,
    name: Annotated[str, Parameter(metavar="NAME")],
    resume: Annotated[bool, Flag] = False,
    timeout: Patience = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Make a dataset of every row of FILE.

    Args:
        file: JSONL, CSV or Parquet, by its extension, or a directory of .json files.
        name: The dataset's name, new on the platform.
        resume: Go on with the dataset of this name whose upload was cut off.
        timeout: Seconds that the platform may take to make the rows: 600.
        json: Print JSON.
    """
    from fi_async.cli.dataset import push_file  # noqa: PLC0415  # each command imports what it needs

    return push_file(file, name, resume=resume, timeout=timeout, as_json=json)


def evaluate(name: str, /, *, flags: DatasetFlags) -> int:
    """Have every row of a dataset evaluated on the platform, and print a summary.

    Args:
        name: The dataset's name, or its id.
        flags: See DatasetFlags.
    """
    from fi_async.cli.dataset import evaluate_dataset  # noqa: PLC0415  # as above

    return evaluate_dataset(name, flags)


def status(name: str, /, *, json: Annotated[bool, Flag] = False) -> int:
    """Show how the evaluations of a dataset stand.

    Args:
        name: The dataset's name, or its id.
        json: Print JSON.
    """
    from fi_async.cli.dataset import show_dataset  # noqa: PLC0415  # as above

    return show_dataset(name, as_json=json)


def pull(
    name: str,
    /,
    *,
    evals: Annotated[list[str] | None, Several, Parameter(name="--eval", metavar="NAME...")] = None,
    out: OutPath = None,
    table: Annotated[Path | None, Parameter(metavar="PATH")] = None,
    safe_cells: Annotated[bool, Flag] = False,
    timeout: Patience = None,
    no_wait: Annotated[bool, Flag] = False,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Wait for the evaluations of a dataset, write their outcomes, and print a summary.

    Args:
        name: The dataset's name, or its id.
        evals: The names of the evaluations: columns of the dataset. Omitted: all.
        out: Write every outcome to this file: .csv, .parquet, .sqlite, or else one JSON object a line.
        table: Write the dataset to this file, as the platform's CSV.
        safe_cells: Put an apostrophe before the cells of --table that a spreadsheet would run as formulas.
        timeout: Seconds in which something has to move, or it counts as stalled: 600.
        no_wait: Take what is there: rows that are not evaluated yet count as stalled.
        json: Print the summary as one JSON object.
    """
    from fi_async.cli.dataset import pull_dataset  # noqa: PLC0415  # as above

    places = (None if out is None else at_home(out), None if table is None else at_home(table))
    return pull_dataset(
        name, evals or (), *places, is_safe=safe_cells, timeout=timeout, waits=not no_wait, as_json=json
    )


def retry(name: str, evaluation: str, /) -> int:
    """Have those rows evaluated again that an evaluation has left without a verdict; or start one that never was.

    Args:
        name: The dataset's name, or its id.
        evaluation: The evaluation's name.
    """
    from fi_async.cli.dataset import retry_evaluation  # noqa: PLC0415  # as above

    return retry_evaluation(name, evaluation)


def stop(name: str, evaluation: str, /) -> int:
    """Stop an evaluation: rows that it has not come to end without a verdict.

    Args:
        name: The dataset's name, or its id.
        evaluation: The evaluation's name.
    """
    from fi_async.cli.dataset import stop_evaluation  # noqa: PLC0415  # as above

    return stop_evaluation(name, evaluation)


def list_datasets(*, json: Annotated[bool, Flag] = False) -> int:
    """List the datasets.

    Args:
        json: Print JSON.
    """
    from fi_async.cli.dataset import show_datasets  # noqa: PLC0415  # as above

    return show_datasets(as_json=json)


def remove(name: str, /) -> int:
    """Delete a dataset, with its rows and evaluations.

    Args:
        name: The dataset's name, or its id.
    """
    from fi_async.cli.dataset import remove_dataset  # noqa: PLC0415  # as above

    return remove_dataset(name)
