"""The public names, and what importing them costs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import fi_async

PUBLIC = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AmbiguousError",
    "AsyncEvaluator",
    "AuthenticationError",
    "BatchRunResult",
    "BlockingExecution",
    "BlockingStream",
    "CanarySent",
    "CapacityChanged",
    "Case",
    "CaseEnded",
    "ClientStatistics",
    "ConcurrencyStatistics",
    "ConfigurationError",
    "Counts",
    "EvalResult",
    "EvalStatus",
    "EvaluationError",
    "Evaluator",
    "Event",
    "Execution",
    "FiAsyncError",
    "HoldBegun",
    "HoldEnded",
    "IncompleteRunError",
    "InvalidCaseError",
    "JournalError",
    "Limit",
    "LimitStatistics",
    "MissingCredentialsError",
    "NotFoundError",
    "Outcome",
    "OutcomeStatus",
    "PermissionDeniedError",
    "PollingStatistics",
    "Progress",
    "ProtocolError",
    "RateLimitError",
    "Report",
    "RequestAnswered",
    "RequestRetried",
    "RequestSent",
    "RunFile",
    "RunOptions",
    "RunPlan",
    "ServerError",
    "StalledError",
    "StrategyChanged",
    "Stream",
    "Template",
    "TemplatePlan",
    "Timeout",
    "ValidationError",
    "__version__",
    "aevaluate",
    "cases_from",
    "evaluate",
]
EXTRAS = (
    "starlette",
    "uvicorn",
    "httptools",
    "aiohttp",
    "httpx_aiohttp",
    "cyclopts",
    "rich",
    "sqlalchemy",
    "narwhals",
    "pandas",
    "polars",
    "pyarrow",
)


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after a program."""
    source = f"import sys\n{program}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
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
    # httpx itself imports rich where it finds click, pygments and rich, for its own command line.
    of_httpx = loaded_by("import httpx") & {"rich"}
    assert loaded_by(program) & set(EXTRAS) - of_httpx == set()


def test_importing_the_package_reads_no_table_of_templates():
    loaded = "from fi_async import _catalogue; assert _catalogue.rows.cache_info().currsize == 0, 'read'"
    loaded_by(f"from fi_async import *; {loaded}")
