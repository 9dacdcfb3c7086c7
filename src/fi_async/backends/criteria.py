"""A template of the user's own, for judges: a prompt that names its inputs, and the form of the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import get_args

from fi_async import _catalogue
from fi_async._errors import ConfigurationError, instead
from fi_async._models import Template
from fi_async._public import public
from fi_async._rubric import OutputType, Rubric, with_references
from fi_async.wire.templates import from_catalogue


@public
@dataclass(frozen=True, slots=True)
class Criteria:
    r"""A template of your own, answered by a judge: it goes wherever a template's name does.

    Args:
        name: What results and reports call it; none of the platform's own templates has it.
        prompt: What the judge is to decide. `{{key}}` names an input of the case; there has to be one at least.
            `\{{` stands for braces that are meant as text.
        choices: The labels that the judge chooses from, with the score of each, or without scores as a list.
        output_type: "Pass/Fail", "score" (a number from 0 to 1) or "choices". None: "choices" where there are
            choices, else "Pass/Fail".
        multi_choice: The judge may choose several labels; they have no scores then.
        version: A mark of yours; what was judged under another is judged anew.

    Raises:
        ConfigurationError: One of them cannot be used; the message says which, and what to do.

    Example:
        >>> calm = Criteria("calm", "Does {{output}} stay calm towards {{ input }}?")
        >>> calm.required_keys
        ('output', 'input')
    """

    name: str
    prompt: str
    _: KW_ONLY
    choices: Mapping[str, float] | Sequence[str] | None = None
    output_type: OutputType | None = None
    multi_choice: bool = False
    version: str | None = None
    rubric: Rubric = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = self._checked_name()
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise ConfigurationError(f"{where}prompt must be what the judge is to decide, not {_shown(self.prompt)}")
        text, keys = with_references(f"{where}prompt", self.prompt)
        if not keys:
            raise ConfigurationError(
                f"{where}prompt names no input: write the key of each in double braces, such as {{{{output}}}}"
            )
        choices = _checked_choices(where, self.choices)
        output_type = self._checked_output_type(where, choices)
        if self.version is not None and not isinstance(self.version, str):
            raise ConfigurationError(f"{where}version must be text, not {_shown(self.version)}")
        rubric = Rubric(
            self.name,
            text,
            keys,
            output_type,
            choices=choices,
            multi_choice=self.multi_choice,
            version=self.version,
        )
        object.__setattr__(self, "rubric", rubric)

    def __hash__(self) -> int:
        return hash(self.rubric)

    @property
    def eval_name(self) -> str:
        """The name, as templates say it."""
        return self.name

    @property
    def required_keys(self) -> tuple[str, ...]:
        """The inputs that the prompt names, in its order, each once."""
        return self.rubric.keys

    @property
    def template(self) -> Template:
        """The facts of the template."""
        return replace(template_of(self.rubric), description=self.prompt)

    @property
    def fingerprint(self) -> str:
        """The hash of all that makes a verdict comparable with another: 64 hex digits of SHA-256."""
        return self.rubric.fingerprint

    def _checked_name(self) -> str:
        if not isinstance(self.name, str) or not self.name.strip() or self.name != self.name.strip():
            raise ConfigurationError(
                f"Criteria: name must be text that neither is blank nor begins or ends so, not {_shown(self.name)}"
            )
        if not self.name.isprintable():
            raise ConfigurationError(f"Criteria {self.name!r}: name must be one line of characters that can be shown")
        if self.name in _catalogue.rows():
            raise ConfigurationError(
                f"Criteria {self.name!r}: name is that of one of the platform's templates, so that results could not"
                f" be told apart: call it another, such as {f'my_{self.name}'!r}"
            )
        return f"Criteria {self.name!r}: "

    def _checked_output_type(self, where: str, choices: Mapping[str, float | None]) -> OutputType:
        given = self.output_type
        known = get_args(OutputType)
        if given is not None and given not in known:
            raise ConfigurationError(f"{where}output_type cannot be {_shown(given)}{instead(str(given), known)}")
        if choices and given not in (None, "choices"):
            raise ConfigurationError(
                f'{where}output_type is {given!r} beside choices: leave choices out, or say output_type="choices"'
            )
        if given == "choices" and not choices:
            raise ConfigurationError(
                f'{where}output_type is "choices", and there are none: give choices, such as'
                ' choices={"good": 1.0, "bad": 0.0}'
            )
        if not isinstance(self.multi_choice, bool):
            raise ConfigurationError(f"{where}multi_choice must be True or False, not {_shown(self.multi_choice)}")
        if self.multi_choice and not choices:
            raise ConfigurationError(f"{where}multi_choice needs choices to choose from: give a list of labels")
        if self.multi_choice and isinstance(self.choices, Mapping):
            raise ConfigurationError(
                f"{where}multi_choice leaves no single score: give the labels as a list, choices={list(choices)!r}"
            )
        return "choices" if choices else given or "Pass/Fail"


def template_of(rubric: Rubric) -> Template:
    """Return the facts of a template that a judge answers."""
    if rubric.name in _catalogue.rows():
        return replace(from_catalogue(rubric.name), choices=tuple(rubric.choices))
    return Template(
        rubric.name,
        rubric.keys,
        rubric.output_type,
        rubric.text,
        choices=tuple(rubric.choices),
        optional_keys=rubric.optional,
        system=False,
    )


def _checked_choices(where: str, given: object) -> Mapping[str, float | None]:
    if given is None:
        return {}
    if isinstance(given, str | bytes) or not isinstance(given, Mapping | Sequence):
        raise ConfigurationError(
            f'{where}choices must be a dict of scores by label, or a list of labels, such as ["yes", "no"],'
            f" not {_shown(given)}"
        )
    scores = dict(given) if isinstance(given, Mapping) else dict.fromkeys(_checked_labels(where, given))
    _checked_labels(where, list(scores))
    if len(scores) < 2:
        raise ConfigurationError(f"{where}choices must be two labels at least, to choose from")
    if isinstance(given, Mapping):
        return {label: _checked_score(where, label, score) for label, score in scores.items()}
    return scores


def _checked_labels(where: str, labels: Sequence[object]) -> list[str]:
    seen: dict[str, str] = {}
    for label in labels:
        if not isinstance(label, str) or not label.strip() or label != label.strip() or not label.isprintable():
            raise ConfigurationError(
                f"{where}choices: a label must be text without blanks around it, not {_shown(label)}"
            )
        folded = label.casefold()
        if folded in seen:
            raise ConfigurationError(
                f"{where}choices: {seen[folded]!r} and {label!r} cannot be told apart in an answer: rename one"
                if seen[folded] != label
                else f"{where}choices: {label!r} is there twice: leave one out"
            )
        seen[folded] = label
    return list(seen.values())


def _checked_score(where: str, label: str, score: object) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ConfigurationError(f"{where}choices[{label!r}] must be a number for its score, not {_shown(score)}")
    return float(score)


def _shown(value: object) -> str:
    return repr(value if value is None or isinstance(value, str | int | float) else type(value).__name__)[:100]
