"""The shapes of replies: one success, four kinds of error, worded as the platform words them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fi_async.local.quantities import Quota

Headers = tuple[tuple[str, str], ...]
Messages = Mapping[str, Sequence[str]]

VALIDATION_FAILED = "Validation failed"
UNABLE_TO_RUN = "Unable to run standalone evaluation. Please try again."

_PAGE = (
    '\n<!doctype html>\n<html lang="en">\n<head>\n  <title>{title}</title>\n</head>\n'
    "<body>\n  <h1>{title}</h1><p>{text}</p>\n</body>\n</html>\n"
)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An HTTP reply that can still be spoiled before it is sent."""

    status: int
    body: bytes
    headers: Headers = ()
    content_type: str = "application/json"


class Refused(Exception):  # noqa: N818 - it carries a reply, which need not be an error of anyone
    """Carries the reply that ends a request early."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def success(result: Any) -> HttpReply:
    """Return the 200 envelope."""
    return json_reply(200, {"status": True, "result": result})


def json_reply(status: int, content: Any, headers: Headers = ()) -> HttpReply:
    """Return any JSON as a reply. Escaped to ASCII, so that it can repeat whatever text it was sent."""
    return HttpReply(status, json.dumps(content, separators=(",", ":")).encode("ascii"), headers)


def error(
    status: int,
    kind: str,
    code: str,
    text: str,
    *,
    attr: str | None = None,
    details: Messages | None = None,
    headers: Headers = (),
    **more: Any,
) -> HttpReply:
    """Return the first error shape: the same text under four names."""
    content: dict[str, Any] = {"status": False, "type": kind, "code": code}
    content |= dict.fromkeys(("detail", "message", "error", "result"), text)
    if attr is not None:
        content["attr"] = attr
    if details is not None:
        content["details"] = details
    return json_reply(status, content | more, headers)


def api_error(status: int, code: str, text: str, kind: str = "api_error", headers: Headers = ()) -> HttpReply:
    """Return the refusal of a whole request: its method, its media type, its credentials, its syntax."""
    return error(status, kind, code, text, details={"detail": [text]}, headers=headers)


def invalid(messages: Messages) -> HttpReply:
    """Return the second error shape: 400 with messages by dotted field, the first of which is the `attr`."""
    first = next(iter(messages))
    attr = None if first == "non_field_errors" else first
    return error(400, "validation_error", "invalid", VALIDATION_FAILED, attr=attr, details=messages, errors=messages)


def bad_request(text: str) -> HttpReply:
    """Return a 400 that is about no field: an unknown id, or the words of a failed engine."""
    return error(400, "validation_error", "invalid", text)


def about_field(field: str, text: str) -> HttpReply:
    """Return a 400 about one field that was found only after validation."""
    return error(400, "validation_error", "invalid", f"{field}: {text}", attr=field, details={field: [text]})


def server_error(text: str = UNABLE_TO_RUN, status: int = 500) -> HttpReply:
    """Return the generic error that says nothing of its cause."""
    return error(status, "server_error", "server_error", text)


def rate_limited(quota: Quota, retry_after: int) -> HttpReply:
    """Return the third error shape: 429, `result` an object, and a Retry-After header."""
    result = {"code": "RATE_LIMITED", "message": f"Rate limit exceeded: {quota}", "retry_after": retry_after}
    return json_reply(429, {"status": False, "result": result}, (("retry-after", str(retry_after)),))


def html_page(status: int) -> HttpReply:
    """Return the fourth error shape: HTML, as for an unknown route, a crash, or from a proxy."""
    title, text = {
        404: ("Not Found", "The requested resource was not found on this server."),
        500: ("Server Error (500)", ""),
    }.get(status, (f"{status} {phrase(status)}", ""))
    return HttpReply(status, _PAGE.format(title=title, text=text).encode(), content_type="text/html; charset=utf-8")


def moved(location: str) -> HttpReply:
    """Return the empty redirect that a missing trailing slash gets."""
    return HttpReply(301, b"", (("location", location),), "text/html; charset=utf-8")


def phrase(status: int) -> str:
    """Return the standard words for a status, if it has any."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
