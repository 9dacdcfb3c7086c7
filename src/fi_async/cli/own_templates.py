"""Templates of a command line: names of the platform's, and functions and Criteria of the user's out of files."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

from fi_async._errors import ConfigurationError, instead
from fi_async._models import TemplateLike
from fi_async.backends.criteria import Criteria
from fi_async.backends.own_code import FunctionTemplate, frames_of
from fi_async.cli.errors import UsageError
from fi_async.wire.templates import by_name

OwnTemplate = FunctionTemplate | Criteria

_SUFFIX: Final = ".py"


def templates_of(words: Sequence[str], directory: Path | None = None) -> Mapping[str, TemplateLike]:
    """Return what `--eval` asks for, by the names that results have.

    Args:
        words: Each the name of a template, or FILE.py:NAME or module:NAME of one of the user's.
        directory: What paths, and modules, are relative to. None: the working directory.

    Raises:
        UsageError: There is no such file or name in it, it cannot be imported, or it is no template.
        ConfigurationError: Two have the same name.
    """
    return by_name([_template(word, directory or Path.cwd()) for word in words])


def absolute(word: str) -> str:
    """Return what `--eval` was given, so that it means the same wherever it is read again."""
    file, colon, name = word.rpartition(":")
    is_file = bool(colon) and file.endswith(_SUFFIX)
    return f"{os.path.abspath(os.path.expanduser(file))}:{name}" if is_file else word  # noqa: PTH100, PTH111  # resolve() would follow links


def _template(word: str, directory: Path) -> TemplateLike:
    source, colon, name = word.rpartition(":")
    if not colon:
        if word.endswith(_SUFFIX):
            raise UsageError(f"--eval {word}: say which function or Criteria in it, as in {word}:NAME")
        return word
    if not source or not name.isidentifier():
        raise UsageError(f"--eval {word}: write it as FILE.py:NAME, or as module:NAME")
    module = _of_file(word, source, directory) if source.endswith(_SUFFIX) else _of_name(word, source, directory)
    return _found(word, source, module, name)


def _of_file(word: str, source: str, directory: Path) -> ModuleType:
    path = Path(os.path.abspath(directory / os.path.expanduser(source)))  # noqa: PTH100, PTH111  # as above
    if not path.is_file():
        raise UsageError(f"--eval {word}: {source}: {'a directory, not a file' if path.is_dir() else 'no such file'}")
    if "." in path.stem:
        raise UsageError(f"--eval {word}: a module's name has no dot: rename {path.name}")
    _look_in(path.parent)
    # One of its own name, as any program would import it: so processes= finds its functions again.
    module = _imported(word, source, path.stem)
    if (known := getattr(module, "__file__", None)) is None or not path.samefile(known):
        other = known or "built into Python"
        raise UsageError(f"--eval {word}: another module is called {path.stem!r} ({other}): rename {path.name}")
    return module


def _of_name(word: str, source: str, directory: Path) -> ModuleType:
    _look_in(directory)
    try:
        is_there = find_spec(source) is not None
    except (ImportError, ValueError, AttributeError):  # a part of it is no package, or no name at all
        is_there = False
    if not is_there:
        raise UsageError(f"--eval {word}: no module is called {source!r}; of a file, write its path, FILE.py:NAME")
    return _imported(word, source, source)


def _look_in(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
        importlib.invalidate_caches()


def _imported(word: str, source: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        said = str(error) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"
        frames = frames_of(error)
        at = f", at {'; '.join(frames)}" if frames else ""
        raise UsageError(f"--eval {word}: {source} cannot be imported: {said}{at}") from error


def _found(word: str, source: str, module: ModuleType, name: str) -> OwnTemplate:
    found = getattr(module, name, None)
    if isinstance(found, OwnTemplate):
        return found
    if callable(found) and not isinstance(found, type):
        raise UsageError(
            f"--eval {word}: {name} is a function without @template: write `from fi_async import template`, and"
            " @template in the line above its def"
        )
    if hasattr(module, name):
        raise UsageError(
            f"--eval {word}: {name} is neither a function with @template nor a Criteria, but of type"
            f" {type(found).__name__}"
        )
    there = [each for each, value in vars(module).items() if isinstance(value, OwnTemplate)]
    has = instead(name, there) if there else "; it has no function with @template, and no Criteria"
    raise UsageError(f"--eval {word}: {source} has no {name!r}{has}")
