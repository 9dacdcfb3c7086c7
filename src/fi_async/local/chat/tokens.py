"""How the endpoint for judges counts: four bytes are a token. No tokenizer counts so, but anyone can count it again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from fi_async.local.chat.switches import ChatPrice

BYTES_PER_TOKEN: Final = 4
CACHED_BLOCK: Final = 64
"""Tokens; what is read from the cache is a whole number of these."""

_MOST_BLOCKS = 100_000
_MILLION = Decimal(1_000_000)


def count_tokens(text: str) -> int:
    """Return the tokens of a text: a quarter of its bytes in UTF-8, rounded up."""
    return -(-len(_encoded(text)) // BYTES_PER_TOKEN)


def prompt_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the tokens of the texts of all messages, one after the other."""
    return count_tokens(prompt_text(messages))


def cut_to(text: str, tokens: int) -> str:
    """Return the beginning of a text, of at most so many tokens."""
    return _encoded(text)[: tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def message_text(message: Mapping[str, Any]) -> str:
    """Return what a message says: its content, or of a content in parts those that are text."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "".join(text for text in texts if isinstance(text, str))


def prompt_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return what all messages say, one after the other."""
    return "".join(map(message_text, messages))


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return what the last message of the user says: the case. Empty without one."""
    return next((message_text(each) for each in reversed(messages) if each.get("role") == "user"), "")


def case_hash(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of the case, in hexadecimal digits."""
    return hashlib.sha256(_encoded(last_user_text(messages))).hexdigest()


def dollars(price: ChatPrice | None, prompt: int, cached: int, completion: int) -> Decimal:
    """Return what so many tokens cost at a price in dollars a million of them; `cached` are among the `prompt`.

    Without a price of cached tokens, they cost as much as the others.
    """
    if price is None:
        return Decimal(0)
    amounts = [each if isinstance(each, Decimal) else Decimal(str(each)) for each in price]
    asked, answered, read = amounts[0], amounts[-1], amounts[-2]
    return ((prompt - cached) * asked + cached * read + completion * answered) / _MILLION


class PromptCache:
    """Knows the beginnings of earlier prompts, in blocks, of which it forgets the least recently used."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def read(self, model: str, messages: Sequence[Mapping[str, Any]]) -> int:
        """Return the tokens, in whole blocks, that this prompt begins with as an earlier one did; and remember it."""
        text = _encoded(prompt_text(messages))
        size = CACHED_BLOCK * BYTES_PER_TOKEN
        seen, is_shared, digest = 0, True, hashlib.blake2b(_encoded(model), digest_size=16).digest()
        for start in range(0, len(text) - size + 1, size):
            digest = hashlib.blake2b(text[start : start + size], key=digest, digest_size=16).digest()
            is_shared = is_shared and digest in self._blocks
            seen += is_shared
            self._blocks[digest] = None
            self._blocks.move_to_end(digest)
        while len(self._blocks) > _MOST_BLOCKS:
            self._blocks.popitem(last=False)
        return seen * CACHED_BLOCK


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can hold half of a pair
