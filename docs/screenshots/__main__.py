"""Make the pictures of the documentation anew: python docs/screenshots [SUBJECT...]

Subjects are report, compare, matrix, terminal, notebook and telemetry.

They show real output: runs of the examples on the embedded backend, in Chromium and in terminals. It needs Chromium
with its driver, and the group `pictures`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from pages import compared, executed, labelled, reported, several
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from terminals import in_mid_run, summaries
from traces import charted, traced

from chromium import MISSING, chromium, is_there, show, show_address

if TYPE_CHECKING:
    from selenium import webdriver

PICTURES = Path(__file__).parents[1] / "_static"
PHONE = {"width": 390, "height": 844}


class Camera:
    """Opens pages in a browser, and keeps what it shows as PNG."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser

    def open(self, page: Path, **how: object) -> None:
        show(self.browser, page, **how)

    def open_complete(self, page: Path, **how: object) -> None:
        """Open a page of ours, and wait for its texts."""
        self.open(page, **how)
        ready = "return document.documentElement.dataset.ready"
        WebDriverWait(self.browser, 20).until(lambda _: self.browser.execute_script(ready) == "texts")

    def open_address(self, address: str, **how: object) -> None:
        """Open the page to label on, and wait for its first case."""
        show_address(self.browser, address, **how)
        ready = "return document.documentElement.dataset.ready"
        WebDriverWait(self.browser, 20).until(lambda _: self.browser.execute_script(ready) == "case")

    def type(self, *keys: str) -> None:
        """Type keys, and wait until what is to be kept is."""
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()
            WebDriverWait(self.browser, 20).until(lambda _: self.browser.execute_script("return !isBusy"))

    def turn_to(self, selector: str) -> None:
        self.browser.execute_script("document.querySelector(arguments[0]).scrollIntoView()", selector)

    def open_first_case(self) -> None:
        self.turn_to("#cases")
        self.browser.find_element(By.CSS_SELECTOR, "#body button").click()
        self.turn_to("#cases")

    def keep(self, name: str) -> None:
        self.browser.save_screenshot(str(PICTURES / f"{name}.png"))


def report(camera: Camera, place: Path) -> None:
    page = reported(place)
    camera.open_complete(page, height=1000)
    camera.keep("report-light")
    camera.open_complete(page, height=720)
    camera.open_first_case()
    camera.keep("report-cases")
    camera.open_complete(page, scheme="dark", height=1000)
    camera.keep("report-dark")
    camera.open_complete(page, **PHONE)
    camera.keep("report-phone")
    camera.open_complete(page, scheme="dark", **PHONE)
    camera.turn_to("#cases")
    camera.keep("report-phone-cases")


def compare(camera: Camera, place: Path) -> None:
    page = compared(place)
    camera.open_complete(page, height=820)
    camera.keep("compare-light")
    camera.open_complete(page, scheme="dark", height=820)
    camera.open_first_case()
    camera.keep("compare-dark-cases")
    camera.open_complete(page, **PHONE)
    camera.open_first_case()
    camera.keep("compare-phone")


def matrix(camera: Camera, place: Path) -> None:
    page = several(place)
    camera.open_complete(page, height=1100)
    camera.keep("matrix-light")
    camera.open_complete(page, scheme="dark", height=900)
    camera.open_first_case()
    camera.keep("matrix-dark-cases")
    camera.open_complete(page, **PHONE)
    camera.open_first_case()
    camera.keep("matrix-phone")


def label(camera: Camera, place: Path) -> None:
    with labelled(place) as address:
        camera.open_address(address, height=760)
        camera.type("1", "1")
        camera.keep("label-light")
        camera.open_address(address, scheme="dark", height=860)
        camera.type("n", "right, but for another product")
        camera.keep("label-dark")
        camera.open_address(address, **PHONE)
        camera.keep("label-phone")


def terminal(_: Camera, place: Path) -> None:
    for name, svg in {**summaries(place), **in_mid_run(place)}.items():
        (PICTURES / f"terminal-{name}.svg").write_text(svg, encoding="utf-8")


def notebook(camera: Camera, place: Path) -> None:
    for scheme in ("light", "dark"):
        camera.open(executed(place, scheme), scheme=scheme, width=1000, height=900)
        # The cell is found by what is in its output, as classes of the page are Jupyter's own affair.
        camera.browser.execute_script("document.querySelector('progress').closest('.jp-Cell').scrollIntoView()")
        camera.keep(f"notebook-{scheme}")


def telemetry(camera: Camera, place: Path) -> None:
    for name, page in {"trace": traced(place), "dashboard": charted(place)}.items():
        camera.open(page, width=1240, height=200)
        height = camera.browser.execute_script("return document.documentElement.scrollHeight")
        camera.open(page, width=1240, height=height)
        camera.keep(f"telemetry-{name}")


SUBJECTS: dict[str, Callable[[Camera, Path], None]] = {
    "report": report,
    "compare": compare,
    "matrix": matrix,
    "label": label,
    "terminal": terminal,
    "notebook": notebook,
    "telemetry": telemetry,
}


def main() -> None:
    if not is_there():
        raise SystemExit(MISSING)
    with TemporaryDirectory() as place, chromium() as browser:
        for name in sys.argv[1:] or SUBJECTS:
            SUBJECTS[name](Camera(browser), Path(place))
            print(name)  # noqa: T201  # it takes a while


if __name__ == "__main__":
    main()
