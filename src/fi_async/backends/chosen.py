"""Who answers which template: of the backends that a client was given, the first that can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from fi_async import _catalogue
from fi_async._errors import ConfigurationError
from fi_async._models import Template, TemplateLike
from fi_async.wire.templates import Templates, from_catalogue, name_of

if TYPE_CHECKING:
    from fi_async._rubric import Rubric
    from fi_async.backends.criteria import Criteria
    from fi_async.backends.functions import Function
    from fi_async.backends.judge import Judge
    from fi_async.backends.jury import Jury

Backend: TypeAlias = 'Literal["local", "cloud"] | Judge | Jury'
"""Who may answer: "local", the functions that are computed here; a Judge, or a Jury; "cloud", the platform."""

PLATFORM: Final = "cloud"
FUNCTIONS: Final = "local"
JUDGED: Final = "judge"
CODE: Final = "code"

_COMPUTED: Final = "CustomCodeEval"
_ASK_OTHERS: Final = frozenset({"api_call", "contains_valid_link", "no_invalid_links", "custom_code_evaluation"})


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers one template.

    Attributes:
        function: What computes it; None if nothing does.
        judge: Who judges it; None if no judge of the user's does alone.
        rubric: What the judge, or the jury, is told to decide.
        jury: Who votes on it; None if nobody does. Without any of the three it is the platform's.
    """

    function: Function | None = None
    judge: Judge | None = None
    rubric: Rubric | None = None
    jury: Jury | None = None

    @property
    def jurors(self) -> Sequence[Answerer]:
        """Those who vote, each by itself; nobody without a jury."""
        return [] if self.jury is None else [Answerer(judge=each, rubric=self.rubric) for each in self.jury]

    @property
    def is_platform(self) -> bool:
        """True if the platform answers."""
        return self.function is None and self.judge is None and self.jury is None

    @property
    def by(self) -> str:
        """Who it is, in a word: "cloud", "judge", "local" for what is computed here, "code" for a function of yours."""
        if self.judge is not None or self.jury is not None:
            return JUDGED
        return PLATFORM if self.function is None else self.function.backend

    @property
    def template(self) -> Template:
        """The facts of the template that is answered here; the platform's are the server's to tell."""
        if self.function is not None:
            return self.function.template
        assert self.rubric is not None  # noqa: S101  # one of the three answers
        from fi_async.backends.criteria import template_of  # noqa: PLC0415  # not needed by who asks the cloud

        return template_of(self.rubric)

    @property
    def fingerprint(self) -> str | None:
        """What tells its verdicts from another's, inputs aside; None for the platform's own, wherever computed."""
        if self.judge is not None and self.rubric is not None:
            return self.judge.fingerprint(self.rubric)
        if self.jury is not None and self.rubric is not None:
            return self.jury.fingerprint(self.rubric)
        return None if self.function is None else self.function.fingerprint


PLATFORMS: Final = Answerer()


class Backends:
    """The backends of a client, in their order.

    Args:
        given: As the user gives them.

    Attributes:
        has_platform: True if the platform is among them.
        judges: Those that are judges, or juries.
        all_judges: The judges among them, and the jurors.

    Raises:
        ConfigurationError: There is none, one is there twice, or is none.
        MissingCredentialsError: A judge has no key.
    """

    def __init__(self, given: object = (PLATFORM,)) -> None:
        self._order = _checked(given)
        self.has_platform = PLATFORM in self._order
        self.judges = [each for each in self._order if not isinstance(each, str)]
        self.all_judges = [judge for each in self.judges for judge in _alone(each)]
        for judge in self.all_judges:
            judge.request_headers()

    def __repr__(self) -> str:
        return f"<Backends {', '.join(self.names)}>"

    @property
    def names(self) -> Sequence[str]:
        """What messages call them."""
        return [
            repr(each) if isinstance(each, str) else f"{type(each).__name__}({each.label!r})" for each in self._order
        ]

    def route(self, template: TemplateLike, params: Mapping[str, Any] | None) -> Answerer:
        """Return who answers a template.

        Args:
            template: By its name, or an object of the user's.
            params: The template's parameters.

        Raises:
            ConfigurationError: Nobody can; the message says why, and what to do.
        """
        if isinstance(template, str):
            return self._of_platforms(template, params)
        from fi_async.backends.criteria import Criteria  # noqa: PLC0415  # not needed by who asks the cloud
        from fi_async.backends.own_code import FunctionTemplate  # noqa: PLC0415  # as above

        if isinstance(template, FunctionTemplate):
            template.check(params or {})
            return Answerer(function=template)
        if isinstance(template, Criteria):
            return self._judged_by_criteria(template, params)
        return self._of_platforms(name_of(template), params)

    def _of_platforms(self, name: str, params: Mapping[str, Any] | None) -> Answerer:
        """Return who answers one of the platform's templates."""
        for each in self._order:
            if each == PLATFORM:
                return PLATFORMS
            from fi_async.backends.functions import ExactFunction, exact_names  # noqa: PLC0415  # as above
            from fi_async.backends.rubrics import judged_names, rubric_for  # noqa: PLC0415  # as above

            if each == FUNCTIONS and name in exact_names():
                function = ExactFunction(from_catalogue(name))
                function.check(params or {})
                return Answerer(function=function)
            if not isinstance(each, str) and name in judged_names():
                return _judged_by(each, rubric_for(name, params))
        raise ConfigurationError(self._nobody(name))

    def _judged_by_criteria(self, criteria: Criteria, params: Mapping[str, Any] | None) -> Answerer:
        if not self.judges:
            raise ConfigurationError(
                f"{criteria.name} is a Criteria, which only a judge answers: pass backends=[Judge(...), ...]"
            )
        if params:
            raise ConfigurationError(f"eval_config: {criteria.name} is a Criteria, and takes no parameters")
        return _judged_by(self.judges[0], criteria.rubric)

    def _nobody(self, name: str) -> str:
        from fi_async.backends.functions import exact_names  # noqa: PLC0415  # as above
        from fi_async.backends.rubrics import judged_names, why_not  # noqa: PLC0415  # as above

        said = f"nobody in backends=[{', '.join(self.names)}] answers {name!r}"
        if name not in _catalogue.rows():
            similar = ", ".join(Templates().suggest(name))
            mean = f"; did you mean {similar}?" if similar else ""
            return f'{said}: add "cloud" if it is one of your own there{mean}'
        if name in exact_names():
            return f'{said}: it is computed here: add "local"'
        if name in judged_names():
            return f'{said}: add a Judge(...), or "cloud"'
        return f'{said}: add "cloud" ({why_not(name) or "it is not computed here"})'


def _alone(given: Judge | Jury) -> Sequence[Judge]:
    from fi_async.backends.jury import Jury  # noqa: PLC0415  # as above

    return given.jurors if isinstance(given, Jury) else [given]


def _judged_by(given: Judge | Jury, rubric: Rubric) -> Answerer:
    """Return a judge, or a jury, as the one who answers. Raises as `Jury.check` does."""
    from fi_async.backends.jury import Jury  # noqa: PLC0415  # as above

    if not isinstance(given, Jury):
        return Answerer(judge=given, rubric=rubric)
    given.check(rubric)
    return Answerer(rubric=rubric, jury=given)


def _checked(given: object) -> Sequence[Backend]:
    if given == (PLATFORM,):
        return (PLATFORM,)
    from fi_async.backends.judge import Judge  # noqa: PLC0415  # as above
    from fi_async.backends.jury import Jury  # noqa: PLC0415  # as above

    if isinstance(given, str | Judge | Jury) or not isinstance(given, Sequence):
        raise ConfigurationError(f'backends must be a list, such as ["local", Judge(...), "cloud"], not {given!r}')
    if not given:
        raise ConfigurationError(
            'backends is empty: leave it out for the platform, or say who answers, as in ["local"]'
        )
    for each in given:
        if not isinstance(each, Judge | Jury) and each not in (FUNCTIONS, PLATFORM):
            raise ConfigurationError(f'backends must hold "local", "cloud", Judges and Juries, not {each!r}')
    told_apart = [each.endpoint if isinstance(each, Judge) else each for each in given]
    for place, each in enumerate(told_apart):
        if each in told_apart[:place]:
            raise ConfigurationError(f"backends has {given[place]!r} twice")
    return tuple(given)


@cache
def computed_names() -> frozenset[str]:
    """Return the names of the platform's templates that it computes of a case alone: asked again, they say the same."""
    return frozenset(name for name, row in _catalogue.rows().items() if row["engine"] == _COMPUTED) - _ASK_OTHERS
