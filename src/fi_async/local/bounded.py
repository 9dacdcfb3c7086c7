"""Metrics that may take long, in a process of their own, which is ended when they do.

A pattern such as `(a+)+$` keeps Python's regular expressions busy for hours, and holds every thread of the process
meanwhile; two long texts keep `difflib` busy. Python's parser gives warnings of what it reads, and may overflow a
small stack on code that is nested deep. What is quick for certain runs where it is asked for.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any, Final

from fi_async.local.metrics import METRICS, Metric, Verdict, embeddings, links

LIMIT: Final = 2.0
"""Seconds that one evaluation may take."""

SHORT_TOO: Final = ("regex", "syntax_validation", "code_complexity")
"""The templates of which short inputs, too, may have to run in the other process."""
APART: Final = frozenset({*embeddings.METRICS, *links.METRICS})
"""Those that load a model or ask the network: in a process of their own, lest others wait for them."""

APART_LIMIT: Final = 30.0
"""Seconds that one evaluation of these may take."""

_START: Final = 30.0  # seconds that the process may take to start
_LONG: Final = 20_000  # characters of all inputs; below, most metrics take milliseconds
_LONG_MATCH: Final = 250_000  # pairs of characters that difflib may look at
_MATCHING: Final = frozenset({"fuzzy_match", "answer_similarity"})  # by difflib
_LONG_SEARCH: Final = 1_000_000  # steps that a pattern may take without a group
_REMEMBERED: Final = 10_000  # verdicts: those of a large batch
_PLAIN: Final = re.compile(r"\\.|\[\^?\]?[^\]]*\]", re.DOTALL)
_REPEAT: Final = re.compile(r"[*+?{]")
_CHILD: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from fi_async.local import bounded; bounded.answer_all()"
)


class TooLongError(RuntimeError):
    """The evaluation took longer than `LIMIT` and was ended."""


class MetricError(RuntimeError):
    """The metric failed in the other process; the text is what it said."""


def may_take_long(name: str, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Tell whether a metric is not certain to take milliseconds on these inputs, and to leave no trace."""
    lengths = [len(str(value)) for value in inputs.values()]
    if sum(lengths) > _LONG or name in APART:
        return True
    if name in _MATCHING:
        return len(lengths) == 2 and lengths[0] * lengths[1] > _LONG_MATCH
    if name == "regex":
        return _may_backtrack(str(params.get("pattern") or ""), sum(lengths))
    return name in SHORT_TOO


def _may_backtrack(pattern: str, length: int) -> bool:
    """Tell whether a search may take more than `_LONG_SEARCH` steps.

    Without a group each repeat multiplies the steps by the text's length at most; with one there is no such bound.
    """
    plain = _PLAIN.sub("x", pattern)
    return "(" in plain or (length + 1) ** (len(_REPEAT.findall(plain)) + 1) > _LONG_SEARCH


def verdict_of(
    metric: Metric, name: str, inputs: Mapping[str, Any], params: Mapping[str, Any], *, allow_network: bool = False
) -> Verdict:
    """Return the verdict of a metric; it is called by its name where it has to run in the other process.

    Raises:
        TooLongError: There was none within `LIMIT`.
        Exception: The metric failed.
    """
    if not may_take_long(name, inputs, params):
        return metric(inputs, params)
    job: dict[str, Any] = {"name": name, "inputs": dict(inputs), "params": dict(params)}
    if name in links.METRICS:
        job["allow_network"] = allow_network
    return _bench_of(name).verdict(json.dumps(job), _limit_of(name))


def _limit_of(name: str) -> float:
    return APART_LIMIT if name in APART else LIMIT


def _bench_of(name: str) -> Bench:
    return _apart if name in APART else _bench


class Bench:
    """A process that evaluates one thing after the other, and the verdicts that it gave last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._known: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    def verdict(self, job: str, limit: float) -> Verdict:
        """Return the verdict of a job, as `verdict_of` does; waits so many seconds, in the calling thread."""
        key = hashlib.blake2b(job.encode(), digest_size=16).digest()
        with self._lock:
            answer = self._known.get(key)
            if answer is None:
                answer = self._known[key] = self._ask(job, limit)
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        if "error" in answer:
            raise MetricError(answer["error"])
        if "late" in answer:
            raise TooLongError(f"took longer than {limit:g} s")
        return Verdict(answer["output"], answer["reason"])

    def _ask(self, job: str, limit: float) -> dict[str, Any]:
        try:
            process = self._process = self._process or _started()
        except OSError:  # a machine that starts no processes
            return answered(job)
        line = self._line(process, f"{job}\n".encode(), limit)
        if not line.endswith(b"\n"):
            self._end()
            return {"late": True}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _line(self, process: subprocess.Popen[bytes], line: bytes, seconds: float) -> bytes:
        """Return the line that answers this one; less of it if the process ended, as it does after these seconds."""
        assert process.stdin is not None  # noqa: S101  # both are pipes
        assert process.stdout is not None  # noqa: S101  # as above
        timer = threading.Timer(seconds, process.kill)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(line)
            process.stdin.flush()
            return process.stdout.readline()
        except OSError:
            return b""
        finally:
            timer.cancel()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what was not written is of no use
                        pipe.close()

    def close(self) -> None:
        """End the process, if there is one; the next evaluation starts another."""
        with self._lock:
            self._end()


def _started() -> subprocess.Popen[bytes]:
    """Return a process that waits for jobs. It ends with this one, and Ctrl-C is not its business."""
    process = subprocess.Popen(  # noqa: S603  # this interpreter, on our own code
        [sys.executable, "-W", "ignore", "-c", _CHILD, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101  # a pipe
    timer = threading.Timer(_START, process.kill)
    timer.daemon = True
    timer.start()
    process.stdout.readline()  # empty: it is ready
    timer.cancel()
    return process


def answer_all() -> None:
    """Answer jobs, a line each, until there are no more: what the other process does."""
    out = sys.stdout
    out.write("\n")
    out.flush()
    for job in sys.stdin:
        # Whoever asked may be gone: the system ends what outlives its limit.
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 2 * _limit_of(json.loads(job)["name"]))
        line = json.dumps(answered(job))
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        out.write(f"{line}\n")
        out.flush()


def answered(job: str) -> dict[str, Any]:
    """Return the answer to a job: its verdict's fields, or what went wrong."""
    asked = json.loads(job)
    try:
        with links.network() if asked.get("allow_network") else nullcontext():
            return METRICS[asked["name"]](asked["inputs"], asked["params"])._asdict()
    except Exception as error:  # noqa: BLE001  # whatever the metric raises is its answer
        return {"error": str(error)}


_bench, _apart = Bench(), Bench()
for _each in (_bench, _apart):
    atexit.register(_each.close)
    if hasattr(os, "register_at_fork"):
        # The pipes are the parent's to use.
        os.register_at_fork(after_in_child=_each.__init__)  # type: ignore[misc]  # made anew on purpose
