"""Our criteria for the platform's templates: one for each that text can answer, in the catalogue's own form."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from fi_async import ConfigurationError
from fi_async._catalogue import rows
from fi_async._rubric import Rubric
from fi_async.backends.rubrics import BY_RULE, judged_names, rubric_for, why_not

WRITTEN = sorted(judged_names() - {BY_RULE})
MEDIA = {
    "ASR/STT_accuracy",
    "TTS_accuracy",
    "audio_quality",
    "caption_hallucination",
    "image_instruction_adherence",
    "ocr_evaluation",
    "synthetic_image_evaluator",
}
RISING = {"never": 0.0, "occasionally": 0.33, "frequently": 0.66, "always": 1.0}
FALLING = {"never": 1.0, "occasionally": 0.66, "frequently": 0.33, "always": 0.0}


def test_all_that_text_can_answer_are_there():
    judged = {name for name, row in rows().items() if row["engine"] == "AgentEvaluator"}
    assert judged_names() == judged - MEDIA
    assert Counter(rows()[name]["output"] for name in WRITTEN) == {"Pass/Fail": 37, "score": 16, "choices": 7}


@pytest.mark.parametrize("name", WRITTEN)
def test_each_has_the_keys_and_the_form_of_the_catalogue_and_a_text_of_our_own(name):
    rubric, row = rubric_for(name), rows()[name]
    assert rubric.name == name
    assert rubric.keys == tuple(row["required_keys"])
    assert rubric.optional == tuple(row.get("optional_keys", ()))
    assert rubric.output_type == row["output"]
    assert list(rubric.choices) == (row["choices"] if row["output"] == "choices" else [])
    assert rubric.multi_choice is row.get("multi_choice", False)
    assert set(re.findall(r"\[(\w+)\]", rubric.text)) == set(rubric.keys)
    assert 200 < len(rubric.text) < 900
    assert row["description"].rstrip(".") not in rubric.text
    assert rubric.text == rubric.text.strip()
    assert "\n" not in rubric.text


@pytest.mark.parametrize("name", WRITTEN)
def test_each_says_what_its_verdict_goes_by(name):
    text = rubric_for(name).text
    if rows()[name]["output"] == "Pass/Fail":
        assert re.search(r"\bPass\b", text)
        assert re.search(r"\bFail\b", text)
    elif rows()[name]["output"] == "score":
        assert re.search(r"\b1\b", text)
        assert re.search(r"\b0\b|\b0\.5\b", text)
    elif name != "tone":
        assert all(f'"{label}"' in text for label in rubric_for(name).choices)


def test_no_two_have_one_text():
    assert len({rubric_for(name).text for name in WRITTEN}) == len(WRITTEN) == 60


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("customer_agent_clarification_seeking", RISING),
        ("customer_agent_objection_handling", RISING),
        ("customer_agent_query_handling", RISING),
        ("customer_agent_loop_detection", FALLING),
        ("customer_agent_termination_handling", FALLING),
        ("customer_agent_conversation_quality", {"1": 0.0, "2": 0.25, "3": 0.5, "4": 0.75, "5": 1.0}),
        ("tone", dict.fromkeys(rows()["tone"]["choices"])),
    ],
)
def test_labels_have_the_platforms_scores(name, choices):
    assert rubric_for(name).choices == choices


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "a judge here reads text only") for name in sorted(MEDIA)),
        ("custom_code_evaluation", "it runs code of yours: make that a function with @template instead"),
        ("is_json", "it is computed, not judged"),
        ("clip_score", "it is computed, not judged"),
    ],
)
def test_what_cannot_be_judged_says_why(name, why):
    assert why_not(name).endswith(why)
    with pytest.raises(ConfigurationError) as caught:
        rubric_for(name)
    assert caught.value.message == f"a judge cannot answer {name!r}: {why_not(name)}"


def test_what_can_be_judged_has_no_reason_against_it():
    assert {why_not(name) for name in judged_names()} == {None}
    assert why_not("no_such_template") is None
    with pytest.raises(
        ConfigurationError, match="no template of the platform has this name; did you mean groundedness"
    ):
        rubric_for("groundednes")


# By a rule of the caller's own

RULE = {"rule_prompt": "Is {{a}} like {{b}}?", "choices": ["yes", "no"]}


def test_a_rule_of_the_callers_is_judged_by_its_own_choices():
    expected = Rubric(BY_RULE, "Is [a] like [b]?", ("a", "b"), "choices", choices={"yes": None, "no": None})
    assert rubric_for(BY_RULE, RULE) == expected
    assert rubric_for(BY_RULE, {**RULE, "multi_choice": True, "input": ["a"]}).multi_choice
    assert rubric_for(BY_RULE, {**RULE, "rule_prompt": "Is it good?"}).keys == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule_prompt": ""}, "deterministic_evals: config['rule_prompt'] must be what the judge is to decide, not ''"),
        (
            {"rule_prompt": None},
            "deterministic_evals: config['rule_prompt'] must be what the judge is to decide, not None",
        ),
        (
            {"rule_prompt": "{{#x}}"},
            (
                r"deterministic_evals: config['rule_prompt'] holds '{{#x}}', which names "
                r"no input: write {{key}} with a name of letters, digits, _, -, . and spaces, "
                r"or \{{ for braces that are meant as text"
            ),
        ),
        ({"choices": []}, "deterministic_evals: config['choices'] must be a list of two labels at least, not []"),
        ({"choices": "yes"}, "deterministic_evals: config['choices'] must be a list of two labels at least, not 'yes'"),
        (
            {"choices": ["a", 1]},
            "deterministic_evals: config['choices'] must be a list of two labels at least, not ['a', 1]",
        ),
        (
            {"choices": ["a", "A"]},
            "deterministic_evals: config['choices'] holds labels that cannot be told apart in an answer",
        ),
        ({"multi_choice": "yes"}, "deterministic_evals: config['multi_choice'] must be True or False, not 'yes'"),
    ],
)
def test_a_rule_that_cannot_be_judged_names_the_parameter(change, message):
    with pytest.raises(ConfigurationError) as caught:
        rubric_for(BY_RULE, RULE | change)
    assert caught.value.message == message


def test_a_rule_without_parameters_is_refused():
    with pytest.raises(ConfigurationError, match="rule_prompt"):
        rubric_for(BY_RULE)
