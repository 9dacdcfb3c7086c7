"""What a request to `/v1/chat/completions` asks, and the refusals of what it cannot ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from fi_async.local.asgi import Request
from fi_async.local.chat import refusals
from fi_async.local.chat.refusals import invalid
from fi_async.local.chat.switches import ChatSwitches
from fi_async.local.chat.tokens import prompt_text
from fi_async.local.envelopes import Refused

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_FORMS: Final = ("text", "json_object", "json_schema")
_PICKY: Final = ("openai", "azure")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked of which model, in what form the answer is to be, and how many tokens it may have."""

    model: str
    messages: list[dict[str, Any]]
    schema: dict[str, Any] | None
    most: int | None


def authenticate(request: Request, chat: ChatSwitches) -> str:
    """Return the key; refuse, with 401, one that is missing or unknown."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip() if scheme.lower() == "bearer" else ""
    if chat.style == "azure":
        key = key or request.headers.get("api-key", "")
    if not key and chat.style != "ollama":
        text = "You didn't provide an API key: put it in an Authorization header, as Bearer YOUR_KEY."
        raise Refused(refusals.openai_error(401, text))
    if chat.keys is not None and key not in chat.keys:
        raise Refused(refusals.openai_error(401, "Incorrect API key provided.", code="invalid_api_key"))
    return key


def read_question(request: Request, chat: ChatSwitches) -> ChatRequest:
    """Return what a request asks.

    Raises:
        Refused: With the 400 or 404 that says what is wrong.
    """
    try:
        body = json.loads(request.body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise invalid("We could not parse the JSON body of your request: it is to be an object.")
    model = _model(body, chat)
    messages = _messages(body.get("messages"))
    _check_parameters(body, model, chat)
    return ChatRequest(model, messages, _schema(body, messages, chat), _most(body, chat))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _model(body: Mapping[str, Any], chat: ChatSwitches) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise invalid("you must provide a model parameter")
    if chat.models is not None and model not in chat.models:
        text = f"The model `{model[:100]}` does not exist or you do not have access to it."
        raise Refused(refusals.openai_error(404, text, code="model_not_found"))
    return model


def _messages(found: Any) -> list[dict[str, Any]]:
    if found is None:
        raise _missing("messages")
    if not isinstance(found, list) or not found:
        raise invalid("Invalid 'messages': expected an array of messages.", "messages", "invalid_type")
    for place, message in enumerate(found):
        at = f"messages[{place}]"
        if not isinstance(message, dict):
            raise invalid(f"Invalid type for '{at}': expected an object.", at, "invalid_type")
        if message.get("role") not in _ROLES:
            text = f"Invalid value for '{at}.role': supported values are {', '.join(_ROLES)}."
            raise invalid(text, f"{at}.role", "invalid_value")
        if not _is_content(message.get("content")) and message["role"] != "assistant":
            text = f"Invalid type for '{at}.content': expected a string or an array of content parts."
            raise invalid(text, f"{at}.content", "invalid_type")
    return found


def _is_content(content: Any) -> bool:
    if not isinstance(content, list):
        return isinstance(content, str)
    return all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in content)


def _check_parameters(body: Mapping[str, Any], model: str, chat: ChatSwitches) -> None:
    for name in body:
        if name in chat.refused_parameters or f"{model}:{name}" in chat.refused_parameters:
            if name == "temperature":
                text = "Unsupported value: 'temperature' is not supported with this model but for its default, 1."
                raise invalid(text, name, "unsupported_value")
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            text = f"Unsupported parameter: '{name[:100]}' is not supported with this model.{instead}"
            raise invalid(text, name, "unsupported_parameter")
    if body.get("stream") or body.get("n") not in (None, 1):
        name = "stream" if body.get("stream") else "n"
        raise invalid(f"Unsupported value: '{name}': one whole answer is all there is.", name, "unsupported_value")
    temperature = body.get("temperature")
    if temperature is not None and not (_is_number(temperature) and 0 <= temperature <= 2):
        raise invalid("Invalid 'temperature': expected a number from 0 to 2.", "temperature", "invalid_value")


def _most(body: Mapping[str, Any], chat: ChatSwitches) -> int | None:
    names = [name for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    if chat.style == "openrouter":
        names = [name for name in names if name == "max_tokens"]
    if len(names) > 1 and chat.style in _PICKY:
        text = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise invalid(text, names[0], "invalid_parameter_combination")
    for name in names:
        if not isinstance(body[name], int) or isinstance(body[name], bool) or body[name] < 1:
            raise invalid(f"Invalid '{name}': expected an integer of 1 or more.", name, "integer_below_min_value")
    return min((body[name] for name in names), default=None)


def _schema(body: Mapping[str, Any], messages: list[dict[str, Any]], chat: ChatSwitches) -> dict[str, Any] | None:
    """Return the JSON schema that the response format names, unless it is ignored."""
    found = body.get("response_format")
    if found is None:
        return None
    form = found.get("type") if isinstance(found, dict) else None
    if form not in _FORMS:
        text = f"Invalid value for 'response_format.type': supported values are {', '.join(_FORMS)}."
        raise invalid(text, "response_format", "invalid_value")
    if form == "json_object" and chat.style in _PICKY and "json" not in prompt_text(messages).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise invalid(text, "messages")
    if form != "json_schema" or chat.json_schema == "ignored":
        return None
    if chat.json_schema == "refused":
        text = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
        raise invalid(text, "response_format")
    return _named_schema(found.get("json_schema"), chat)


def _named_schema(found: Any, chat: ChatSwitches) -> dict[str, Any]:
    named = found if isinstance(found, dict) else {}
    schema = named.get("schema")
    if not isinstance(named.get("name"), str) or not named["name"]:
        raise _missing("response_format.json_schema.name")
    if not isinstance(schema, dict):
        raise _missing("response_format.json_schema.schema")
    if named.get("strict") is True and chat.style in _PICKY and (wrong := _not_strict(schema)):
        text = f"Invalid schema for response_format '{named['name'][:100]}': {wrong}"
        raise invalid(text, "response_format")
    return schema


def _missing(name: str) -> Refused:
    return invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _not_strict(schema: Mapping[str, Any]) -> str | None:
    """Return what keeps a schema from being a strict one, if anything does."""
    if schema.get("type") != "object":
        return "schema must be a JSON Schema of 'type: \"object\"'."
    pending: list[Any] = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        if not isinstance(part, dict):
            continue
        properties = part.get("properties")
        if isinstance(properties, dict) and part.get("type") == "object":
            if part.get("additionalProperties") is not False:
                return "'additionalProperties' is required to be supplied and to be false."
            required = part.get("required")
            if missing := [name for name in properties if not isinstance(required, list) or name not in required]:
                return f"'required' has to list every key in properties. Missing '{missing[0][:100]}'."
        pending += part.values()
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
