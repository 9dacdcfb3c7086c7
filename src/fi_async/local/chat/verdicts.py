"""Verdicts: made up from the request alone, so that a test can tell what they will be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fi_async.local.chat.filling import SchemaFiller
from fi_async.local.chat.tokens import last_user_text, message_text

ChatMessages = Sequence[Mapping[str, Any]]

LocalJudge = Callable[[list[dict[str, Any]], dict[str, Any] | None], Mapping[str, Any] | str]
"""From the messages and the JSON schema that the response format names, if it does, to a verdict or a text."""

_PASS_OR_WORDS: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "result": {"const": "Pass"}},
}
_BLOCK = re.compile(r"```[ \t]*(?:json)?[^\n]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_DECODER = json.JSONDecoder()


def verdict_for(messages: ChatMessages, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the verdict that the endpoint makes up, if its backend has no judge of its own.

    Every value is chosen by a hash of the last message of the user and of its place in the verdict; see
    `filling.SchemaFiller`. A value that is no object becomes the `result` of one.

    Args:
        messages: Those of the request.
        schema: The JSON schema that the response format names. None for that which the prompt shows (see
            `schema_shown`), and if there is none, `{"reason": "…", "result": "Pass"}`.

    Raises:
        UnfillableSchemaError: No value can be made for the schema.
    """
    found = schema if schema is not None else schema_shown(messages)
    value = SchemaFiller(_PASS_OR_WORDS if found is None else found, last_user_text(messages)).value()
    return value if isinstance(value, dict) else {"result": value}


def content_of(verdict: Mapping[str, Any] | str) -> str:
    """Return the content of a message that says this verdict: a text as it is, anything else as JSON.

    Raises:
        TypeError: It is neither a text nor an object.
        ValueError: There is a NaN or an infinity in it.
    """
    if isinstance(verdict, str):
        return verdict
    if not isinstance(verdict, Mapping):
        raise TypeError(f"a judge gives a verdict as a dict or as a str, not as {type(verdict).__name__}")
    return json.dumps(verdict, ensure_ascii=False, allow_nan=False)


def schema_shown(messages: ChatMessages) -> Mapping[str, Any] | None:
    """Return the JSON schema that a prompt shows, for when the response format names none.

    It is the first block of code that is an object with `properties`, otherwise the largest such object: in the
    instructions (messages of the system or developer), and without one there, in those of the user.
    """
    for roles in (("system", "developer"), ("user",)):
        texts = [message_text(each) for each in messages if each.get("role") in roles]
        blocks = (found for text in texts for block in _BLOCK.findall(text) for _, found in _objects(block))
        if (schema := next(blocks, None)) is not None:
            return schema
        if objects := [found for text in texts for found in _objects(text)]:
            return max(objects, key=lambda found: found[0])[1]
    return None


def _objects(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the JSON objects in a text that have `properties`, with the length of each."""
    start = text.find("{")
    while start >= 0:
        try:
            found, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if isinstance(found.get("properties"), dict):
                yield end - start, found
        start = text.find("{", end)
