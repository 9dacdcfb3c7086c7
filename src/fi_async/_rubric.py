"""What a judge is told to decide: the criteria, the inputs it sees, and the form of its verdict."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from fi_async._errors import ConfigurationError

OutputType = Literal["Pass/Fail", "score", "choices"]
"""The form of a verdict: passed or failed, a number from 0 to 1, or labels."""

PROMPT_VERSION: Final = 1
"""Of the words around the criteria; raised when they change, so that what was judged by others is judged anew."""

_BRACES: Final = re.compile(r"(\\?)\{\{([^{}]*)\}\}")
_KEY: Final = re.compile(r"[^\W\d][\w .-]*")


@dataclass(frozen=True, slots=True)
class Rubric:
    """What one template asks of a judge.

    Attributes:
        name: The template's name.
        text: The criteria; `[key]` stands for the input of that name.
        keys: The inputs that the judge sees, in this order; empty for all that the case has.
        output_type: The form of the verdict.
        optional: Those of the keys that a case may lack.
        choices: The labels to choose from, each with its score, or None where labels have none.
        multi_choice: True if several labels may be chosen.
        version: The user's own mark of a change that the text does not show.
        fingerprint: The hash of all that makes a verdict comparable with another: 64 hex digits of SHA-256.
    """

    name: str
    text: str
    keys: tuple[str, ...]
    output_type: OutputType = "Pass/Fail"
    optional: tuple[str, ...] = ()
    choices: Mapping[str, float | None] = field(default_factory=dict)
    multi_choice: bool = False
    version: str | None = None
    fingerprint: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        asked = (
            self.name,
            self.text,
            self.keys,
            self.output_type,
            list(self.choices.items()),
            self.multi_choice,
            self.version,
        )
        object.__setattr__(self, "fingerprint", fingerprint_of(PROMPT_VERSION, *asked))

    def __hash__(self) -> int:
        return hash((self.name, self.fingerprint))

    @property
    def is_scored(self) -> bool:
        """True if the labels have scores, so that the output is {"score", "choice"}."""
        return any(score is not None for score in self.choices.values())


def fingerprint_of(*parts: object) -> str:
    """Return the SHA-256 of the JSON of some parts, as 64 hex digits."""
    text = json.dumps(parts, ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def with_references(setting: str, prompt: str) -> tuple[str, tuple[str, ...]]:
    r"""Return a prompt with `[key]` for each `{{key}}`, and the keys in order, each once.

    `\{{` stands for braces that are meant as text.

    Args:
        setting: What the prompt is called in messages.
        prompt: The prompt.

    Raises:
        ConfigurationError: Double braces hold what is no key.
    """
    keys: dict[str, None] = {}

    def reference(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        key = found[2].strip()
        if not _KEY.fullmatch(key):
            raise ConfigurationError(
                f"{setting} holds {found[0][:60]!r}, which names no input: write {{{{key}}}} with a name of letters,"
                r" digits, _, -, . and spaces, or \{{ for braces that are meant as text"
            )
        keys[key] = None
        return f"[{key}]"

    return _BRACES.sub(reference, prompt), tuple(keys)
