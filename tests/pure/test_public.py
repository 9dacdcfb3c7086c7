"""The public names, and what importing them costs."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
import subprocess
import sys
import traceback
import typing
from importlib import metadata
from pathlib import Path

import pydantic
import pytest

import fi_async

PUBLIC = [
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
EXTRAS = (
    "starlette",
    "uvicorn",
    "httptools",
    "aiohttp",
    "socksio",
    "cyclopts",
    "rich",
    "sqlalchemy",
    "narwhals",
    "pandas",
    "polars",
    "pyarrow",
    "genai_prices",
)


# What only sending, showing or keeping needs: together they take longer to import than all the rest.
LATE = {
    "aiohttp",
    "backoff._decorator",
    "certifi",
    "click",
    "email",
    "http",
    "httpcore",
    "httpx",
    "importlib.metadata",
    "pydantic",
    "pydantic_core",
    "rich",
    "sqlite3",
    "urllib.request",
}


def loaded_by(program: str, *, whole: bool = False) -> set[str]:
    """What a fresh interpreter has loaded after a program, by top-level or by whole names, and what it printed."""
    name = "name" if whole else "name.split('.')[0]"
    source = f"import sys\n{program}\nprint(*{{{name} for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60)
    return set(ran.stdout.split())


def test_the_public_names_are_these():
    assert fi_async.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_there_and_documented(name):
    member = getattr(fi_async, name)
    if name != "__version__":
        assert inspect.getdoc(member)


def test_a_star_binds_these_and_no_other():
    bound: dict[str, object] = {}
    exec("from fi_async import *", bound)
    assert sorted(set(bound) - {"__builtins__"}) == PUBLIC
    assert set(PUBLIC) <= set(dir(fi_async))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        fi_async.no_such_name  # noqa: B018


def test_the_package_is_typed():
    assert (Path(fi_async.__file__).parent / "py.typed").is_file()


def test_the_version_is_a_version_and_the_distributions_own():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?", fi_async.__version__)
    try:
        installed = metadata.version("fi-async")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert installed == fi_async.__version__


@pytest.mark.parametrize("program", ["import fi_async", "from fi_async import *"])
def test_importing_the_package_imports_none_of_its_extras(program):
    assert loaded_by(program) & set(EXTRAS) == set()


def test_a_client_that_has_sent_nothing_has_loaded_nothing_that_only_sending_or_showing_needs():
    program = "import fi_async; fi_async.AsyncEvaluator('a', 's'); fi_async.Report, fi_async.Outcome, fi_async.Case"
    loaded = loaded_by(program, whole=True)
    assert {"fi_async.engine.run", "fi_async.wire.transport"} <= loaded
    assert loaded & LATE == set()


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "__version__"])
def test_each_public_name_says_that_it_is_at_home_in_the_package(name):
    member = getattr(fi_async, name)
    assert (member.__module__, member.__qualname__) == ("fi_async", name)
    assert pickle.loads(pickle.dumps(member)) is member
    program = f"import pickle; print(pickle.loads({pickle.dumps(member)!r}).__name__)"
    assert name in loaded_by(program), "a fresh process finds it"


@pytest.mark.parametrize(
    "instance",
    [
        fi_async.Case({"text": "x"}, id="1"),
        fi_async.EvalResult(name="tone", output=["joy"], output_type="choices"),
        fi_async.BatchRunResult(eval_results=[fi_async.EvalResult(name="tone")]),
        fi_async.Limit(3),
        fi_async.Timeout(),
        fi_async.RunOptions(),
        fi_async.Template("tone", ("input",)),
        fi_async.Outcome(0, fi_async.Case({}), "tone", fi_async.OutcomeStatus.SCORED, fi_async.EvalResult(name="tone")),
        fi_async.EvalStatus.PENDING,
    ],
    ids=lambda instance: type(instance).__name__,
)
def test_what_is_made_of_them_can_be_pickled_and_copied(instance):
    assert pickle.loads(pickle.dumps(instance)) == copy.deepcopy(instance) == instance


def test_a_traceback_names_the_package():
    text = "".join(traceback.format_exception_only(fi_async.RateLimitError("slow down")))
    assert text == "fi_async.RateLimitError: slow down\n"


@pytest.mark.parametrize(
    "name", [name for name in PUBLIC if dataclasses.is_dataclass(getattr(fi_async, name)) and name != "Report"]
)
def test_the_annotations_of_public_classes_can_be_resolved(name):
    kind = getattr(fi_async, name)
    assert set(typing.get_type_hints(kind)) >= {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(
    ("kind", "value"),
    [("Case", {"inputs": {"text": "x"}, "id": "7"}), ("Limit", {"count": 3}), ("Timeout", {"read": 1})],
)
def test_public_dataclasses_serve_as_fields_of_pydantic(kind, value):
    kind = getattr(fi_async, kind)
    assert pydantic.TypeAdapter(kind).validate_python(value) == kind(**value)


def test_importing_the_package_reads_no_table_of_templates():
    loaded = "from fi_async import _catalogue; assert _catalogue.rows.cache_info().currsize == 0, 'read'"
    loaded_by(f"from fi_async import *; {loaded}")
