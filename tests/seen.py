"""What a reader sees of a page, and does with its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE = "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>"


def texts(browser: Chrome, selector: str) -> list[str]:
    """What elements say, in one line each."""
    script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)"
    return [" ".join(text.split()) for text in browser.execute_script(script, selector)]


def column(browser: Chrome, number: int) -> list[str]:
    """A column of the rows that are shown."""
    return texts(browser, f"#body > tr:not(.detail) > :nth-child({number})")


def found(browser: Chrome) -> str:
    return browser.find_element(By.ID, "found").text


def choose(browser: Chrome, name: str, text: str) -> None:
    Select(browser.find_element(By.CSS_SELECTOR, f"select[name={name}]")).select_by_visible_text(text)


def wait_for(browser: Chrome, said: str) -> None:
    WebDriverWait(browser, 10, 0.02).until(lambda _: found(browser) == said, found(browser))


def harms(browser: Chrome) -> list[str]:
    """What a hostile text has brought about."""
    ran = ["a script ran"] if browser.execute_script("return window.harmed") else []
    return ran + [each.get_attribute("outerHTML") for each in browser.find_elements(By.TAG_NAME, "img")]


def overflow(browser: Chrome) -> int:
    """Pixels by which the page is wider than the window."""
    return browser.execute_script("const page = document.documentElement; return page.scrollWidth - page.clientWidth")


def unnamed(browser: Chrome) -> list[str]:
    """Controls and pictures that a screen reader has no name for."""
    return browser.execute_script("""
        return [...document.querySelectorAll("button, input, select, canvas, [role=group]")].filter((each) =>
            !(each.ariaLabel || each.textContent.trim() || each.labels?.length)).map((each) => each.outerHTML);
    """)
