"""Three runs and more, compared with one of them: differences that are told together, and each case in each run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os.path import expanduser
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from fi_async._errors import ConfigurationError, instead
from fi_async._models import Outcome
from fi_async._public import public
from fi_async._run_url import RunUrl, is_store_url
from fi_async.journal.records import OutcomeRecord, RunInfo
from fi_async.reports.compare import Comparison, TemplateComparison, compare
from fi_async.reports.matrix_figures import DifferenceVerdict, MatrixCase, RunDifference
from fi_async.reports.pairing import CaseScore, PairedBy, have_ids
from fi_async.reports.report import Report
from fi_async.reports.run_files import LoadedRun, ReadableRun, load_run, outcomes_of
from fi_async.reports.run_matrix import RunMatrix
from fi_async.reports.statistics import FEWEST_OF_T, Interval, holm, mcnemar, skewed_t_interval

ComparedRun = Report | str | Path | RunUrl | Iterable[Outcome]
"""A run to compare: a report, a file's path, the URL of one in a database, or outcomes."""

MOST_RUNS: Final = 20
"""Runs that one matrix compares."""

_FEWEST: Final = 2
_FEW_CHANGES: Final = 30
_Place = tuple[str, object, int]
_Changes = Mapping[tuple[int, int], str]


@public
def compare_runs(
    runs: Sequence[ComparedRun] | Mapping[str, ComparedRun],
    *,
    names: Sequence[str] | None = None,
    baseline: str | None = None,
    by: PairedBy | None = None,
    tolerance: float = 0.0,
    lower_is_better: Collection[str] = (),
    confidence: float = 0.95,
) -> RunMatrix:
    """Return two runs or more compared with one of them, case by case.

    Cases are paired with those of the baseline by equal ids or equal inputs, whatever the judge. Each difference is
    over the cases that have a score in both; the rest is counted. All intervals hold together with the confidence
    (each is at 1 - (1 - confidence) / comparisons, by Bonferroni, where Holm's procedure begins), and so do the
    verdicts, by Holm's adjustment of McNemar's and sign tests.

    Args:
        runs: Reports, the paths of runs (their files, or the .jsonl of `fi-async run --out`), the URLs of runs in a
            database, or outcomes; or a dict of these by name.
        names: What they are called. Omitted: a file's name without its ending, the name at a URL's end, or "run 1" and
            so on.
        baseline: The name of the run that the others are compared with. Omitted: the first.
        by: "id" or "inputs". Omitted: by id, if in all runs every case has one and no two share it; else by inputs.
        tolerance: Scores that differ by no more than this are a tie. Verdicts have none.
        lower_is_better: Templates whose score is the better the lower.
        confidence: Between 0 and 1.

    Raises:
        ConfigurationError: There are fewer than 2 runs or more than 20, a name is missing, there twice or unknown, or
            a path is no run's.
        JournalError: The file of a run is damaged, or a database cannot be read, or has no such run.

    Example:
        >>> print(compare_runs([[], []], names=["old", "new"]).names)
        ('old', 'new')
    """
    if isinstance(runs, Mapping):
        if names is not None:
            raise ConfigurationError("names: the runs have names already, as they are a dict: leave names out")
        names, given = list(runs), list(runs.values())
    elif isinstance(runs, Report | str | Path | RunUrl):
        raise ConfigurationError("runs must be a list of two or more, such as compare_runs([old, new])")
    else:
        given = list(runs)
    if not 0 < confidence < 1:
        raise ConfigurationError(f"confidence must be between 0 and 1, not {confidence!r}")
    called = checked_names(_names(given) if names is None else names, len(given), baseline)
    sources = [_source(each, name) for each, name in zip(given, called, strict=True)]
    with ExitStack() as opened:
        loaded = (opened.enter_context(source()) for source in sources)
        scores = {
            name: [CaseScore.of(outcome) for outcome in outcomes_of(run)]
            for name, run in zip(called, loaded, strict=True)
        }
    options = {"by": by, "tolerance": tolerance, "lower_is_better": lower_is_better, "confidence": confidence}
    return matrix_of(scores, baseline or called[0], sources=sources, **options)  # type: ignore[arg-type]  # as above


def checked_names(names: Sequence[str], count: int, baseline: str | None) -> tuple[str, ...]:
    """Return the names of so many runs.

    Raises:
        ConfigurationError: There are too few runs or too many, or a name is missing, there twice or unknown.
    """
    if not _FEWEST <= count <= MOST_RUNS:
        raise ConfigurationError(f"runs: {count:,}, and a comparison is of {_FEWEST} to {MOST_RUNS}")
    if len(names) != count:
        raise ConfigurationError(f"names: {len(names)} for {count} runs: give as many")
    if twice := next((name for name, times in Counter(names).items() if times > 1), None):
        raise ConfigurationError(f"names: two runs are called {twice!r}: give each a name of its own")
    if baseline is not None and baseline not in names:
        raise ConfigurationError(f"baseline: no run is called {baseline!r}{instead(baseline, names)}")
    return tuple(names)


def names_of(places: Sequence[Path | RunUrl]) -> list[str]:
    """Return what runs are called: files by their names without endings, in a database by theirs, if none are alike."""
    names = [each.run if isinstance(each, RunUrl) else each.stem for each in places]
    return names if len(set(names)) == len(names) else [str(each) for each in places]


def _names(given: Sequence[Any]) -> list[str]:
    called = iter(names_of([_place(each) for each in given if isinstance(each, str | Path | RunUrl)]))
    return [next(called) if isinstance(each, str | Path | RunUrl) else f"run {at}" for at, each in enumerate(given, 1)]


def _place(given: str | Path | RunUrl) -> Path | RunUrl:
    """Return where a run is kept.

    Raises:
        ConfigurationError: It is the URL of a database that names no run; the message shows no password.
    """
    if isinstance(given, RunUrl):
        return given
    if isinstance(given, str) and is_store_url(given):
        return RunUrl.parse(given)
    return Path(expanduser(given))  # noqa: PTH111  # a name nobody has stays


def _source(given: ComparedRun, name: str) -> Callable[[], ReadableRun]:
    """Return what opens a run."""
    if isinstance(given, str | Path | RunUrl):
        place = _place(given)
        return lambda: load_run(place)
    found = list(given.outcomes if isinstance(given, Report) else given)
    if odd := next((each for each in found if not isinstance(each, Outcome)), None):
        raise ConfigurationError(f"run {name!r} holds a {type(odd).__name__}, not outcomes: give a Report or a path")
    templates = tuple(dict.fromkeys(each.template for each in found))
    backend = found[0].backend if found else ""
    loaded = LoadedRun(
        RunInfo(name, templates, None, backend, "", 0.0), tuple(OutcomeRecord("", each, 0.0) for each in found)
    )
    return lambda: loaded


def matrix_of(
    runs: Mapping[str, Sequence[CaseScore]],
    baseline: str,
    *,
    by: PairedBy | None = None,
    tolerance: float = 0.0,
    lower_is_better: Collection[str] = (),
    confidence: float = 0.95,
    sources: Sequence[Callable[[], ReadableRun]] = (),
) -> RunMatrix:
    """Return runs compared with one of them; see `compare_runs`.

    Args:
        runs: The scores of each, by its name.
        baseline: The name of the one that the others are compared with.
        by: As of `compare_runs`.
        tolerance: As of `compare_runs`.
        lower_is_better: As of `compare_runs`.
        confidence: As of `compare_runs`.
        sources: What opens the runs again, for a page.
    """
    by = by or ("id" if all(map(have_ids, runs.values())) else "inputs")
    options: dict[str, Any] = {"by": by, "tolerance": tolerance, "lower_is_better": lower_is_better}
    ordered = dict.fromkeys(each.template for name in (baseline, *runs) for each in runs[name])

    found = {
        name: compare(runs[baseline], runs[name], interval_of=None, **options) for name in runs if name != baseline
    }
    told = [(name, template) for template in ordered for name in found]
    by_template = {(name, each.template): each for name, of in found.items() for each in of.templates}
    differences = _differences(told, by_template, confidence, lower_is_better)
    return RunMatrix(
        names=tuple(runs),
        baseline=baseline,
        paired_by=by,
        confidence=confidence,
        comparisons=sum(each.pairs > 0 for each in differences),
        differences=differences,
        means=_means(runs, list(ordered)),
        cases=_cases(runs, baseline, by, found),
        sources=sources,
    )


def _means(
    runs: Mapping[str, Sequence[CaseScore]], templates: Sequence[str]
) -> Mapping[str, list[tuple[float | None, int]]]:
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, of in runs.items():
        for each in of:
            if each.score is not None:
                scores[name, each.template].append(each.score)
    found = {key: (fmean(values), len(values)) for key, values in scores.items()}
    return {template: [found.get((name, template), (None, 0)) for name in runs] for template in templates}


# Differences


def _differences(
    told: Sequence[tuple[str, str]],
    found: Mapping[tuple[str, str], TemplateComparison],
    confidence: float,
    lower_is_better: Collection[str],
) -> list[RunDifference]:
    """Return the difference of each run and template: those that have pairs are adjusted together."""
    scored = [key for key in told if key in found and found[key].pairs]
    lost = {key: sum(pair.before.score is not None for pair in each.unscored) for key, each in found.items()}
    adjusted = dict(zip(scored, holm([found[key].p_value or 0.0 for key in scored]), strict=True))
    worst = holm([mcnemar(len(found[key].lost) + lost[key], len(found[key].won)) for key in scored])
    pessimistic = dict(zip(scored, worst, strict=True))
    risk = 1 - confidence
    level = 1 - risk / max(1, len(scored))  # Bonferroni: what Holm's procedure begins with
    differences = []
    for key in told:
        each = found.get(key)
        if each is None:
            differences.append(_absent(*key))
            continue
        sign = -1 if key[1] in lower_is_better and not _is_of_verdicts(each) else 1
        verdict = _verdict(each, adjusted.get(key), sign, risk)
        is_doubtful = lost[key] > 0 and len(each.lost) + lost[key] > len(each.won)
        may_be_worse = is_doubtful and pessimistic.get(key, 1.0) <= risk
        made = _difference(key[0], each, lost=lost[key], verdict=verdict, may_be_worse=may_be_worse)
        interval = _interval(each, level)
        said = _missing(each, interval)
        differences.append(replace(made, adjusted_p=adjusted.get(key), interval=interval, said=said))
    return differences


def _interval(each: TemplateComparison, confidence: float) -> Interval | None:
    if each.pairs < FEWEST_OF_T or each.difference is None:
        return None
    found = skewed_t_interval(with_unseen(each.changes, each.pairs, each.span), confidence)
    # What is imagined draws the middle of an interval towards 0.
    return found and Interval(min(found.low, each.difference), max(found.high, each.difference))


def with_unseen(changes: Mapping[float, int], pairs: int, span: float) -> Mapping[float, int]:
    """Return the changes of scores with an imagined rise and an imagined fall, where fewer than 30 pairs changed.

    What few changes do not show may be there, and no interval of those few allows for it. Verdicts have theirs already:
    see `TemplateComparison`.

    Args:
        changes: How often each change occurs.
        pairs: How many pairs they are of.
        span: The greatest score - the least: how far a score may rise or fall.
    """
    changed = pairs - changes.get(0.0, 0)
    if sum(changes.values()) > pairs or changed >= _FEW_CHANGES or not span:
        return changes
    return Counter(changes) + Counter((span, -span))


def _is_of_verdicts(each: TemplateComparison) -> bool:
    pairs = (*each.lost, *each.won)
    return bool(pairs) and all(pair.before.passed is not None and pair.after.passed is not None for pair in pairs)


def _verdict(each: TemplateComparison, adjusted: float | None, sign: int, risk: float) -> DifferenceVerdict:
    if adjusted is None or adjusted > risk or each.difference is None:
        return "unclear"
    gain, more = sign * each.difference, len(each.won) - len(each.lost)
    if gain < 0 and more < 0:
        return "worse"
    return "better" if gain > 0 and more > 0 else "unclear"


def _difference(
    run: str, each: TemplateComparison, *, lost: int, verdict: DifferenceVerdict, may_be_worse: bool
) -> RunDifference:
    return RunDifference(
        run=run,
        template=each.template,
        pairs=each.pairs,
        baseline_mean=each.before,
        mean=each.after,
        interval=None,
        p_value=each.p_value,
        adjusted_p=None,
        wins=len(each.won),
        losses=len(each.lost),
        ties=each.ties,
        unscored=len(each.unscored),
        lost_scores=lost,
        only_baseline=each.only_before,
        only_run=each.only_after,
        verdict=verdict,
        may_be_worse=may_be_worse,
    )


def _missing(each: TemplateComparison, interval: Interval | None) -> str:
    """Return why there is no interval, or no pair at all; empty if nothing is missing."""
    if interval is not None:
        return ""
    if each.pairs:
        few = f"an interval needs {FEWEST_OF_T} pairs, not {each.pairs}"
        return few if each.pairs < FEWEST_OF_T else "no interval: all differ alike"
    if each.unscored:
        return "no case has a number in both"
    if each.only_before and each.only_after:
        return "no case is in both"
    return "not in this run" if each.only_before else "not in the baseline"


def _absent(run: str, template: str) -> RunDifference:
    nothing: dict[str, Any] = dict.fromkeys(("baseline_mean", "mean", "interval", "p_value", "adjusted_p"))
    names = ("pairs", "wins", "losses", "ties", "unscored", "lost_scores", "only_baseline", "only_run")
    counts: dict[str, Any] = dict.fromkeys(names, 0)
    told: dict[str, Any] = {"verdict": "unclear", "may_be_worse": False, "said": "neither run has it"}
    return RunDifference(run=run, template=template, **nothing, **counts, **told)


# Cases


def _cases(
    runs: Mapping[str, Sequence[CaseScore]], baseline: str, by: PairedBy, found: Mapping[str, Comparison]
) -> list[MatrixCase]:
    """Return each case in each run: the greatest spread first, then as many as possible on each side."""
    order = [baseline, *(name for name in runs if name != baseline)]
    cells: dict[_Place, dict[str, CaseScore]] = {}
    for name in order:
        for place, each in _placed(runs[name], by):
            cells.setdefault(place, {})[name] = each
    marks = {
        name: {id(pair.after): mark for each in of.templates for pairs, mark in ((each.won, "+"), (each.lost, "-"))
               for pair in pairs}
        for name, of in found.items()
    }  # fmt: skip
    made = [_case(place[0], of, runs, baseline, marks) for place, of in cells.items()]
    return [case for case, _ in sorted(made, key=lambda each: (-(each[0].spread or 0.0), -each[1]))]


def _case(
    template: str,
    of: Mapping[str, CaseScore],
    names: Iterable[str],
    baseline: str,
    marks: Mapping[str, Mapping[int, str]],
) -> tuple[MatrixCase, float]:
    scores = tuple(of.get(name) for name in names)
    numbers = [each.score for each in scores if each is not None and each.score is not None]
    spread = max(numbers) - min(numbers) if len(numbers) > 1 else None
    first = of.get(baseline)
    changes = "".join(
        " "
        if name == baseline or each is None or each.score is None or first is None or first.score is None
        else marks[name].get(id(each), "=")
        for name, each in zip(names, scores, strict=True)
    )
    return MatrixCase(template, scores, spread, changes), _variance(numbers) if spread else 0.0


def _variance(numbers: Sequence[float]) -> float:
    mean = sum(numbers) / len(numbers)
    return sum((each - mean) ** 2 for each in numbers) / len(numbers)


def _placed(scores: Iterable[CaseScore], by: PairedBy) -> Iterable[tuple[_Place, CaseScore]]:
    """Yield each score with what the same case has in every run: of equal cases, the first with the first."""
    times: Counter[tuple[str, object]] = Counter()
    for each in scores:
        own: object = each.digest if by == "inputs" else each.id if each.id is not None else (id(each),)
        times[each.template, own] += 1
        yield (each.template, own, times[each.template, own]), each
