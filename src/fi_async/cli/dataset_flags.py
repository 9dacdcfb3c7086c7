"""The flags of `fi-async dataset evaluate`, and kinds of them that its neighbours have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fi_async.cli.flag_kinds import POSITIVE, Flag, Several, at_home

Patience = Annotated[float | None, Parameter(metavar="SECONDS", validator=POSITIVE)]
OutPath = Annotated[Path | None, Parameter(name=("--out", "-o"), metavar="PATH")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFlags:
    """What `fi-async dataset evaluate` is told.

    Attributes:
        evals: Templates of the platform to evaluate each row under, one or several.
        mapping: Take the template's key from a column of another name.
        param: The template's parameters; values are JSON, or else text. Of several templates: TEMPLATE.KEY=VALUE.
        called: Call the column of a template otherwise than the template: up to 50 characters, new in the dataset.
        model: The platform's judge, such as turing_small.
        timeout: Seconds in which something has to move, or it counts as stalled: 600.
        out: Write every outcome to this file: .csv, .parquet, .sqlite, or else one JSON object a line.
        detach: Start it and return; fi-async dataset status and pull come back to it.
        no_progress: Show no progress.
        json: Print the summary as one JSON object.
    """

    evals: Annotated[list[str], Several, Parameter(name="--eval", metavar="NAME...")]
    mapping: Annotated[list[str] | None, Several, Parameter(name="--map", metavar="KEY=COLUMN...")] = None
    param: Annotated[list[str] | None, Several, Parameter(metavar="KEY=VALUE...")] = None
    called: Annotated[list[str] | None, Several, Parameter(name="--as", metavar="TEMPLATE=NAME...")] = None
    model: Annotated[str | None, Parameter(metavar="NAME")] = None
    timeout: Patience = None
    out: OutPath = None
    detach: Annotated[bool, Flag] = False
    no_progress: Annotated[bool, Flag] = False
    json: Annotated[bool, Flag] = False

    def __post_init__(self) -> None:
        if self.out is not None:
            object.__setattr__(self, "out", at_home(self.out))
