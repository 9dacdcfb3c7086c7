"""The flags of the commands about runs that a database keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from fi_async._run_url import RunUrl
from fi_async.cli.asked_judge import OF_PAID_JUDGES, PaidJudgeChoice
from fi_async.cli.flag_kinds import (
    JUDGE,  # noqa: F401  # the parser reads the annotations of inherited flags here
    POSITIVE,
    Count,
    Flag,
    Several,
    from_one,
    short,
    whole,
)
from fi_async.cli.options import FileName

RunName = Annotated[str, *FileName.__metadata__]
"""A run: the path of its file, or the URL of its database."""


def url_of(run: str) -> RunUrl:
    """Return the URL of a run in a database.

    Raises:
        ConfigurationError: It is no such URL.
    """
    return RunUrl.parse(run)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class WorkFlags(PaidJudgeChoice):
    """What `fi-async work` is told; all else is as when the run was loaded.

    Attributes:
        evals: FILE.py:NAME of each function and each Criteria that the run was loaded with, where they are elsewhere
            on this machine, or a program loaded it.
        concurrency: Requests under way at once; auto finds how many the server can do with. Omitted: as loaded.
        lease: Seconds that this worker may be silent before others take over what it has.
        drain: Seconds that requests under way may take to their end when it is stopped.
        no_progress: Show no progress.
        json: Print what it did as one JSON object.
    """

    evals: Annotated[list[str] | None, Several, Parameter(name="--eval", metavar="FILE.py:NAME...")] = None
    concurrency: Count = None
    lease: Annotated[float, Parameter(metavar="SECONDS", validator=POSITIVE, show_default=short)] = 30.0
    drain: Annotated[float, Parameter(metavar="SECONDS", validator=POSITIVE, show_default=short)] = 5.0
    no_progress: Annotated[bool, Flag] = False
    json: Annotated[bool, Flag] = False

    def judging(self) -> dict[str, Any]:
        """Return what is told anew of the judge, by name."""
        return {name: value for name in OF_PAID_JUDGES if (value := getattr(self, name)) not in (None, False)}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ControlFlags:
    """What `fi-async control` sets for all workers of a run.

    Attributes:
        concurrency: Requests under way at once, of each worker.
        limits: What the server or your plan allows all workers together, as of run.
        max_cost: Dollars that all workers together may spend on judges.
        json: Print what is set as one JSON object.
    """

    concurrency: Annotated[
        int | Literal["auto"] | None,
        Parameter(metavar="auto|N", converter=whole, validator=from_one, show_choices=False),
    ] = None
    limits: Annotated[list[str] | None, Several, Parameter(metavar="COUNT/TIME...")] = None
    max_cost: Annotated[float | None, Parameter(metavar="DOLLARS", validator=POSITIVE)] = None
    json: Annotated[bool, Flag] = False

    def changes(self) -> dict[str, Any]:
        """Return what is to be changed, by name."""
        told = {"concurrency": self.concurrency, "max_cost": self.max_cost}
        return {name: value for name, value in told.items() if value is not None}
