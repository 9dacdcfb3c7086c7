"""Where a run is that several machines share: a PostgreSQL database and the run's name in it, as one URL."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from fi_async._errors import ConfigurationError

_SCHEMES: Final = ("postgresql", "postgres")
_RUN: Final = "run"
_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
SECRET: Final = ("password", "sslpassword")
"""Parameters of a URL that nobody may see."""

_LIKE: Final = "postgresql://user@host/database/RUN"
_QUOTED: Final = "with special characters of a password percent-encoded (/ is %2F, @ is %40)"
HIDDEN: Final = "***"


def is_store_url(text: object) -> bool:
    """Tell whether a run's name is a URL of a database, and no path."""
    return isinstance(text, str) and text.partition(":")[0].lower() in _SCHEMES and "://" in text


@dataclass(frozen=True, slots=True)
class RunUrl:
    """A database, and the name of a run in it. Neither its text nor its repr shows a password.

    Attributes:
        database: What libpq connects by: the URL without the run. Holds the password, if the URL had one.
        run: The run's name; empty if the URL names none.
        shown: The URL for people, with *** in place of a password.
    """

    database: str = field(repr=False)
    run: str
    shown: str

    def __str__(self) -> str:
        return self.shown

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.shown

    @classmethod
    def parse(cls, text: str, *, needs_run: bool = True) -> Self:
        """Return what a URL names: `postgresql://user@host/database/RUN`, or `.../database?run=RUN`.

        Args:
            text: The URL. What libpq takes after a question mark, such as `sslmode=require`, may follow.
            needs_run: False to take one that names a database alone.

        Raises:
            ConfigurationError: It is no such URL; the message shows no password.
        """
        parts = split_url(text.strip())
        if parts is None:
            raise ConfigurationError(f"the URL of a run must look like {_LIKE}, {_QUOTED}")
        query = query_of(parts)
        database, _, in_path = parts.path.strip("/").partition("/")
        named = [*filter(None, [in_path]), *(value for key, value in query if key == _RUN)]
        rest = [(key, value) for key, value in query if key != _RUN]
        shown = _shown(parts, named[0] if named else "", rest)
        if parts.scheme.lower() not in _SCHEMES or not database or parts.fragment:
            raise ConfigurationError(f"{shown}: the URL of a run must look like {_LIKE}")
        run = unquote(named[0]) if named else ""
        if len(set(named)) > 1:
            raise ConfigurationError(f"{shown}: it names two runs, in its path and after ?run=: leave one out")
        if (named or needs_run) and not _NAME.fullmatch(run):
            what = f"{run!r} is no name of a run" if run else "it names no run"
            raise ConfigurationError(
                f"{shown}: {what}: end the path with one, as in {_LIKE}: letters, digits, dots, - and _, 100 at most"
            )
        told = f"?{urlencode(rest, quote_via=quote)}" if rest else ""
        return cls(f"postgresql://{parts.netloc}/{database}{told}", run, shown)

    def of_run(self, run: str) -> Self:
        """Return the URL of another run in the same database."""
        parts = urlsplit(self.database)
        return self.parse(parts._replace(path=f"{parts.path}/{quote(run)}").geturl())


def split_url(text: str) -> SplitResult | None:
    """Return the parts of a database's URL; None if it is none, or one whose password ends where it must not.

    A password with a special character in it, such as /, would be taken for a host, a path and more, and be shown.
    """
    try:
        parts = urlsplit(text)
        several = "," in parts.netloc
        _ = None if several else parts.port
    except ValueError:
        return None
    has_database = bool(parts.path.strip("/"))
    if "@" in parts.path + parts.fragment or ("@" in parts.query and not has_database):
        return None
    return parts


def query_of(parts: SplitResult) -> list[tuple[str, str]]:
    """Return the parameters of a database's URL as libpq reads them: + is no space."""
    return parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)


def secrets_of(url: str) -> Sequence[str]:
    """Return what nobody may see of a database's URL and of what libpq adds to it: as it is, and as a URL quotes it."""
    parts = urlsplit(url)
    found = [parts.password or "", os.environ.get("PGPASSWORD", "")]
    found += [value for key, value in query_of(parts) if key.lower() in SECRET]
    return sorted({each for each in (*found, *map(unquote, found)) if each}, key=len, reverse=True)


def _shown(parts: SplitResult, run: str, query: list[tuple[str, str]]) -> str:
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    where = f"{user}{f':{HIDDEN}' if colon else ''}{at}{host}"
    database = parts.path.strip("/").partition("/")[0]
    told = "&".join(f"{key}={HIDDEN if key.lower() in SECRET else value}" for key, value in query)
    return f"postgresql://{where}/{database}{f'/{run}' if run else ''}{f'?{told}' if told else ''}"
