"""What spans, events and metrics call things: HTTP's and GenAI's semantic conventions, and names of our own.

GenAI's are written out: the package of semantic conventions has them as deprecated since they moved to a repository of
their own, and no package of that exists. https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fi_async._values import shown_inputs

if TYPE_CHECKING:
    from fi_async._events import RequestSent
    from fi_async._models import Outcome
    from fi_async._results import EvalResult

EVALUATION: Final = "gen_ai.evaluation.name"
SCORE: Final = "gen_ai.evaluation.score.value"
LABEL: Final = "gen_ai.evaluation.score.label"
EXPLANATION: Final = "gen_ai.evaluation.explanation"
RESULT_EVENT: Final = "gen_ai.evaluation.result"
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  # no password
METHOD: Final = "http.request.method"
RESENT: Final = "http.request.resend_count"
HTTP_STATUS: Final = "http.response.status_code"
ADDRESS: Final = "server.address"
PORT: Final = "server.port"
URL: Final = "url.full"
PATH: Final = "url.template"
ERROR: Final = "error.type"

TEMPLATES: Final = "fi_async.templates"
CASES: Final = "fi_async.cases"
INDEX: Final = "fi_async.case.index"
CASE_ID: Final = "fi_async.case.id"
INPUTS: Final = "fi_async.case.inputs"
OUTPUT: Final = "fi_async.result.output"
STATUS: Final = "fi_async.status"
ORIGIN: Final = "fi_async.origin"
BACKEND: Final = "fi_async.backend"
ATTEMPTS: Final = "fi_async.attempts"
COST: Final = "fi_async.cost"
ROWS: Final = "fi_async.rows"
REQUEST_ID: Final = "fi_async.request.id"
JUDGED: Final = "fi_async.judged.span_id"
AT: Final = "fi_async.endpoint"
CAUSE: Final = "fi_async.cause"
LIMIT: Final = "fi_async.limit"
WINDOW: Final = "fi_async.window_s"

_LONGEST_ID: Final = 128
_PORTS: Final = {"http": 80, "https": 443}
_PROVIDERS: Final = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
_VERDICTS: Final = {True: "pass", False: "fail"}
_OTHER_PROVIDER: Final = "_OTHER"


@lru_cache(maxsize=256)
def server_of(url: str) -> dict[str, Any]:
    """Return the address and the port of a server; empty in process."""
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    return {ADDRESS: parts.hostname, PORT: parts.port or _PORTS.get(parts.scheme, 0)}


@lru_cache(maxsize=256)
def provider_of(url: str) -> str:
    """Return who answers at the address of a judge, as GenAI's conventions name them."""
    return _PROVIDERS.get(urlsplit(url).hostname or "", _OTHER_PROVIDER)


def is_of_judge(sent: RequestSent) -> bool:
    """Tell whether a request asks a model of the user's."""
    return sent.backend == "judge"


@lru_cache(maxsize=1024)
def _of_endpoint(method: str, endpoint: str, url: str, backend: str, model: str | None) -> dict[str, Any]:
    judge = {}
    if backend == "judge":
        judge = {OPERATION: "chat", PROVIDER: provider_of(url), MODEL: model or ""}
    where = {URL: f"{url}{endpoint}", **server_of(url)} if url else {}
    return {METHOD: method, PATH: endpoint, **where, **judge}


def of_request(sent: RequestSent) -> dict[str, Any]:
    """Return the attributes of a request's span, as it leaves. The query is left out: it names evaluations."""
    known = _of_endpoint(sent.method, sent.endpoint, sent.url, sent.backend, sent.model)
    if sent.attempt == 1 and sent.rows <= 1:
        return known
    more = {RESENT: sent.attempt - 1} if sent.attempt > 1 else {}
    return {**known, **more, ROWS: sent.rows}


def request_name(sent: RequestSent) -> str:
    """Return what the span of a request is called."""
    return f"chat {sent.model}" if is_of_judge(sent) else f"{sent.method} {sent.endpoint}"


def error_of(status: int | None, problem: str | None) -> str | None:
    """Return the kind of error that a request ended in; None if in none."""
    if status is None:
        return problem or "no reply"
    return str(status) if status >= 400 else None


def short(text: str) -> str:
    """Return what a server calls something, as far as it is short."""
    return text[:_LONGEST_ID]


def label_of(result: EvalResult) -> str | None:
    """Return the verdict in a word: pass, fail, or the choices; None for free text, which may quote an input."""
    if result.passed is not None:
        return _VERDICTS[result.passed]
    is_choice = result.output_type == "choices" or (isinstance(result.output, dict) and "choice" in result.output)
    return ", ".join(result.choices) if is_choice and result.choices else None


def of_result(outcome: Outcome, *, inputs: bool) -> dict[str, Any]:
    """Return the attributes of the event `gen_ai.evaluation.result`.

    Args:
        outcome: Whose.
        inputs: True to tell the reason, too, which may quote an input.
    """
    found: dict[str, Any] = {EVALUATION: outcome.template}
    result = outcome.result
    if result is not None:
        if (passed := result.passed) is not None:  # as of most, and cheaper than to ask for score and label
            found[SCORE], found[LABEL] = float(passed), _VERDICTS[passed]
        else:
            if (score := result.score) is not None:
                found[SCORE] = score
            if (label := label_of(result)) is not None:
                found[LABEL] = label
        if inputs and result.reason:
            found[EXPLANATION] = result.reason
    if outcome.error is not None:
        found[ERROR] = type(outcome.error).__name__
    return found


def of_outcome(outcome: Outcome, *, inputs: bool) -> dict[str, Any]:
    """Return the attributes that a case's span has from its end on.

    Args:
        outcome: Of the case.
        inputs: True to tell the case's id, its inputs and the output, too.
    """
    found: dict[str, Any] = {STATUS: outcome.status.value, BACKEND: outcome.backend}
    if outcome.attempts != 1:  # an attribute costs a microsecond: what is so of most cases is left out
        found[ATTEMPTS] = outcome.attempts
    if outcome.origin != "evaluated":
        found[ORIGIN] = outcome.origin
    if outcome.usage is not None:
        found[INPUT_TOKENS], found[OUTPUT_TOKENS] = outcome.usage.input_tokens, outcome.usage.output_tokens
    if outcome.cost is not None:
        found[COST] = outcome.cost
    if outcome.error is not None:
        found[ERROR] = type(outcome.error).__name__
    if outcome.result is not None and outcome.result.model:
        found[MODEL] = outcome.result.model
    if inputs:
        found |= _contents(outcome)
    return found


def _contents(outcome: Outcome) -> dict[str, Any]:
    import json  # noqa: PLC0415  # only where inputs are asked for

    case = outcome.case
    found = {INPUTS: json.dumps(shown_inputs(getattr(case, "given", case.inputs)), default=str, ensure_ascii=False)}
    if case.id is not None:
        found[CASE_ID] = case.id
    if outcome.result is not None:
        found[OUTPUT] = json.dumps(outcome.result.output, default=str, ensure_ascii=False)
    return found
