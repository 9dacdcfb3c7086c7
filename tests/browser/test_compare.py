from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By

from fi_async import StalledError
from made import scored, unscored
from seen import HOSTILE, choose, column, found, harms, overflow, texts, unnamed, wait_for


def run(verdicts, scores=()):
    """A record for each letter, P, F or - for no score; and one for each score."""
    for index, verdict in enumerate(verdicts):
        told = {
            "id": f"q-{index}",
            "inputs": {"question": f"question {index}", "output": f"{verdict} {index}"},
        }
        if verdict == "-":
            yield unscored(index, StalledError("late"), "stalled", **told)
        else:
            yield scored(index, {"P": "Passed", "F": "Failed"}[verdict], reason=f"why {verdict} {index}", **told)
    for index, score in enumerate(scores):
        yield scored(index, score, template="closeness", id=f"q-{index}", reason=f"score {score}")


BEFORE = list(run("PPPFP-P", [0.5, 0.5, 0.5, 0.5]))
AFTER = list(run("PFPPPP", [0.5, 0.25, 1.0, 0.4]))


def test_the_totals_and_the_templates(compared):
    browser = compared(BEFORE, AFTER)
    assert browser.title == "old → new (fi-async comparison)"
    assert texts(browser, "h1, #about") == ["old → new", "paired by id"]
    tiles = dict(zip(texts(browser, ".tiles dt"), texts(browser, ".tiles .number"), strict=True))
    assert tiles == {"Pairs": "9", "Worse": "3", "Better": "2", "Ties": "4", "Not compared": "2"}
    assert texts(browser, ".notice") == ["is_json: 1 only in old."]
    assert texts(browser, "#templates .templates tbody tr") == [
        "is_json 5 0.800 0.800 +0.000 -0.571 to +0.571 1 1 3 1.000",
        "closeness 4 0.500 0.537 +0.037 -0.175 to +0.375 1 2 1 1.000",
    ]
    assert texts(browser, ".chart h3") == ["Difference of the means"]


def test_what_got_worse_comes_first_with_both_reasons(compared):
    browser = compared(BEFORE, AFTER)
    assert found(browser) == "1 to 6 of 6 cases"
    assert [column(browser, number) for number in (1, 3)] == [
        ["q-1", "q-1", "q-3", "q-3", "q-2", "q-5"],
        [
            "passed → failed",
            "0.5 → 0.25",
            "0.5 → 0.4",
            "failed → passed",
            "0.5 → 1",
            "no score: stalled → passed",
        ],
    ]
    assert [column(browser, number)[0] for number in (4, 5)] == ["why P 1", "why F 1"]
    assert column(browser, 4)[-1] == "late"


def test_a_count_shows_its_cases(compared):
    browser = compared(BEFORE, AFTER)
    counts = browser.find_elements(By.CSS_SELECTOR, "button.count")
    assert [each.get_attribute("aria-label") for each in counts] == [
        "Show the 1 of is_json that are better",
        "Show the 1 of is_json that are worse",
        "Show the 1 of closeness that are better",
        "Show the 2 of closeness that are worse",
    ]
    counts[3].click()
    wait_for(browser, "1 to 2 of 2 cases")
    assert column(browser, 3) == ["0.5 → 0.25", "0.5 → 0.4"]
    counts[0].click()
    wait_for(browser, "1 to 1 of 1 case")
    assert column(browser, 1) == ["q-3"]


def test_it_filters_and_searches(compared):
    browser = compared(BEFORE, AFTER)
    choose(browser, "kind", "no score")
    wait_for(browser, "1 to 1 of 1 case")
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    wait_for(browser, "1 to 6 of 6 cases")
    browser.find_element(By.NAME, "search").send_keys("QUESTION 3")
    wait_for(browser, "1 to 1 of 1 case")
    assert column(browser, 3) == ["failed → passed"]


def test_it_sorts_by_the_change_with_what_has_none_last(compared):
    browser = compared(BEFORE, AFTER)
    browser.find_element(By.CSS_SELECTOR, "th[data-column=change] button").click()
    assert column(browser, 3)[0] == "passed → failed"
    browser.find_element(By.CSS_SELECTOR, "th[data-column=change] button").click()
    assert (column(browser, 3)[0], column(browser, 3)[-1]) == ("failed → passed", "no score: stalled → passed")


def test_a_case_opens_to_both_sides(compared):
    browser = compared(BEFORE, AFTER)
    browser.find_element(By.CSS_SELECTOR, "#body button").click()
    assert texts(browser, ".detail tr") == [
        "Before After",
        "result passed failed",
        "reason why P 1 why F 1",
        "input: question question 1",
        "input: output P 1 F 1",
    ]


def test_what_a_case_holds_stays_text(compared):
    hostile = {"id": HOSTILE, "inputs": {HOSTILE: HOSTILE}, "template": HOSTILE}
    browser = compared(
        [scored(0, "Passed", reason=HOSTILE, **hostile)], [scored(0, "Failed", reason=HOSTILE, **hostile)]
    )
    browser.find_element(By.CSS_SELECTOR, "#body button").click()
    assert texts(browser, ".detail td[colspan]").count(HOSTILE) == 2
    assert harms(browser) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window(width, compared):
    long = "averyveryverylongnamethatnobodywouldgive" * 3
    facts = {"template": long, "id": long, "inputs": {long: long}}
    browser = compared([scored(0, "Passed", **facts)], [scored(0, "Failed", **facts)], how={"width": width})
    browser.find_element(By.CSS_SELECTOR, "#body button").click()
    assert overflow(browser) == 0


def test_on_a_phone_an_opened_case_leaves_the_others_as_wide(compared):
    browser = compared(BEFORE, AFTER, how={"width": 390})
    width = "return document.querySelector('#body tr').getBoundingClientRect().width"
    before = browser.execute_script(width)
    browser.find_element(By.CSS_SELECTOR, "#body button").click()
    assert browser.execute_script(width) == before


def test_it_is_dark_with_the_system_and_each_control_has_a_name(compared):
    browser = compared(BEFORE, AFTER, how={"scheme": "dark"})
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert unnamed(browser) == []


def test_estimates_are_called_so(compared):
    browser = compared([scored(0, "Passed", estimate=True)], [scored(0, "Passed")])
    assert texts(browser, ".notice") == [
        "Some scores are lexical estimates of the local backend, which is not the platform's judge."
    ]


def test_a_sheet_of_paper_takes_every_column(compared):
    browser = compared(BEFORE, AFTER, how={"width": 718})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    found = browser.execute_script(
        "const [each] = document.querySelectorAll('.scroll'); return each.scrollWidth - each.clientWidth"
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert found == 0


def test_a_change_that_rounds_to_nothing_has_no_minus(compared):
    browser = compared([scored(0, 0.5), scored(1, 0.25)], [scored(0, 0.4999), scored(1, 0.25)])
    assert texts(browser, "#templates .templates tbody tr") == [
        "is_json 2 0.375 0.375 +0.000 +0.000 to +0.000 0 1 1 1.000"
    ]


def test_two_runs_with_nothing_in_common(compared):
    browser = compared([], [scored(0, "Passed")])
    assert texts(browser, ".tiles .number") == ["0", "0", "0", "0", "1"]
    assert texts(browser, "#templates .templates tbody tr") == ["is_json 0 - - - - 0 0 0 -"]
    assert found(browser) == "No case is like that."
