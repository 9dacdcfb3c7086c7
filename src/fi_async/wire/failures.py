"""From what an HTTP library raises to an error of ours, by default and not from a list of those that are known."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterable, Iterator
from typing import Final

from fi_async._errors import APIConnectionError, APITimeoutError
from fi_async._settings import Timeout

_LONGEST_QUOTE: Final = 300
_SHORTEST_SECRET: Final = 4  # shorter ones would blot out ordinary words
_NOBODY_THERE: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})
_UNRESOLVED: Final = "ClientConnectorDNSError"  # aiohttp's, whose cause depends on its resolver


def failure(error: Exception, timeout: Timeout, *, sent: bool, secrets: Iterable[str]) -> APIConnectionError:
    """Return what the failure of a request means to its caller.

    The library's own exception is not kept: some hold the request with its headers, and so the keys.

    Args:
        error: What the library raised.
        timeout: What bounded the request.
        sent: True if it had begun to leave.
        secrets: Texts that must not show.
    """
    chain = list(_causes(error))
    if any(isinstance(each, TimeoutError) for each in chain):
        waited = f"no reply within {timeout.read:g} s" if sent else f"no connection within {timeout.connect:g} s"
        return APITimeoutError(waited, sent=sent)
    said = _quoted(error, secrets)
    if sent:
        return APIConnectionError(f"the connection broke before the reply was complete: {said}", sent=True)
    unreachable = any(_is_nobody_there(each) for each in chain)
    return APIConnectionError(f"could not connect: {said}", sent=False, unreachable=unreachable)


def _is_nobody_there(error: BaseException) -> bool:
    if isinstance(error, socket.gaierror) or type(error).__name__ == _UNRESOLVED:
        return True
    return isinstance(error, OSError) and error.errno in _NOBODY_THERE


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those it was raised from, groups taken apart."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)


_TLS_OF_AIOHTTP: Final = re.compile(r" ssl:(?:default|True|False|None|<[^>]*>)")


def _quoted(error: Exception, secrets: Iterable[str]) -> str:
    """Return the library's words without the secrets; what they quote of a reply is cut short."""
    said = str(error)
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            said = said.replace(secret, "***").replace(repr(secret)[1:-1], "***")
    said = _TLS_OF_AIOHTTP.sub("", " ".join(said.split()))
    kind = type(error).__name__
    return f"{said[:_LONGEST_QUOTE]} ({kind})" if said else kind
