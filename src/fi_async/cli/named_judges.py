"""The judge, or the jury, of a command line: described by its flags, or named in a file of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fi_async._errors import ConfigurationError, instead
from fi_async._settings import Limit
from fi_async.backends.judge import Judge
from fi_async.backends.jury import Jury
from fi_async.backends.words import judge_of, limit_of
from fi_async.cli import settings
from fi_async.cli.asked_judge import OF_JUDGES, JudgeChoice, PaidJudgeChoice
from fi_async.cli.errors import UsageError, as_flag
from fi_async.cli.options import refuse

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(settings.JUDGE_KEYS, (str,)),
    "limits": (str, list),
    "concurrency": (int, str),
    "allow_http": (bool,),
    "temperature": (int, float),
    "max_tokens": (int,),
    "extra_body": (dict,),
}
_OF_ONE: Final = (*OF_JUDGES, "judge_price")


def judge_described(flags: JudgeChoice) -> Judge | None:
    """Return the judge that flags alone describe; None if they name none.

    Raises:
        UsageError, ConfigurationError: It cannot be used, or its key is missing.
    """
    return None if flags.judge is None else _described(flags.judge, flags)


def judge_named(flags: PaidJudgeChoice) -> Judge | Jury | None:
    """Return the judge that flags describe, or the jury; None if they name none.

    Raises:
        UsageError, ConfigurationError: One cannot be used, or its key is missing.
    """
    if flags.jury is None:
        if flags.rule is not None:
            raise UsageError("--rule says what makes a verdict of the votes of a jury: name its judges by --jury")
        return None if flags.judge is None else _one(flags.judge, flags, judges_of(flags))
    if flags.judge is not None:
        raise UsageError(f"--judge {flags.judge} stands beside --jury: give all judges to --jury, or leave one out")
    return _jury(flags.jury, flags)


def judges_of(flags: PaidJudgeChoice) -> Mapping[str, Mapping[str, Any]]:
    """Return the judges that flags may name: those that a run keeps, or else those of the nearest file of settings."""
    return settings.judges() if flags.judges is None else flags.judges


def used_tables(flags: PaidJudgeChoice) -> dict[str, Any] | None:
    """Return what is said of the judges that flags name, for a run to keep; None if they are named nowhere."""
    words = flags.jury or ([] if flags.judge is None else [flags.judge])
    tables = judges_of(flags) if words else {}
    return {word: dict(tables[word]) for word in words if word in tables} or None


def _jury(words: Sequence[str], flags: PaidJudgeChoice) -> Jury:
    tables = judges_of(flags)
    for word in words:
        if tables and word not in tables:
            raise UsageError(
                f"--jury {' '.join(words)}: there is no [judges.{word}] among your settings{instead(word, tables)};"
                f" it has {', '.join(tables)}"
            )
    judges = [_one(word, flags, tables) for word in words]
    try:
        return Jury(*judges, rule=flags.rule or "majority")
    except ConfigurationError as error:
        said = error.message.replace("pass repeats=", "give --repeats").removeprefix("Jury: ")
        raise UsageError(f"--jury {' '.join(words)}: {said}") from None


def _one(word: str, flags: PaidJudgeChoice, tables: Mapping[str, Mapping[str, Any]]) -> Judge:
    """Return the judge of this name, or else the one of this model that flags describe."""
    if word not in tables:
        return _described(word, flags)
    refuse(flags, _OF_ONE, f"is about a judge that only flags describe, and [judges.{word}] says all of that one")
    try:
        return _of_table(word, tables[word], flags.max_cost)
    except ConfigurationError as error:
        raise UsageError(f"[judges.{word}]: {error.message}") from None


def _described(model: str, flags: JudgeChoice) -> Judge:
    how: dict[str, Any] = {}
    if flags.judge_concurrency is not None:
        how["concurrency"] = flags.judge_concurrency
    if isinstance(flags, PaidJudgeChoice):
        how |= {"price": flags.judge_price, "max_cost": flags.max_cost}
    return judge_of(
        model,
        as_flag,
        url=flags.judge_url,
        key_env=flags.judge_key_env,
        limits=limits(flags.judge_limits or (), "--judge-limits"),
        allow_insecure_http=flags.judge_allow_http,
        **how,
    )


def _of_table(name: str, table: Mapping[str, Any], max_cost: float | None) -> Judge:
    """Return a judge as a table says it. Raises a ConfigurationError that names the key."""
    given = {key.replace("-", "_"): value for key, value in table.items()}
    for key, value in given.items():
        if not isinstance(value, _KINDS.get(key, ())) or (isinstance(value, bool) and key != "allow_http"):
            raise ConfigurationError(f"{_as_key(key)} cannot be {type(value).__name__}")
    if "model" not in given:
        raise ConfigurationError("model is missing: the name that the endpoint has for it")
    told = given.get("limits", ())
    found = [limit_of(str(text), "judge limits") for text in ([told] if isinstance(told, str) else told)]
    how = {key: given[key] for key in ("concurrency", "temperature", "max_tokens", "extra_body") if key in given}
    return judge_of(
        given["model"],
        _as_key,
        url=given.get("url"),
        key_env=given.get("key_env"),
        price=given.get("price"),
        limits=found,
        allow_insecure_http=given.get("allow_http", False),
        max_cost=max_cost,
        name=name,
        **how,
    )


def _as_key(name: str) -> str:
    """Return what a table calls a setting of a judge that is a flag elsewhere."""
    if name == "max_cost":
        return "--max-cost"
    return "model" if name == "judge" else name.removeprefix("judge_").replace("_", "-")


def limits(given: Sequence[str], flag: str = "--limits") -> list[Limit]:
    """Return the limits that were given as text, such as 300/min, 40/10s or 1000/hour:evaluations.

    Raises:
        UsageError: One is written in another way.
    """
    try:
        found = [limit_of(text, flag) for text in given]
    except ConfigurationError as error:
        raise UsageError(error.message) from None
    for text, each in zip(given, found, strict=True):
        if each.of == "tokens" and flag != "--judge-limits":
            raise UsageError(f"{flag} {text}: tokens are a judge's: give --judge-limits {text}")
    return found
