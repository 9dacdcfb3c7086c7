"""How the jurors of a run voted, and how far they agree: counted as outcomes pass by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fi_async._models import Outcome
from fi_async.reports.estimators import Estimate
from fi_async.reports.reliability import Level, cohen_kappa, krippendorff_alpha

_PAIR: Final = 2
_DRAWS: Final = 500


@dataclass(slots=True)
class _Juror:
    votes: int = 0
    missing: int = 0
    scores: int = 0
    total: float = 0.0


class JurorTally:
    """Counts the votes of the jurors on one template. Memory is that of the different ways they voted together."""

    def __init__(self) -> None:
        self._jurors: dict[str, _Juror] = {}
        self._units: Counter[tuple[tuple[str, Hashable], ...]] = Counter()
        self._undecided = 0
        self._is_labelled = False

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; one without votes is none. Of a case with samples, each is voted on."""
        for sitting in outcome.samples_at_first or (outcome,):
            if sitting.votes:
                self._add(sitting)

    def _add(self, sitting: Outcome) -> None:
        self._undecided += sitting.result is None
        unit: list[tuple[str, Hashable]] = []
        for vote in sitting.votes:
            juror = self._jurors.setdefault(vote.juror or "", _Juror())
            if vote.result is None:
                juror.missing += 1
                continue
            juror.votes += 1
            if vote.score is not None:
                juror.scores += 1
                juror.total += vote.score
            labels = vote.result.choices
            self._is_labelled = self._is_labelled or labels is not None or vote.score is None
            value = vote.score if labels is None else " + ".join(sorted(labels))
            unit.append((vote.juror or "", str(vote.result.output) if value is None else value))
        self._is_labelled = self._is_labelled or any(vote.passed is not None for vote in sitting.votes)
        self._units[tuple(unit)] += 1

    def as_dict(self) -> dict[str, Any] | None:
        """Return it in plain values, ready for JSON; None where there is no jury.

        `jurors` tells of each how often it voted, or is `missing`, and its `mean_score`, which is the pass rate of
        verdicts. `undecided` counts what its rule gave no verdict of. `kappa` (Cohen's, of two jurors) and `alpha`
        (Krippendorff's) are 1 for full agreement and 0 for as much as chance brings, each with its interval.
        """
        if not self._jurors:
            return None
        kappa = self._kappa()
        level: Level = "nominal" if self._is_labelled else "interval"
        units = [[value for _, value in unit] for unit, count in self._units.items() for _ in range(count)]
        return {
            "jurors": {
                name: {
                    "votes": juror.votes,
                    "missing": juror.missing,
                    "mean_score": juror.total / juror.scores if juror.scores else None,
                }
                for name, juror in self._jurors.items()
            },
            "undecided": self._undecided,
            "kappa": None if kappa is None else _plain(kappa),
            "alpha": _plain(krippendorff_alpha(units, level, draws=_DRAWS)),
        }

    def _kappa(self) -> Estimate | None:
        if len(self._jurors) != _PAIR or not self._is_labelled:
            return None
        pairs: Counter[tuple[Hashable, Hashable]] = Counter()
        for unit, count in self._units.items():
            if len(unit) == _PAIR:
                pairs[unit[0][1], unit[1][1]] += count
        return cohen_kappa(pairs, draws=_DRAWS)


def _plain(found: Estimate) -> dict[str, Any]:
    reach = found.interval
    return {
        "value": found.value,
        "interval": None if reach is None else [reach.low, reach.high],
        "n": found.n,
        "said": found.said,
    }


def juror_words(told: Mapping[str, Any]) -> list[str]:
    """Return for people what `JurorTally.as_dict` tells."""
    jurors = ", ".join(
        f"{name} {'-' if each['mean_score'] is None else format(each['mean_score'], '.3f')}"
        + (f" ({each['missing']:,} missing)" if each["missing"] else "")
        for name, each in told["jurors"].items()
    )
    known = [(name, told[name]) for name in ("kappa", "alpha") if (told[name] or {}).get("value") is not None]
    words = [jurors, *(f"{name} {each['value']:.3f}{_reach(each['interval'])}" for name, each in known)]
    if told["undecided"]:
        words.append(f"{told['undecided']:,} undecided")
    return words


def _reach(interval: Any) -> str:
    return "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
