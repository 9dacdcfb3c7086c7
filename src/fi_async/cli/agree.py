"""`fi-async agree`: how far the judge of a run agrees with people, as text, JSON and an exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from fi_async._errors import ConfigurationError, instead
from fi_async._run_url import RunUrl
from fi_async.cli import errors, terminal
from fi_async.cli.gate import exit_code, show
from fi_async.cli.options import AgreeFlags
from fi_async.reports.conditions import Condition, parse_condition
from fi_async.reports.label_conditions import LabelCondition, check_label_condition, label_condition
from fi_async.reports.quality_gate import GateResult
from fi_async.reports.run_labels import RunLabels

_CONFIDENCE: Final = 0.95
_MEASURES: Final = ("kappa", "alpha", "tpr", "tnr", "rate")


def check_agreement(run: Path | RunUrl, labels: Path | RunUrl | None, flags: AgreeFlags) -> int:
    """Return the exit code after printing how far judge and people agree, and whether that is enough.

    Raises:
        ConfigurationError: It is no run, a label cannot be used, or a condition cannot be meant so.
    """
    conditions = [parse_condition(text) for text in flags.min or ()]
    found = RunLabels.of(run).agreement(
        flags.eval,
        labels=labels,
        by=flags.by,
        labelled=None if flags.labelled is None else RunLabels.of(flags.labelled),
        threshold=flags.threshold,
        confidence=flags.confidence or _CONFIDENCE,
        column=flags.column,
    )
    asked = [_asked(each, found.template) for each in conditions]
    checks = GateResult([check_label_condition(each, found, flags.confidence) for each in asked])
    if flags.json:
        verdict = checks.as_dict() if conditions else {}
        told = {name: verdict[name] for name in ("verdict", "checks") if name in verdict}
        where = None if labels is None else str(labels)
        print(json.dumps({"run": str(run), "labels": where, **found.to_dict(), **told}, indent=2))
    else:
        print(re.sub(r"\S+", lambda word: terminal.printable(word[0]), str(found)))  # columns stay columns
        if conditions:
            print()
            show(checks)
    return exit_code(checks) if conditions else errors.DONE


def _asked(condition: Condition, template: str) -> LabelCondition:
    asked = label_condition(condition, (template,))
    if asked is None:
        name = condition.template
        raise ConfigurationError(f"--min {condition}: there is no {name!r}{instead(name, _MEASURES)}")
    return asked
