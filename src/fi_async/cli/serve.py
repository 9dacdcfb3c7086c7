"""`fi-async serve`: the embedded backend on a real socket."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from fi_async.backends.judge import Judge
from fi_async.cli import errors, terminal
from fi_async.cli.asked_judge import OF_JUDGES
from fi_async.cli.errors import ImpossibleError, UsageError
from fi_async.cli.judge_flags import JudgeFlags
from fi_async.cli.named_judges import judge_described
from fi_async.cli.options import ServeFlags, refuse
from fi_async.cli.served_judge import ServedJudge
from fi_async.local import LocalBackend, parse_switches

_GRACE: float = 0.5  # seconds that requests under way have to finish in after Ctrl-C
_ANY_ADDRESS = {"http://0.0.0.0": "http://127.0.0.1", "http://[::]": "http://[::1]"}


def serve_local(flags: ServeFlags, judge_flags: JudgeFlags) -> int:
    """Return 0 once Ctrl-C has stopped the server.

    Raises:
        UsageError, ConfigurationError: A flag's value cannot be read, the extra is not installed, or the judge has no
            key.
        ImpossibleError: The port is taken, or the address not of this machine.
    """
    try:
        from fi_async.local.server import serve  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        raise UsageError(f"serve needs {error.name}: pip install 'fi-async[local]'") from None
    keys = _keys(flags.key or ())
    if flags.judge is None:
        refuse(flags, OF_JUDGES, "is about a judge that answers: name its model by --judge")
    judge = judge_described(flags)
    served = None if judge is None else ServedJudge(judge)
    stopped: dict[str, Any] = {} if served is None else {"on_stopped": served.aclose}
    try:
        switches = parse_switches({**_changes(flags, keys), "chat": judge_flags.changes()})
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        backend = LocalBackend(switches, store=flags.store, answers=None if served is None else served.answers)
    except sqlite3.Error as error:
        raise UsageError(f"--store {flags.store}: {error}") from error
    try:
        serve(backend, flags.host, flags.port, on_started=lambda url: _tell(url, keys, judge), grace=_GRACE, **stopped)
    except KeyboardInterrupt:
        pass  # pressed before the server took over: as good as later
    except OSError as error:
        raise ImpossibleError(_why_not(flags, error)) from None
    finally:
        backend.close()
    return errors.DONE


def _changes(flags: ServeFlags, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return what the flags change about the server; what they leave out stays as it is."""
    changes = {
        "latency": flags.latency,
        "overhead": flags.overhead,
        "capacity": flags.capacity,
        "requests": flags.requests,
        "evaluations": flags.evaluations,
        "faults": flags.fault,
        "spelling": flags.spelling,
        "call_log": not flags.no_call_log,
        "allow_network": flags.allow_network,
        "seed": flags.seed,
        "keys": keys or None,
    }
    return {name: value for name, value in changes.items() if value is not None}


def _keys(pairs: Sequence[str]) -> dict[str, str]:
    keys = dict(pair.partition(":")[::2] for pair in pairs)
    if not all(key and secret for key, secret in keys.items()):
        raise UsageError("--key: write it as KEY:SECRET")
    return keys


def _tell(url: str, keys: Mapping[str, str], judge: Judge | None) -> None:
    """Print where the server listens and what a client's environment needs."""
    key, secret = next(iter(keys.items()), ("local", "local"))
    for anywhere, here in _ANY_ADDRESS.items():
        url = url.replace(f"{anywhere}:", f"{here}:")
    console = terminal.stdout()
    console.print(Text.assemble("Listening at ", (url, "bold"), " (Ctrl-C stops it). To use it:\n"))
    for name, value in (("FI_BASE_URL", url), ("FI_API_KEY", key), ("FI_SECRET_KEY", secret)):
        console.print(f"  export {name}={value}", soft_wrap=True)
    if judge is not None:
        console.print(f"\nJudged templates are answered by {judge.label} at {judge.base_url}", soft_wrap=True)
    console.print(f"\nA model to test judges with: POST {url}/v1/chat/completions", soft_wrap=True)
    console.file.flush()


def _why_not(flags: ServeFlags, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {flags.port} of {flags.host} is taken; --port 0 takes a free one"
    return f"cannot listen at {flags.host}, port {flags.port}: {error.strerror or error}"
