"""The outcomes of cases, gathered from the evaluations that a run's file has of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from fi_async._models import Outcome
from fi_async.journal.records import OutcomeRecord
from fi_async.journal.replay import Past
from fi_async.panels.panel import standing_of
from fi_async.panels.shape import PanelShape, Seat

Shapes = Mapping[str, PanelShape]
"""How many evaluations a case has, by template; those that are not there have one."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The outcomes of a run.

    Attributes:
        records: What cases came to, in no order.
        unsettled: How many of them are to have further samples.
    """

    records: list[OutcomeRecord]
    unsettled: int


def gathered(records: Iterable[OutcomeRecord], shapes: Shapes) -> Gathered:
    """Return the outcomes of cases; those whose evaluations are not all known have none yet.

    Args:
        records: Of single evaluations, in any order.
        shapes: What the run asks of each case. What it does not ask any more, such as a juror's votes, is left out.
    """
    whole: list[OutcomeRecord] = []
    votes: defaultdict[tuple[int, str], dict[tuple[int, str | None], OutcomeRecord]] = defaultdict(dict)
    for record in records:
        outcome = record.outcome
        if outcome.template not in shapes:
            whole.append(record)
        elif outcome.juror in shapes[outcome.template].voters():
            votes[outcome.index, outcome.template][outcome.sample, outcome.juror] = record
    unsettled = 0
    for (_, template), found in votes.items():
        stands = standing_of(shapes[template], {place: record.outcome for place, record in found.items()})
        if stands.outcome is not None:
            unsettled += not stands.is_settled
            # What people say of a case is kept under this key: the oldest that the file has of it, so that neither
            # another order of the jurors nor one more makes another of it.
            key = next(record.key for (sample, _), record in found.items() if not sample)
            whole.append(OutcomeRecord(key, stands.outcome, max(record.ended_at for record in found.values())))
    return Gathered(whole, unsettled)


def without_outcome(ended: Iterable[Outcome], cut_off: Iterable[Outcome], shapes: Shapes) -> Iterator[Outcome]:
    """Iterate over what those cases come to that have no outcome, as evaluations of them were cut off.

    Args:
        ended: Single evaluations that have ended.
        cut_off: Those that have not, as cancelled ones.
        shapes: What the run asks of each case.
    """
    votes: defaultdict[tuple[int, str], dict[tuple[int, str | None], Outcome]] = defaultdict(dict)
    for each in cut_off:
        if each.template not in shapes:
            yield each
        elif each.juror in shapes[each.template].voters():
            votes[each.index, each.template][each.sample, each.juror] = each
    known: defaultdict[tuple[int, str], dict[tuple[int, str | None], Outcome]] = defaultdict(dict)
    for each in ended:
        if (each.index, each.template) in votes:
            known[each.index, each.template][each.sample, each.juror] = each
    for place, missing in votes.items():
        shape = shapes[place[1]]
        if standing_of(shape, known[place]).outcome is None:
            outcome = standing_of(shape, {**missing, **known[place]}).outcome
            yield next(iter(missing.values())) if outcome is None else outcome


def places(past: Past, templates: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return where the cases of a run stand, and under which templates, those too that have no outcome.

    Args:
        past: How the evaluations stand.
        templates: Of each evaluation its number, and the name of its seat.
    """
    names = {n: Seat.of(name).template for n, name in templates}
    own = ((past.positions[n], n) for n in names if not past.is_removed(n))
    further = ((position, n) for n, position in chain(past.also, past.refused))
    return {(position, names[n]) for position, n in chain(own, further) if n in names}


def evaluations_of(shapes: Shapes, templates: Iterable[str]) -> Iterator[int]:
    """Yield how many evaluations a case has at first under each template."""
    return (shapes[name].evaluations if name in shapes else 1 for name in templates)
