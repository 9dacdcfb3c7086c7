"""LLM evaluations at scale against the Future AGI API: asyncio-native, paced, every case accounted for."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from fi_async._version import __version__

if TYPE_CHECKING:
    from fi_async._errors import (
        AmbiguousError,
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        ConfigurationError,
        CostLimitError,
        DatasetError,
        EvaluationError,
        FiAsyncError,
        FunctionError,
        IncompleteRunError,
        InvalidCaseError,
        JournalError,
        JudgeError,
        MissingCredentialsError,
        NotFoundError,
        PermissionDeniedError,
        ProtocolError,
        QuotaExhaustedError,
        RateLimitError,
        ServerError,
        StalledError,
        UndecidedError,
        ValidationError,
    )
    from fi_async._events import (
        CanarySent,
        CapacityChanged,
        CaseEnded,
        Event,
        FunctionCalled,
        FunctionReturned,
        HoldBegun,
        HoldEnded,
        RequestAnswered,
        RequestDropped,
        RequestRetried,
        RequestSent,
        RunBegun,
        RunEnded,
        RunStands,
        StrategyChanged,
    )
    from fi_async._models import Case, EvalStatus, Outcome, OutcomeStatus, Template
    from fi_async._plan import RunPlan, TemplatePlan
    from fi_async._results import BatchRunResult, EvalResult, Usage
    from fi_async._settings import Limit, RunFile, RunOptions, Timeout
    from fi_async._statistics import (
        ClientStatistics,
        ConcurrencyStatistics,
        Counts,
        EndpointStatistics,
        LimitStatistics,
        PollingStatistics,
    )
    from fi_async.backends.criteria import Criteria
    from fi_async.backends.judge import Judge
    from fi_async.backends.jury import Jury
    from fi_async.backends.own_code import FunctionTemplate, template
    from fi_async.backends.prices import Price
    from fi_async.blocking import BlockingExecution, BlockingStream
    from fi_async.datasets.blocking_datasets import BlockingDataset, BlockingDatasetRun, BlockingDatasets
    from fi_async.datasets.collection import DatasetInfo, Datasets
    from fi_async.datasets.dataset import Dataset
    from fi_async.datasets.dataset_run import DatasetEvaluation, DatasetProgress, DatasetRun
    from fi_async.evaluator import AsyncEvaluator
    from fi_async.execution import Execution
    from fi_async.imports.graders import GraderMapping
    from fi_async.imports.imported_run import ImportedRun, import_run
    from fi_async.imports.score_lines import LineColumns
    from fi_async.progress.meter import Progress
    from fi_async.reports.agreement_figures import Agreement
    from fi_async.reports.compare_many import compare_runs
    from fi_async.reports.matrix_figures import MatrixCase, RunDifference
    from fi_async.reports.report import Report
    from fi_async.reports.run_matrix import RunMatrix
    from fi_async.runs.loading import LoadReport
    from fi_async.runs.streams import Stream
    from fi_async.runs.workers import WorkReport
    from fi_async.sources import cases_from
    from fi_async.standalone import aevaluate, evaluate
    from fi_async.sync import Evaluator

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "Agreement",
    "AmbiguousError",
    "AsyncEvaluator",
    "AuthenticationError",
    "BatchRunResult",
    "BlockingDataset",
    "BlockingDatasetRun",
    "BlockingDatasets",
    "BlockingExecution",
    "BlockingStream",
    "CanarySent",
    "CapacityChanged",
    "Case",
    "CaseEnded",
    "ClientStatistics",
    "ConcurrencyStatistics",
    "ConfigurationError",
    "CostLimitError",
    "Counts",
    "Criteria",
    "Dataset",
    "DatasetError",
    "DatasetEvaluation",
    "DatasetInfo",
    "DatasetProgress",
    "DatasetRun",
    "Datasets",
    "EndpointStatistics",
    "EvalResult",
    "EvalStatus",
    "EvaluationError",
    "Evaluator",
    "Event",
    "Execution",
    "FiAsyncError",
    "FunctionCalled",
    "FunctionError",
    "FunctionReturned",
    "FunctionTemplate",
    "GraderMapping",
    "HoldBegun",
    "HoldEnded",
    "ImportedRun",
    "IncompleteRunError",
    "InvalidCaseError",
    "JournalError",
    "Judge",
    "JudgeError",
    "Jury",
    "Limit",
    "LimitStatistics",
    "LineColumns",
    "LoadReport",
    "MatrixCase",
    "MissingCredentialsError",
    "NotFoundError",
    "Outcome",
    "OutcomeStatus",
    "PermissionDeniedError",
    "PollingStatistics",
    "Price",
    "Progress",
    "ProtocolError",
    "QuotaExhaustedError",
    "RateLimitError",
    "Report",
    "RequestAnswered",
    "RequestDropped",
    "RequestRetried",
    "RequestSent",
    "RunBegun",
    "RunDifference",
    "RunEnded",
    "RunFile",
    "RunMatrix",
    "RunOptions",
    "RunPlan",
    "RunStands",
    "ServerError",
    "StalledError",
    "StrategyChanged",
    "Stream",
    "Template",
    "TemplatePlan",
    "Timeout",
    "UndecidedError",
    "Usage",
    "ValidationError",
    "WorkReport",
    "__version__",
    "aevaluate",
    "cases_from",
    "compare_runs",
    "evaluate",
    "import_run",
    "template",
]

_HOMES: Final[Mapping[str, str]] = {
    name: module
    for module, names in {
        "_errors": """
            APIConnectionError APIError APIStatusError APITimeoutError AmbiguousError AuthenticationError
            ConfigurationError CostLimitError DatasetError EvaluationError FiAsyncError FunctionError IncompleteRunError
            InvalidCaseError JournalError JudgeError MissingCredentialsError NotFoundError PermissionDeniedError
            ProtocolError QuotaExhaustedError RateLimitError ServerError StalledError UndecidedError ValidationError
        """,
        "_events": """
            CanarySent CapacityChanged CaseEnded Event FunctionCalled FunctionReturned HoldBegun HoldEnded
            RequestAnswered RequestDropped RequestRetried RequestSent RunBegun RunEnded RunStands StrategyChanged
        """,
        "_models": "Case EvalStatus Outcome OutcomeStatus Template",
        "_plan": "RunPlan TemplatePlan",
        "_results": "BatchRunResult EvalResult Usage",
        "_settings": "Limit RunFile RunOptions Timeout",
        "_statistics": """
            ClientStatistics ConcurrencyStatistics Counts EndpointStatistics LimitStatistics PollingStatistics
        """,
        "backends.criteria": "Criteria",
        "backends.judge": "Judge",
        "backends.jury": "Jury",
        "backends.own_code": "FunctionTemplate template",
        "backends.prices": "Price",
        "blocking": "BlockingExecution BlockingStream",
        "datasets.blocking_datasets": "BlockingDataset BlockingDatasetRun BlockingDatasets",
        "datasets.collection": "DatasetInfo Datasets",
        "datasets.dataset": "Dataset",
        "datasets.dataset_run": "DatasetEvaluation DatasetProgress DatasetRun",
        "evaluator": "AsyncEvaluator",
        "execution": "Execution",
        "imports.graders": "GraderMapping",
        "imports.imported_run": "ImportedRun import_run",
        "imports.score_lines": "LineColumns",
        "progress.meter": "Progress",
        "reports.agreement_figures": "Agreement",
        "reports.compare_many": "compare_runs",
        "reports.matrix_figures": "MatrixCase RunDifference",
        "reports.report": "Report",
        "reports.run_matrix": "RunMatrix",
        "runs.loading": "LoadReport",
        "runs.streams": "Stream",
        "runs.workers": "WorkReport",
        "sources": "cases_from",
        "standalone": "aevaluate evaluate",
        "sync": "Evaluator",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing the package must not cost what it does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    member = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return member


def __dir__() -> list[str]:
    return __all__
