from __future__ import annotations

import errno
import io
import logging
import re
import sys
from contextlib import redirect_stderr
from types import SimpleNamespace

import pytest

from embedded import NEEDLE, backend, client, texts
from fi_async import ConfigurationError, Evaluator, Limit, Progress, cases_from
from fi_async.progress.bar import Bar
from fi_async.progress.choice import display_of
from fi_async.progress.displays import Display, Lines, Told
from fi_async.progress.notebook import Notebook

pytestmark = pytest.mark.anyio


async def gathered(progress, count=4, latency=1.0, **options):
    async with client(backend(latency=latency), concurrency=1) as ev:
        return await ev.gather(texts(count), "contains", eval_config=NEEDLE, progress=progress, **options)


async def test_a_function_is_told_twice_a_second_and_at_the_end():
    told = []
    await gathered(told.append, latency=0.8)
    assert [(round(each.elapsed_s, 9), each.done, each.in_flight) for each in told] == [
        (0.0, 0, 0),
        (0.5, 0, 1),
        (1.0, 1, 1),
        (1.5, 1, 1),
        (2.0, 2, 1),
        (2.5, 3, 1),
        (3.0, 3, 1),
        (3.2, 4, 0),
    ]
    assert told[-1] == Progress(
        done=4, failed=0, total=4, in_flight=0, rate=pytest.approx(1.25), elapsed_s=pytest.approx(3.2), eta_s=0.0
    )


async def test_a_run_that_is_kept_in_a_file_shows_its_progress(tmp_path):
    told = []
    await gathered(told.append, run=tmp_path / "run.db")
    assert (told[-1].done, told[-1].failed, told[-1].total, told[-1].in_flight) == (4, 0, 4, 0)


async def test_it_tells_what_a_run_waits_for():
    told = []
    await gathered(told.append, limits=[Limit(2, per="minute")], rows=1)
    assert [each.waiting_for for each in told[:2]] == [None, "concurrency 1"]
    assert "request limit, 59 s to the next window" in {each.waiting_for for each in told if each.done == 1}
    waiting = [each for each in told if each.done == 2 and each.waiting_for != "concurrency 1"]
    assert waiting[0].waiting_for == "request limit, 58 s to the next window"
    assert (waiting[0].done, waiting[0].rate, waiting[0].eta_s) == (2, 2 / 60, 60.0)
    assert (waiting[-1].waiting_for, waiting[-1].eta_s) == ("request limit, 1 s to the next window", 2.5)


@pytest.mark.parametrize(
    ("wrap", "total"), [(list, 8), (iter, None), (cases_from, 8), (lambda rows: cases_from(iter(rows)), None)]
)
async def test_the_total_is_told_where_it_is_known(wrap, total):
    told = []
    async with client(backend()) as ev:
        outcomes = ev.stream(
            wrap(texts(4)), ["contains", "is_json"], eval_config={"contains": NEEDLE}, progress=told.append
        )
        assert len([outcome async for outcome in outcomes]) == 8
    assert (told[-1].done, told[-1].total) == (8, total)


async def test_a_stream_that_is_left_tells_no_more():
    told = []
    async with client(backend(latency=1.0), concurrency=1) as ev:
        outcomes = ev.stream(texts(9), "contains", eval_config=NEEDLE, progress=told.append)
        await anext(outcomes)
        await outcomes.aclose()
        length = len(told)
        await ev.gather(texts(3), "contains", eval_config=NEEDLE)
    assert len(told) == length


async def test_a_function_that_fails_costs_no_results(caplog):
    calls = []

    def fail(progress):
        calls.append(progress)
        raise RuntimeError("of the program's own")

    report = await gathered(fail)
    assert (report.coverage, len(calls)) == (1.0, 1)
    assert [record.getMessage() for record in caplog.records] == ["progress is shown no more"]


async def test_lines_come_every_five_seconds_where_there_is_no_terminal(capsys):
    await gathered(True, count=12)
    assert capsys.readouterr().err.splitlines() == [
        "4/12  scored 4  failed 0  0.8/s  elapsed 0:00:05  eta 0:00:10  waiting for concurrency 1",
        "9/12  scored 9  failed 0  0.9/s  elapsed 0:00:10  eta 0:00:03  waiting for concurrency 1",
        "12/12  scored 12  failed 0  1.0/s  elapsed 0:00:12",
    ]
    await gathered(True, count=4)
    await gathered(False, count=12)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def terminal(monkeypatch):
    """Return a terminal of 100 columns, to take the place of stderr."""
    written = io.StringIO()
    written.isatty = lambda: True
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return written


async def test_a_bar_in_a_terminal_lets_logs_through_above_it(terminal):
    with redirect_stderr(terminal):
        log = logging.getLogger("somebody")
        handler = logging.StreamHandler(terminal)
        log.addHandler(handler)

        async def cases():
            for number, case in enumerate(texts(3)):
                if number == 2:
                    assert handler.stream is not terminal
                    log.warning("a line of a log")
                yield case

        async with client(backend(latency=1.0), concurrency=1) as ev:
            await ev.gather(cases(), "contains", eval_config=NEEDLE, progress=True)
        log.removeHandler(handler)
        assert handler.stream is sys.stderr is terminal
        assert "\ra line of a log\n" in strip(terminal.getvalue())
        assert "scored 3 failed 0" in strip(terminal.getvalue())


def strip(text):
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)


async def test_a_bar_says_what_it_waits_for(terminal):
    with redirect_stderr(terminal):
        await gathered(True, limits=[Limit(2, per="minute")], rows=1)
        assert "waiting for request limit, 58 s to the next window" in terminal.getvalue()
        assert "eta 0:01:00" in strip(terminal.getvalue())


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (36, "999999/100… failed … 123… eta 111:0…"),
        (50, "╸ 999999/1000000 failed 1234 123.4/s eta 111:06:40"),
        (72, " 999999/1000000 scored 998765 failed 1234 123.4/s 27:46:40 eta 111:06:40"),
    ],
)
def test_a_bar_has_one_line_however_narrow_the_terminal_gets(width, shown, terminal):
    long = Progress(done=999_999, failed=1234, total=1_000_000, in_flight=3, rate=123.4, elapsed_s=1e5, eta_s=4e5)
    with redirect_stderr(terminal):
        display = display_of(True)
        display.show(long)
        console = display._shown.console
        console.width = width
        display.show(long)
        rows = console.render_lines(display._shown.get_renderable(), pad=False)
        display.close()
    assert ["".join(segment.text for segment in row).rstrip("\n") for row in rows] == [shown]


async def test_a_terminal_that_is_gone_costs_no_results(terminal, caplog):
    def gone(text):
        raise OSError(errno.EIO, "Input/output error")

    terminal.write = gone
    with redirect_stderr(terminal):
        assert (await gathered(True)).coverage == 1.0
        display = display_of(True)
        assert type(display) is Bar
        display.close()
    assert {record.getMessage() for record in caplog.records} == {"progress is shown no more"}


def test_there_is_one_live_display_at_a_time(terminal):
    with redirect_stderr(terminal):
        first, second = display_of(True), display_of(True)
        assert (type(first), type(second)) == (Bar, Lines)
        first.close()
        third = display_of(True)
        assert type(third) is Bar
        third.close()


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_redraw_gets_lines(term, terminal, monkeypatch):
    with redirect_stderr(terminal):
        monkeypatch.setenv("TERM", term)
        assert type(display_of(True)) is Lines


def test_without_rich_there_are_lines(terminal, monkeypatch):
    with redirect_stderr(terminal):
        monkeypatch.delitem(sys.modules, "fi_async.progress.bar")
        monkeypatch.setitem(sys.modules, "rich.console", None)
        assert type(display_of(True)) is Lines


def test_a_display_that_cannot_be_made_leaves_the_place_to_others(terminal, monkeypatch):
    with redirect_stderr(terminal):
        with monkeypatch.context() as patched:
            patched.setattr(Bar, "__init__", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                display_of(True)
        display = display_of(True)
        assert type(display) is Bar
        display.close()


def test_who_is_asked_for_nothing_or_a_function():
    assert display_of(False) is display_of(None) is None
    mine = Display()
    assert display_of(mine) is mine
    with pytest.raises(ConfigurationError, match="progress must be True, False, None, a function or a display, not 5"):
        display_of(5)
    assert type(display_of(print)) is Told


class Output:
    """A stand-in for the handle of IPython's display: what it was given."""

    def __init__(self, bundle, **how):
        assert how == {"raw": True, "display_id": True}
        self.bundles = [bundle]

    def update(self, bundle, *, raw):
        assert raw
        self.bundles.append(bundle)


@pytest.fixture
def notebook(monkeypatch):
    """Make this a notebook, and return the outputs that are displayed."""
    outputs = []
    display = SimpleNamespace(display=lambda *args, **how: outputs.append(Output(*args, **how)) or outputs[-1])
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return outputs


async def test_a_notebook_has_one_output_that_is_written_anew(notebook):
    await gathered(True, count=2)
    (output,) = notebook
    shown = [bundle["text/plain"].split("  ")[0] for bundle in output.bundles]
    assert shown == [
        "0/2",
        "0/2",
        "1/2",
        "1/2",
        "2/2",
        "2/2",
    ]
    assert output.bundles[-1]["text/html"] == (
        '<div style="white-space:pre-wrap"><progress value="2" max="2" style="width:20em;vertical-align:middle">'
        "</progress> 2/2  scored 2  failed 0  1.0/s  elapsed 0:00:02</div>"
    )


def test_a_notebook_without_a_total_has_a_bar_that_moves(notebook):
    display = display_of(True)
    assert type(display) is Notebook
    display.show(Progress(1, 0, None, 1, 0.5, 2.0))
    display.close()
    assert "<progress style=" in notebook[0].bundles[0]["text/html"]


def test_the_sync_facade_passes_it_on():
    told = []
    with Evaluator.local() as ev:
        ev.gather(texts(2), "contains", eval_config=NEEDLE, progress=told.append)
        list(ev.stream(texts(2), "contains", eval_config=NEEDLE, progress=told.append))
    assert [each.done for each in told if each.done == 2][-1] == 2


async def test_no_progress_is_none_and_a_display_of_the_programs_is_shown_it(terminal):
    class Mine(Display):
        def __init__(self) -> None:
            self.seen: list[int] = []
            self.is_closed = False

        def show(self, progress: Progress) -> None:
            self.seen.append(progress.done)

        def close(self) -> None:
            self.is_closed = True

    with redirect_stderr(terminal):
        await gathered(None)
        assert terminal.getvalue() == ""
    mine = Mine()
    await gathered(mine)
    assert (mine.seen[-1], mine.is_closed) == (4, True)
