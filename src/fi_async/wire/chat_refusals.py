"""What a chat endpoint's refusal says, whichever server's style it is in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fi_async.wire.responses import Reply, json_of, objects_of, quoted

NO_CAPACITY: Final = 529  # Anthropic's own status, for whatever says that it is overloaded
_LONGEST_WORDS: Final = 500
_LONGEST_WAIT: Final = 3600.0
_TOO_LONG: Final = re.compile(
    r"context[ _]length|context[ _]window|context[ _]size|maximum context|prompt is too long|input is too long"
    r"|request too large|too many input tokens|input token count|max_tokens must be at least 1, got -",
    re.IGNORECASE,
)
_NO_MODEL: Final = re.compile(
    r"model_not_found|invalid model|unknown model|no such model|not a valid model|model not exist"
    r"|\bmodels?\b.{0,200}?(not found|does not exist|is not available|not supported for)",
    re.IGNORECASE | re.DOTALL,
)
_FILTERED: Final = re.compile(
    r"content[ _](?:filter|management policy)|responsible ai policy|blocked by.{0,20}safety", re.IGNORECASE
)
_NO_MONEY: Final = re.compile(
    r"insufficient[ _](?:quota|balance|credit|fund)|credit balance|billing_hard_limit|billing_not_active"
    r"|requires more credits|exceeded your monthly",
    re.IGNORECASE,
)
_OF_A_DAY: Final = re.compile(r"per[-_ ]?day", re.IGNORECASE)
_STATUSES: Final = (  # of an error in a body, where no number says it
    ("overloaded", NO_CAPACITY),
    ("rate_limit", 429),
    ("resource_exhausted", 429),
    ("insufficient_quota", 429),
    ("authentication", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("invalid", 400),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as an endpoint words it.

    Attributes:
        status: Of the reply, or what the error in a good one amounts to.
        message: What it says, up to 500 characters.
        code: Its code, type and status names, in lower case, by blanks: "insufficient_quota".
        param: The parameter it names, if it names one: "temperature".
        error: The error object, for what else it holds.
    """

    status: int
    message: str
    code: str
    param: str | None
    error: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Code and message together, to look for words in."""
        return f"{self.code} {self.message}"

    @property
    def is_too_long(self) -> bool:
        """True if the case is longer than the model, or the endpoint, takes."""
        return self.status == 413 or (self.status in (400, 422, 429) and bool(_TOO_LONG.search(self.text)))

    @property
    def is_filtered(self) -> bool:
        """True if a filter of contents refuses the case."""
        return self.status in (400, 403) and bool(_FILTERED.search(self.text))

    @property
    def is_about_model(self) -> bool:
        """True if the endpoint has no such model."""
        return self.status in (400, 404, 422) and bool(_NO_MODEL.search(self.text))

    def is_final(self, wait: float | None) -> bool:
        """Tell whether no wait mends it: there is no money, or the quota of a day is used up.

        Args:
            wait: The seconds that the endpoint says to wait. A day that is a rolling window may open within minutes: a
                wait of up to an hour is believed, but for a quota that is named as a day's by its id.
        """
        if self.status == 402 or (self.status in (400, 403, 429) and _NO_MONEY.search(self.text)):
            return True
        if self.status != 429:
            return False
        violations = [each for detail in objects_of(self.error.get("details")) for each in _violations(detail)]
        if any(_OF_A_DAY.search(str(each.get("quotaId"))) for each in violations):
            return True
        return (wait is None or wait > _LONGEST_WAIT) and bool(_OF_A_DAY.search(self.text))


def refusal_of(reply: Reply) -> Refusal:
    """Return what a refusal says; of a body in no known style, what kind of body it is."""
    body = body_of(reply)
    error = error_in(body)
    said = error.get("message") or error.get("detail") or error.get("error")
    message = said if isinstance(said, str) else _listed(said)
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None  # OpenRouter: the words of who it asked
    if isinstance(raw, str):
        message = f"{message}: {raw}"
    names = " ".join(str(error[name]) for name in ("code", "type", "status") if isinstance(error.get(name), str | int))
    param = error.get("param")
    return Refusal(
        status=_status(reply, error, names.lower()),
        message=(message or quoted(reply, None))[:_LONGEST_WORDS],
        code=names.lower()[:200],
        param=param if isinstance(param, str) and param else None,
        error=error,
    )


def body_of(reply: Reply) -> Mapping[str, Any]:
    """Return the JSON object of a body, the first of a list; an empty one if there is none."""
    body = json_of(reply)
    if isinstance(body, list):
        body = next(iter(objects_of(body)), None)
    return body if isinstance(body, dict) else {}


def error_in(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the error that a body holds, wherever its server puts it; the body itself if it is one."""
    choices = objects_of(body.get("choices"))
    for error in (body.get("error"), choices[0].get("error") if choices else None):
        if isinstance(error, dict) and error:
            return error
        if isinstance(error, str) and error:
            return {"message": error}
    return body


def _listed(said: Any) -> str:
    """Return what FastAPI's list of faults says: where, and what."""
    faults = [
        f"{'.'.join(map(str, fault['loc'])) if isinstance(fault.get('loc'), list) else ''} {fault.get('msg', '')}"
        f" {fault.get('type', '')}".strip()
        for fault in objects_of(said)
    ]
    return "; ".join(faults)


def _violations(detail: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return objects_of(detail.get("violations"))


def _status(reply: Reply, error: Mapping[str, Any], names: str) -> int:
    if "overloaded" in names:
        return NO_CAPACITY
    if reply.status >= 300:
        return reply.status
    code = str(error.get("code"))
    if code.isascii() and code.isdecimal() and len(code) == 3 and code >= "400":
        return int(code)
    return next((status for name, status in _STATUSES if name in names), 500)
