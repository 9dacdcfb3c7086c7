"""The evaluations of a pytest session: which tests are asked ahead, what each waits for, and how it is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, Final, NoReturn

import pytest
from _pytest.skipping import evaluate_skip_marks, evaluate_xfail_marks  # pytest tells it in no other way

from fi_async._errors import ConfigurationError, FiAsyncError, MissingCredentialsError
from fi_async._models import Case, Inputs, Outcome, OutcomeStatus, TemplateLike
from fi_async._results import EvalResult
from fi_async._settings import OMITTED, Omitted
from fi_async._values import as_text, shown_inputs
from fi_async.integrations import pytest_marks
from fi_async.integrations.pytest_claims import Claims, Waits
from fi_async.integrations.pytest_lines import QuestionLines, Settings
from fi_async.integrations.pytest_marks import NAME, Expectation, MarkedEvaluation, read_mark

_LONGEST: Final = 300  # characters of an input that a failure shows
_MOST_KEYS: Final = 12

_NO_KEYS: Final = (
    "FI_API_KEY and FI_SECRET_KEY missing: set them to use your account, or run pytest with --fi-backend local to mean"
    " the embedded backend"
)


@dataclass(slots=True)
class SessionTotals:
    """What a session evaluated.

    Attributes:
        evaluations: Those that tests waited for, or asked for.
        passed: Those with a result that does.
        below: Those with a result that does not, or with inputs that cannot be sent.
        kept: Those taken from earlier sessions; nothing was sent for them.
        estimates: Lexical estimates of the local backend.
        possible_duplicates: As of Outcome.
    """

    evaluations: int = 0
    passed: int = 0
    below: int = 0
    kept: int = 0
    estimates: int = 0
    possible_duplicates: int = 0

    def add(self, counted: dict[str, int]) -> None:
        """Add those of another process."""
        for name, count in counted.items():
            setattr(self, name, getattr(self, name) + count)

    def as_dict(self) -> dict[str, int]:
        """Return the counts in plain values."""
        return asdict(self)

    def __str__(self) -> str:
        judged = self.passed + self.below
        told = [f"{self.evaluations:,} evaluation{'s' * (self.evaluations != 1)}"]
        if judged:
            told.append(f"{self.passed:,} of {judged:,} passed ({self.passed / judged:.1%})")
        counted = {
            "without a result": self.evaluations - judged,
            "kept from earlier": self.kept,
            "possibly paid twice": self.possible_duplicates,
            "estimated by the local backend": self.estimates,
        }
        return ", ".join([*told, *(f"{count:,} {what}" for what, count in counted.items() if count)])


@dataclass(slots=True)
class TestState:
    """What is known of one test.

    Attributes:
        asked: What its marks ask, from the outermost to the nearest.
        wrong: What is wrong with a mark; None if nothing is.
        outcomes: What waits for those asked whose inputs are known ahead; None until they were offered.
        results: What it has got so far.
        shortfalls: Why some of those known ahead will not do.
        trouble: What kept an evaluation, asked for by a call, from being made.
    """

    asked: list[MarkedEvaluation] = field(default_factory=list)
    wrong: ConfigurationError | None = None
    outcomes: list[tuple[MarkedEvaluation, Waits]] | None = None
    results: list[EvalResult] = field(default_factory=list)
    shortfalls: list[str] = field(default_factory=list)
    trouble: BaseException | None = None

    @property
    def is_unanswered(self) -> bool:
        """True if a mark leaves the inputs to the test, and the test gave none."""
        return not self.results and self.trouble is None and any(each.read is None for each in self.asked)


_standing: Final = pytest.StashKey[TestState]()


def standing(item: pytest.Item) -> TestState:
    """Return what is known of a test; its marks are read once."""
    if _standing not in item.stash:
        known = item.stash[_standing] = TestState()
        callspec = getattr(item, "callspec", None)
        parameters = {} if callspec is None else callspec.params
        try:
            known.asked = [read_mark(mark, parameters) for mark in item.iter_markers(NAME)][::-1]
        except ConfigurationError as error:
            known.wrong = error
    return item.stash[_standing]


def forget(item: pytest.Item) -> None:
    """Let the test be one that nothing is known of."""
    if _standing in item.stash:
        del item.stash[_standing]


class SessionEvaluations:
    """Evaluates for the tests of a session, in the background, all at once.

    Args:
        settings: How.

    Attributes:
        totals: What they were.
        knows_all: True once all tests of the session were offered.
        seen: What a worker of pytest-xdist has found in its queue.
    """

    def __init__(self, settings: Settings) -> None:
        self.totals = SessionTotals()
        self.knows_all = False
        self.seen: set[object] = set()
        self._lines = QuestionLines(settings)
        self._claims = None if settings.claims is None else Claims(settings.claims, settings.worker)
        self._first_with: dict[str, str] = {}

    def offer(self, items: Iterable[pytest.Item]) -> None:
        """Have the inputs that tests declare evaluated, of those tests that will run."""
        for item in items:
            known = standing(item)
            if known.outcomes is not None or known.wrong is not None or not known.asked or not _will_run(item):
                continue
            known.outcomes = [
                (asked, self._begun(f"{item.nodeid} {place}", partial(self._lines.offer, asked, item.nodeid)))
                for place, asked in enumerate(known.asked)
                if asked.read is not None
            ]

    def _begun(self, name: str, make: Waits) -> Waits:
        if self._claims is not None:
            return self._claims.shared(name, make)
        outcome = make()
        return lambda: outcome

    def await_results(self, item: pytest.Item) -> None:
        """Wait for what a test declares; an evaluation that could not be made is raised, as an error of its set-up."""
        known = standing(item)
        if known.wrong is not None:
            pytest.fail(str(known.wrong), pytrace=False)
        self.offer([item])
        taken = [self._take(item, asked, waits()) for asked, waits in known.outcomes or ()]
        known.shortfalls = [shortfall for _, shortfall in taken if shortfall]

    def ask(self, item: pytest.Item, question: Expectation, inputs: dict[str, Any]) -> EvalResult:
        """Return the result of a call, waiting for it; fail the test if it will not do."""
        __tracebackhide__ = True
        known = standing(item)
        try:
            asked = MarkedEvaluation(question, lambda: inputs)
            result, shortfall = self._take(item, asked, self._lines.offer(asked, item.nodeid))
        except BaseException as error:
            known.trouble = error
            raise
        if result is None or shortfall:
            pytest.fail(shortfall)
        return result

    def _take(
        self, item: pytest.Item, asked: MarkedEvaluation, waiting: Future[Outcome]
    ) -> tuple[EvalResult | None, str]:
        """Wait for an outcome, count it, and return its result and how that falls short; None if it cannot be sent."""
        __tracebackhide__ = True
        totals, known = self.totals, standing(item)
        error = waiting.exception()
        if error is not None and not isinstance(error, FiAsyncError):
            raise error  # of the function that makes the inputs, as it stands
        totals.evaluations += 1
        if error is not None:
            self._explain(error, item)
        outcome = waiting.result()
        totals.possible_duplicates += outcome.possible_duplicates
        totals.kept += outcome.origin in ("replayed", "reused")
        result = outcome.result
        if result is None and outcome.status is not OutcomeStatus.INVALID:
            self._explain(outcome.error, item)
        if result is not None:
            totals.estimates += result.estimate
            known.results.append(result)
            item.user_properties += _properties(result)
        shortfall = str(outcome.error) if result is None else asked.question.shortfall(result)
        if shortfall:
            shortfall = "\n".join([shortfall, *_told(_inputs(outcome, asked))])
        totals.passed += not shortfall
        totals.below += bool(shortfall)
        return result, shortfall

    def _explain(self, error: FiAsyncError | None, item: pytest.Item) -> NoReturn:
        """Fail with why there is no evaluation: in full for the first test, by its name for those after it."""
        said = f"not evaluated: {type(error).__name__}: {'' if error is None else error.message}"
        if isinstance(error, MissingCredentialsError):
            said = f"not evaluated: MissingCredentialsError: {_NO_KEYS}"
        first = self._first_with.setdefault(said, item.nodeid)
        if first != item.nodeid:
            said = f"not evaluated, for the same reason as {first}"
        pytest.fail(said, pytrace=False)

    def close(self, *, is_stopped: bool) -> None:
        """End it, and close what is open. Unless the session was stopped, other workers may want what is to come."""
        self._lines.close(is_wanted=self._claims is not None and not is_stopped)
        if self._claims is not None:
            self._claims.close()


def _inputs(outcome: Outcome, asked: MarkedEvaluation) -> Inputs:
    """Return what was evaluated; of what another worker did, what the mark says, unless a function makes it."""
    if outcome.case.inputs or asked.read is None or asked.is_computed:
        return outcome.case.inputs
    given = asked.read()
    return given.inputs if isinstance(given, Case) else given


def _told(inputs: Inputs) -> list[str]:
    """Return inputs in lines of a failure, in their first characters; as a reader tells them from the lines around."""
    told = shown_inputs(inputs) if isinstance(inputs, Mapping) else {}
    lines = [f"    {key}: {_clipped(as_text(value) or 'None')}" for key, value in islice(told.items(), _MOST_KEYS)]
    more = [f"    and {len(told) - _MOST_KEYS} more"] if len(told) > _MOST_KEYS else []
    return ["  inputs:", *lines, *more] if lines else []


def _clipped(text: str) -> str:
    more = f" and {len(text) - _LONGEST:,} characters more" if len(text) > _LONGEST else ""
    return f"{text[:_LONGEST]!r}{more}"


def _properties(result: EvalResult) -> Iterator[tuple[str, object]]:
    for name in ("score", "output", "reason", "eval_id"):
        value = getattr(result, name)
        if value is not None and (name != "output" or result.score is None):
            yield f"{result.name}.{name}", value if isinstance(value, float) else str(value)


def _will_run(item: pytest.Item) -> bool:
    """Tell whether pytest is going to call the test, as far as its marks say."""
    try:
        if evaluate_skip_marks(item) is not None:
            return False
        expected = evaluate_xfail_marks(item)
    except (Exception, pytest.fail.Exception):  # noqa: BLE001  # a wrong condition: pytest says so when it gets there
        return False
    return expected is None or expected.run or bool(item.config.option.runxfail)


class FiEval:
    """The fixture `fi_eval`: what a test has been answered, and a way to ask more.

    Attributes:
        results: The results, from the outermost mark to the nearest, then those of calls.
    """

    def __init__(self, evaluations: SessionEvaluations, item: pytest.Item) -> None:
        self._evaluations = evaluations
        self._item = item

    def __repr__(self) -> str:
        return f"<fi_eval {self._item.nodeid} results={len(self.results)}>"

    @property
    def results(self) -> list[EvalResult]:
        """All results so far."""
        return standing(self._item).results

    @property
    def result(self) -> EvalResult:
        """The one result so far.

        Raises:
            ConfigurationError: There is none, or there are several.
        """
        if len(self.results) != 1:
            raise ConfigurationError(f"{NAME}.result: the test has {len(self.results)} results: see {NAME}.results")
        return self.results[0]

    def __call__(
        self,
        template: TemplateLike | None = None,
        /,
        *,
        threshold: float | Omitted | None = OMITTED,
        eval_config: dict[str, Any] | Omitted | None = OMITTED,
        model_name: str | Omitted | None = OMITTED,
        **inputs: Any,
    ) -> EvalResult:
        """Return the result of inputs that the test makes, and fail the test if it will not do.

        It waits for the evaluation. What many tests could ask at once is better declared by their marks. An evaluation
        that cannot be made ends the test, as an error and not as a failure.

        Args:
            template: Where omitted, that of the test's mark without inputs.
            threshold: The lowest score that will do; from the mark where omitted, as all others.
            eval_config: The template's parameters.
            model_name: The judge.
            **inputs: The inputs by key.

        Raises:
            ConfigurationError: There is no template, or more than one.
        """
        __tracebackhide__ = True
        given: dict[str, Any] = {"threshold": threshold, "eval_config": eval_config, "model_name": model_name}
        asked = replace(self._question(template), **{name: each for name, each in given.items() if each is not OMITTED})
        return self._evaluations.ask(self._item, asked, inputs)

    def _question(self, template: TemplateLike | None) -> Expectation:
        named = None if template is None else pytest_marks.question(template)
        marked = [each.question for each in standing(self._item).asked if each.read is None]
        found = [each for each in marked if named is None or each.template == named.template]
        if len(found) == 1:
            return found[0]
        if named is not None:
            return named
        raise ConfigurationError(
            f'{NAME}() needs a template, such as {NAME}("groundedness", output=...): the test has {len(found)} marks'
            " without inputs"
        )
