"""People label in a browser, by keyboard: what they type is what the run's file has."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from random import Random

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from statsmodels.stats.inter_rater import cohens_kappa

from chromium import show_address
from fi_async.cli.label_server import LabelServer
from fi_async.journal.kept_labels import LabelBook
from fi_async.reports.run_labels import RunLabels
from labelled_runs import kept_run, labelling_of
from seen import overflow, texts, unnamed

HARM = "window.harmed = 1"
HOSTILE = [
    f"<script>{HARM}</script>",
    f"</script><script>{HARM}</script>",
    f"</dd></dl><img src=x onerror='{HARM}'><svg onload='{HARM}'>",
    f"<a href='javascript:{HARM}' autofocus onfocus='{HARM}'>[a](javascript:{HARM})</a>",
    f"\u2028{HARM}\u2029//`${{{HARM}}}`",
    f"{{{{constructor.constructor('{HARM}')()}}}} ${{{HARM}}} <%= {HARM} %> #{{{HARM}}}",
    f'{{"a": "</script><script>{HARM}</script>", "__proto__": {{"harmed": 1}}}}',
    f"<iframe srcdoc='<script>parent.harmed = 1</script>'></iframe><form action='javascript:{HARM}'><button>x</button>",
]
TEXTS = [*HOSTILE, *(f"text {number}" if number % 3 else f"[{number}]" for number in range(42))]


@pytest.fixture
def run(tmp_path):
    return kept_run(tmp_path / "run.db", TEXTS)


@pytest.fixture
def labelled(browser):
    """Serve a page and open it; afterwards, nothing may stand on the console, and no script of a case have run."""

    @contextmanager
    def open_page(run, by="ana", *, template="is_json", linger=30.0, how=None, **asked):
        with LabelBook(run) as book:
            server = LabelServer(labelling_of(run, book, by, template, **asked), linger=linger)
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                show_address(browser, server.url, **(how or {}))
                yield Labeller(browser, book)
            finally:
                server.stop()
                thread.join(10)
                assert not thread.is_alive()

    browser.get_log("browser")
    yield open_page
    assert browser.get_log("browser") == []


class Labeller:
    """What a person sees and types."""

    def __init__(self, browser, book):
        self.browser, self.book = browser, book
        self.wait_until("return document.documentElement.dataset.ready === 'case'")

    def wait_until(self, script, *given):
        WebDriverWait(self.browser, 10, 0.005).until(lambda _: self.browser.execute_script(script, *given), script)

    def type(self, *keys):
        ActionChains(self.browser, 0).send_keys(*keys).perform()

    def type_and_wait(self, *keys):
        """Type what the page says something of when it is kept, and return that."""
        self.browser.execute_script("document.getElementById('status').textContent = '…'")
        self.type(*keys)
        self.wait_until("return document.getElementById('status').textContent !== '…'")
        return self.read("status")

    def read(self, own):
        return self.browser.execute_script("return document.getElementById(arguments[0]).textContent", own)

    def is_hidden(self, own):
        return self.browser.execute_script("return document.getElementById(arguments[0]).hidden", own)

    def reload(self):
        self.browser.refresh()
        self.wait_until("return document.documentElement.dataset.ready === 'case'")

    def given(self):
        return [(each.by, each.key, each.value) for each in self.book.read().labels]


def label_all(page, answers, *, reload_at=None):
    """Label every case by what its name says, and check after each that it is in the file."""
    typed = []
    for number in range(50):
        if number == reload_at:
            page.reload()
        assert page.read("far") == f"{number + 1} of 50"
        own = page.read("name")
        assert page.read("inputs") == f"text{shown(own)}"
        key = answers[own][number % 2]
        assert page.type_and_wait(key) == f"Kept: {own} is {'Pass' if key in 'p1' else 'Fail'}"
        typed.append((own, key in "p1"))
        assert [value for _, _, value in page.given()][-len(typed) :] == [value for _, value in typed]
        assert not page.browser.execute_script("return window.harmed || ({}).harmed")
    assert page.read("far") == "50 of 50"
    return dict(typed)


def shown(own):
    """The text of a case as the page has it."""
    text = TEXTS[int(own[1:])]
    try:
        return json.dumps(json.loads(text), indent=2)
    except ValueError:
        return text


def test_fifty_cases_by_two_people_by_keyboard_alone(run, labelled, browser):
    rng = Random(3)
    ana = {f"q{number}": rng.choice(("1p", "0f")) for number in range(50)}
    ben = {own: said if rng.random() < 0.8 else rng.choice(("1p", "0f")) for own, said in ana.items()}
    with labelled(run, "ana") as page:
        one = label_all(page, ana, reload_at=23)
    with labelled(run, "ben") as page:
        other = label_all(page, ben)
        assert len(page.given()) == 100
    assert one == {own: said == "1p" for own, said in ana.items()}
    kept = RunLabels.of(run)
    names = {record.key: record.outcome.case.id for record in kept.records}
    assert {(each.by, names[each.key]): each.value for each in kept.kept.labels} == {
        **{("ana", own): value for own, value in one.items()},
        **{("ben", own): value for own, value in other.items()},
    }
    table = [
        [sum((one[own], other[own]) == pair for own in one) for pair in ((a, True), (a, False))] for a in (True, False)
    ]
    found = kept.agreement()
    assert found.between.value == pytest.approx(cohens_kappa(table).kappa)
    assert found.between.n == 50


@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_what_a_case_holds_stays_text(place, tmp_path, labelled, browser):
    run = kept_run(tmp_path / "run.db", [HOSTILE[place]])
    with labelled(run, shows_verdict=True) as page:
        assert page.browser.find_elements(By.CSS_SELECTOR, "main :is(a, img, iframe, script, svg, button)") == []
        assert " ".join(page.read("inputs").split()).startswith("text")
        page.type("\t\t\t")
        assert browser.execute_script("return [window.harmed, ({}).harmed, document.title]") == [
            None,
            None,
            "Label: is_json",
        ]


def test_skip_back_and_notes(run, labelled):
    with labelled(run) as page:
        first = page.read("name")
        assert page.type_and_wait("s") == f"Skipped: {first}"
        second = page.read("name")
        page.type("n", "odd: 1 and s", Keys.ENTER)
        assert page.type_and_wait("p") == f"Kept: {second} is Pass, with a note"
        assert page.book.read().labels[-1].note == "odd: 1 and s"
        assert page.is_hidden("note-form")
        assert page.type_and_wait("u") == "Taken back: here it is again"
        assert (page.read("name"), page.read("far")) == (second, "2 of 50")
        page.type("n", "dropped", Keys.ESCAPE)
        assert page.type_and_wait("0") == f"Kept: {second} is Fail"
        page.type_and_wait("u")
        page.type_and_wait("u")
        assert (page.read("name"), page.read("far")) == (first, "1 of 50")
        page.type("u")
        page.wait_until("return !document.getElementById('alert').hidden")
        assert page.read("alert") == "Not kept: nothing to take back: no case is labelled yet"
        page.browser.get_log("browser")  # the browser notes each refusal
        standing = page.book.read().standing("is_json")
        assert standing == {}


def test_the_keys_are_told_and_no_chord_labels(run, labelled):
    with labelled(run) as page:
        page.type("?")
        assert texts(page.browser, "#keys dd")[:2] == ["Pass", "Fail"]
        page.type("1")  # not while the help is open
        page.type(Keys.ESCAPE)
        ActionChains(page.browser, 0).key_down(Keys.CONTROL).send_keys("p").key_up(Keys.CONTROL).perform()
        for held in ("1", "p"):
            page.browser.execute_script(
                "const how = {key: arguments[0], repeat: true, bubbles: true};"
                "document.body.dispatchEvent(new KeyboardEvent('keydown', how))",
                held,
            )
        page.browser.execute_script("return fetch('state').then((answer) => answer.json())")  # after what was sent
        assert page.given() == []
        page.type_and_wait("f")
        assert [value for *_, value in page.given()] == [False]


def test_the_verdict_is_shown_to_those_who_ask_for_it_alone(run, labelled):
    with labelled(run) as page:
        assert page.is_hidden("verdict")
        assert "JSON:" not in page.browser.page_source
    with labelled(run, "ben", shows_verdict=True) as page:
        assert not page.is_hidden("verdict")
        assert page.read("said") in ("Passed", "Failed")


def test_scores_are_typed(tmp_path, labelled):
    run = kept_run(tmp_path / "scores.db", ["a b", "a a", "a b a"], "distinct_n")
    with labelled(run, template="distinct_n") as page:
        page.type("0,25", Keys.ENTER)
        page.wait_until("return document.getElementById('far').textContent === '2 of 3'")
        page.type("much", Keys.ENTER)
        page.wait_until("return !document.getElementById('alert').hidden")
        assert page.read("alert") == "Write a number, such as 0.5"
        assert page.type_and_wait(Keys.ESCAPE, "s").startswith("Skipped: ")
        page.type_and_wait("1e-1", Keys.ENTER)
        assert [value for *_, value in page.given()] == [0.25, None, 0.1]


def test_it_ends_when_all_are_labelled(tmp_path, labelled):
    run = kept_run(tmp_path / "run.db", ["[1]", "no"])
    with labelled(run) as page:
        page.type_and_wait("1")
        page.type_and_wait("0")
        assert page.read("then").startswith("2 labelled. Press Enter to end, or u to take back the last one")
        page.type(Keys.ENTER)
        page.wait_until("return document.getElementById('then').textContent.startsWith('All is in')")


def test_what_cannot_be_kept_is_said_and_the_case_stays(run, labelled):
    with labelled(run) as page:
        page.type_and_wait("1")
        own = page.read("name")
        page.browser.execute_script("window.fetch = () => Promise.reject(new TypeError())")
        page.type("1")
        page.wait_until("return !document.getElementById('alert').hidden")
        assert page.read("alert").startswith("Not kept: The command that serves this page has ended.")
        assert (page.read("name"), len(page.given())) == (own, 1)


@pytest.mark.parametrize("how", [{}, {"scheme": "dark"}, {"width": 390, "height": 844}], ids=["light", "dark", "phone"])
def test_everybody_can_use_it(how, tmp_path, labelled):
    run = kept_run(tmp_path / "run.db", ["a very long text " * 2_000, "x" * 5_000])
    with labelled(run, how=how) as page:
        assert overflow(page.browser) == 0
        assert unnamed(page.browser) == []
        assert page.browser.switch_to.active_element.get_attribute("id") == "name"
        footer = page.browser.execute_script("return document.querySelector('footer').getBoundingClientRect().bottom")
        assert footer <= how.get("height", 900)  # what long texts would push away
        assert contrast(page.browser, "#labels .good") > 4.5
        assert contrast(page.browser, "#labels .bad") > 4.5
        assert contrast(page.browser, "#by") > 4.5


def contrast(browser, selector):
    """The contrast of a text with what is behind it, as WCAG 2 reckons it."""
    return browser.execute_script(
        """
        const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
        const light = (colour) => {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            const linear = [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((each) => each / 255)
                .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        };
        let behind = document.querySelector(arguments[0]);
        const ink = light(getComputedStyle(behind).color);
        while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
        const paper = light(getComputedStyle(behind).backgroundColor);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        """,
        selector,
    )
