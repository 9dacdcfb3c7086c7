"""Whether a worker has what a run in a store asks for: its functions, Criteria and judges, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fi_async import _catalogue
from fi_async._connection import LOCAL
from fi_async._errors import ConfigurationError
from fi_async._models import TemplateLike
from fi_async.backends.chosen import CODE, FUNCTIONS, JUDGED, PLATFORM
from fi_async.backends.jury import Jury
from fi_async.engine.intake import Question
from fi_async.engine.session import Session
from fi_async.journal.encoding import to_text
from fi_async.journal.opening import asked_of
from fi_async.journal.records import RunInfo
from fi_async.panels.shape import PanelShape

_Asked = Mapping[str, Any]


def check_given(run: str, info: RunInfo, own: Mapping[str, TemplateLike]) -> None:
    """Return if all functions and Criteria that a run asks were given, and no others.

    Raises:
        ConfigurationError: One is missing, or is not the run's.
    """
    names = [each["template"] for each in info.questions]
    for name in own:
        if name not in names:
            raise ConfigurationError(f"{run}: it does not evaluate {name}, but {', '.join(names)}: leave it out")
    for each in info.questions:
        name, by = each["template"], each["by"]
        if name not in own and (by == CODE or (by == JUDGED and name not in _catalogue.rows())):
            what = "a function" if by == CODE else "a Criteria"
            raise ConfigurationError(
                f"{run}: {name} is {what} of yours, and no database holds code: give it, as work(run, [{name}]), or"
                f" --eval FILE.py:{name}"
            )


def check_jurors(run: str, info: RunInfo, session: Session) -> None:
    """Return if the judges of each jury of a run were given, before anything else is asked of them.

    Raises:
        ConfigurationError: One is missing; the message says which, and how to give it.
    """
    judges = session.backends.judges
    first = judges[0] if judges else None
    has = [] if first is None else [each.label for each in (first.jurors if isinstance(first, Jury) else [first])]
    for each in info.questions:
        jurors = each.get("jurors", ())
        missing = [juror for juror in jurors if juror["name"] not in has]
        if missing:
            raise ConfigurationError(f"{run}: {_lacking(each['template'], jurors, missing)}")


def _lacking(name: str, jurors: Sequence[_Asked], missing: Sequence[_Asked]) -> str:
    names = [each["name"] for each in jurors]
    called = " and ".join(f"{each['name']} ({each['judge_model']} at {each['judge_url']})" for each in missing)
    judges = ", ".join(
        f"Judge({each['judge_model']!r}, base_url={each['judge_url']!r}, name={each['name']!r})" for each in missing
    )
    others = "..., " if len(missing) < len(names) else ""
    return (
        f"{', '.join(names)} vote on {name}, and this worker has no judge {called}: give it, as"
        f" backends=[Jury({others}{judges})]; or, on a command line, as the tables [judges.{missing[0]['name']}]"
        f" and so on of fi-async.toml, and --jury {' '.join(names)}"
    )


def check_same(run: str, info: RunInfo, asked: Sequence[Question], session: Session) -> None:
    """Return if these are the questions that a run was loaded with: no outcome may be another's.

    Raises:
        ConfigurationError: They are not; the message says which, and what to do.
    """
    by_platform = any(each.route.is_platform for each in asked)
    if by_platform and session.connection.base_url != info.base_url:
        where = "the local backend" if info.base_url == LOCAL else info.base_url
        raise ConfigurationError(
            f"{run}: this run was made on {where}, and this worker asks {session.connection.base_url}: set FI_BASE_URL,"
            " or fi_base_url=, to that"
        )
    for question, was in zip(asked, info.questions, strict=True):
        now = json.loads(to_text(asked_of(question)))
        name = question.template.name
        if now["by"] != was["by"] and not {now["by"], was["by"]} <= {PLATFORM, FUNCTIONS}:
            raise ConfigurationError(
                f"{run}: {name} is for {_WHO.get(was['by'], was['by'])}, and this worker would have it answered by"
                f" {_WHO.get(now['by'], now['by'])}: give it what the run was loaded with"
            )
        _check_jury(run, name, now, was)
        if _said_of(PanelShape.read(now)) != _said_of(PanelShape.read(was)):
            raise ConfigurationError(
                f"{run}: how often each case is evaluated is as the run was loaded: leave repeats=, reduce=, precision="
                " and max_repeats= out here"
            )
        if now["fingerprint"] != was["fingerprint"]:
            what = (
                "its source, or its version, is another here: bring this worker's code to that of whoever loaded it"
                if was["by"] == CODE
                else "the criteria, or the judge's model, URL or parameters are others here"
            )
            raise ConfigurationError(f"{run}: {name} is not what the run was loaded with: {what}")


def _check_jury(run: str, name: str, now: _Asked, was: _Asked) -> None:
    """Return if the same jurors vote, by the same rule."""
    jurors, here = ({each["name"]: each for each in asked.get("jurors", ())} for asked in (was, now))
    if here and not jurors:
        who = was.get("judge_model") or was.get("model")
        raise ConfigurationError(
            f"{run}: {name} is for one judge, {who}, and here a jury would vote on it: leave it out"
        )
    if missing := [each for juror, each in jurors.items() if juror not in here]:
        raise ConfigurationError(f"{run}: {_lacking(name, list(jurors.values()), missing)}")
    if more := [juror for juror in here if juror not in jurors]:
        raise ConfigurationError(
            f"{run}: {', '.join(more)} is not among those who vote on {name} ({', '.join(jurors)}): load the run with"
            " that jury first, which costs the new votes alone, or leave it out here"
        )
    for juror, each in jurors.items():
        if here[juror]["fingerprint"] != each["fingerprint"]:
            raise ConfigurationError(
                f"{run}: {juror}, who votes on {name}, is another judge here: {each['judge_model']} at"
                f" {each['judge_url']} was loaded, and here it is {here[juror]['judge_model']} at"
                f" {here[juror]['judge_url']}, or the criteria or its parameters are others"
            )
    rules = [PanelShape.read(asked).rule for asked in (was, now)]
    if rules[0] != rules[1]:
        raise ConfigurationError(f'{run}: the votes on {name} make a verdict by rule="{rules[0]}": give the jury that')


def _said_of(shape: PanelShape) -> Mapping[str, Any]:
    """Return what a shape says, whatever the order of its jurors and the jury's name."""
    return {**shape.as_dict(), "jurors": sorted(shape.jurors), "jury": None}


_WHO: Final = {
    PLATFORM: "the platform",
    FUNCTIONS: "the functions that are computed here",
    JUDGED: "a judge",
    CODE: "a function of yours",
}
