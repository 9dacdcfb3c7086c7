"""From an HTTP reply to what it means: the API's `result`, or a typed error.

Servers spell reply fields in snake_case, old ones in camelCase; both are read, the first is preferred.
`verdicts` reads what a result says of evaluations.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from fi_async._errors import (
    APIError,
    APIStatusError,
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from fi_async.wire.requests import ROOT

_CAMEL: Final = {
    "eval_status": "evalStatus",
    "eval_id": "evalId",
    "output_type": "outputType",
    "input_data": "inputData",
    "error_message": "errorMessage",
    "error_localizer": "errorLocalizer",
    "error_localizer_enabled": "errorLocalizerEnabled",
}
_SNAKE: Final = {camel: snake for snake, camel in _CAMEL.items()}
_UNKNOWN: Final = frozenset({"Evaluation not found", "Evaluation template not found"})  # said with a 400
_NO_KEYS: Final = "Accepted keys are:"  # what the refusal of a key ends in where a template takes none at all
_LONGEST_QUOTE: Final = 500
_GAP: Final = "\ufffd"  # stands for a character that was lost
_WORDS: Final = frozenset(  # fields whose texts decide nothing
    {"reason", "error_message", "errorMessage", "input_data", "inputData", "error_localizer", "errorLocalizer"}
)
_DEEPEST: Final = 100  # how far a reply may nest; the API's own go to 8
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")  # as JSON writes halves of a pair
_PLAIN_HOST: Final = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+")
_PLAIN_PATH: Final = re.compile(r"[\w./~-]{0,100}")
_REFUSALS: Final[Mapping[int, tuple[type[APIStatusError], str]]] = {
    401: (AuthenticationError, "the server does not accept the key pair"),
    403: (PermissionDeniedError, "the key pair may not do this"),
    404: (NotFoundError, "nothing is at this address; is fi_base_url right?"),
    429: (RateLimitError, "too many requests"),
    4: (APIStatusError, "the server refused the request"),
    5: (ServerError, "the server failed"),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP reply.

    Attributes:
        headers: By lower-case name.
        content: The body, decompressed.
        backend: Who was asked, as outcomes name it.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    backend: str = "cloud"

    @property
    def request_id(self) -> str | None:
        """The server's id of the request."""
        return self.headers.get("x-request-id")

    @property
    def date(self) -> float | None:
        """When the server wrote it, by its own clock, in whole seconds since the epoch."""
        return epoch_of(self.headers.get("date"))


def read(reply: Reply) -> Any:
    """Return the `result` of a good reply.

    Raises:
        APIStatusError: The server refused the request; the subclass says how.
        ProtocolError: The reply is not the API's.
    """
    body = read_body(reply)
    if "result" not in body:
        raise unreadable(reply, "has no result")
    return body["result"]


def read_body(reply: Reply) -> dict[str, Any]:
    """Return the whole JSON object of a good reply. Raises as `read` does."""
    if reply.status >= 400:
        body = json_of(reply)
        raise _refusal(reply, body if isinstance(body, dict) else None)
    if reply.status >= 300:
        raise unreadable(
            reply,
            "is a redirect, which evaluated nothing and is not followed, as it would carry your keys elsewhere:"
            f" {_way_out(reply.headers.get('location', ''))}",
        )
    body = json_of(reply)
    if isinstance(body, Exception):
        if not isinstance(body, json.JSONDecodeError):
            raise unreadable(reply, "nests deeper than any of the API's")
        # What is no JSON is not the server's own answer, or not all of it: cut off, or a page of whoever is between.
        where = f"is no JSON from character {body.pos} of {len(body.doc)} on" if body.doc else "is empty"
        raise unreadable(reply, where, lost=True)
    if not isinstance(body, dict):
        raise unreadable(reply, "is not a JSON object")
    if body.get("status") is False:
        raise _refusal(reply, body)
    return body


def json_of(reply: Reply) -> Any:
    """Return the JSON of a body, without what no file and no screen takes; the error if it is none."""
    try:
        text, is_text = reply.content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        text, is_text = reply.content.decode("utf-8-sig", "replace"), False
    try:
        value = _parsed(text)
    except (ValueError, RecursionError) as error:
        return error
    # Both are rare, and told by a look at the text: most replies are handed on as they are.
    odd = text.count("[") + text.count("{") > _DEEPEST or _SURROGATE.search(text)
    value = storable(value) if odd else value
    # A wrong byte in a reason does not unmake a score; in an output or an id it makes another one.
    if not is_text and reply.status < 400 and _has_gap(value):
        return json.JSONDecodeError("no UTF-8", text, text.index(_GAP))
    return value


def _has_gap(value: Any) -> bool:
    """Tell whether a character was lost outside of words that decide nothing. The value is storable."""
    if isinstance(value, str):
        return _GAP in value
    if isinstance(value, list):
        return any(map(_has_gap, value))
    if isinstance(value, dict):
        return any(_GAP in key or (key not in _WORDS and _has_gap(each)) for key, each in value.items())
    return False


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number of more digits than Python reads
        return json.loads(text, parse_int=float)


def storable(value: Any, depth: int = 0) -> Any:
    """Return a value without what JSON can say and nothing can store.

    Halves of surrogate pairs are replaced by the sign for a character that was lost, what nests too deep by None.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list | dict) and depth >= _DEEPEST:
        return None
    if isinstance(value, list):
        return [storable(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {storable(key): storable(each, depth + 1) for key, each in value.items()}
    return value


def unreadable(reply: Reply, what: str, *, lost: bool = False, eval_id: str | None = None) -> ProtocolError:
    """Return the error of a reply that cannot be understood; `what` goes on after "the reply"."""
    return ProtocolError(
        f"the reply {what}",
        status=reply.status,
        request_id=reply.request_id,
        server_message=quoted(reply, None),
        eval_id=eval_id,
        lost=lost or None,
    )


def _way_out(location: str) -> str:
    """Return what to do about a redirect to this location. Of its login and its query nothing is shown."""
    try:
        parts = urlsplit(location.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is fi_base_url right?"
    prefix, is_api, _ = parts.path.partition(ROOT)
    if not host or parts.scheme not in ("http", "https", "") or not _PLAIN_HOST.fullmatch(host):
        return "it leads to another path of the same server; is fi_base_url right?"
    address = f"{parts.scheme or 'https'}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
    if is_api and _PLAIN_PATH.fullmatch(prefix):
        return f"if you know this server, set fi_base_url={address}{prefix}"
    return f"it leads to a page of {address}; is fi_base_url right?"


def _refusal(reply: Reply, body: Mapping[str, Any] | None) -> APIError:
    words, code = quoted(reply, body), (body or {}).get("code")
    facts: dict[str, Any] = {
        "status": reply.status,
        "request_id": reply.request_id,
        "server_message": words,
        "code": code if isinstance(code, str) else None,
    }
    if reply.status == 400:
        return _bad_request(words, body or {}, facts)
    if reply.status == 429:
        facts["retry_after"] = _retry_after(reply, body or {})
    kind, meaning = _REFUSALS.get(reply.status) or _REFUSALS[4 if reply.status < 500 else 5]
    return kind(f"{meaning}: {words}", **facts)


def _bad_request(words: str, body: Mapping[str, Any], facts: Mapping[str, Any]) -> APIStatusError:
    listed = body.get("errors") or body.get("details")
    fields = {
        str(name): [str(each) for each in messages] if isinstance(messages, list) else [str(messages)]
        for name, messages in (listed.items() if isinstance(listed, dict) else ())
        if name != "detail"  # the message of the whole request again
    }
    if words.rstrip(".") in _UNKNOWN:
        return NotFoundError(words, **facts)
    said = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in fields.items())
    if any(message.rstrip().endswith(_NO_KEYS) for messages in fields.values() for message in messages):
        said = (
            "the template lists no input keys (its required_keys are empty), and then takes none, so that it cannot be"
            f" evaluated: give it its keys on the platform, or make it anew with them ({said})"
        )
    return ValidationError(f"the server refused the request: {said or words}", fields=fields, **facts)


def quoted(reply: Reply, body: Mapping[str, Any] | None) -> str:
    """Return the server's words: its message, or what kind of page came instead."""
    for name in ("detail", "message", "error", "result"):
        said = (body or {}).get(name)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said:
            return said[:_LONGEST_QUOTE]
    kind = reply.headers.get("content-type", "no content type").split(";")[0]
    title = re.search(rb"<title>\s*([^<]{1,100}?)\s*</title>", reply.content, re.IGNORECASE)
    named = f" titled {title[1].decode(errors='replace')!r}" if title else ""
    return f"{len(reply.content)} bytes of {kind}{named}"


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that a refusal says to wait; None if it does not say."""
    body = json_of(reply)
    return _retry_after(reply, body if isinstance(body, dict) else {})


def _retry_after(reply: Reply, body: Mapping[str, Any]) -> float | None:
    """Return the seconds to wait: the header's, a date taken relative to the server's own, or the body's."""
    header = reply.headers.get("retry-after")
    inner = body.get("result")
    for said in (header, inner.get("retry_after") if isinstance(inner, dict) else None):
        try:
            seconds = float(said)  # type: ignore[arg-type]  # None and words end in the except
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    when, now = epoch_of(header), reply.date
    return None if when is None or now is None else max(0.0, when - now)


@lru_cache(maxsize=64)  # the replies of one second say the same
def epoch_of(header: str | None) -> float | None:
    """Return the seconds since the epoch that an HTTP date names; None if it is none."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # slow to import: with the first reply

    try:
        when = parsedate_to_datetime(header or "")
        return None if when.tzinfo is None else when.timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def listed_templates(reply: Reply) -> list[dict[str, Any]]:
    """Return the items of `get-evals/`.

    Raises:
        ProtocolError: The reply is no list.
        APIStatusError: The server refused the request.
    """
    result = read(reply)
    if not isinstance(result, list):
        raise unreadable(reply, "does not list templates")
    return [dict(each) for each in objects_of(result)]


def snake(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record in today's spelling; where both are given, today's wins."""
    return {
        _SNAKE.get(name, name): value
        for name, value in record.items()
        if name not in _SNAKE or _SNAKE[name] not in record
    }


def objects_of(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list; of anything else none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def both_spellings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a poll's body with each field under its new and its old name, at every level of the envelope.

    So loops written for old servers (`evalStatus`) and for new ones (`eval_status`) both find theirs.
    """
    spelled: dict[str, Any] = {}
    for name, value in body.items():
        # What the user sent comes back as they sent it: only the envelope is spelled twice.
        both = both_spellings(value) if name == "result" and isinstance(value, dict) else value
        spelled[name] = both
        other = _CAMEL.get(name) or _SNAKE.get(name)
        if other and other not in body:
            spelled[other] = both
    return spelled
