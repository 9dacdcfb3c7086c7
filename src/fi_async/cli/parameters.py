"""Templates, their parameters and the columns of a command line, checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fi_async import sources
from fi_async._connection import LOCAL
from fi_async._errors import ConfigurationError, instead
from fi_async._models import Template, TemplateLike
from fi_async.backends.chosen import Backends
from fi_async.backends.criteria import Criteria
from fi_async.backends.rubrics import why_not as why_no_judge
from fi_async.backends.words import JUDGE
from fi_async.cli.answerers import who_answers
from fi_async.cli.backend import Choice
from fi_async.cli.errors import UsageError
from fi_async.cli.input_rows import STDIN
from fi_async.cli.options import RunFlags
from fi_async.cli.own_templates import OwnTemplate
from fi_async.local import templates as local_templates
from fi_async.sources.rows import Source
from fi_async.wire.preflight import ALIASES
from fi_async.wire.templates import Templates


def check_paths(flags: RunFlags) -> None:
    """Return if no flag names stdin, which only the rows can come from.

    Raises:
        UsageError: One does.
    """
    for field in fields(flags):
        if getattr(flags, field.name) in (Path(STDIN), STDIN):
            raise UsageError(f"--{field.name.replace('_', '-')} -: name a file; stdout is /dev/stdout")


def check_templates(templates: Mapping[str, TemplateLike], chosen: Choice) -> dict[str, Template]:
    """Return the facts of those templates that need no request; the others are the server's to know.

    Raises:
        UsageError: Nobody of those chosen can evaluate one.
        NotFoundError: The local backend has no such template; the message suggests names that resemble it.
    """
    known = Templates()
    facts: dict[str, Template] = {}
    for name, template in templates.items():
        if isinstance(template, OwnTemplate):
            facts[name] = template.template
            if isinstance(template, Criteria) and chosen.judge is None:
                raise UsageError(f"{name} is a Criteria, which only a judge answers: name its model by --judge")
            continue
        if chosen.platform == LOCAL:
            known.find(name)
            _check_here(name, chosen)
        if (found := known.get(name)) is not None:
            facts[name] = found
    return facts


def _check_here(name: str, chosen: Choice) -> None:
    """Return if a template is evaluated without the cloud."""
    if not chosen.names:
        found = local_templates.template_named(name)
        if found is None or not found.available:
            raise UsageError(
                f"the local backend has no evaluator for {name}; fi-async templates --local lists those it has."
                " --backend cloud evaluates all of them"
            )
        return
    by = who_answers(name)
    if not set(by) & set(chosen.names):
        said = f"nobody of --backends {' '.join(chosen.names)} evaluates {name}"
        if JUDGE in by:
            raise UsageError(f"{said}: name a judge by --judge MODEL, or add cloud to --backends")
        why = f" ({reason})" if (reason := why_no_judge(name)) and chosen.judge is not None else ""
        raise UsageError(f"{said}: add {' or '.join(by)} to --backends{why}")


def check_questions(templates: Mapping[str, TemplateLike], chosen: Choice, config: Mapping[str, Any] | None) -> None:
    """Return if each template takes its parameters, as far as that is known without a request.

    Raises:
        UsageError: One does not.
    """
    if not chosen.names:
        return
    backends = Backends(chosen.backends)
    for name, template in templates.items():
        own = config if len(templates) == 1 else (config or {}).get(name)
        try:
            backends.route(template, own)
        except ConfigurationError as error:
            raise UsageError(error.message.replace("eval_config of ", "--param of ")) from None


def eval_config(given: Sequence[str], names: Sequence[str], known: Mapping[str, Template]) -> dict[str, Any] | None:
    """Return the parameters as the client takes them: of the one template, or by template name.

    Raises:
        UsageError: One is not KEY=VALUE, or given twice, or its template or its name is not known.
    """
    configs: dict[str, dict[str, Any]] = {}
    for full, value in _pairs(given, "--param", "KEY=VALUE").items():
        name, key = _owner(full, names)
        params = known[name].params if name in known else {}
        if params and key not in params:
            raise UsageError(f"--param {full}={value}: {name} has no parameter {key!r}{instead(key, params)}")
        configs.setdefault(name, {})[key] = _value(value)
    return (configs.get(names[0]) if len(names) == 1 else configs) or None


def _owner(key: str, names: Sequence[str]) -> tuple[str, str]:
    owner, dot, rest = key.partition(".")
    if dot and owner in names:
        return owner, rest
    if len(names) == 1:
        return names[0], key
    raise UsageError(f"--param {key}: with several templates say whose it is, such as --param {names[0]}.{key}=VALUE")


def mapping(given: Sequence[str], names: Sequence[str], known: Mapping[str, Template]) -> dict[str, str]:
    """Return the column that each key is taken from.

    Raises:
        UsageError: One is not KEY=COLUMN, or given twice, or no template takes the key.
    """
    mapped = _pairs(given, "--map", "KEY=COLUMN")
    if all(name in known and known[name].required_keys for name in names):
        keys = [key for template in known.values() for key in template.required_keys]
        accepted = {*keys, *(alias for key in keys for alias in ALIASES.get(key, ()))}
        if wrong := next((key for key in mapped if key not in accepted), None):
            raise UsageError(
                f"--map {wrong}={mapped[wrong]}: no template of this run takes {wrong!r}{instead(wrong, keys)}"
            )
    return mapped


def names_of_columns(given: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return what the column of each template in a dataset is called, by the template's name.

    Raises:
        UsageError: One is not TEMPLATE=NAME, or given twice, or no template of the command.
    """
    called = _pairs(given, "--as", "TEMPLATE=NAME")
    if wrong := next((name for name in called if name not in names), None):
        raise UsageError(f"--as {wrong}={called[wrong]}: {wrong!r} is no template of --eval{instead(wrong, names)}")
    return called


def constants(given: Sequence[str]) -> dict[str, Any]:
    """Return the keys that every case has, with their values: JSON, or else text.

    Raises:
        UsageError: One is not KEY=VALUE, or given twice.
    """
    return {key: _value(value) for key, value in _pairs(given, "--set", "KEY=VALUE").items()}


def check_columns(source: Source, known: Mapping[str, Template]) -> None:
    """Return if the file has the columns that are asked for.

    Raises:
        ConfigurationError: It lacks one that a key is taken from.
        UsageError: It has a header, and lacks one for a key that a template requires.
    """
    columns = sources.check_columns(source, _as_flag)
    if columns is None or not source.table.has_header:
        return
    keys = {*columns, *source.shape.mapping, *source.shape.constants}
    for template in known.values():
        for key in template.required_keys:
            if keys.isdisjoint((key, *ALIASES.get(key, ()))):
                raise UsageError(
                    f"{source.name} has no column for {key!r}, which {template.name} needs: --map {key}=COLUMN."
                    f" It has {sources.listed(columns)}"
                )


def _as_flag(key: str | None, column: str) -> str:
    return f"--id {column}" if key is None else f"--map {key}={column}"


def _pairs(given: Sequence[str], flag: str, shape: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise UsageError(f"{flag} {text}: write it as {shape}")
        if key in found:
            raise UsageError(f"{flag} {text}: {key} is {found[key]!r} already: leave one out")
        found[key] = value
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
