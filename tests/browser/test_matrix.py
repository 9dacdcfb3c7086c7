from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from fi_async import StalledError, compare_runs
from fi_async.reports.matrix_page import write_matrix
from fi_async.reports.run_files import LoadedRun, outcomes_of
from made import info, scored, unscored
from seen import HOSTILE, choose, column, found, harms, overflow, texts, unnamed, wait_for


def run(verdicts, scores=()):
    """A record for each letter, P, F or - for no score; and one for each score."""
    for index, verdict in enumerate(verdicts):
        told = {"id": f"q-{index}", "inputs": {"question": f"question {index}", "output": f"{verdict} {index}"}}
        if verdict == "-":
            yield unscored(index, StalledError("late"), "stalled", **told)
        else:
            yield scored(index, {"P": "Passed", "F": "Failed"}[verdict], reason=f"why {verdict} {index}", **told)
    for index, score in enumerate(scores):
        yield scored(index, score, template="closeness", id=f"q-{index}", reason=f"score {score}")


RUNS = {
    "old": list(run("PPPP" * 3, [0.5, 0.5])),
    "new": list(run("PFPP" * 3, [0.5, 0.25])),
    "other": list(run("PPF-" * 3)),
}


@pytest.fixture
def matrix(shown, tmp_path):
    """Open the matrix of runs, each the records of one."""

    def open_matrix(runs=RUNS, *, how=None):
        loaded = [LoadedRun(info(name=name), tuple(records)) for name, records in runs.items()]
        page = tmp_path / "matrix.html"
        write_matrix(page, compare_runs({each.info.name: outcomes_of(each) for each in loaded}), loaded)
        return shown(page, **(how or {}))

    return open_matrix


def test_the_totals_and_the_differences(matrix):
    browser = matrix()
    assert texts(browser, "h1, #about") == ["old, new, other", "3 runs, paired by id"]
    tiles = dict(zip(texts(browser, ".tiles dt"), texts(browser, ".tiles .number"), strict=True))
    assert tiles == {"Runs": "3", "Comparisons": "3", "Worse": "0", "Better": "0", "Not compared": "5"}
    assert texts(browser, "#templates .templates tbody tr") == [
        "is_json old 12 1.000 baseline",
        "is_json new 12 0.750 -0.250 -0.642 to +0.208 0 3 0.750 unclear",
        "is_json other 9 0.667 -0.333 - 0 3 0.750 unclear",
        "closeness old 2 0.500 baseline",
        "closeness new 2 0.375 -0.125 - 0 1 1.000 unclear",
        "closeness other 0 - - - 0 0 - -",
    ]
    assert texts(browser, ".notice") == [
        "is_json, other: 3 without a score in one or both, an interval needs 10 pairs, not 9.",
        "closeness, new: an interval needs 10 pairs, not 2.",
        "closeness, other: 2 only in the baseline, not in this run.",
    ]
    assert texts(browser, ".chart h3") == ["Difference to old"]


def test_each_case_stands_beside_itself_in_every_run(matrix):
    browser = matrix()
    assert found(browser) == "1 to 14 of 14 cases"
    assert [column(browser, number)[0] for number in (1, 2, 3, 4, 5)] == [
        "q-1",
        "is_json",
        "passed",
        "failed ▼",
        "passed",
    ]
    browser.find_element(By.CSS_SELECTOR, "#body button").click()
    assert texts(browser, ".detail tr") == [
        "Result Reason",
        "old passed why P 1",
        "new failed ▼ why F 1",
        "other passed why P 1",
    ]
    assert texts(browser, ".detail dl > *") == [
        *("question", "question 1", "output, old", "P 1", "output, new", "F 1", "output, other", "P 1"),
    ]


def test_it_filters_by_template_run_and_change(matrix):
    browser = matrix()
    choose(browser, "change", "only disagreements")
    wait_for(browser, "1 to 7 of 7 cases")
    choose(browser, "run", "other")
    wait_for(browser, "1 to 3 of 3 cases")
    assert column(browser, 1) == ["q-2", "q-6", "q-10"]
    choose(browser, "change", "without a score")
    wait_for(browser, "1 to 5 of 5 cases")
    choose(browser, "template", "closeness")
    wait_for(browser, "1 to 2 of 2 cases")
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    wait_for(browser, "1 to 14 of 14 cases")
    choose(browser, "run", "new")
    wait_for(browser, "1 to 4 of 4 cases")
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    browser.find_element(By.NAME, "search").send_keys("WHY F 2")
    wait_for(browser, "1 to 1 of 1 case")


def test_a_count_shows_its_cases(matrix):
    browser = matrix()
    counts = browser.find_elements(By.CSS_SELECTOR, "button.count")
    assert [each.get_attribute("aria-label") for each in counts] == [
        "Show the 3 of is_json that are worse in new",
        "Show the 3 of is_json that are worse in other",
        "Show the 1 of closeness that are worse in new",
    ]
    counts[1].click()
    wait_for(browser, "1 to 3 of 3 cases")
    assert column(browser, 5) == ["failed ▼"] * 3


def test_the_keyboard_opens_a_case_and_sorts(matrix):
    browser = matrix()
    browser.find_element(By.CSS_SELECTOR, "th[data-column=run1] button").send_keys(Keys.ENTER)
    assert column(browser, 4)[0] == "failed ▼"
    browser.find_element(By.CSS_SELECTOR, "#body button").send_keys(Keys.SPACE)
    assert len(texts(browser, ".detail")) == 1


def test_what_a_case_holds_stays_text(matrix):
    facts = {"id": HOSTILE, "inputs": {HOSTILE: HOSTILE}, "template": HOSTILE, "reason": HOSTILE}
    browser = matrix({HOSTILE: [scored(0, "Passed", **facts)], "b": [scored(0, "Failed", **facts)]})
    browser.find_element(By.CSS_SELECTOR, "#body button").click()
    assert HOSTILE in texts(browser, ".detail dd")
    assert harms(browser) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("count", [2, 5, 12])
def test_nothing_is_wider_than_the_window(width, count, matrix):
    long = "averyveryverylongnamethatnobodywouldgive" * 3
    facts = {"template": long, "id": long, "inputs": {long: long}}
    browser = matrix(
        {f"{number} {long}": [scored(0, "Passed", **facts)] for number in range(count)}, how={"width": width}
    )
    browser.find_element(By.CSS_SELECTOR, "#body button").click()
    assert overflow(browser) == 0


def test_it_is_dark_with_the_system_and_each_control_has_a_name(matrix):
    browser = matrix(how={"scheme": "dark"})
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert unnamed(browser) == []


def test_a_page_of_many_runs_tells_them_in_one_column(matrix):
    browser = matrix({f"r{number}": [scored(0, number / 10, id="q")] for number in range(9)})
    assert column(browser, 12) == [
        "; ".join(f"r{number}: {f'{number / 10:.4g}'}{' ▲' if number else ''}" for number in range(9))
    ]
    heads = browser.find_elements(By.CSS_SELECTOR, ".rows > thead th")
    assert [each.text for each in heads if each.is_displayed()] == ["Case", "Template", "Results", "Spread"]


def test_runs_of_nothing(matrix):
    browser = matrix({"a": [], "b": []})
    assert found(browser) == "No case is like that."


def test_many_gaps_are_one_line_that_opens(matrix):
    names = [f"t{number}" for number in range(5)]
    old = [scored(n, "Passed", template=name) for name in names for n in range(12)]
    new = [scored(n, "Passed", template=name) for name in names for n in range(11)]
    browser = matrix({"old": old, "new": new})
    assert texts(browser, ".notice") == ["5 comparisons lack cases"]
    browser.find_element(By.CSS_SELECTOR, ".notice summary").click()
    assert texts(browser, ".notice li")[0] == "t0, new: 1 only in the baseline."
