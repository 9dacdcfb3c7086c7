"""Every exception this package raises on purpose.

    FiAsyncError
    ├── ConfigurationError            wrong or missing settings; nothing was sent
    │   └── MissingCredentialsError   no key pair; names the variables and the local backend
    ├── APIError                      a request went wrong
    │   ├── APIConnectionError        no complete reply arrived
    │   │   └── APITimeoutError       … within its time
    │   ├── APIStatusError            the server refused it
    │   │   ├── AuthenticationError   401
    │   │   ├── PermissionDeniedError 403
    │   │   ├── ValidationError       400, with the messages per field
    │   │   ├── NotFoundError         404, and the 400 that means it
    │   │   ├── RateLimitError        429, with retry_after
    │   │   ├── QuotaExhaustedError   402, and the 429 that no wait mends
    │   │   └── ServerError           5xx
    │   └── ProtocolError             a reply that says neither yes nor no
    ├── InvalidCaseError              refused before sending; names the field and the fix
    ├── EvaluationError               the evaluation ran, and failed
    │   ├── FunctionError             a function of yours raised, or returned what is no verdict
    │   ├── JudgeError                a judge of yours answered without a verdict
    │   └── UndecidedError            votes or samples that make no verdict together
    ├── AmbiguousError                sent, outcome unknown, and not to be sent again
    ├── StalledError                  accepted, and not finished within its time
    ├── DatasetError                  a dataset could not be made, or has not the rows that were sent
    ├── JournalError                  a run's file cannot be opened, read or written
    ├── CostLimitError                not begun, as `max_cost` of a judge would be exceeded
    └── IncompleteRunError            raise_for_failures(): some cases have no score

All of them can be pickled, and carry what is needed to go on: `status`, `request_id`, `eval_id`,
`attempts` and the server's words, where known. None of them ever holds a credential or an input.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from fi_async._public import public

if TYPE_CHECKING:
    from fi_async._results import Usage


@public
class FiAsyncError(Exception):
    """The root: catch it to catch everything this package raises on purpose.

    Attributes:
        message: What happened, in one sentence, with the fix where there is one.
        status: HTTP status, if the server answered.
        request_id: The server's X-Request-Id, for a support ticket.
        eval_id: The evaluation it is about, if one exists on the server: it can still be polled.
        dataset_id: The dataset it is about, if it is about one.
        attempts: How many requests were made for it, the first included.
        server_message: The server's own words.
        report: What was done all the same, where the error ended a call of several evaluations.
    """

    message: str
    report: Any = None
    status: int | None = None
    request_id: str | None = None
    eval_id: str | None = None
    dataset_id: str | None = None
    attempts: int | None = None
    server_message: str | None = None

    def __init_subclass__(cls) -> None:
        if cls.__module__ == __name__:
            public(cls)

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update({name: value for name, value in facts.items() if value is not None})

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the attributes; they come after the object, as a report may lead back to it."""
        return _rebuild, (type(self), self.message), self.__dict__.copy()

    def __str__(self) -> str:
        about = [
            f"{label} {value}"
            for label, value in (
                ("status", self.status),
                ("request", self.request_id),
                ("evaluation", self.eval_id),
                ("dataset", self.dataset_id),
                ("attempt", self.attempts if (self.attempts or 0) > 1 else None),
            )
            if value is not None
        ]
        return f"{self.message} ({', '.join(about)})" if about else self.message

    def with_facts(self, **facts: Any) -> Self:
        """Return the same error, told more of what it is about; what it knows already stays."""
        for name, value in facts.items():
            if value is not None and getattr(self, name, None) is None:
                self.__dict__[name] = value
        return self


def _rebuild(cls: type[FiAsyncError], message: str) -> FiAsyncError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    return error


class ConfigurationError(FiAsyncError, ValueError):
    """A setting is wrong or missing. Raised at construction, before anything is sent."""


class MissingCredentialsError(ConfigurationError):
    """There is no API key pair."""


class APIError(FiAsyncError):
    """A request went wrong."""


class APIConnectionError(APIError):
    """No complete reply arrived: connection refused, reset, or cut off.

    Attributes:
        sent: False if the request certainly never left; True if the server may have acted on it.
        unreachable: True if it never left because nobody is there: the connection was refused, or the address does
            not resolve.
    """

    sent: bool = True
    unreachable: bool = False


class APITimeoutError(APIConnectionError, TimeoutError):
    """No complete reply arrived in time."""


class APIStatusError(APIError):
    """The server answered with an error status.

    Attributes:
        code: The server's error code, such as `authentication_failed`.
    """

    code: str | None = None


class AuthenticationError(APIStatusError):
    """401: the key pair is missing, wrong or disabled."""


class PermissionDeniedError(APIStatusError):
    """403: the key pair may not do this in this workspace."""


class ValidationError(APIStatusError):
    """400: the server refuses the request as it stands.

    Attributes:
        fields: The server's messages by dotted field name; empty where it gave none.
    """

    fields: Mapping[str, Sequence[str]] = {}


class NotFoundError(APIStatusError):
    """The id is unknown, or belongs to another organisation (the server answers both alike)."""


class RateLimitError(APIStatusError):
    """429: too many requests in this window.

    Attributes:
        retry_after: Seconds until the server says it will accept requests again.
    """

    retry_after: float | None = None


class QuotaExhaustedError(APIStatusError):
    """402, or a 429 that no wait within a run mends: the account has no money left, or has used up its day.

    Attributes:
        is_final: True: every other request to the same endpoint would meet it too.
    """

    is_final: bool = True


class ServerError(APIStatusError):
    """5xx: the server, or a proxy before it, failed.

    Attributes:
        refused: True if it certainly did nothing: it refused the request for want of capacity.
    """

    refused: bool = False


class ProtocolError(APIError):
    """A reply that cannot be understood: cut-off JSON, a redirect, another program's page, a score that is no number.

    Attributes:
        lost: True if the server's own answer did not arrive, or not whole: the reply is empty or cut off, a page of a
            proxy came in its place, or it is about another evaluation. What was asked may have been done. False if the
            reply is whole, and says nothing that can be understood: the same request would bring the same again.
    """

    lost: bool = False


class InvalidCaseError(FiAsyncError, ValueError):
    """A case that the server would refuse, or silently misread. Nothing was sent.

    Attributes:
        field: The input key at fault.
        index: The position of the case in its run, from 0.
    """

    field: str | None = None
    index: int | None = None


class EvaluationError(FiAsyncError):
    """The server ran the evaluation and it failed; `server_message` says why.

    Attributes:
        throttled: True if an evaluation limit of the plan stopped it. Not a verdict: later it will run.
    """

    throttled: bool = False


class FunctionError(EvaluationError):
    """A function of yours raised, returned what is no verdict, or did not return in time.

    Attributes:
        frames: Where: the frames of the traceback that are yours, as "file:line in function", the innermost last.
    """

    frames: Sequence[str] = ()


class JudgeError(EvaluationError):
    """A judge of yours answered, and gave no verdict: it refused, was cut off, or its words are none.

    `server_message` holds the beginning of what it said. The answer was paid all the same.

    Attributes:
        repairable: True if asking once more, with what was wrong, may bring a verdict.
        usage: The tokens that the answer took, a `Usage`, if the endpoint says so.
        cost: What it cost in dollars, if that is known.
        model: The model that answered, as the endpoint names it.
    """

    repairable: bool = False
    usage: Usage | None = None
    cost: float | None = None
    model: str | None = None


class UndecidedError(EvaluationError):
    """The votes of a jury, or the samples of a case, make no verdict: there is no majority, or one is missing.

    Those that there are stand on the outcome, as its `votes` and its `samples`.
    """


class AmbiguousError(FiAsyncError):
    """The request left, its outcome is unknown, and `on_ambiguous="fail"` forbids sending it again.

    It may have been evaluated, and paid. `__cause__` is what went wrong.
    """


class StalledError(FiAsyncError, TimeoutError):
    """The server accepted the evaluation and did not finish it within its time.

    `eval_id` still names it: `await ev.poll(error.eval_id)` asks again, at no further cost. Of a dataset, `dataset_id`
    does: `ev.datasets.get(id=error.dataset_id)` comes back to it.
    """


class DatasetError(FiAsyncError):
    """A dataset could not be made, is there already, or has not the rows that were sent; `dataset_id` names it."""


class CostLimitError(FiAsyncError):
    """The case was not begun: with it, the run might have spent more on a judge than its `max_cost`.

    Nothing was sent. The same run, kept in a file and made again with a higher `max_cost`, goes on with it.
    """


class JournalError(FiAsyncError):
    """A run's file cannot be opened, read or written; the message says why and what to do.

    What was done before is kept: in the file, and in `report` where it could not be written any more.
    """


class IncompleteRunError(FiAsyncError):
    """Some cases of a run have no score.

    Attributes:
        failures: The outcomes without a score, in input order.
    """

    failures: Sequence[Any] = ()


def instead(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not among those known."""
    options = list(dict.fromkeys(known))
    similar = difflib.get_close_matches(name, options, n=1)
    return f"; did you mean {similar[0]}?" if similar else f"; there are {', '.join(options) or 'none'}"
