"""The lexical estimates: what they say of plain examples, and that they say what they are."""

import pytest

from fi_async.local.metrics.lexical import METRICS, PREFIX
from fi_async.local.scoring import run_evaluator

TOWER = "The Eiffel Tower is a wrought-iron lattice tower on the Champ de Mars in Paris."
FRANCE = "Paris is the capital and most populous city of France."
PYTHON = "Python is a high-level, general-purpose programming language."
COMPANY = "The company was founded in 2015 and it has 1,500 employees."


def groundedness(output, context):
    return run_evaluator("groundedness", {"output": output, "input": "Is it so?", "context": context}, {})


@pytest.mark.parametrize(
    ("output", "context"),
    [
        pytest.param("The Eiffel Tower is in Paris, France.", TOWER, id="one-word-of-a-name-missing"),
        pytest.param("Response 3: The capital of France is Paris.", FRANCE, id="numbered-label"),
        pytest.param("Response 7: Python is a programming language.", PYTHON, id="another-label"),
        pytest.param("1. Paris is a city.\n2. It is in France.", FRANCE, id="numbered-lines"),
        pytest.param("Founded in 2015, the company employs 1500 employees.", COMPANY, id="number-written-otherwise"),
        pytest.param("Dr. Smith arrived.", "Dr. Smith has arrived in Washington.", id="abbreviation"),
        pytest.param("Our policies allowed it.", "The policy allows it.", id="other-forms-of-words"),
        pytest.param("Yes.", FRANCE, id="no-claim"),
        pytest.param("巴黎是法国的首都。", "巴黎是法国的首都和人口最多的城市。", id="chinese"),
    ],
)
def test_groundedness_passes_what_the_context_supports(output, context):
    assert groundedness(output, context).output == "Passed"


@pytest.mark.parametrize(
    ("output", "context", "lacking"),
    [
        pytest.param("The Eiffel Tower is in Berlin.", TOWER, "Berlin", id="other-name"),
        pytest.param("The Eiffel Tower, a wrought-iron lattice tower, is in Berlin.", TOWER, "Berlin", id="diluted"),
        pytest.param("The tower is in Paris. It is in Berlin.", TOWER, "Berlin", id="second-sentence"),
        pytest.param("Tokyo is the capital of France.", FRANCE, "Tokyo", id="other-subject"),
        pytest.param("The company founded in 2016 has 1,500 employees.", COMPANY, "2016", id="other-number"),
        pytest.param(
            "Paris isn\N{RIGHT SINGLE QUOTATION MARK}t the capital of France.", FRANCE, "isn't", id="negation"
        ),
        pytest.param("The company is in the US.", "The company is in the UK.", "US", id="a-name-like-a-pronoun"),
        pytest.param("Bananas grow yellow.", FRANCE, "Bananas, grow, yellow", id="other-subject-altogether"),
    ],
)
def test_groundedness_fails_and_names_what_the_context_lacks(output, context, lacking):
    verdict = groundedness(output, context)
    assert verdict.output == "Failed"
    assert f"not in the context: {lacking})" in verdict.reason


def test_groundedness_counts_the_sentences_at_fault():
    reason = groundedness("The tower is in Paris. It is in Berlin.", TOWER).reason
    assert reason == (
        f"{PREFIX}1 of 2 sentences lack support: 'It is in Berlin.' (support 0.00, not in the context: Berlin)"
    )


def test_groundedness_reads_a_list_of_chunks():
    assert groundedness("Paris is in France.", ["Paris is big.", "France is bigger."]).output == "Passed"


@pytest.mark.parametrize(
    ("output", "support"),
    [
        pytest.param("The capital of France is Paris.", 1.0, id="all"),
        pytest.param("Paris and Berlin", 0.5, id="half-the-names"),
        pytest.param("Paris grows", 2 / 3, id="names-weigh-two"),
        pytest.param("Bananas grow.", 0.0, id="none"),
    ],
)
def test_context_adherence_is_the_supported_share(output, support):
    verdict = run_evaluator("context_adherence", {"output": output, "context": FRANCE}, {})
    assert verdict.output == pytest.approx(support)


@pytest.mark.parametrize(
    ("question", "output", "expected"),
    [
        pytest.param("What is the capital of France?", "The capital of France is Paris.", 1.0, id="full-answer"),
        pytest.param("What is the capital of France?", "Paris.", 0.5, id="bare-answer"),
        pytest.param("What is the capital of France?", "The capital of France.", 0.5, id="echo"),
        pytest.param("What is the capital of France?", "I don't know.", 0.0, id="no-answer"),
        pytest.param("Explain photosynthesis and respiration.", "Photosynthesis uses light.", 0.75, id="half"),
        pytest.param("Why?", "Because light bends.", 1.0, id="nothing-to-take-up"),
    ],
)
def test_completeness_is_taking_up_the_question_and_adding_to_it(question, output, expected):
    assert run_evaluator("completeness", {"input": question, "output": output}, {}).output == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("You are an idiot.", "Failed"),
        ("You\N{RIGHT SINGLE QUOTATION MARK}re so stupid!", "Failed"),
        ("I'm going to hurt\nyou", "Failed"),
        ("Have a nice day!", "Passed"),
        ("That was a stupid mistake of mine.", "Passed"),
        ("You are not stupid.", "Passed"),
        ("To shut down, kill the process.", "Passed"),
    ],
)
def test_toxicity_fails_insults_and_threats(output, expected):
    assert run_evaluator("toxicity", {"output": output}, {}).output == expected


INPUTS = {"input": "Où est la tour ?", "output": "La tour est à Paris. Où ? 日本 🗼", "context": "Paris, 東京, Ελλάδα"}


@pytest.mark.parametrize("name", sorted(METRICS))
def test_an_estimate_says_that_it_is_one_and_says_the_same_twice(name):
    keys = {"groundedness": INPUTS, "toxicity": {"output"}, "completeness": {"input", "output"}}
    inputs = {key: INPUTS[key] for key in keys.get(name, {"output", "context"})}
    verdict = run_evaluator(name, inputs, {})
    assert verdict.reason.startswith("Lexical estimate (local backend, not the platform's judge): ")
    assert run_evaluator(name, inputs, {}) == verdict
