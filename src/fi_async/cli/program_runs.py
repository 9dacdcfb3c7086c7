"""Runs that a program began, as a command line goes on with them: who answered what, and what must be given for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, Final

from fi_async import _catalogue
from fi_async._connection import LOCAL
from fi_async._errors import ConfigurationError
from fi_async._models import TemplateLike
from fi_async._run_url import RunUrl
from fi_async.backends.chosen import CODE, FUNCTIONS, JUDGED, PLATFORM, Backends
from fi_async.backends.judge import OPENAI_URL, Judge
from fi_async.backends.jury import Jury
from fi_async.cli.backend import Choice, backend_of
from fi_async.cli.errors import UsageError
from fi_async.cli.named_judges import judge_named
from fi_async.cli.options import ResumeFlags
from fi_async.cli.own_templates import templates_of
from fi_async.cli.store_flags import WorkFlags
from fi_async.journal.records import RunInfo

Asked = Mapping[str, Any]
"""What the file of a run says of one template: the fields of `Parameters`, and who answered."""

_AGAIN: Final = "run the program again"


def by_of(asked: Asked) -> str:
    """Return who answered a template; files of older versions say it by the fingerprint alone."""
    if by := asked.get("by"):
        return str(by)
    if asked.get("fingerprint") is None:
        return PLATFORM
    return JUDGED if asked.get("model") else CODE


def templates_and_choice(
    run: Path | RunUrl, info: RunInfo, flags: ResumeFlags | WorkFlags
) -> tuple[Mapping[str, TemplateLike], Choice]:
    """Return what a program's run evaluates, and by whom, with what flags give of it that no file holds.

    Raises:
        UsageError: Something is still to be given, or is not what the run was begun with.
        ConfigurationError: What is given cannot be used.
    """
    given = templates_of(flags.evals) if flags.evals else {}
    asked = {each["template"]: each for each in info.questions}
    for name, template in given.items():
        if isinstance(template, str) or name not in asked:
            raise UsageError(
                f"--eval: {run} has no function or Criteria {name!r}; give what its program made: FILE.py:NAME"
            )
    judge = judge_named(flags)
    if missing := _missing(asked, given, judge):
        needed = "; ".join(missing)
        otherwise = "" if _AGAIN in needed else f". Or {_AGAIN}"
        raise UsageError(f"{run}: a program began it, and no file holds what evaluates {needed}{otherwise}")
    templates = {name: given.get(name, name) for name in info.templates}
    kinds = {by_of(each) for each in info.questions}
    if JUDGED not in kinds and judge is not None:
        flag = "--jury" if isinstance(judge, Jury) else "--judge"
        raise UsageError(f"{flag} {judge.label}: nothing in {run} was judged by a model of yours: leave it out")
    if kinds <= {PLATFORM, CODE} and PLATFORM in kinds:
        chosen = Choice(LOCAL if info.base_url == LOCAL else backend_of("cloud"))
        _check(run, info, templates, Backends())
        return templates, chosen
    platform = backend_of("cloud") if PLATFORM in kinds and info.base_url != LOCAL else LOCAL
    names = [each for each in (FUNCTIONS, JUDGED, PLATFORM) if each in kinds] or [FUNCTIONS]
    wrong: Exception | None = None
    for order in permutations(names):
        chosen = Choice(platform, order, judge)
        try:
            _check(run, info, templates, Backends(chosen.backends))
        except (UsageError, ConfigurationError) as error:
            wrong = wrong or error
        else:
            return templates, chosen
    assert wrong is not None  # noqa: S101  # there is one order at least
    raise wrong


def check_unchanged(run: Path | RunUrl, info: RunInfo, templates: Mapping[str, TemplateLike], chosen: Choice) -> None:
    """Return if the cases that a file holds would be evaluated as those before.

    Raises:
        UsageError: A function, or a judge, is another now.
    """
    if info.questions:
        _check(run, info, templates, Backends(chosen.backends) if chosen.names else Backends(), "run it anew")


def _check(
    run: Path | RunUrl, info: RunInfo, templates: Mapping[str, TemplateLike], backends: Backends, fix: str = _AGAIN
) -> None:
    for asked in info.questions:
        name = asked["template"]
        route = backends.route(templates[name], asked["config"])
        was = by_of(asked)
        if route.by != was and not {route.by, was} <= {PLATFORM, FUNCTIONS}:
            raise UsageError(f"{run}: {name} was evaluated by {_WHO[was]}, and would be by {_WHO[route.by]}: {fix}")
        _check_jury(run, asked, route.jury, fix)
        if route.fingerprint != asked.get("fingerprint"):
            what = (
                "its source, or its version, is another"
                if was == CODE
                else "the criteria, or the judge's model, URL or parameters are others"
            )
            raise UsageError(f"{run}: {name} is not what the run was begun with: {what}. To go on with it, {fix}")


def _check_jury(run: Path | RunUrl, asked: Asked, jury: Jury | None, fix: str) -> None:
    """Return if the jurors of a template are those that it was begun with."""
    was, now = (sorted(names) for names in (_jurors(asked), [each.label for each in jury or ()]))
    if was != now:
        what = _how(asked) if was else fix
        raise UsageError(f"{run}: {asked['template']} is for {_jury_of(was)}, and would have {_jury_of(now)}: {what}")


def _jury_of(names: Sequence[str]) -> str:
    return f"a jury of {', '.join(names)}" if names else "no jury"


def _jurors(asked: Asked) -> Sequence[str]:
    return [each["name"] for each in asked.get("jurors", ())]


_WHO: Final = {
    PLATFORM: "the platform",
    FUNCTIONS: "the functions that are computed here",
    JUDGED: "a judge",
    CODE: "a function of yours",
}


def _missing(asked: Mapping[str, Asked], given: Mapping[str, TemplateLike], judge: Judge | Jury | None) -> list[str]:
    """Return what is still to be given, each with the flag that gives it."""
    found = []
    for name, each in asked.items():
        if name in given:
            continue
        if by_of(each) == CODE:
            found.append(f"{name} (a function): give --eval FILE.py:{name}")
        elif by_of(each) == JUDGED and name not in _catalogue.rows():
            found.append(f"{name} (a Criteria): give --eval FILE.py:{name}")
    if not isinstance(judge, Jury):
        found += [f"{name} ({_jury_of(_jurors(each))}): {_how(each)}" for name, each in asked.items() if _jurors(each)]
    judges: dict[tuple[str, ...], list[str]] = {}
    for name, each in asked.items():
        if by_of(each) == JUDGED and not each.get("jurors"):
            judges.setdefault(_judge(each), []).append(name)
    if len(judges) > 1:
        found.append(f"{', '.join(name for names in judges.values() for name in names)} (several judges): {_AGAIN}")
    elif judges and judge is None:
        ((words, names),) = judges.items()
        found.append(f"{', '.join(names)} (a judge): give {' '.join(words)}")
    return found


def _how(asked: Asked) -> str:
    """Return the flag that names the jury of a template, and where each of its judges is."""
    at = "; ".join(f"{each['name']}: {each['judge_model']} at {each['judge_url']}" for each in asked["jurors"])
    return f"give --jury {' '.join(_jurors(asked))}, each by a table [judges.NAME] of fi-async.toml ({at})"


def _judge(asked: Asked) -> tuple[str, ...]:
    """Return the flags that name the judge of a template."""
    model, url = asked.get("judge_model") or asked.get("model") or "MODEL", asked.get("judge_url")
    return ("--judge", str(model), *(() if url in (None, OPENAI_URL) else ("--judge-url", str(url))))
