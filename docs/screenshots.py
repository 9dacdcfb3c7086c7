"""Make the pictures of docs/guide/reports.md anew: python docs/screenshots.py (it needs Chromium and its driver)."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from chromium import MISSING, chromium, is_there, show
from fi_async import AsyncEvaluator, Case
from fi_async.local import Faults, LocalBackend, Lognormal, Switches
from fi_async.runs import html
from fi_async.runs.records import Record, RunInfo

DOCS = Path(__file__).parent
EXAMPLE = DOCS.parent / "examples" / "support_answers.jsonl"
TEMPLATES = ("groundedness", "context_adherence", "completeness")
SERVER = Switches(latency=Lognormal(0.06, 0.5), faults=Faults(fail=0.02), seed=4)


def cases() -> Iterator[Case]:
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            yield Case({key: row[key] for key in ("input", "output", "context")}, str(row["id"]))
        except (ValueError, TypeError, KeyError):
            continue


async def evaluated() -> list[Record]:
    async with AsyncEvaluator.local(LocalBackend(SERVER), concurrency=8) as ev:
        return [Record("", outcome, time.time()) async for outcome in ev.stream(cases(), TEMPLATES)]


def write(page: Path) -> None:
    begun = time.time()
    records = asyncio.run(evaluated())
    settings = {"concurrency": 8, "max_retries": 4, "strategy": "sync", "timeout_s": 600}
    info = RunInfo("support-answers", TEMPLATES, None, "local", "", begun, time.time(), "0.1.0", settings)
    html.write(page, info, records)


def main() -> None:
    if not is_there():
        raise SystemExit(MISSING)
    with TemporaryDirectory() as place, chromium() as browser:
        page = Path(place, "support-answers.html")
        write(page)

        def opened(**how: object) -> None:
            show(browser, page, **how)
            wait = WebDriverWait(browser, 20)
            wait.until(lambda _: browser.execute_script("return document.documentElement.dataset.ready") == "texts")

        def kept(name: str) -> None:
            browser.save_screenshot(str(DOCS / "_static" / f"report-{name}.png"))

        def in_view(selector: str) -> None:
            browser.execute_script("document.querySelector(arguments[0]).scrollIntoView()", selector)

        opened(height=1000)
        kept("light")
        opened(height=720)
        in_view("#cases")
        browser.find_element(By.CSS_SELECTOR, "#body button").click()
        in_view("#cases")
        kept("cases")
        opened(scheme="dark", height=1000)
        kept("dark")
        opened(width=390, height=844)
        kept("phone")
        opened(scheme="dark", width=390, height=844)
        in_view("#cases")
        kept("phone-cases")


if __name__ == "__main__":
    main()
