"""What samples and votes tell of a judge, and of jurors, in reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fi_async import Case, EvalResult, Outcome, OutcomeStatus, Report, UndecidedError
from fi_async.reports.juror_tally import JurorTally
from fi_async.reports.panel_tally import PanelTally, panel_lines
from fi_async.reports.reliability import cohen_kappa, krippendorff_alpha
from fi_async.reports.repeat_tally import RepeatTally
from fi_async.reports.repeats import variance_components

P, F = "Passed", "Failed"


def one(index: int, output: object, **facts: object) -> Outcome:
    if output is None:
        error = UndecidedError("nothing")
        return Outcome(index, Case({}), "t", OutcomeStatus.FAILED, error=error, **facts)  # type: ignore[arg-type]
    kind = "choices" if isinstance(output, str) and output not in (P, F) else None
    result = EvalResult(name="t", output=output, output_type=kind, backend="judge", model="m")
    return Outcome(index, Case({}, f"q{index}"), "t", OutcomeStatus.SCORED, result, **facts)  # type: ignore[arg-type]


def repeated(index: int, *outputs: object) -> Outcome:
    return one(index, 0.5, samples=[one(index, each, sample=n) for n, each in enumerate(outputs)])


def voted(index: int, *outputs: object) -> Outcome:
    votes = [one(index, each, juror="abc"[n]) for n, each in enumerate(outputs)]
    return one(index, P, votes=votes)


def repeats(*outcomes: Outcome) -> dict[str, object] | None:
    tally = RepeatTally()
    for each in outcomes:
        tally.add(each)
    return tally.as_dict()


def jury(*outcomes: Outcome) -> dict[str, object]:
    tally = JurorTally()
    for each in outcomes:
        tally.add(each)
    told = tally.as_dict()
    assert told is not None
    return told


def test_samples_tell_the_variance_what_k_tries_do_and_what_flips():
    told = repeats(repeated(0, P, P, P), repeated(1, P, F, F), repeated(2, F, None, F))
    assert told is not None
    found = variance_components([[1, 1, 1], [1, 0, 0], [0, 0]])
    assert told["variance"] == {
        "mean": found.mean,
        "judge": found.judge,
        "between": found.between,
        "error": found.error,
        "judge_share": found.judge_share,
    }
    assert told["pass^k"] == {"1": pytest.approx(4 / 9), "2": pytest.approx(1 / 3)}
    assert told["pass@k"] == {"1": pytest.approx(4 / 9), "2": pytest.approx((1 + 2 / 3) / 3)}
    assert {name: told[name] for name in ("cases", "samples", "unscored", "flips", "flipped")} == {
        "cases": 3,
        "samples": 9,
        "unscored": 1,
        "flips": 1,
        "flipped": ["q1"],
    }


def test_labels_flip_and_scores_do_from_one_side_of_a_half_to_the_other():
    assert repeats(repeated(0, "calm", "rude"), repeated(1, 0.51, 0.9), repeated(2, 0.49, 0.5))["flips"] == 2  # type: ignore[index]
    assert repeats(repeated(0, "calm", "rude"))["variance"] is None  # type: ignore[index]


def test_what_was_evaluated_once_tells_nothing():
    assert repeats(one(0, P)) is None
    assert PanelTally().as_dict() == {}
    report = Report([one(0, P)], 0.0)
    assert not {"repeats", "jury"} & report.summary()["templates"]["t"].keys()


def test_two_jurors_have_kappa_and_any_number_alpha():
    votes = [(P, P)] * 5 + [(P, F)] * 2 + [(F, F)] * 3 + [(F, None)]
    told = jury(*(voted(index, *each) for index, each in enumerate(votes)))
    pairs = {(1.0, 1.0): 5, (1.0, 0.0): 2, (0.0, 0.0): 3}
    assert told["kappa"]["value"] == cohen_kappa(pairs).value  # type: ignore[index]
    units = [[{P: 1.0, F: 0.0}.get(each) for each in unit] for unit in votes]
    assert told["alpha"]["value"] == pytest.approx(krippendorff_alpha(units).value)  # type: ignore[index]
    assert told["jurors"] == {
        "a": {"votes": 11, "missing": 0, "mean_score": pytest.approx(7 / 11)},
        "b": {"votes": 10, "missing": 1, "mean_score": 0.5},
    }


def test_of_scores_distances_count_and_each_sample_is_voted_on():
    sittings = [[voted(0, 0.1, 0.2, 0.4), voted(0, 0.9, 0.8, 0.7)], [voted(1, 0.5, 0.5, 0.6), one(1, None)]]
    told = jury(*(one(n, 0.5, samples=each) for n, each in enumerate(sittings)))
    units = [[0.1, 0.2, 0.4], [0.9, 0.8, 0.7], [0.5, 0.5, 0.6]]
    assert told["alpha"]["value"] == pytest.approx(krippendorff_alpha(units, "interval").value)  # type: ignore[index]
    assert (told["kappa"], told["undecided"]) == (None, 0)


def test_a_report_says_it_in_words_in_json_and_on_its_page(tmp_path):
    outcomes = [one(n, 0.5, samples=[voted(n, P, P, F), voted(n, *([F] * 3 if n else [P] * 3))]) for n in range(2)]
    report = Report(outcomes, 1.0)
    of = report.summary()["templates"]["t"]
    assert json.loads(json.dumps(of)) == of
    assert panel_lines(of)[0].startswith("    repeats: 4 samples of 2 cases, ")
    assert "    jury: a 0.750, b 0.750, c 0.250, alpha " in str(report)
    report.to_html(tmp_path / "r.html")
    page = Path(tmp_path / "r.html").read_text()
    assert '"jury":{"jurors":{"a":' in page.replace(" ", "")
