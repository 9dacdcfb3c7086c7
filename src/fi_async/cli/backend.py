"""Who evaluates a run of the command line: the backend that was named, or that the environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fi_async._connection import CLOUD_URL, LOCAL
from fi_async._models import TemplateLike
from fi_async._settings import OMITTED
from fi_async.backends.chosen import Backend
from fi_async.backends.judge import Judge
from fi_async.backends.jury import Jury
from fi_async.backends.own_code import FunctionTemplate
from fi_async.backends.words import backends_of, default_names
from fi_async.cli.asked_judge import OF_PAID_JUDGES
from fi_async.cli.errors import UsageError, as_flag
from fi_async.cli.named_judges import judge_named, limits
from fi_async.cli.options import RunFlags, refuse
from fi_async.evaluator import AsyncEvaluator

_KEYS: Final = ("FI_API_KEY", "FI_SECRET_KEY")


@dataclass(frozen=True, slots=True)
class Choice:
    """Who evaluates a run.

    Attributes:
        platform: "cloud" or "local", where one of the two evaluates all of the platform's templates.
        names: As --backends takes them, where each template has the first that can; empty if not.
        judge: The judge, or the jury, if there is one.
        is_named: False if nobody said who evaluates, and for want of a key pair it is the local backend.
    """

    platform: str
    names: Sequence[str] = ()
    judge: Judge | Jury | None = None
    is_named: bool = True

    @property
    def backends(self) -> list[Backend]:
        """The backends of these names."""
        return backends_of(self.names, self.judge, as_flag)


def choice_of(flags: RunFlags, templates: Mapping[str, TemplateLike]) -> Choice:
    """Return who evaluates a run: who was named, or whom the environment says.

    Raises:
        UsageError, ConfigurationError: It cannot be meant so, or a key is missing.
    """
    if flags.backend is not None and (flags.backends or flags.judge or flags.jury):
        beside = "--backends" if flags.backends else "--judge" if flags.judge else "--jury"
        raise UsageError(
            f"--backend {flags.backend} stands beside {beside}: say all of them in --backends, such as --backends"
            " local judge cloud"
        )
    if flags.judge is None and flags.jury is None:
        refuse(flags, OF_PAID_JUDGES, "is about a judge: name its model by --judge")
    names: Sequence[str] = flags.backends or ()
    judge = judge_named(flags)
    if not names and judge is not None:
        names = default_names()
    if not names and flags.backend is None and all(isinstance(each, FunctionTemplate) for each in templates.values()):
        names = (LOCAL,)
    if not names:
        return Choice(backend_of(flags.backend), is_named=not is_fallback(flags.backend))
    chosen = Choice(backend_of("cloud") if "cloud" in names else LOCAL, names, judge)
    backends_of(names, judge, as_flag)  # what cannot be meant so is said now
    return chosen


def evaluator_of(chosen: Choice, flags: RunFlags) -> AsyncEvaluator:
    """Return the client of a run.

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
        **{name: getattr(flags, name) for name in ("repeats", "reduce", "precision", "max_repeats")},
    }
    return client_of(chosen, options)


def client_of(chosen: Choice, options: Mapping[str, Any]) -> AsyncEvaluator:
    """Return the client of those who evaluate, with these keywords of AsyncEvaluator.

    Raises:
        ConfigurationError: One of them is wrong.
    """
    if chosen.names:
        return AsyncEvaluator(fi_base_url=given_url(chosen.platform), backends=chosen.backends, **options)
    if chosen.platform == LOCAL:
        return AsyncEvaluator.local(**options)
    return AsyncEvaluator(fi_base_url=given_url(), **options)


def given_url(platform: str = "cloud") -> str | None:
    """Return the platform's address; None where the environment names it, whose faults are told by its variable."""
    if platform == LOCAL:
        return LOCAL
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
