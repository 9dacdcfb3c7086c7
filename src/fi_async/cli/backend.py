"""Who evaluates a run of the command line: the backend that was named, or that the environment says."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, Final

from fi_async._connection import CLOUD_URL, LOCAL
from fi_async._errors import ConfigurationError
from fi_async._settings import OMITTED, Limit
from fi_async.cli.errors import UsageError
from fi_async.cli.options import RunFlags
from fi_async.evaluator import AsyncEvaluator

_KEYS: Final = ("FI_API_KEY", "FI_SECRET_KEY")
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second"), "second"),
    **dict.fromkeys(("m", "min", "minute"), "minute"),
    **dict.fromkeys(("h", "hour"), "hour"),
    **dict.fromkeys(("d", "day"), "day"),
}
_LIMIT: Final = re.compile(
    rf"(?P<count>\d{{1,18}})/(?:(?P<seconds>\d+(?:\.\d+)?)s|(?P<unit>{'|'.join(_UNITS)}))(?::(?P<of>requests|evaluations))?"
)


def evaluator_of(backend: str, flags: RunFlags) -> AsyncEvaluator:
    """Return the client of a backend.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    options: dict[str, Any] = {
        "concurrency": flags.concurrency,
        "timeout": OMITTED if flags.timeout is None else flags.timeout,
        "max_retries": flags.max_retries,
        "on_ambiguous": flags.on_ambiguous,
        "on_stalled": flags.on_stalled,
        "model_name": flags.model,
        "strategy": flags.strategy,
        "extra_keys": flags.extra_keys,
        "rows": flags.rows,
        "poll_interval": flags.poll_interval,
        "limits": limits(flags.limits or ()),
        "shared_budget": flags.shared_budget,
    }
    return AsyncEvaluator.local(**options) if backend == LOCAL else AsyncEvaluator(fi_base_url=given_url(), **options)


def limits(given: Sequence[str]) -> list[Limit]:
    """Return the limits that were given as text, such as 300/min, 40/10s or 1000/hour:evaluations.

    Raises:
        UsageError: One is written in another way.
    """
    return [_limit(text) for text in given]


def _limit(text: str) -> Limit:
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"--limits {text}: write it as COUNT/TIME, such as 300/min, 40/10s or 1000/hour:evaluations; TIME is s,"
            " min, hour or day, or seconds such as 10s"
        )
    seconds, unit, of = found["seconds"], found["unit"], found["of"]
    try:
        return Limit(int(found["count"]), float(seconds) if seconds else _UNITS[unit], of or "requests")  # type: ignore[arg-type]  # as the pattern has it
    except ConfigurationError as error:
        raise UsageError(f"--limits {text}: {error}") from error


def given_url() -> str | None:
    """Return None where the environment names the server: what is wrong with it is then told by its variable."""
    return None if os.environ.get("FI_BASE_URL", LOCAL) not in ("", LOCAL) else CLOUD_URL


def base_url() -> str:
    """Return the server's address, where the backend is the cloud."""
    return given_url() or os.environ["FI_BASE_URL"]


def backend_of(chosen: str | None) -> str:
    """Return "cloud" or "local": the one chosen, or what the environment says.

    Raises:
        UsageError: It is the cloud, and there is no key pair.
    """
    missing = [name for name in _KEYS if not os.environ.get(name)]
    if chosen == LOCAL or (chosen is None and os.environ.get("FI_BASE_URL") == LOCAL) or is_fallback(chosen):
        return LOCAL
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} missing: set FI_API_KEY and FI_SECRET_KEY to use your account, or use the"
            " embedded backend with --backend local"
        )
    return "cloud"


def is_fallback(chosen: str | None) -> bool:
    """Tell whether the local backend is used for want of anything that says otherwise."""
    return chosen is None and not any(os.environ.get(name) for name in (*_KEYS, "FI_BASE_URL"))
