"""The scores of two runs, paired case by case; and the baseline, a file with the scores of one run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, Self

from fi_async._errors import ConfigurationError
from fi_async._models import Inputs, Outcome, OutcomeStatus

PairedBy = Literal["id", "inputs"]
"""What makes two cases of two runs the same: the id that the caller gave them, or what was evaluated."""

_VERSION: Final = 1
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


@dataclass(frozen=True, slots=True)
class CaseScore:
    """How one case did under one template, without its inputs.

    Attributes:
        template: The name of the template.
        index: The case's position in its run, from 0.
        id: The id that the caller gave the case; None without one.
        digest: Hex digits that are equal for equal inputs, whatever the judge and its parameters.
        status: How the case ended.
        passed: The verdict of a Pass/Fail template; None of other templates.
        score: A number; None where the case has none.
        reason: The judge's words; None where it gave none.
    """

    template: str
    index: int
    id: str | None
    digest: str
    status: OutcomeStatus
    passed: bool | None = None
    score: float | None = None
    reason: str | None = None

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Return what is compared of an outcome."""
        return cls(
            template=outcome.template,
            index=outcome.index,
            id=outcome.case.id,
            digest=digest(outcome.case.inputs),
            status=outcome.status,
            passed=outcome.passed,
            score=outcome.score,
            reason=outcome.result.reason if outcome.result else None,
        )

    @property
    def name(self) -> str:
        """The id, or the position."""
        return self.id if self.id is not None else f"case {self.index}"


@dataclass(frozen=True, slots=True)
class Pair:
    """The scores of one case in two runs."""

    before: CaseScore
    after: CaseScore


@dataclass(frozen=True, slots=True)
class Pairing:
    """The scores of two runs, case by case.

    Attributes:
        by: What paired them.
        pairs: In the order of the second run.
        only_before: Scores of cases that the second run does not have.
        only_after: Scores of cases that the first run does not have.
    """

    by: PairedBy
    pairs: Sequence[Pair]
    only_before: Sequence[CaseScore]
    only_after: Sequence[CaseScore]


def digest(inputs: Inputs | None) -> str:
    """Return hex digits that are equal for equal inputs, in any order of the keys; an `id` among them is left out."""
    counted = {key: value for key, value in (inputs or {}).items() if key != "id"}
    return sha256(_CANONICAL.encode(counted).encode()).hexdigest()[:32]


def pair(before: Sequence[CaseScore], after: Sequence[CaseScore], by: PairedBy | None = None) -> Pairing:
    """Return the scores of two runs, paired within each template.

    Args:
        before: The scores of the first run.
        after: Those of the second.
        by: "id" pairs equal ids, so that a case whose answer changed is still the same case; "inputs" pairs equal
            inputs. Omitted: by id, if in both runs every case has one and no two share it. Where several cases of a
            run are equal, they are paired in their order; by id, cases without one have no partner.
    """
    by = by or ("id" if all(have_ids(scores) for scores in (before, after)) else "inputs")
    waiting: dict[tuple[str, str | None], list[CaseScore]] = defaultdict(list)
    for each in reversed(before):
        waiting[_key(each, by)].append(each)
    pairs, only_after = [], []
    for each in after:
        same = waiting.get(_key(each, by))
        if same and (by == "inputs" or each.id is not None):
            pairs.append(Pair(same.pop(), each))
        else:
            only_after.append(each)
    taken = {id(each.before) for each in pairs}
    return Pairing(by, pairs, [each for each in before if id(each) not in taken], only_after)


def _key(each: CaseScore, by: PairedBy) -> tuple[str, str | None]:
    return each.template, each.id if by == "id" else each.digest


def have_ids(scores: Iterable[CaseScore]) -> bool:
    """Tell whether every case has an id, and no two under a template share one."""
    seen = [(each.template, each.id) for each in scores]
    return all(own is not None for _, own in seen) and len(set(seen)) == len(seen)


def write_baseline(path: Path, scores: Iterable[CaseScore]) -> None:
    """Write the scores of a run to a file, to be kept beside the code.

    Each case has a line of its own, so that version control shows what changed.
    """
    lines = ",\n".join(json.dumps(_plain(each), ensure_ascii=False) for each in scores)
    text = f'{{"version": {_VERSION}, "scores": [\n{lines}\n]}}\n'
    # A lone half of a surrogate pair, which JSON can name and UTF-8 cannot, is written as JSON names it.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _plain(each: CaseScore) -> dict[str, Any]:
    return {name: value for name, value in asdict(each).items() if value is not None and name != "reason"}


def read_baseline(path: Path) -> list[CaseScore]:
    """Return the scores in a baseline.

    Raises:
        ConfigurationError: The file is none that `write_baseline` made, or another version did.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise ConfigurationError(
                f"{path}: a baseline of version {content['version']}, and this is version {_VERSION}: write it anew"
            )
        return [_case_score(fields) for fields in content["scores"]]
    except ConfigurationError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path}: no baseline: make one with fi-async gate --write-baseline") from error


def _case_score(fields: dict[str, Any]) -> CaseScore:
    return CaseScore(**{"id": None, **fields, "status": OutcomeStatus(fields["status"])})
