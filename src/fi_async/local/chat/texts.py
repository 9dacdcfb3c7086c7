"""The switches of the endpoint for judges from short texts and JSON, for the command line and the control route.

quotas     "600/min" (requests or tokens)
prices     "gpt-5=1.25:10"  "gpt-5=1.25:0.125:10" (dollars a million tokens: prompts : cached : answers)
faults     "503=0.05"  "not_json=0.1"  "slow=0.1:5" (probability : seconds late)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any

from fi_async.local.chat.switches import PLAIN_KINDS, ChatFaults, ChatPrice, ChatSwitches
from fi_async.local.reading import as_it_is, parse_latency, parse_quota, several, text_or_value


def parse_chat(changes: Mapping[str, Any], base: ChatSwitches) -> ChatSwitches:
    """Return the switches with these fields changed, each given as its own type or as its text or JSON.

    Raises:
        ValueError: A field is unknown, or its value is none it can have.
    """
    known = [field.name for field in fields(ChatSwitches)]
    if unknown := [name for name in changes if name not in known]:
        raise ValueError(f"there is no switch {unknown[0]!r} of chat; there are {', '.join(known)}")
    return base.replace(**{name: _READERS.get(name, as_it_is)(value) for name, value in changes.items()})


def parse_chat_faults(texts: Iterable[str]) -> ChatFaults:
    """Return the faults that texts such as `503=0.05` or `slow=0.1:5` name, a kind each."""
    changes: dict[str, Any] = {"status": {}}
    for text in texts:
        kind, _, amount = (part.strip() for part in str(text).partition("="))
        try:
            if kind.isdigit():
                changes["status"][int(kind)] = float(amount)
            elif kind == "slow":
                probability, _, seconds = amount.partition(":")
                changes["slow"] = (float(probability), float(seconds))
            else:
                changes[PLAIN_KINDS[PLAIN_KINDS.index(kind)]] = float(amount)
        except ValueError as error:
            kinds = ", ".join(("a status such as 503", *PLAIN_KINDS, "slow"))
            message = f"{text!r} is not a fault of chat; write it as 503=0.05 or slow=0.1:5; there are {kinds}"
            raise ValueError(message) from error
    return ChatFaults(**changes)


def parse_prices(texts: Iterable[str]) -> dict[str, ChatPrice]:
    """Return the prices by model that texts such as `gpt-5=1.25:10` name."""
    return dict(map(_priced, texts))


def _priced(text: object) -> tuple[str, ChatPrice]:
    model, _, price = str(text).rpartition("=")
    try:
        amounts = tuple(Decimal(amount.strip()) for amount in price.split(":"))
    except InvalidOperation as error:
        raise ValueError(_not_a_price(text)) from error
    if not model or len(amounts) not in (2, 3) or not all(amount.is_finite() for amount in amounts):
        raise ValueError(_not_a_price(text))
    return model.strip(), amounts


def _not_a_price(text: object) -> str:
    return f"{text!r} is not a price; write it as MODEL=1.25:10, or MODEL=1.25:0.125:10 with that of cached tokens"


def _by_model(value: Any) -> Any:
    """Read prices by model, each as a list of numbers or as a text, or a list of texts."""
    if not isinstance(value, Mapping):
        return several(parse_prices)(value)
    listed = {model: tuple(price) if isinstance(price, list) else price for model, price in value.items()}
    return {
        model: _priced(f"{model}={price}")[1] if isinstance(price, str) else price for model, price in listed.items()
    }


def _by_kind(value: Any) -> Any:
    texts = [f"{kind}={amount}" for kind, amount in value.items()] if isinstance(value, Mapping) else value
    return several(parse_chat_faults)(texts)


_names = several(lambda items: frozenset(items) if all(isinstance(item, str) for item in items) else items)
_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("hints", "models", "keys", "refused_parameters"), _names),
    **dict.fromkeys(("requests", "tokens"), text_or_value(parse_quota)),
    "latency": text_or_value(parse_latency),
    "prices": _by_model,
    "faults": _by_kind,
}
