"""Settings that hold for every run: from the environment, or from fi-async.toml or pyproject.toml; flags go above."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from cyclopts import ArgumentCollection, Token
from rich import box
from rich.table import Table

from fi_async._connection import CLOUD_URL, without_login
from fi_async._errors import instead
from fi_async.cli import errors, terminal
from fi_async.cli.asked_judge import OF_JUDGES, OF_PAID_JUDGES
from fi_async.cli.errors import UsageError
from fi_async.cli.options import RunFlags

NAMES: Final = (
    "backend",
    "backends",
    "concurrency",
    "judge",
    "judge_allow_http",
    "judge_concurrency",
    "judge_key_env",
    "judge_limits",
    "judge_price",
    "judge_url",
    "jury",
    "max_cost",
    "max_repeats",
    "max_retries",
    "model",
    "no_progress",
    "on_ambiguous",
    "precision",
    "reduce",
    "repeats",
    "rule",
    "shard",
    "strategy",
    "timeout",
)
"""The flags of `run` that may be set for every run. Those that name rows, outputs or templates are each run's own."""

_SEVERAL: Final = ("backends", "judge_limits", "jury")
"""Those that may hold several values: a list in a file, words in the environment."""

_INSTEAD: Final = {
    "backend": ("--backends", "--judge", "--jury"),
    "backends": ("--backend",),
    "judge": ("--backend", "--jury"),
    "jury": ("--backend", "--judge"),
    "rule": ("--backend", "--judge"),
}
"""Which flags stand in place of a setting."""

JUDGE_KEYS: Final = (
    "model",
    "url",
    "key_env",
    "price",
    "limits",
    "concurrency",
    "allow_http",
    "temperature",
    "max_tokens",
    "extra_body",
)
"""What a table of a judge may say."""

_OF_DESCRIBED: Final = (*OF_JUDGES, "judge_price")
_JUDGES: Final = "judges"
_FILE: Final = "fi-async.toml"
_PROJECT: Final = "pyproject.toml"
_PREFIX: Final = "FI_ASYNC_"
_CREDENTIALS: Final = ("FI_API_KEY", "FI_SECRET_KEY")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where it comes from."""

    name: str
    value: Any
    origin: str


def given() -> dict[str, Setting]:
    """Return what the environment says, and where it says nothing the nearest file, by name.

    Raises:
        UsageError: The file cannot be read, or has a key that is no setting.
    """
    found = _from_file()
    for name in NAMES:
        if value := os.environ.get(variable := f"{_PREFIX}{name.upper()}"):
            found[name] = Setting(name, value, variable)
    return found


def apply(_app: object, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Give the flags of `run` and `load` that were left out the values that were set for every run."""
    if commands not in (("run",), ("load",)):
        return
    settings = given()
    flags = {argument.name for argument in arguments if argument.tokens}
    for name in [name for name in settings if flags.intersection(_instead_of(name))]:
        del settings[name]
    if _are_named(arguments, settings):  # what flags say of a judge is of those that no table describes
        settings = {name: setting for name, setting in settings.items() if name not in _OF_DESCRIBED}
    for argument in arguments:
        setting = settings.get(argument.name.removeprefix("--").replace("-", "_"))
        if setting is not None and not argument.tokens:
            for value in _words(setting):
                argument.append(Token(keyword=argument.name, value=value, source=setting.origin))


def _are_named(arguments: ArgumentCollection, settings: Mapping[str, Setting]) -> bool:
    """Return True if the judge, or those of the jury, are named in a file of settings."""
    words = [token.value for each in arguments if each.name in ("--judge", "--jury") for token in each.tokens]
    words = words or [word for name in ("judge", "jury") if name in settings for word in _words(settings[name])]
    return bool(words) and set(words) <= judges().keys()


def _instead_of(name: str) -> Sequence[str]:
    """Return the flags in whose place a setting has no say: a command that names a backend alone asks no judge."""
    return ("--backend",) if name in OF_PAID_JUDGES else _INSTEAD.get(name, ())


def judges() -> Mapping[str, Mapping[str, Any]]:
    """Return what the nearest file of settings says of judges, by their names.

    Raises:
        UsageError: The file cannot be read, or has no tables there.
    """
    found = _nearest()
    if found is None:
        return {}
    path, table = found
    tables = table.get(_JUDGES, {})
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise UsageError(f"{path}: {_JUDGES} must be tables, such as [{_JUDGES}.mini] with the key model")
    for name, each in tables.items():
        for key in each:
            if key.replace("-", "_") not in JUDGE_KEYS:
                known = [known.replace("_", "-") for known in JUDGE_KEYS]
                secret = ": a key belongs into the environment, and key-env names its variable" if "key" in key else ""
                raise UsageError(f"{path}: [{_JUDGES}.{name}]: unknown key {key!r}{secret or instead(key, known)}")
    return tables


def _words(setting: Setting) -> list[str]:
    """Return a setting as the words of its flag."""
    value = setting.value
    if setting.name in _SEVERAL:
        return value.split() if isinstance(value, str) else value
    return [value if isinstance(value, str) else json.dumps(value)]


def show(*, as_json: bool) -> int:
    """Return 0 after printing each setting, its value and where it comes from; keys are masked."""
    settings = [*_of_the_connection(), *_of_runs()]
    if as_json:
        print(json.dumps([asdict(setting) for setting in settings], indent=2))
        return errors.DONE
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    for setting in settings:
        table.add_row(setting.name, "-" if setting.value is None else str(setting.value), setting.origin)
    terminal.stdout().print(table)
    return errors.DONE


def _of_the_connection() -> list[Setting]:
    url = os.environ.get("FI_BASE_URL")
    where = Setting("base_url", without_login(url), "FI_BASE_URL") if url else Setting("base_url", CLOUD_URL, "default")
    keys = [
        Setting(name.lower(), "********" if name in os.environ else None, name if name in os.environ else "not set")
        for name in _CREDENTIALS
    ]
    return [where, *keys]


def _of_runs() -> list[Setting]:
    settings = given()
    named = [Setting(f"{_JUDGES}.{name}", _shown(table), _origin()) for name, table in judges().items()]
    defaults = {field.name: field.default for field in fields(RunFlags)}
    return [*(settings.get(name) or Setting(name, defaults[name], "default") for name in NAMES), *named]


def _shown(table: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: without_login(str(value)) if key == "url" else value for key, value in table.items()}


def _origin() -> str:
    found = _nearest()
    return "" if found is None else str(found[0])


def _from_file() -> dict[str, Setting]:
    """Return the settings of the nearest file."""
    found = _nearest()
    if found is None:
        return {}
    path, table = found
    return {key.replace("-", "_"): _setting(path, key, value) for key, value in table.items() if key != _JUDGES}


def _nearest() -> tuple[Path, Mapping[str, Any]] | None:
    """Return the nearest file with settings, from here up, and these; fi-async.toml before pyproject.toml."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        for name in (_FILE, _PROJECT):
            path = folder / name
            table = _table(path) if path.is_file() else None
            if table is not None:
                return path, table
    return None


def _table(path: Path) -> Mapping[str, Any] | None:
    """Return the settings in a file; None if it is a project's that has none."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    if path.name == _FILE:
        return content
    tools = content.get("tool")
    table = tools.get("fi_async") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: tool.fi_async must be a table")
    return table


def _setting(path: Path, key: str, value: Any) -> Setting:
    name = key.replace("-", "_")
    if name.upper() in _CREDENTIALS or name.upper() == "FI_BASE_URL":
        raise UsageError(f"{path}: {key} belongs into the environment, as {name.upper()}, not into a file")
    if name not in NAMES:
        raise UsageError(f"{path}: unknown key {key!r}{instead(name, NAMES)}")
    if name in _SEVERAL and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return Setting(name, value, str(path))
    if not isinstance(value, str | bool | int | float) or (name in _SEVERAL and not isinstance(value, str)):
        if name in _SEVERAL:
            raise UsageError(f"{path}: {key} must be text, or a list of it, not {type(value).__name__}")
        raise UsageError(f"{path}: {key} must be one value, not {type(value).__name__}")
    return Setting(name, value, str(path))
