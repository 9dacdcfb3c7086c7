"""What is known of the templates, by name, from the shipped table and from a server."""

from __future__ import annotations

import pytest

from fi_async import ConfigurationError, NotFoundError, Template, _catalogue
from fi_async.wire.templates import Templates, from_registry, name_of, names_of, without_needed


class Tone:
    eval_name = "tone"


class Nameless:
    eval_name = ""


ROW = {
    "id": "27f54560-34fb-459d-ab4e-55f117e9f8d8",
    "name": "groundedness",
    "description": "Is it grounded?",
    "owner": "system",
    "eval_tags": ["RAG", "PDF"],
    "choices": ["a", 5],
    "config": {
        "required_keys": ["output", "context"],
        "optional_keys": ["input"],
        "output": "Pass/Fail",
        "config": {"k": {"type": "integer"}},
        "function_params_schema": {"n": {"minimum": 1}},
    },
}


def test_the_shipped_table_is_read_once_and_cannot_be_changed():
    rows = _catalogue.rows()
    assert len(rows) == 156
    assert _catalogue.rows() is rows
    assert all(name == row["name"] for name, row in rows.items())
    with pytest.raises(TypeError):
        rows["mine"] = {}


@pytest.mark.parametrize("name", _catalogue.rows())
def test_each_shipped_template_has_its_keys_and_a_known_type(name):
    template = Templates().find(name)
    assert (template.name, template.partial, template.system) == (name, False, True)
    assert template.output_type in ("Pass/Fail", "score", "numeric", "choices")
    assert isinstance(template.required_keys, tuple)
    assert len(set(template.required_keys)) == len(template.required_keys)
    assert template.description


def test_a_shipped_template_has_the_platforms_facts():
    groundedness = Templates().find("groundedness")
    assert groundedness.required_keys == ("output", "input", "context")
    assert groundedness.output_type == "Pass/Fail"
    tone = Templates().find("tone")
    assert tone.choices == ("neutral", "joy", "love", "fear", "surprise", "sadness", "anger", "annoyance", "confusion")
    assert "k" in Templates().find("recall_at_k").params


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("tone", ["tone"]),
        (Tone, ["tone"]),
        (Tone(), ["tone"]),
        (["tone"], ["tone"]),
        (["b", "a", "b"], ["b", "a"]),
        (("tone", Tone, Tone()), ["tone"]),
        ((name for name in ("x", "y")), ["x", "y"]),
    ],
    ids=["name", "class", "object", "list", "twice", "three of one", "generator"],
)
def test_templates_are_given_by_name_or_object_alone_or_several(given, names):
    assert names_of(given) == names


@pytest.mark.parametrize(
    "given", [None, 5, "", Nameless, object(), [None], [""], [["tone"]]], ids=lambda each: type(each).__name__
)
def test_what_is_no_template_is_refused(given):
    with pytest.raises(ConfigurationError, match="eval_templates must be a template's name or an object with an eval"):
        names_of(given)


@pytest.mark.parametrize("given", [[], (), iter([])])
def test_no_template_at_all_is_refused_with_an_example(given):
    with pytest.raises(ConfigurationError, match="eval_templates is empty: name at least one"):
        names_of(given)


def test_name_of_one():
    assert name_of(Tone) == name_of("tone") == "tone"


@pytest.mark.parametrize(
    ("wrong", "suggested"),
    [
        ("Groundedness", "groundedness"),
        ("context-relevance", "context_relevance"),
        ("Bleu Score", "bleu_score"),
        ("tonne", "tone"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_one_that_resembles_it(wrong, suggested):
    templates = Templates()
    assert templates.get(wrong) is None
    assert templates.suggest(wrong)[0] == suggested
    with pytest.raises(NotFoundError) as caught:
        templates.find(wrong)
    assert caught.value.message.startswith(f"no evaluation template is named {wrong!r}; did you mean {suggested}")


def test_a_name_like_none_is_answered_plainly():
    with pytest.raises(NotFoundError) as caught:
        Templates().find("zzzzzzzzzzzz")
    assert caught.value.message == "no evaluation template is named 'zzzzzzzzzzzz'"


def test_at_most_three_names_are_suggested():
    assert len(Templates().suggest("customer_agent_loop")) == 3


def test_an_item_of_the_servers_list_has_the_same_facts():
    assert from_registry(ROW) == Template(
        "groundedness",
        ("output", "context"),
        "Pass/Fail",
        "Is it grounded?",
        ("a", "5"),
        ("RAG", "PDF"),
        {"k": {"type": "integer"}, "n": {"minimum": 1}},
        partial=False,
        system=True,
    )


@pytest.mark.parametrize(
    "row",
    [
        {"name": "mine"},
        {
            "name": "mine",
            "config": None,
            "description": None,
            "choices": None,
            "eval_tags": None,
            "owner": None,
        },
        {"name": "mine", "owner": "user", "config": {"required_keys": None, "output": None, "config": None}},
    ],
)
def test_what_the_server_leaves_out_reads_as_empty(row):
    assert from_registry(row) == Template("mine", (), params={}, system=False)


def test_a_custom_template_may_do_without_some_keys():
    template = from_registry({"name": "mine", "owner": "user", "config": {"custom_eval": True, "required_keys": ["a"]}})
    assert (template.partial, template.system, template.required_keys) == (True, False, ("a",))


def test_what_the_server_said_last_is_right():
    templates = Templates()
    assert templates.listed is None
    assert templates.find("groundedness").required_keys == ("output", "input", "context")
    registry = [ROW, {"name": "mine", "config": {"required_keys": ["a"]}}, {"name": None}, {}]
    templates.learn(registry)
    assert templates.listed is registry
    assert templates.find("groundedness").required_keys == ("output", "context")
    assert templates.find("mine").required_keys == ("a",)
    assert templates.find("tone").required_keys == ("output",)
    assert templates.suggest("Mine") == ["mine"]


def test_what_one_client_learns_another_does_not_know():
    templates = Templates()
    templates.learn([{"name": "mine"}])
    assert Templates().get("mine") is None


def test_a_registry_of_another_shape_is_read_as_far_as_it_goes():
    known = Templates()
    known.learn([{"name": "mine", "config": "text", "choices": "abc", "eval_tags": None}, {"name": ""}, {}])
    assert known.get("mine") == Template("mine", (), system=False)


def test_what_is_needed_is_said_with_what_to_write():
    assert without_needed("length_between", {"min_length": 3}) == (
        "length_between says the same of every case without max_length: give eval_config={'max_length': ...} in a"
        " program, --param length_between.max_length=... in a command"
    )
    assert without_needed("is_json", None) == ""
