"""How long the report of a large run takes to make, how large it is, and when it can be worked with in Chromium.

python benchmarks/report.py [CASES]
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from chromium import MISSING, chromium, is_there
from fi_async import Case, EvalResult, Outcome, OutcomeStatus, StalledError
from fi_async.journal.records import OutcomeRecord, RunInfo
from fi_async.reports.report_page import write_report

_DRAW = random.Random(7)
WORDS = ["".join(_DRAW.choices("abcdefghiklmnoprstuvw", k=_DRAW.randint(2, 9))) for _ in range(3000)]
SEARCH = """
const done = arguments[arguments.length - 1], begun = performance.now();
const form = document.querySelector(".filters");
form.search.value = "%s";
update(form);
document.querySelector("[data-column=latency_ms] button").click();
requestAnimationFrame(() => setTimeout(() => done([performance.now() - begun, view.rows.length])));
"""
WAIT = """
const done = arguments[arguments.length - 1], wanted = %s;
const ready = () => wanted.includes(document.documentElement.dataset.ready);
const look = () => ready() ? done(performance.now()) : setTimeout(look, 5);
look();
"""


def texts(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(WORDS, k=words)) + "."


def records(count: int) -> Iterator[OutcomeRecord]:
    draw = random.Random(5)
    for index in range(count):
        case = Case(
            {"input": texts(draw, 12), "output": texts(draw, 60), "context": texts(draw, 150)}, f"case-{index:06}"
        )
        facts = {"index": index, "case": case, "template": "groundedness", "attempts": 1}
        facts["latency_s"] = draw.lognormvariate(0.7, 0.6)
        if draw.random() < 0.02:
            error = StalledError("not finished within 600 s", eval_id=f"{draw.getrandbits(128):032x}")
            outcome = Outcome(**facts, status=OutcomeStatus.STALLED, error=error)
        else:
            output = round(draw.betavariate(6, 1.5), 4)
            result = EvalResult(name="groundedness", output=output, output_type="score", reason=texts(draw, 30))
            outcome = Outcome(**facts, status=OutcomeStatus.SCORED, result=result)
        yield OutcomeRecord(f"{index:032x}", outcome, 1_760_000_000 + index / 40 + draw.random())


def measure(page: Path) -> None:
    with chromium() as browser:
        browser.set_script_timeout(60)
        browser.get(page.as_uri())
        numbers = browser.execute_async_script(WAIT % '["numbers", "texts"]')
        whole = browser.execute_async_script(WAIT % '["texts"]')
        searched, found = browser.execute_async_script(SEARCH % WORDS[0])
        print(f"table to work with {numbers / 1000:.2f} s after opening, all texts {whole / 1000:.2f} s")
        print(f"first search and a sort {searched / 1000:.2f} s ({found:,} found)")
        print(f"console: {browser.get_log('browser') or 'nothing'}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    info = RunInfo("benchmark", ("groundedness",), "turing_small", "cloud", "https://example.com", 1_760_000_000.0)
    made = list(records(count))
    with TemporaryDirectory() as place:
        page = Path(place, "report.html")
        begun = time.perf_counter()
        write_report(page, info, made)
        print(f"{count:,} cases: {time.perf_counter() - begun:.1f} s to make, {page.stat().st_size / 1e6:.2f} MB")
        if is_there():
            measure(page)
        else:
            print(MISSING)


if __name__ == "__main__":
    main()
