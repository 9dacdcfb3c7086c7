"""A part of a run that one of several processes does: which cases are its own, and its share of what is given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from fi_async._errors import ConfigurationError
from fi_async._settings import Limit, RunOptions

_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"))
_WRITTEN: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the parts that the cases of a run are divided into, each case by what is sent for it.

    So the same case is in the same shard wherever it stands in the source, in whichever process; under all its
    templates; and equal cases are in the same one. A case of which nothing can be sent has no such content, nor has
    one whose inputs have no JSON form: these go by their place in the source.

    Attributes:
        number: Which, from 1.
        of: How many there are.

    Raises:
        ConfigurationError: There is no such shard.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if any(isinstance(each, bool) or not isinstance(each, int) for each in (self.number, self.of)):
            raise ConfigurationError(f"shard must be two whole numbers, such as (1, 8), not {(self.number, self.of)}")
        if not 1 <= self.number <= self.of:
            from_zero = " Where an engine counts from 0, add 1." if self.number == 0 else ""
            raise ConfigurationError(
                f"shard {self}: shards are numbered from 1/{max(1, self.of)} to {max(1, self.of)}/{max(1, self.of)}."
                f"{from_zero}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def words(self) -> str:
        """What people are told: "shard 3 of 8"."""
        return f"shard {self.number} of {self.of}"

    @classmethod
    def named(cls, given: ShardLike | None) -> Shard | None:
        """Return the shard that a call names; None if it names none.

        Raises:
            ConfigurationError: It is none.
        """
        if given is None or isinstance(given, Shard):
            return given
        if isinstance(given, str) and (written := _WRITTEN.fullmatch(given)):
            return cls(int(written[1]), int(written[2]))
        if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:
            raise ConfigurationError(f'shard must be (i, N) or "i/N", such as (1, 8) or "1/8", not {given!r}')
        return cls(*given)

    def has(self, sent: Sequence[Mapping[str, Any]], place: int) -> bool:
        """Tell whether a case is in this shard.

        Args:
            sent: Its inputs as they are sent, under each template under which they can be.
            place: Where it stands in the source.
        """
        return _number_of(sent, place) % self.of == self.number - 1

    def share_of(self, count: int) -> int:
        """Return this shard's part of so many; those of all shards together are as many."""
        return count // self.of + (self.number <= count % self.of)

    def limits(self, given: Sequence[Limit]) -> tuple[Limit, ...]:
        """Return this shard's part of limits that all shards are to keep to together.

        Raises:
            ConfigurationError: One is too small to be divided.
        """
        for each in given:
            if each.count < self.of:
                raise ConfigurationError(
                    f"limit.count {each.count} of {each.of} cannot be divided among {self.of} shards: use fewer shards,"
                    " or shared_budget, which needs no dividing"
                )
        return tuple(replace(each, count=self.share_of(each.count)) for each in given)

    def options(self, given: RunOptions, *, is_shared: bool) -> RunOptions:
        """Return this shard's part of what a run was given.

        Args:
            given: For the run as a whole.
            is_shared: True if a shared budget keeps all shards to the limits, so that each has them whole.

        Raises:
            ConfigurationError: A limit is too small to be divided.
        """
        at_once = given.concurrency if given.concurrency == "auto" else max(1, self.share_of(given.concurrency))
        return replace(given, concurrency=at_once, limits=given.limits if is_shared else self.limits(given.limits))


ShardLike = Shard | tuple[int, int] | str
"""A shard as a call names it: (3, 8) or "3/8"."""


def _number_of(sent: Sequence[Mapping[str, Any]], place: int) -> int:
    """Return a number that is the same for equal cases, and else as good as drawn."""
    try:
        texts = sorted({_ENCODER.encode(inputs) for inputs in sent})
    except (TypeError, ValueError, RecursionError):
        texts = []
    digest = blake2b(digest_size=_BYTES)
    for text in texts or [f"place {place}"]:
        digest.update(text.encode())
    return int.from_bytes(digest.digest())
