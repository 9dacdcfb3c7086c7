"""What is kept of a run: facts about it, and a record for each case and template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fi_async._models import Outcome


@dataclass(frozen=True, slots=True)
class Record:
    """How one case ended under one template, as a run keeps it.

    Attributes:
        key: Hex digits that name the work: equal for equal template, model, parameters and inputs, in any run.
        outcome: Its `index` is the case's position in the input.
        ended_at: When it ended, in seconds since the epoch; 0 where that is not known.
    """

    key: str
    outcome: Outcome
    ended_at: float


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run is about.

    Attributes:
        name: The file's name without its ending.
        templates: Their names, in the order asked.
        model_name: The judge, if one was named.
        backend: "cloud" or "local".
        base_url: The server.
        started_at: When the run first began, in seconds since the epoch; 0 where that is not known.
        ended_at: When it was last found complete; None while it is not.
        version: Of the package that began it.
        settings: Options of the run, plain values. No credentials.
        source: Where a command line took the cases from, to take them again; empty for runs of programs.
    """

    name: str
    templates: tuple[str, ...]
    model_name: str | None
    backend: str
    base_url: str
    started_at: float
    ended_at: float | None = None
    version: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
