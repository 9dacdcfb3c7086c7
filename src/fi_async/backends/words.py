"""Backends and judges as words say them: the flags of a command line, or the options of a test runner."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fi_async._connection import LOCAL
from fi_async._errors import ConfigurationError, MissingCredentialsError, instead
from fi_async._settings import OMITTED, Limit, Omitted
from fi_async.backends.chosen import FUNCTIONS, JUDGED, PLATFORM, Backend

if TYPE_CHECKING:
    from fi_async.backends.judge import Judge
    from fi_async.backends.jury import Jury

JUDGE: Final = JUDGED
NAMES: Final = (FUNCTIONS, JUDGE, PLATFORM)
"""What `--backends` and its like may hold."""

NO_KEY: Final = "none"
"""What says, in place of a variable's name, that no key is sent."""

_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WORDS: Final[Mapping[str, str]] = {
    "allow_insecure_http": "judge_allow_http",
    "base_url": "judge_url",
    "concurrency": "judge_concurrency",
    "limits": "judge_limits",
    "max_cost": "max_cost",
    "model": "judge",
    "api_key": "judge_key_env",
    "price": "judge_price",
}

_KEYS: Final = ("FI_API_KEY", "FI_SECRET_KEY")
_UNITS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("s", "sec", "second"), "second"),
    **dict.fromkeys(("m", "min", "minute"), "minute"),
    **dict.fromkeys(("h", "hour"), "hour"),
    **dict.fromkeys(("d", "day"), "day"),
}
_LIMIT: Final = re.compile(
    rf"(?P<count>\d{{1,18}})/(?:(?P<seconds>\d+(?:\.\d+)?)s|(?P<unit>{'|'.join(_UNITS)}))"
    r"(?::(?P<of>requests|evaluations|tokens))?"
)

Naming = Callable[[str], str]
"""Returns what a setting of a judge is called where it was given: "judge_url" may be --judge-url."""


def judge_of(
    model: str,
    naming: Naming,
    *,
    url: str | None = None,
    key_env: str | None = None,
    price: str | None = None,
    **settings: Any,
) -> Judge:
    """Return the judge that words describe, with a key to send if it needs one.

    Args:
        model: Its name, as the endpoint has it.
        naming: What its settings are called in messages.
        url: Where it is. None: OpenAI.
        key_env: The environment variable that holds its key; "none" sends none. None: OPENAI_API_KEY, and no key to a
            server on this machine.
        price: Dollars a million tokens, such as 0.25/2, or with those that are cached 0.25/2/0.025.
        **settings: Other keywords of Judge.

    Raises:
        ConfigurationError: One of them cannot be used, or the key is missing; the message has the words of `naming`.
    """
    from fi_async.backends.judge import KEY_VARIABLE, Judge  # noqa: PLC0415  # not needed by who asks the cloud

    given = {**settings, **({} if url is None else {"base_url": url})}
    key, dollars = _key(naming("judge_key_env"), key_env), _price(naming("judge_price"), price)
    try:
        judge = Judge(model, api_key=key, price=dollars, **given)
        judge.request_headers()
    except MissingCredentialsError:
        raise ConfigurationError(
            f"{KEY_VARIABLE} missing: set it for {naming('judge')} {model}, or name another variable by"
            f" {naming('judge_key_env')}; {naming('judge_key_env')} {NO_KEY} sends no key"
        ) from None
    except ConfigurationError as error:
        raise ConfigurationError(in_words(error.message.removeprefix(f"Judge {model!r}: "), naming)) from None
    return judge


def default_names() -> Sequence[str]:
    """Return who evaluates where a judge is given and nobody is named: the platform too, if its keys are there."""
    has_keys = all(os.environ.get(name) for name in _KEYS) and os.environ.get("FI_BASE_URL") != LOCAL
    return (FUNCTIONS, JUDGE, PLATFORM) if has_keys else (FUNCTIONS, JUDGE)


def limit_of(text: str, flag: str) -> Limit:
    """Return a limit that was given as text, such as 300/min, 40/10s, 1000/hour:evaluations or 100000/min:tokens.

    Raises:
        ConfigurationError: It is written in another way.
    """
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        of_what = "100000/min:tokens" if "judge" in flag else "1000/hour:evaluations"
        raise ConfigurationError(
            f"{flag} {text}: write it as COUNT/TIME, such as 300/min, 40/10s or {of_what}; TIME is s, min, hour or"
            " day, or seconds such as 10s"
        )
    seconds, unit, of = found["seconds"], found["unit"], found["of"]
    try:
        return Limit(int(found["count"]), float(seconds) if seconds else _UNITS[unit], of or "requests")  # type: ignore[arg-type]  # as the pattern has it
    except ConfigurationError as error:
        raise ConfigurationError(f"{flag} {text}: {error.message}") from error


def in_words(message: str, naming: Naming) -> str:
    """Return a message about a judge with the words of `naming` for the keywords of Judge."""
    names = "|".join(_WORDS)
    found = re.sub(
        rf"\b(?:pass|in a program) ({names})=True\b", lambda each: f"give {naming(_WORDS[each[1]])}", message
    )
    found = re.sub(rf"\bgive ({names})=\([^)]*\)", lambda each: f"give {naming(_WORDS[each[1]])} IN/OUT", found)
    found = re.sub(rf"\b({names})=", lambda each: naming(_WORDS[each[1]]), found)
    return re.sub(
        rf"^(Judge\([^)]*\): )?({names})\b|\b(max_cost)\b",
        lambda each: f"{each[1] or ''}{naming(_WORDS[each[2] or each[3]])}",
        found,
    )


def backends_of(names: Sequence[str], judge: Judge | Jury | None, naming: Naming) -> list[Backend]:
    """Return the backends of these names, in their order.

    Raises:
        ConfigurationError: A name is none, or there twice; or the judge is named and not described, or the other way.
    """
    said = f"{naming('backends')} {' '.join(names)}"
    for place, name in enumerate(names):
        if name not in NAMES:
            raise ConfigurationError(f"{said}: no backend is called {name!r}{instead(name, NAMES)}")
        if name in names[:place]:
            raise ConfigurationError(f"{said}: {name} is there twice")
    if JUDGE in names and judge is None:
        raise ConfigurationError(f"{said}: which judge? Name its model by {naming('judge')}")
    if judge is not None and JUDGE not in names:
        given = naming("judge" if hasattr(judge, "model") else "jury")
        raise ConfigurationError(f"{said}: {given} {judge.label} is not among them: add {JUDGE}, or leave {given} out")
    by_name: dict[str, Any] = {FUNCTIONS: FUNCTIONS, PLATFORM: PLATFORM, JUDGE: judge}
    return [by_name[name] for name in names]


def _key(flag: str, variable: str | None) -> str | Omitted | None:
    if variable is None:
        return OMITTED
    if variable == NO_KEY:
        return None
    # What was given is not shown: it may be the key itself.
    if not _VARIABLE.fullmatch(variable):
        raise ConfigurationError(
            f"{flag} takes the name of an environment variable, such as MY_KEY, and not the key itself"
        )
    if not (key := os.environ.get(variable)):
        raise ConfigurationError(f"{flag}: the environment has no variable of this name: set it, or say {NO_KEY}")
    return key


def _price(flag: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        found = tuple(float(part) for part in text.split("/"))
    except ValueError:
        found = ()
    if len(found) not in (2, 3):
        raise ConfigurationError(
            f"{flag} {text}: write dollars a million tokens as IN/OUT or IN/OUT/CACHED, such as 0.25/2"
        )
    return found
