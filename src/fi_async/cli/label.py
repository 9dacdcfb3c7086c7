"""`fi-async label`: cases of a run for people to label, as a CSV file."""

from __future__ import annotations

from pathlib import Path

from fi_async.cli import errors, terminal
from fi_async.cli.errors import UsageError
from fi_async.cli.options import LabelFlags
from fi_async.cli.outputs import check_output
from fi_async.reports.agreement import template_of
from fi_async.reports.label_draws import draw_cases, write_sheet
from fi_async.reports.run_files import load_run, outcomes_of


def draw_labels(run: Path, flags: LabelFlags) -> int:
    """Return 0 after writing the cases that were drawn.

    Raises:
        ConfigurationError: It is no run, has no such template, or nothing that can be drawn so.
        UsageError: The file cannot be where it is to be, or is there already.
        OSError: It cannot be written.
    """
    check_output("--out", flags.out, run)
    if flags.out.suffix.lower() != ".csv":
        raise UsageError(f"--out {flags.out}: its name must end in .csv")
    if flags.out.exists():
        raise UsageError(f"--out {flags.out}: it is there already, and may hold labels: name another file")
    with load_run(run) as loaded:
        outcomes = list(outcomes_of(loaded))
    name = template_of(flags.eval, outcomes)
    own = [each for each in outcomes if each.template == name]
    drawn = draw_cases(own, flags.sample, flags.by, seed=flags.seed, threshold=flags.threshold)
    write_sheet(flags.out, drawn)
    print(
        f"{len(drawn):,} of {len(own):,} cases of {terminal.printable(name)} are in {flags.out}: fill in its column"
        f" label, then fi-async agree {run} {flags.out}"
    )
    return errors.DONE
