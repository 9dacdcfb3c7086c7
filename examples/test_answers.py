"""Answers of a shop's assistant under test, each a test of its own, all evaluated at once.

    pytest examples/test_answers.py --fi-backend local

Without `--fi-backend local`, it asks your account.
"""

from pathlib import Path

import pytest

from fi_async import cases_from

ANSWERS = cases_from(Path(__file__).parent / "support_answers.jsonl", limit=12)
GOOD = [case for case in ANSWERS if case.inputs["label"] == "grounded"]
RETURNS = "Returns. You may return an item within 30 days. Refunds take 5 working days after the parcel arrives."


# What is stored: the inputs are made of the test's parameters. Columns that the template does not take are left out.
@pytest.mark.fi_eval("groundedness", inputs=lambda case: case, threshold=1)
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_stored_answers(case): ...


def assistant(question: str) -> dict[str, str]:
    """Stands for a call of your application: many questions are asked at the same time."""
    answer = "Refunds take 5 working days." if "refund" in question else "You may return an item within 30 days."
    return {"input": question, "output": answer, "context": RETURNS}


# What is asked first: the function is called in threads, before the tests come to their turn.
@pytest.mark.fi_eval("groundedness", inputs=assistant)
@pytest.mark.fi_eval("context_adherence", inputs=assistant, threshold=0.9)
@pytest.mark.parametrize("question", ["How long does a refund take?", "May I return this?"])
def test_fresh_answers(question, fi_eval):
    groundedness, adherence = fi_eval.results
    assert groundedness.passed, question
    assert adherence.score == 1


# What only the test can make: it calls the fixture, and waits.
@pytest.mark.fi_eval("is_json")
def test_a_made_answer(fi_eval, tmp_path):
    (tmp_path / "answer.json").write_text('{"days": 30}')
    assert fi_eval(text=(tmp_path / "answer.json").read_text()).passed
