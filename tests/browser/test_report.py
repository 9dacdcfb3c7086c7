from __future__ import annotations

import csv

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from fi_async import InvalidCaseError, StalledError
from fi_async.cli import main
from labelled_runs import drawn, kept_run, label
from made import scored, unscored
from seen import HOSTILE, choose, column, found, harms, overflow, texts, unnamed, wait_for


def records():
    """Yield 120 cases: 4 without a score, 20 Failed and 96 Passed; and a score for each third."""
    for index in range(120):
        facts = {"id": f"q-{index}", "inputs": {"text": f"question {index}"}, "latency_s": 1.0 + index / 100}
        at = 1_760_000_000.0 + index
        if index < 3:
            yield unscored(index, StalledError("late"), "stalled", at=at, **facts)
        elif index == 3:
            yield unscored(index, InvalidCaseError("case 3: the input 'text' is blank"), "invalid", at=at, **facts)
        else:
            yield scored(index, "Failed" if index < 24 else "Passed", at=at, reason=f"because {index}", **facts)
        if index % 3 == 0:
            yield scored(index, index / 200, template="closeness", at=at, **facts)


def test_the_totals_and_the_templates(opened):
    browser = opened(*records(), pending=2)
    tiles = dict(zip(texts(browser, ".tiles dt"), texts(browser, ".tiles .number"), strict=True))
    assert tiles == {
        "Evaluations": "162",
        "Coverage": "96.3%",
        "No score": "6",
        "Median latency": "1.59 s",
        "Throughput": "1.34/s",
    }
    assert texts(browser, ".notice") == ["The run is not complete: 2 evaluations pending."]
    rows = [row.split() for row in texts(browser, ".templates tbody tr")]
    assert rows[0][:4] == ["is_json", "pass", "rate", "82.8%"]
    assert rows[0][10:14] == ["116", "of", "120", "96.7%"]
    assert len(browser.find_elements(By.CSS_SELECTOR, ".chart canvas[role=img]")) == 5
    assert texts(browser, "#run dd")[-1] == "8"


def test_those_without_a_score_come_first_and_then_the_lowest(opened):
    browser = opened(*records())
    assert column(browser, 1)[:5] == ["q-0", "q-1", "q-2", "q-3", "q-0"]
    assert column(browser, 3)[:6] == ["stalled", "stalled", "stalled", "invalid", "scored", "Failed"]
    assert found(browser) == "1 to 50 of 160 evaluations"


def test_it_filters_by_template_result_and_text(opened):
    browser = opened(*records())
    choose(browser, "template", "is_json")
    wait_for(browser, "1 to 50 of 120 evaluations")
    choose(browser, "result", "result: Failed")
    wait_for(browser, "1 to 20 of 20 evaluations")
    browser.find_element(By.NAME, "search").send_keys("BECAUSE 1")
    wait_for(browser, "1 to 10 of 10 evaluations")
    assert column(browser, 1) == [f"q-{index}" for index in range(10, 20)]
    browser.find_element(By.NAME, "search").send_keys("nowhere")
    wait_for(browser, "No evaluation is like that.")
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    wait_for(browser, "1 to 50 of 160 evaluations")
    choose(browser, "result", "no score")
    wait_for(browser, "1 to 4 of 4 evaluations")


def test_a_cause_shows_its_cases(opened):
    browser = opened(*records())
    assert [row.split("\n")[0] for row in texts(browser, "#causes tbody tr")] == [
        "StalledError: late 3 stalled case 0 Show",
        "InvalidCaseError: the input 'text' is blank 1 invalid case 3 Show",
    ]
    browser.find_elements(By.CSS_SELECTOR, "#causes button")[0].click()
    wait_for(browser, "1 to 3 of 3 evaluations")
    assert column(browser, 1) == ["q-0", "q-1", "q-2"]
    assert browser.switch_to.active_element.get_attribute("id") == "cases"


def test_it_sorts_both_ways_with_what_has_no_number_last(opened):
    browser = opened(*records())
    head = browser.find_element(By.CSS_SELECTOR, "th[data-column=score]")
    assert head.get_attribute("aria-sort") == "none"
    head.find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(browser, 4)[0] == "0"
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "descending"
    assert column(browser, 4)[0] == "1"
    browser.find_element(By.ID, "last").click()
    assert column(browser, 4)[-4:] == ["-"] * 4
    browser.find_element(By.CSS_SELECTOR, "th[data-column=latency_ms] button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert column(browser, 7)[:2] == ["1 s", "1 s"]


def test_reset_puts_the_rows_into_the_order_they_had(opened):
    browser = opened(*records())
    before = column(browser, 1)
    browser.find_element(By.CSS_SELECTOR, "th[data-column=case] button").click()
    choose(browser, "result", "result: Failed")
    wait_for(browser, "1 to 20 of 20 evaluations")
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    wait_for(browser, "1 to 50 of 160 evaluations")
    assert column(browser, 1) == before
    assert browser.find_element(By.CSS_SELECTOR, "th[data-column=case]").get_attribute("aria-sort") == "none"


def test_the_chosen_rows_as_csv(opened, tmp_path):
    formula = '=cmd|"/c calc"!A0, or not'
    browser = opened(
        scored(0, -0.5, id="q-0", reason=formula, latency_s=1.25),
        scored(1, 0.5, reason="Ünlike\nthis"),
        unscored(2, StalledError("late"), "stalled", id="@q"),
    )
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    choose(browser, "result", "status: scored")
    wait_for(browser, "1 to 2 of 2 evaluations")
    browser.find_element(By.CSS_SELECTOR, "th[data-column=case] button").click()
    browser.find_element(By.CSS_SELECTOR, "th[data-column=case] button").click()
    browser.find_element(By.ID, "download").click()
    file = tmp_path / "run.csv"
    WebDriverWait(browser, 10, 0.02).until(lambda _: file.exists())
    with file.open(encoding="utf-8-sig", newline="") as text:
        assert list(csv.reader(text)) == [
            ["case", "template", "result", "score", "input: text", "reason", "latency_ms", "attempts"],
            ["#1", "is_json", "scored", "0.5", "Paris", "Ünlike\nthis", "", "1"],
            ["q-0", "is_json", "scored", "-0.5", "Paris", f"'{formula}", "1250", "1"],
        ]


def test_on_a_phone_causes_leave_room_for_their_words(opened):
    browser = opened(*records(), width=390)
    cause = browser.find_element(By.CSS_SELECTOR, "#causes tbody th")
    assert cause.rect["width"] > 150
    assert cause.rect["x"] < browser.find_element(By.CSS_SELECTOR, "#causes button").rect["x"] < 390 - 50


def test_it_pages(opened):
    browser = opened(*records())

    def enabled():
        return [
            name for name in ("first", "previous", "next", "last") if browser.find_element(By.ID, name).is_enabled()
        ]

    assert enabled() == ["next", "last"]
    browser.find_element(By.ID, "next").click()
    assert (found(browser), enabled()) == ("51 to 100 of 160 evaluations", ["first", "previous", "next", "last"])
    browser.find_element(By.ID, "last").click()
    assert (found(browser), enabled()) == ("151 to 160 of 160 evaluations", ["first", "previous"])
    assert browser.find_element(By.ID, "page").text == "Page 4 of 4"
    assert len(column(browser, 1)) == 10


def test_a_case_opens_to_its_texts_from_the_keyboard(opened):
    browser = opened(scored(0, "Passed", id="q-0", reason="It is.", inputs={"text": "[1]"}, latency_s=0.25))
    button = browser.find_element(By.CSS_SELECTOR, "#body button")
    assert button.get_attribute("aria-expanded") == "false"
    button.send_keys(Keys.ENTER)
    opener = browser.switch_to.active_element
    assert (opener.text, opener.get_attribute("aria-expanded")) == ("q-0", "true")
    told = dict(zip(texts(browser, ".detail dt"), texts(browser, ".detail dd"), strict=True))
    assert told == {
        "case": "0",
        "template": "is_json",
        "reason": "It is.",
        "input: text": "[1]",
        "latency": "250 ms",
        "attempts": "1",
    }
    opener.send_keys(Keys.ENTER)
    assert texts(browser, ".detail") == []


def test_what_a_case_holds_stays_text(opened):
    hostile = {"id": HOSTILE, "inputs": {HOSTILE: HOSTILE}, "template": HOSTILE}
    browser = opened(
        scored(0, [HOSTILE], reason=HOSTILE, output_type="choices", **hostile),
        unscored(1, StalledError(HOSTILE), **hostile),
    )
    for button in range(2):
        browser.find_elements(By.CSS_SELECTOR, "#body th button")[button].click()
    assert texts(browser, ".detail dd").count(HOSTILE) == 6
    assert harms(browser) == []


def test_what_is_planted_in_the_page_does_not_run(opened):
    browser = opened(scored(0, "Passed"))
    browser.execute_script("document.body.insertAdjacentHTML('beforeend', arguments[0])", HOSTILE)
    WebDriverWait(browser, 10, 0.02).until(lambda _: browser.find_element(By.TAG_NAME, "img"))
    assert browser.execute_script("return window.harmed") is None
    refusals = browser.get_log("browser")
    assert refusals
    assert all("Content Security Policy" in refusal["message"] for refusal in refusals)


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_it_is_as_dark_as_the_system_until_told_otherwise(scheme, other, opened):
    browser = opened(scored(0, 0.5, template="closeness"), scheme=scheme)
    papers = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}

    def paper():
        return browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    button = browser.find_element(By.ID, "theme")
    assert (paper(), button.get_attribute("aria-pressed")) == (papers[scheme], str(scheme == "dark").lower())
    button.click()
    assert (paper(), button.get_attribute("aria-pressed")) == (papers[other], str(other == "dark").lower())


def test_it_is_printed_on_white_with_its_cases(opened):
    browser = opened(*records(), scheme="dark")
    browser.execute_script("""
        addEventListener("afterprint", () => { window.printed = true; });
        addEventListener("beforeprint", () => { window.paper = getComputedStyle(document.body).backgroundColor; });
    """)
    browser.execute_cdp_cmd("Page.printToPDF", {})
    WebDriverWait(browser, 10, 0.02).until(lambda _: browser.execute_script("return window.printed"))
    assert browser.execute_script("return window.paper") == "rgb(255, 255, 255)"
    assert browser.execute_script("return document.documentElement.dataset.theme") is None


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window(width, opened):
    long = "averyveryverylongnamethatnobodywouldgive" * 3
    browser = opened(scored(0, "Passed", template=long, id=long, reason=long), *records(), width=width)
    assert overflow(browser) == 0


def test_numbers_are_short_and_alike(opened):
    browser = opened(
        *(scored(index, score, template="closeness") for index, score in enumerate([0.88, 0.9])),
        *(scored(index, score, template="tokens") for index, score in enumerate([1234, 1236])),
    )
    assert texts(browser, ".templates tbody tr") == [
        "closeness mean score 0.890 0.880 to 0.900 0.890 to 0.890 2 of 2 100.0% cloud",
        "tokens mean score 1,240 1,230 to 1,240 - 2 of 2 100.0% cloud",
    ]


def test_each_control_has_a_name(opened):
    browser = opened(*records())
    assert unnamed(browser) == []


def test_an_empty_run_says_so(opened):
    browser = opened()
    assert texts(browser, ".tiles .number") == ["0", "100.0%", "0"]
    assert found(browser) == "No evaluation is like that."


def test_judge_and_people(shown, tmp_path):
    run = kept_run(tmp_path / "run.db", ["[1]", "no", "{}x", "[2]"])
    drawn(run)
    label(run, "ana", {"q0": True, "q1": False, "q2": False, "q3": False}, note=HOSTILE)
    label(run, HOSTILE[:60], {"q0": True, "q1": False, "q2": True, "q3": False})
    page = tmp_path / "run.html"
    assert main(["report", str(run), "--out", str(page)]) == 0
    browser = shown(page)
    assert texts(browser, "#agreement h3") == ["is_json: 3 cases, by what most of 2 people say"]
    rows = texts(browser, "#agreement tbody tr")
    assert rows[0].startswith("TPR 1.000, ")
    assert rows[-2:] == ["Passed 1 0", "Failed 1 1"]
    assert sum(row.startswith("kappa, judge and ") for row in rows) == 2
    assert texts(browser, "#agreement .notice")[-1].startswith("people are divided on 1 case, which may be either")
    assert harms(browser) == []
    assert unnamed(browser) == []


def test_without_labels_there_is_no_section_on_people(opened):
    assert texts(opened(*records()), "#agreement:not([hidden])") == []


def test_the_first_words_of_why_a_case_has_no_score_are_shown(opened):
    """Where it stands is in its detail, and in the CSV."""
    browser = opened(unscored(3, InvalidCaseError("in.jsonl, line 4: the input 'text' is blank"), "invalid"))
    assert texts(browser, "#body .column-reason") == ["the input 'text' is blank"]
    browser.find_element(By.CSS_SELECTOR, "#body th button").click()
    assert "in.jsonl, line 4: the input 'text' is blank" in texts(browser, ".detail dd")


def test_the_texts_of_cases_have_most_room_and_no_word_of_a_result_is_broken(opened):
    rows = [unscored(n, StalledError("late"), "stalled", inputs={"input": "a", "output": "b"}) for n in range(3)]
    for width in (800, 1280):
        browser = opened(*rows, width=width)
        wide = {
            each.get_attribute("data-column"): each.size["width"]
            for each in browser.find_elements(By.CSS_SELECTOR, ".rows thead th")
        }
        assert sum(wide[name] for name in ("input_0", "input_1", "reason")) > 0.38 * sum(wide.values())
        cell = browser.find_element(By.CSS_SELECTOR, "#body .column-result")
        assert cell.size["height"] < 50
