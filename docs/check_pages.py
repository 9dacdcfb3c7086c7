"""Opens every page of the built documentation as on a phone, and names what overflows and which images are missing.

    python docs/check_pages.py BUILT        # where sphinx wrote the pages; exit code 1 if anything is wrong

Tables and code may scroll in boxes of their own; a page as a whole must not scroll sideways. Without Chromium there is
nothing to look with: it says so, and ends with 0.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium import MISSING, chromium, is_there, show

WIDTH, HEIGHT = 390, 844
_SHOWS = """
const wide = document.documentElement.clientWidth;
const named = (each) => `${each.tagName.toLowerCase()}: ${each.textContent.trim().split('\\n')[0].slice(0, 60)}`;
const clipped = (each) => {
    const box = each.closest('pre, .highlight, .table-wrapper');  // what scrolls by itself
    return box && box !== each;
};
const beyond = [...document.querySelectorAll('article *')].filter((each) =>
    each.getBoundingClientRect().right > wide + 1 && !each.closest('.headerlink') && !clipped(each));
return {
    over: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - wide,
    beyond: beyond.slice(0, 3).map(named),
    missing: [...document.images].filter((each) => !each.complete || !each.naturalWidth).map((each) => each.src),
};
"""


def faults(shows: dict[str, Any]) -> list[str]:
    """Return what is wrong with a page, each in words."""
    found = [f"no image: {source}" for source in shows["missing"]]
    if shows["over"] > 0 or shows["beyond"]:
        found.append(f"too wide: {'; '.join(shows['beyond']) or 'something beside the text'}")
    return found


def main(built: Path) -> int:
    """Return 0 if every page is as it should be, after printing what is not."""
    if not is_there():
        print(MISSING)
        return 0
    pages = sorted(page for page in built.rglob("*.html") if "_static" not in page.relative_to(built).parts)
    wrong = 0
    with chromium(WIDTH, HEIGHT) as browser:
        for page in pages:
            show(browser, page, width=WIDTH, height=HEIGHT)
            for fault in faults(browser.execute_script(_SHOWS)):
                wrong += 1
                print(f"{page.relative_to(built)}: {fault}")
    print(f"{len(pages)} pages at {WIDTH} px, {wrong} faults")
    return 1 if wrong or not pages else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
