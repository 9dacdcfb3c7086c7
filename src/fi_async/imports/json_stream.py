"""A JSON document of any size, read value by value: only what is asked for is held in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

MOST_CHARACTERS: Final = 64_000_000
"""Characters of one value, or bytes of one line, that are read."""

_CHUNK: Final = 1 << 16
_SPACE: Final = " \t\r\n"
_BRACKETS: Final = re.compile(r'["{}\[\]]')
_IN_STRING: Final = re.compile(r'["\\]')
_SCALAR_END: Final = re.compile(r"[\s,\]}]")


class StreamError(ValueError):
    """The document ends too early, or is none; the text says which."""


class JsonReader:
    """Reads a JSON document from a stream of UTF-8, from its first value to its last.

    Args:
        stream: The bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._is_over = False

    def peek(self) -> str:
        """Return the next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more(self._at):
                return ""

    def members(self) -> Iterator[str]:
        """Yield each key of an object; its value is to be read, or skipped, before the next.

        Raises:
            StreamError: It is none, or ends too early.
        """
        self._expect("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self._broken("a key")
            key = self.value()
            self._expect(":")
            yield str(key)
            if self._next_of("}"):
                return

    def elements(self) -> Iterator[int]:
        """Yield the position of each element of an array; it is to be read, or skipped, before the next.

        Raises:
            StreamError: It is none, or ends too early.
        """
        self._expect("[")
        if self.peek() == "]":
            self._at += 1
            return
        position = 0
        while True:
            yield position
            position += 1
            if self._next_of("]"):
                return

    def value(self) -> Any:
        """Return the next value.

        Raises:
            StreamError: It is none, too long, or ends too early.
        """
        text = self.text()
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StreamError(
                f"not valid JSON ({getattr(error, 'msg', 'nested too deep, or too long a number')})"
            ) from None

    def text(self) -> str:
        """Return the next value as it is written: its brackets match, whatever is between them.

        Raises:
            StreamError: It is none, too long, or ends too early.
        """
        begin = self.peek()
        self._text, self._at = self._text[self._at :], 0
        if begin in ("{", "["):
            end = self._end_of_brackets(keep=True)
        elif begin == '"':
            end = self._end_of_string(1, keep=True)
        else:
            end = self._end_of_scalar()
        found, self._at = self._text[:end], end
        if not found:
            raise self._broken("a value")
        return found

    def skip(self) -> None:
        """Pass over the next value without holding it.

        Raises:
            StreamError: It is none, or ends too early.
        """
        begin = self.peek()
        if begin in ("{", "["):
            self._text, self._at = self._text[self._at :], 0
            self._at = self._end_of_brackets(keep=False)
        elif begin == '"':
            self._at = self._end_of_string(self._at + 1, keep=False)
        else:
            self.text()

    def _end_of_brackets(self, *, keep: bool) -> int:
        """Return where the brackets close that begin the text."""
        depth, at = 0, 0
        while True:
            found = _BRACKETS.search(self._text, at)
            if found is None:
                at = self._further(len(self._text), keep=keep)
                continue
            at = found.end()
            if found[0] == '"':
                at = self._end_of_string(at, keep=keep)
                continue
            depth += 1 if found[0] in "{[" else -1
            if depth == 0:
                return at

    def _end_of_string(self, at: int, *, keep: bool) -> int:
        while True:
            found = _IN_STRING.search(self._text, at)
            if found is None:
                at = self._further(len(self._text), keep=keep)
            elif found[0] == '"':
                return found.end()
            elif found.end() < len(self._text):
                at = found.end() + 1
            else:
                at = self._further(found.start(), keep=keep)

    def _end_of_scalar(self) -> int:
        while (found := _SCALAR_END.search(self._text)) is None:
            if not self._more(0):
                return len(self._text)
        return found.start()

    def _further(self, at: int, *, keep: bool) -> int:
        """Read on, and return where `at` is now; what is before it is dropped unless it is to be kept."""
        if keep and len(self._text) > MOST_CHARACTERS:
            raise StreamError(f"a value of more than {MOST_CHARACTERS:,} characters")
        if not self._more(0 if keep else at):
            raise StreamError("it ends in the middle of a value")
        return at if keep else 0

    def _more(self, drop: int) -> bool:
        """Read a chunk, and drop what is before; return False at the end."""
        if self._is_over:
            return False
        raw = self._stream.read(max(_CHUNK, len(self._text) - drop))
        try:
            read = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError:
            raise StreamError("not valid UTF-8") from None
        self._is_over = not raw
        self._text, self._at = self._text[drop:] + read, self._at - drop if self._at >= drop else 0
        return bool(raw)

    def _expect(self, character: str) -> None:
        if self.peek() != character:
            raise self._broken(repr(character))
        self._at += 1

    def _next_of(self, closing: str) -> bool:
        """Pass over a comma, and return False; or over the end, and return True."""
        found = self.peek()
        if found not in (",", closing) or not found:
            raise self._broken(f"',' or {closing!r}")
        self._at += 1
        return found == closing

    def _broken(self, wanted: str) -> StreamError:
        found = self.peek()
        return StreamError(f"{wanted} is expected, not {found!r}" if found else "it ends too early")
