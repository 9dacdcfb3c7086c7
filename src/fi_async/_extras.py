"""Libraries that only some features need, imported when one is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fi_async._errors import ConfigurationError


def need(library: str, install: str, what: str) -> Any:
    """Return a library's module.

    Args:
        library: The module's name.
        install: What pip installs to get it, such as "fi-async[frames]".
        what: What needs it, for the message.

    Raises:
        ConfigurationError: It is not installed; the message says how to.
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library.partition(".")[0]:
            raise  # it is there, and something that it needs is not
        raise ConfigurationError(f"{what} needs {library.partition('.')[0]}: pip install '{install}'") from error
