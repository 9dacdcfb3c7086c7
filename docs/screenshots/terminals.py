"""What the commands print in a terminal, as SVG."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ANSWERS = Path(__file__).parents[2] / "examples" / "support_answers.jsonl"
WIDTHS = {"wide": 100, "narrow": 60}
EVALS = ("--eval", "groundedness", "context_adherence")
SERVED = (
    "serve",
    "--port",
    "0",
    "--latency",
    "0.4~0.5",
    "--capacity",
    "12",
    "--requests",
    "150/10s",
    "--fault",
    "fail=0.02",
)
# Numbers are drawn by the font: theme and frame without the fonts that rich would load from elsewhere.
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def summaries(place: Path) -> dict[str, str]:
    """What `fi-async run` prints of a run that is over."""
    words = ("run", "answers.jsonl", *EVALS, "--backend", "local", "--no-progress")
    _link(place)
    return {f"summary-{name}": _svg(words, _printed(words, place, width), width) for name, width in WIDTHS.items()}


def in_mid_run(place: Path) -> dict[str, str]:
    """The bar of a run that a rate limit holds up."""
    words = ("run", "answers.jsonl", *EVALS, "--backend", "cloud")
    _link(place)
    pictures = {}
    for name, width in WIDTHS.items():
        with _server() as url:
            keys = {"FI_BASE_URL": url, "FI_API_KEY": "key", "FI_SECRET_KEY": "secret"}
            frames = _printed(words, place, width, keys, until=r"waiting for [^\x1b]*\d+ s")
        last = frames.rpartition("\x1b[2K")[2]
        pictures[f"progress-{name}"] = _svg(words, last, width)
    return pictures


def _link(place: Path) -> None:
    (place / "answers.jsonl").write_bytes(ANSWERS.read_bytes())


@contextmanager
def _server() -> Iterator[str]:
    """The embedded backend on a port, slow and small."""
    command = [sys.executable, "-m", "fi_async", *SERVED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as served:  # noqa: S603  # ours
        try:
            assert served.stdout is not None  # noqa: S101  # it is a pipe
            found = next(filter(None, (re.search(r"http://[\w.:]+", line) for line in served.stdout)))
            yield found[0]
        finally:
            served.terminate()


def _printed(
    words: Sequence[str], place: Path, width: int, more: dict[str, str] | None = None, until: str | None = None
) -> str:
    """What a command writes to a terminal of this width, to its end or until it has written what a pattern finds."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FI_") and name != "COLUMNS"}
    environment = {**kept, "TERM": "xterm-256color", **(more or {})}
    command = [sys.executable, "-m", "fi_async", *words]
    written = b""
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, cwd=place, env=environment) as running:  # noqa: S603  # ours
        os.close(its)
        try:
            while until is None or not re.search(until.encode(), written):
                written += os.read(ours, 65536)
        except OSError:  # the terminal is closed: the command has ended
            pass
        finally:
            running.terminate()
            os.close(ours)
    return written.decode()


def _svg(words: Sequence[str], printed: str, width: int) -> str:
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True, highlight=False)
    console.print(Text(f"$ fi-async {' '.join(words)}", style="bold"))
    console.print(Text.from_ansi(printed.replace("\r\n", "\n").strip("\n")))
    return FONTS.sub("", console.export_svg(title="", unique_id="terminal"))
