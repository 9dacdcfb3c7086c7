"""What a fault makes of a verdict: everything that models are known to say in place of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fi_async.local.chat.tokens import count_tokens, cut_to

CONTENT_FAULTS: Final = frozenset(
    {"not_json", "cut_json", "prose", "wrong_value", "missing_field", "length", "refusal", "content_filter"}
)
REFUSAL: Final = "I'm sorry, but I can't help with that."
WRONG_CHOICE: Final = "no such choice"
WRONG_NUMBER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says, and why it stopped."""

    content: str | None
    finish_reason: str = "stop"
    refusal: str | None = None

    @property
    def tokens(self) -> int:
        """The tokens of what it says."""
        return count_tokens(self.content or self.refusal or "")


def spoiled(fault: str, content: str, schema: Mapping[str, Any] | None) -> Said:
    """Return what is said in place of this content when this fault strikes."""
    match fault:
        case "cut_json":
            return Said(content[: len(content) // 2])
        case "length":
            return Said(content[: len(content) // 2], "length")
        case "prose":
            return Said(f"Here is my verdict:\n\n```json\n{content}\n```\n\nLet me know if I can help further.")
        case "refusal":
            return Said(None, refusal=REFUSAL)
        case "content_filter":
            return Said(None, "content_filter")
    return Said(_misjudged(fault, content, schema))


def bounded(said: Said, most: int | None, reasoning: int) -> tuple[Said, int]:
    """Return what is said within so many tokens, and of these the tokens of reasoning, which come first."""
    if most is None or reasoning + said.tokens <= most:
        return said, reasoning
    reasoning = min(reasoning, most)
    if said.content is None:
        return replace(said, refusal=None, content="", finish_reason="length"), reasoning
    return Said(cut_to(said.content, most - reasoning), "length"), reasoning


def _misjudged(fault: str, content: str, schema: Mapping[str, Any] | None) -> str:
    try:
        verdict = json.loads(content)
    except ValueError:
        verdict = None
    if not isinstance(verdict, dict) or not verdict:
        return "I would rather not say."
    field = verdict_field(verdict, schema)
    if fault == "not_json":
        return f"I would say: {verdict[field]}."
    if fault == "missing_field":
        return json.dumps({name: value for name, value in verdict.items() if name != field}, ensure_ascii=False)
    wrong = 0 if _is_free(_rules(schema).get(field)) else _wrong(verdict[field])
    return json.dumps({**verdict, field: wrong}, ensure_ascii=False)


def verdict_field(verdict: Mapping[str, Any], schema: Mapping[str, Any] | None) -> str:
    """Return the field that a verdict is about: the first that is no free text, by its schema; or the last."""
    for name, rule in _rules(schema).items():
        if name in verdict and not _is_free(rule):
            return name
    return list(verdict)[-1]


def _rules(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (schema or {}).get("properties")
    return found if isinstance(found, Mapping) else {}


def _is_free(rule: Any) -> bool:
    return isinstance(rule, Mapping) and rule.get("type") == "string" and not {"enum", "const"} & rule.keys()


def _wrong(value: Any) -> Any:
    if isinstance(value, list):
        return [WRONG_CHOICE]
    return WRONG_NUMBER if isinstance(value, int | float) and not isinstance(value, bool) else WRONG_CHOICE
