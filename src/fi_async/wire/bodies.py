"""The body of a reply, read and unpacked within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from fi_async._errors import APIConnectionError

ACCEPT_ENCODING: Final = "gzip, deflate"
MOST_BYTES: Final = 64 * 2**20
"""The longest body that is read, as sent and as unpacked: 64 MiB. The longest of the API is a few."""
MOST_HEADERS: Final = 64 * 2**10
"""The longest line of a reply's head: 64 KiB."""
LONGEST_REPLY: Final = 60.0
"""Seconds that a whole reply may take beyond the time that it may take to begin."""

_ANY_HEADER: Final = zlib.MAX_WBITS | 32  # gzip's or zlib's, whichever is there
_NO_HEADER: Final = -zlib.MAX_WBITS  # "deflate", as some servers understand it


class Body:
    """Collects the parts of a body as they come."""

    __slots__ = ("_length", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, part: bytes) -> None:
        """Take the next part.

        Raises:
            APIConnectionError: The body is longer than MOST_BYTES.
        """
        self._parts.append(part)
        self._length += len(part)
        if self._length > MOST_BYTES:
            raise _too_long("sent")

    def content(self, headers: Mapping[str, str]) -> bytes:
        """Return the whole body, unpacked.

        Raises:
            APIConnectionError: It is not packed as the headers say, or longer than MOST_BYTES once unpacked.
        """
        content = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        packed = headers.get("content-encoding")
        if packed is None or not content:
            return content
        for encoding in reversed(packed.lower().split(",")):
            content = _unpacked(content, encoding.strip())
        return content


def _unpacked(content: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise APIConnectionError(f"the reply is packed as {encoding[:40]!r}, which was not asked for", sent=True)
    for window in (_ANY_HEADER, _NO_HEADER) if encoding == "deflate" else (_ANY_HEADER,):
        unpacker = zlib.decompressobj(window)
        try:
            plain = unpacker.decompress(content, MOST_BYTES + 1)
        except zlib.error:
            continue
        if len(plain) > MOST_BYTES:
            raise _too_long("unpacked")
        if not unpacker.eof:
            raise APIConnectionError(f"the reply was cut off: its {encoding} ends too early", sent=True)
        return plain
    raise APIConnectionError(f"the reply is not the {encoding} that its headers say", sent=True)


def _too_long(how: str) -> APIConnectionError:
    return APIConnectionError(f"the reply is longer than {MOST_BYTES // 2**20} MiB as {how}", sent=True)
