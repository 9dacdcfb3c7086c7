"""What a journal keeps of an outcome comes back as it was."""

from __future__ import annotations

import pytest

from fi_async import Case, EvalResult, Outcome, OutcomeStatus, _errors
from fi_async._errors import FiAsyncError
from fi_async.journal.encoding import decode, encode, to_text

CASE = Case({"text": "a"}, id="c-1")
KINDS = [kind for kind in vars(_errors).values() if isinstance(kind, type) and issubclass(kind, FiAsyncError)]


def round_trip(outcome: Outcome) -> Outcome:
    return decode(encode(outcome), outcome.index, outcome.case, outcome.template, outcome.origin)


@pytest.mark.parametrize("output", ["Passed", 0.25, ["joy", "surprise"], {"score": 0.66, "choice": "often"}, None])
def test_a_result_comes_back_equal(output):
    result = EvalResult(
        name="tone", output=output, reason="weil …", runtime=12.5, output_type="score", filled={"input": "output"}
    )
    outcome = Outcome(
        3, CASE, "tone", OutcomeStatus.SCORED, result, attempts=2, eval_id="e", backend="local", latency_s=0.5
    )
    assert round_trip(outcome) == outcome


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_with_its_facts(kind):
    error = kind("words", status=500, eval_id="e-1", server_message="no", attempts=3)
    error.__cause__ = _errors.APIConnectionError("reset", sent=True)
    back = round_trip(Outcome(0, CASE, "tone", OutcomeStatus.FAILED, error=error)).error
    assert type(back) is kind
    assert vars(back) == vars(error)
    assert str(back) == str(error)
    assert vars(back.__cause__) == vars(error.__cause__)


def test_a_report_on_an_error_is_not_kept():
    error = FiAsyncError("words", report=object())
    assert round_trip(Outcome(0, CASE, "t", OutcomeStatus.FAILED, error=error)).error.report is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', '{"status": "odd"}', '{"status": "scored", "result": 3}'])
def test_what_is_no_outcome_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        decode(text, 0, CASE, "t")


def test_an_error_type_of_a_later_version_is_read_as_the_root():
    back = decode('{"status":"failed","error":{"type":"NewError","message":"m"}}', 0, CASE, "t")
    assert type(back.error) is FiAsyncError
    assert back.error.message == "m"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "é", "b": [1, 2.5, None, True]}, '{"a":"é","b":[1,2.5,null,true]}'),
        ({"a": "\ud800 é"}, '{"a":"\\ud800 \\u00e9"}'),
        ((1, "x"), '[1,"x"]'),
        ({"a": KINDS[0]}, f'{{"a":"{KINDS[0]}"}}'),
        ("\0", '"\\u0000"'),
    ],
)
def test_any_value_becomes_text_that_a_file_takes(value, text):
    assert to_text(value) == text
    text.encode()
