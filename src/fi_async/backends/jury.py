"""A jury: several judges that each vote on every case, and a rule that makes a verdict of their votes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

from fi_async._errors import ConfigurationError
from fi_async._public import public
from fi_async._rubric import Rubric, fingerprint_of
from fi_async.backends.judge import Judge
from fi_async.panels.shape import Rule

_FEWEST: Final = 2


@public
class Jury:
    """Several judges whose votes make one verdict: a backend, where a Judge is one.

    Each vote is an evaluation of its own: paced and paid as its judge says, and kept in a run's file for itself. So a
    juror more costs its own votes, and no others. No verdict depends on the order of the jurors.

    Args:
        *jurors: The judges, two at least, each with a name of its own.
        rule: "majority": what more than half of all seats say; a seat without a vote says nothing. Of scores, which are
            rarely the same, the median. "mean": the mean of the scores, 1 for passed and 0 for failed. "unanimous":
            what all say. Where these give no verdict, or a median or mean would lack a vote, the case fails with a
            UndecidedError that says so.
        name: What outcomes call this jury; omitted: the rule, and the names of the jurors.

    Raises:
        ConfigurationError: There are fewer than two jurors, or one is no Judge, or has another's name or settings.

    Example:
        >>> local = {"base_url": "http://127.0.0.1:11434/v1"}
        >>> Jury(Judge("qwen3:8b", **local), Judge("gemma3:4b", **local), Judge("mistral", **local)).label
        'majority of gemma3:4b, mistral, qwen3:8b'
    """

    def __init__(self, *jurors: Judge, rule: Rule = "majority", name: str | None = None) -> None:
        if any(not isinstance(each, Judge) for each in jurors):
            wrong = next(each for each in jurors if not isinstance(each, Judge))
            hint = ": pass them one by one, as in Jury(*judges)" if isinstance(wrong, list | tuple) else ""
            raise ConfigurationError(f"Jury: its jurors must be Judges, not {wrong!r}{hint}")
        if len(jurors) < _FEWEST:
            given = "none" if not jurors else f"{jurors[0].label!r} alone"
            raise ConfigurationError(f"Jury: a jury has two judges at least, and there is {given}: add others")
        if rule not in get_args(Rule):
            allowed = ", ".join(map(repr, get_args(Rule)))
            raise ConfigurationError(f"Jury: rule must be one of {allowed}, not {rule!r}")
        if name is not None and (not isinstance(name, str) or not name.strip() or not name.isprintable()):
            raise ConfigurationError(f"Jury: name must be one line of text, not {name!r}")
        _check_apart(jurors)
        self._jurors = tuple(jurors)
        self._rule: Rule = rule
        self._name = name

    def __repr__(self) -> str:
        return f"Jury({', '.join(map(repr, self._jurors))}, rule={self._rule!r})"

    def __iter__(self) -> Iterator[Judge]:
        return iter(self._jurors)

    def __len__(self) -> int:
        return len(self._jurors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Jury):
            return NotImplemented
        return (self._jurors, self._rule, self._name) == (other._jurors, other._rule, other._name)

    def __hash__(self) -> int:
        return hash((self._jurors, self._rule, self._name))

    @property
    def jurors(self) -> Sequence[Judge]:
        """The judges."""
        return self._jurors

    @property
    def rule(self) -> Rule:
        """What makes a verdict of votes."""
        return self._rule

    @property
    def label(self) -> str:
        """What outcomes call this jury."""
        return self._name or f"{self._rule} of {', '.join(sorted(each.label for each in self._jurors))}"

    def fingerprint(self, rubric: Rubric) -> str:
        """Return the hash of all that makes two verdicts comparable, inputs aside: 64 hex digits."""
        return fingerprint_of(self._rule, sorted(each.fingerprint(rubric) for each in self._jurors))

    def check(self, rubric: Rubric) -> None:
        """Return if its rule can be kept for the verdicts of a template.

        Raises:
            ConfigurationError: It cannot.
        """
        if self._rule == "unanimous" and rubric.output_type == "score":
            raise ConfigurationError(
                f'Jury: rule="unanimous" is of verdicts and choices, and {rubric.name} gives scores: take "mean", or'
                ' "majority", which is their median'
            )
        if self._rule == "mean" and rubric.output_type == "choices" and not rubric.is_scored:
            raise ConfigurationError(
                f'Jury: rule="mean" is of scores and verdicts, and {rubric.name} gives choices without scores: take'
                ' "majority"'
            )


def _check_apart(jurors: Sequence[Judge]) -> None:
    """Return if the jurors can be told apart, and no two of them are the same judge."""
    for place, each in enumerate(jurors):
        for other in jurors[:place]:
            if _settings(each) == _settings(other):
                raise ConfigurationError(
                    f"Jury: {each.label!r} is there twice, and would say the same twice: to ask one judge several"
                    " times, pass repeats="
                )
            if each.label == other.label:
                raise ConfigurationError(f"Jury: two jurors are called {each.label!r}: give each a name=")


def _settings(judge: Judge) -> tuple[Any, ...]:
    return (judge.model, judge.base_url, judge.temperature, judge.max_tokens, judge.extra_body, id(judge.app))
