"""What every request must pass before its route looks at it: media types, credentials, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from fi_async.local import envelopes
from fi_async.local.asgi import Request
from fi_async.local.envelopes import Refused

_ACCEPTABLE = frozenset({"*/*", "application/*", "application/json"})
_CHALLENGE = (("www-authenticate", "ApiKey"),)


def check_accept(request: Request) -> None:
    """Refuse, with 406, a client that does not take JSON."""
    ranges = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")}
    if not ranges & _ACCEPTABLE:
        text = "Could not satisfy the request Accept header."
        raise Refused(envelopes.api_error(406, "not_acceptable", text))


def authenticate(request: Request, keys: Mapping[str, str] | None) -> str:
    """Return the API key, which is also the organisation; refuse, with 401, a pair that is missing or wrong."""
    if "authorization" in request.headers:  # it wins over any keys, and this server knows no tokens
        _unauthorised("authentication_failed", "Invalid Token parsed: Invalid Token parsed: Invalid token encryption")
    key, secret = request.headers.get("x-api-key"), request.headers.get("x-secret-key")
    if not key or not secret:
        _unauthorised("not_authenticated", "Authentication credentials were not provided.")
    if keys is not None and keys.get(key) != secret:
        _unauthorised("authentication_failed", "Invalid API key or secret key")
    return key


def _unauthorised(code: str, text: str) -> NoReturn:
    raise Refused(envelopes.api_error(401, code, text, kind="authentication_error", headers=_CHALLENGE))


def json_body(request: Request) -> Any:
    """Return what the body holds; refuse, with 415 or 400, what is not JSON in plain UTF-8.

    A body without a Content-Length is read as an empty one, and an empty one as `{}`.
    """
    if not request.body or "content-length" not in request.headers:
        return {}
    media_type = request.headers.get("content-type", "")
    if media_type.partition(";")[0].strip().lower() != "application/json":
        text = f'Unsupported media type "{media_type}" in request.'
        raise Refused(envelopes.api_error(415, "unsupported_media_type", text))
    try:
        return json.loads(request.body.decode("utf-8"), parse_constant=_no_constant)
    except ValueError as error:
        text = f"JSON parse error - {error}"
        raise Refused(envelopes.api_error(400, "parse_error", text, kind="validation_error")) from error
    except RecursionError as error:  # nested too deep: nobody on the platform catches it
        raise Refused(envelopes.html_page(500)) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")
