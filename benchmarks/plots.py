"""Draws the pictures of docs/guide/pacing.md: the benchmarks' workloads, on the virtual clock, the same in each run.

    pip install --group plots
    python benchmarks/plots.py

Writes docs/_static/pacing/*.svg. Running it again changes nothing, unless pacing has changed.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import matplotlib as mpl
import virtual
from matplotlib.figure import Figure
from recorder import Recorder, Seen
from workload import asked, cases

from fi_async import Report
from fi_async.local import Lognormal, Quota

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OUT = Path(__file__).parents[1] / "docs" / "_static" / "pacing"
_TEMPLATE = "groundedness"
_MOMENTS = 250
# Mid-tones, on no background: a page may be light or dark.
_INK, _BLUE, _ORANGE, _RED, _GREEN = "#777d86", "#3f8fd8", "#d98324", "#dd4b4b", "#2f9e77"
_FILL: dict[str, Any] = {"color": _BLUE, "alpha": 0.35, "linewidth": 0, "label": "requests under way"}
_STYLE = {
    "svg.hashsalt": "fi-async",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.constrained_layout.use": True,
    "path.simplify_threshold": 0.5,
}


def record(
    count: int, switches: dict[str, Any], *, drop: float | None = None, **options: Any
) -> tuple[Recorder, Report]:
    """Return what the server saw of a run of so many cases, and its report.

    After `drop` seconds, if given, the server does 8 at once, and refuses the rest.
    """
    seen = Recorder(virtual.backend(**switches))

    async def run() -> Report:
        async with virtual.client(seen, **options) as evaluator:
            seen.limit = lambda: evaluator.statistics().concurrency.limit
            run = evaluator.gather(list(cases(_TEMPLATE, count)), **asked(_TEMPLATE))
            report, _ = await asyncio.gather(run, _drop(seen, drop))
            return report

    return seen, virtual.run(run())


async def _drop(seen: Recorder, after: float | None) -> None:
    if after is not None:
        await anyio.sleep(after)
        seen.app.switches = seen.app.switches.replace(capacity=8, overload="refuse")


def requests() -> Figure:
    """Requests in each window of a limit that is not given."""
    quota, seconds = 300, 10.0
    seen, _ = record(3000, {"latency": 0.2, "requests": Quota(quota, seconds)}, concurrency="auto")
    events = [(each.began, int(each.status != 429)) for each in seen.seen]
    return _windows(events, quota, seconds, "requests", f"{quota} requests / {seconds:g} s, not given")


def evaluations() -> Figure:
    """Evaluations in each window of a limit that is not given, and the canaries that ask whether it is open."""
    quota, seconds = 50, 10.0
    switches = {"latency": 0.2, "evaluations": (Quota(quota, seconds),)}
    seen, _ = record(300, switches, concurrency="auto", strategy="async")
    posts = [each for each in seen.seen if each.method == "POST"]
    events = [(each.began, kind) for each in posts for kind in [1] * each.passed + [0] * each.refused]
    return _windows(events, quota, seconds, "evaluations", f"{quota} evaluations / {seconds:g} s, not given")


def _windows(events: Sequence[tuple[float, int]], quota: int, seconds: float, what: str, title: str) -> Figure:
    """Draw how many were let through since each window began, and where others were refused."""
    figure = Figure((8, 2.8))
    axes = figure.subplots()
    times, used, refused = [0.0], [0], []
    for time, passed in sorted(events, key=lambda event: (event[0], -event[1])):
        window = time // seconds
        if window != times[-1] // seconds:
            times += [window * seconds] * 2
            used += [used[-1], 0]
        times.append(time)
        used.append(used[-1] + passed)
        if not passed:
            refused.append((time, used[-1]))
    axes.step(times, used, where="post", color=_BLUE, label=f"{what} let through in this window")
    axes.axhline(quota, color=_INK, linestyle="--", linewidth=1, label="what the server allows")
    axes.scatter(
        [time for time, _ in refused],
        [at for _, at in refused],
        color=_RED,
        marker="x",
        s=28,
        label=f"refused: {len(refused)}",
        zorder=3,
    )
    axes.set(title=title, xlabel="seconds", xlim=(0, 1.02 * times[-1]), ylim=(0, quota * 1.1))
    axes.xaxis.set_major_locator(mpl.ticker.MultipleLocator(seconds))
    return _legend(figure)


def capacity() -> Figure:
    """The limit of requests under way on servers that do 8, 32 and 128 evaluations at once."""
    figure = Figure((8, 3))
    for axes, most in zip(figure.subplots(1, 3), (8, 32, 128), strict=True):
        switches = {"latency": Lognormal(1.0, 0.5), "capacity": most}
        seen, report = record(2000, switches, concurrency="auto", strategy="sync")
        _under_way(axes, seen, report.wall_s)
        axes.axhline(most, color=_INK, linestyle="--", linewidth=1, label="capacity")
        axes.set(title=f"capacity {most}: {report.wall_s:.0f} s", xlabel="seconds", xlim=(0, report.wall_s))
        axes.set_ylim(0, None)
    return _legend(figure)


def _under_way(axes: Axes, seen: Recorder, end: float) -> None:
    _stairs(axes.fill_between, seen.under_way(), end, step="post", **_FILL)
    _stairs(axes.step, seen.limits, end, color=_ORANGE, label="their limit", where="post")


def _stairs(draw: Callable[..., Any], points: Sequence[tuple[float, int]], end: float, **style: Any) -> None:
    """Draw what changes in steps, as it is at so many moments as a picture can show."""
    begins = [time for time, _ in points]
    times = [end * step / _MOMENTS for step in range(_MOMENTS + 1)]
    draw(times, [points[max(0, bisect_right(begins, time) - 1)][1] for time in times], **style)


def drop() -> Figure:
    """A capacity that falls from 64 to 8, and 503 for what is beyond it."""
    fell = 4.0
    seen, report = record(800, {"latency": 0.5, "capacity": 64}, drop=fell, concurrency="auto", strategy="sync")
    figure = Figure((8, 4))
    above, below = figure.subplots(2, 1, sharex=True)
    _under_way(above, seen, report.wall_s)
    steps = [(0.0, 64), (fell, 8)]
    _stairs(above.step, steps, report.wall_s, where="post", color=_INK, linestyle="--", linewidth=1, label="capacity")
    _a_second(below, seen, lambda each: each.status == 200, _GREEN, "completed a second")
    _a_second(below, seen, lambda each: each.status == 503, _RED, "refused a second")
    above.set(
        title="capacity 64, then 8, and 503 beyond it; evaluations of 0.5 s", ylim=(0, None), xlim=(0, report.wall_s)
    )
    below.set(xlabel="seconds")
    return _legend(figure)


def _a_second(axes: Axes, seen: Recorder, wanted: Callable[[Seen], bool], colour: str, label: str) -> None:
    counts = seen.a_second(wanted)
    axes.stairs(counts, range(len(counts) + 1), color=colour, fill=True, alpha=0.6, label=label)


def polling() -> Figure:
    """How late the end of each evaluation was known, and how many polls it took."""
    seen, report = record(500, {"latency": Lognormal(2.0, 0.8)}, concurrency="auto", strategy="async")
    own = [result.runtime / 1000 for result in report.results if result.runtime is not None]
    late = [(each.latency_s or 0.0) - took for each, took in zip(report.outcomes, own, strict=True)]
    polls = Counter(Counter(each.polled for each in seen.seen if each.polled).values())
    figure = Figure((8, 3))
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    left.scatter(own, late, s=7, color=_BLUE, alpha=0.6, linewidth=0, label="an evaluation")
    ends = [0.0, 5.0, max(own)]
    left.plot(
        ends, [max(0.5, end / 10) for end in ends], color=_INK, linestyle="--", linewidth=1, label="0.5 s or 10 %"
    )
    left.set(
        title="seconds from its end until it was found", xlabel="seconds that it took", xlim=(0, None), ylim=(0, None)
    )
    mean = sum(number * count for number, count in polls.items()) / len(own)
    right.bar(list(polls), list(polls.values()), color=_GREEN, alpha=0.7)
    right.set(title=f"polls: {mean:.1f} each", ylabel="evaluations", xlabel="polls of one evaluation")
    right.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    return _legend(figure)


def _legend(figure: Figure) -> Figure:
    """Put what all parts of a picture show under it, once each."""
    shown: dict[str, Any] = {}
    for axes in figure.axes:
        shown |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(shown.values()), list(shown), loc="outside lower center", ncols=len(shown))
    return figure


DRAWN: dict[str, Callable[[], Figure]] = {
    "requests": requests,
    "evaluations": evaluations,
    "capacity": capacity,
    "drop": drop,
    "polling": polling,
}


def main() -> None:
    """Draw them all."""
    _OUT.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        for name, draw in DRAWN.items():
            figure = draw()
            figure.savefig(_OUT / f"{name}.svg", transparent=True, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
