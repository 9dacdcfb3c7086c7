"""LLM evaluations at scale against the Future AGI API: asyncio-native, paced, every case accounted for."""

from fi_async._errors import (
    AmbiguousError,
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    EvaluationError,
    FiAsyncError,
    IncompleteRunError,
    InvalidCaseError,
    MissingCredentialsError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StalledError,
    ValidationError,
)
from fi_async._models import (
    BatchRunResult,
    Case,
    EvalResult,
    EvalStatus,
    Outcome,
    OutcomeStatus,
    Template,
)
from fi_async._report import Counts, Report
from fi_async._settings import RunOptions, Timeout
from fi_async._version import __version__
from fi_async.evaluator import AsyncEvaluator
from fi_async.execution import Execution
from fi_async.standalone import aevaluate, evaluate
from fi_async.sync import BlockingExecution, Evaluator

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AmbiguousError",
    "AsyncEvaluator",
    "AuthenticationError",
    "BatchRunResult",
    "BlockingExecution",
    "Case",
    "ConfigurationError",
    "Counts",
    "EvalResult",
    "EvalStatus",
    "EvaluationError",
    "Evaluator",
    "Execution",
    "FiAsyncError",
    "IncompleteRunError",
    "InvalidCaseError",
    "MissingCredentialsError",
    "NotFoundError",
    "Outcome",
    "OutcomeStatus",
    "PermissionDeniedError",
    "ProtocolError",
    "RateLimitError",
    "Report",
    "RunOptions",
    "ServerError",
    "StalledError",
    "Template",
    "Timeout",
    "ValidationError",
    "__version__",
    "aevaluate",
    "evaluate",
]
