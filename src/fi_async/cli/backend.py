"""Who evaluates a run of the command line: the backend that was named, or that the environment says."""

from __future__ import annotations

import os
from typing import Any, Final

from fi_async._settings import CLOUD_URL, LOCAL, OMITTED
from fi_async.cli.errors import UsageError
from fi_async.cli.options import RunFlags
from fi_async.evaluator import AsyncEvaluator

_KEYS: Final = ("FI_API_KEY", "FI_SECRET_KEY")


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
        "extra_keys": "ignore",
        "shared_budget": flags.shared_budget,
    }
    return AsyncEvaluator.local(**options) if backend == LOCAL else AsyncEvaluator(fi_base_url=base_url(), **options)


def base_url() -> str:
    """Return the server's address, where the backend is the cloud."""
    url = os.environ.get("FI_BASE_URL")
    return CLOUD_URL if not url or url == LOCAL else url


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
