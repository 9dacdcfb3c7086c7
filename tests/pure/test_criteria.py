"""Templates of the user's own: keys from the prompt, labels with scores, and each mistake told with its fix."""

from __future__ import annotations

import dataclasses
import math
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async import Case, ConfigurationError, Template
from fi_async._models import NamedTemplate
from fi_async._rubric import Rubric
from fi_async.backends.criteria import Criteria
from fi_async.wire.preflight import prepare
from fi_async.wire.templates import names_of

PROMPT = "Does {{output}} stay calm towards {{ input }}, and {{output}} again?"


def test_keys_come_from_the_prompt_in_order_each_once():
    calm = Criteria("calm", PROMPT)
    assert calm.required_keys == ("output", "input")
    assert calm.rubric == Rubric(
        "calm", "Does [output] stay calm towards [input], and [output] again?", ("output", "input")
    )


@pytest.mark.parametrize(
    ("prompt", "keys", "text"),
    [
        ("{{a}}{{b}}", ("a", "b"), "[a][b]"),
        ("{{ user input }} {{x-1.y}} {{größe}}", ("user input", "x-1.y", "größe"), "[user input] [x-1.y] [größe]"),
        (r"Is {{a}} like \{{b}}?", ("a",), "Is [a] like {{b}}?"),
        ('Is {{a}} like {"b": {"c": 1}}?', ("a",), 'Is [a] like {"b": {"c": 1}}?'),
        ("{{{a}}}", ("a",), "{[a]}"),
        ("{{a}} {{", ("a",), "[a] {{"),
    ],
)
def test_a_placeholder_becomes_a_reference(prompt, keys, text):
    rubric = Criteria("c", prompt).rubric
    assert (rubric.keys, rubric.text) == (keys, text)


@pytest.mark.parametrize(
    ("options", "output_type", "choices", "scored"),
    [
        ({}, "Pass/Fail", {}, False),
        ({"output_type": "Pass/Fail"}, "Pass/Fail", {}, False),
        ({"output_type": "score"}, "score", {}, False),
        ({"choices": {"good": 1, "bad": 0.0}}, "choices", {"good": 1.0, "bad": 0.0}, True),
        ({"choices": ["good", "bad"]}, "choices", {"good": None, "bad": None}, False),
        (
            {"choices": ("a", "b"), "multi_choice": True, "output_type": "choices"},
            "choices",
            {"a": None, "b": None},
            False,
        ),
    ],
)
def test_the_form_of_a_verdict_follows_from_what_is_given(options, output_type, choices, scored):
    rubric = Criteria("c", PROMPT, **options).rubric
    assert (rubric.output_type, rubric.choices, rubric.is_scored) == (output_type, choices, scored)
    assert rubric.multi_choice is options.get("multi_choice", False)


def test_it_stands_wherever_a_templates_name_does():
    calm = Criteria("calm", PROMPT, choices=["yes", "no"])
    assert isinstance(calm, NamedTemplate)
    assert names_of(["groundedness", calm]) == ["groundedness", "calm"]
    assert calm.template == Template(
        "calm", ("output", "input"), "choices", PROMPT, choices=("yes", "no"), system=False
    )
    (row,) = prepare(Case({"output": "a", "input": "b"}), [calm.template])
    assert row.inputs == {"output": "a", "input": "b"}
    (row,) = prepare(Case({"output": "a", "more": "b"}), [calm.template], fill_missing=False)
    assert "more" in str(row)


def test_it_can_be_compared_hashed_pickled_and_shown():
    calm = Criteria("calm", PROMPT, choices={"yes": 1.0, "no": 0.0})
    assert calm == pickle.loads(pickle.dumps(calm)) == Criteria("calm", PROMPT, choices={"yes": 1.0, "no": 0.0})
    assert len({calm, Criteria("calm", PROMPT, choices={"yes": 1.0, "no": 0.0})}) == 1
    assert repr(Criteria("c", "{{a}}")) == (
        "Criteria(name='c', prompt='{{a}}', choices=None, output_type=None, multi_choice=False, version=None)"
    )
    assert Criteria.__module__ == "fi_async"
    with pytest.raises(dataclasses.FrozenInstanceError):
        calm.name = "other"


CHANGES = [
    {"name": "other"},
    {"prompt": PROMPT + " "},
    {"choices": {"yes": 1.0, "no": 0.5}},
    {"choices": {"no": 0.0, "yes": 1.0}},
    {"choices": ["yes", "no"]},
    {"choices": ["yes", "no"], "multi_choice": True},
    {"version": "2"},
]


def test_a_fingerprint_changes_with_whatever_a_verdict_depends_on():
    given = {"name": "calm", "prompt": PROMPT, "choices": {"yes": 1.0, "no": 0.0}}
    prints = [Criteria(**given | change).fingerprint for change in ({}, *CHANGES)]
    assert len(set(prints)) == len(prints)
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in prints)
    assert Criteria(**given).fingerprint == prints[0]


def test_a_fingerprint_is_the_same_on_every_machine():
    assert Criteria("calm", "Is {{output}} calm?").fingerprint[:16] == "4271f8c9942b3fb8"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ""}, "Criteria: name must be text that neither is blank nor begins or ends so, not ''"),
        ({"name": " a"}, "Criteria: name must be text that neither is blank nor begins or ends so, not ' a'"),
        ({"name": 3}, "Criteria: name must be text that neither is blank nor begins or ends so, not 3"),
        ({"name": "a\nb"}, "Criteria 'a\\nb': name must be one line of characters that can be shown"),
        (
            {"name": "groundedness"},
            (
                "Criteria 'groundedness': name is that of one of the platform's templates, "
                "so that results could not be told apart: call it another, such as 'my_groundedness'"
            ),
        ),
        ({"prompt": " "}, "Criteria 'c': prompt must be what the judge is to decide, not ' '"),
        ({"prompt": None}, "Criteria 'c': prompt must be what the judge is to decide, not None"),
        (
            {"prompt": "Is it calm?"},
            "Criteria 'c': prompt names no input: write the key of each in double braces, such as {{output}}",
        ),
        (
            {"prompt": "Is {output} calm?"},
            "Criteria 'c': prompt names no input: write the key of each in double braces, such as {{output}}",
        ),
        (
            {"prompt": r"Is \{{output}} calm?"},
            "Criteria 'c': prompt names no input: write the key of each in double braces, such as {{output}}",
        ),
        (
            {"prompt": "{{a}} {{#if b}}"},
            (
                r"Criteria 'c': prompt holds '{{#if b}}', which names no input: write {{key}} "
                r"with a name of letters, digits, _, -, . and spaces, or \{{ for braces "
                r"that are meant as text"
            ),
        ),
        (
            {"prompt": "{{}}"},
            (
                r"Criteria 'c': prompt holds '{{}}', which names no input: write {{key}} "
                r"with a name of letters, digits, _, -, . and spaces, or \{{ for braces "
                r"that are meant as text"
            ),
        ),
        (
            {"choices": "yes"},
            (
                "Criteria 'c': choices must be a dict of scores by label, or a list of "
                'labels, such as ["yes", "no"], not \'yes\''
            ),
        ),
        (
            {"choices": {1, 2}},
            (
                "Criteria 'c': choices must be a dict of scores by label, or a list of "
                'labels, such as ["yes", "no"], not \'set\''
            ),
        ),
        ({"choices": []}, "Criteria 'c': choices must be two labels at least, to choose from"),
        ({"choices": {"a": 1.0}}, "Criteria 'c': choices must be two labels at least, to choose from"),
        ({"choices": ["a", "b", "a"]}, "Criteria 'c': choices: 'a' is there twice: leave one out"),
        (
            {"choices": ["yes", "Yes"]},
            "Criteria 'c': choices: 'yes' and 'Yes' cannot be told apart in an answer: rename one",
        ),
        ({"choices": ["a", " "]}, "Criteria 'c': choices: a label must be text without blanks around it, not ' '"),
        ({"choices": {1: 1.0, 2: 0.0}}, "Criteria 'c': choices: a label must be text without blanks around it, not 1"),
        ({"choices": {"a": math.nan, "b": 0.0}}, "Criteria 'c': choices['a'] must be a number for its score, not nan"),
        ({"choices": {"a": math.inf, "b": 0.0}}, "Criteria 'c': choices['a'] must be a number for its score, not inf"),
        ({"choices": {"a": True, "b": 0.0}}, "Criteria 'c': choices['a'] must be a number for its score, not True"),
        ({"choices": {"a": "1", "b": 0.0}}, "Criteria 'c': choices['a'] must be a number for its score, not '1'"),
        ({"output_type": "scores"}, "Criteria 'c': output_type cannot be 'scores'; did you mean score?"),
        (
            {"output_type": "score", "choices": ["a", "b"]},
            "Criteria 'c': output_type is 'score' beside choices: leave choices out, or say output_type=\"choices\"",
        ),
        (
            {"output_type": "choices"},
            (
                "Criteria 'c': output_type is \"choices\", and there are none: give choices, "
                'such as choices={"good": 1.0, "bad": 0.0}'
            ),
        ),
        ({"multi_choice": True}, "Criteria 'c': multi_choice needs choices to choose from: give a list of labels"),
        ({"multi_choice": 1}, "Criteria 'c': multi_choice must be True or False, not 1"),
        (
            {"multi_choice": True, "choices": {"a": 1.0, "b": 0.0}},
            "Criteria 'c': multi_choice leaves no single score: give the labels as a list, choices=['a', 'b']",
        ),
        ({"version": 2}, "Criteria 'c': version must be text, not 2"),
    ],
)
def test_each_mistake_is_told_with_its_fix(options, message):
    with pytest.raises(ConfigurationError) as caught:
        Criteria(**{"name": "c", "prompt": "Is {{output}} calm?"} | options)
    assert caught.value.message == message


@given(st.text(), st.text())
def test_any_prompt_is_taken_or_refused(before, after):
    try:
        made = Criteria("c", f"{before}{{{{key}}}}{after}")
    except ConfigurationError:
        return
    assert made.required_keys
    assert all(f"[{key}]" in made.rubric.text for key in made.required_keys)
