"""`fi-async agree`: how far the judge of a run agrees with people, as text, JSON and an exit code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fi_async._errors import ConfigurationError, instead
from fi_async.cli import errors, terminal
from fi_async.cli.gate import exit_code, show
from fi_async.cli.options import AgreeFlags
from fi_async.reports.agreement import Agreement, agreement_of
from fi_async.reports.conditions import Condition, parse_condition
from fi_async.reports.estimators import Estimate
from fi_async.reports.quality_gate import GateResult, check_estimate
from fi_async.reports.run_files import load_run, outcomes_of

_CONFIDENCE: Final = 0.95
_METRICS: Final = ("kappa", "alpha", "tpr", "tnr", "rate")


def check_agreement(run: Path, labels: Path, flags: AgreeFlags) -> int:
    """Return the exit code after printing how far judge and people agree, and whether that is enough.

    Raises:
        ConfigurationError: It is no run, a label cannot be used, or a condition cannot be meant so.
    """
    conditions = [_condition(text) for text in flags.min or ()]
    with load_run(run) as loaded:
        outcomes = list(outcomes_of(loaded))
    other = None
    if flags.labelled is not None:
        with load_run(flags.labelled) as loaded:
            other = list(outcomes_of(loaded))
    found = agreement_of(
        outcomes,
        labels,
        flags.eval,
        labelled=other,
        threshold=flags.threshold,
        confidence=flags.confidence or _CONFIDENCE,
        column=flags.column,
    )
    checks = GateResult([check_estimate(each, _numbers(found)[each.template], flags.confidence) for each in conditions])
    if flags.json:
        verdict = checks.as_dict() if conditions else {}
        told = {name: verdict[name] for name in ("verdict", "checks") if name in verdict}
        print(json.dumps({"run": str(run), "labels": str(labels), **found.to_dict(), **told}, indent=2))
    else:
        print(re.sub(r"\S+", lambda word: terminal.printable(word[0]), str(found)))  # columns stay columns
        if conditions:
            print()
            show(checks)
    return exit_code(checks) if conditions else errors.DONE


def _condition(text: str) -> Condition:
    condition = parse_condition(text)
    if condition.template not in _METRICS or condition.metric is not None:
        raise ConfigurationError(
            f"--min {text}: there is no {condition.template!r}{instead(condition.template, _METRICS)}"
        )
    if not -1 <= condition.bound <= 1 and condition.template != "rate":
        raise ConfigurationError(f"--min {text}: {condition.template} is at most 1")
    return condition


def _numbers(found: Agreement) -> Mapping[str, Estimate]:
    return {name: getattr(found, name) for name in _METRICS}
