"""Preflight: from a user's case to the exact inputs of a template, or to a refusal that names the key and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

import pytest

from fi_async import Case, InvalidCaseError, Template
from fi_async.wire.preflight import ALIASES, PreparedInputs, case_of, prepare, rows_of

GROUNDEDNESS = Template("groundedness", ("output", "input", "context"))
CONTAINS = Template("contains", ("text",))
TONE = Template("tone", ("output",))
SIMILARITY = Template("similarity", ("output", "expected"))
OWN = Template("own_partial", ("a", "b"), partial=True, system=False)
FREE = Template("deterministic_evals", ())


def row(inputs: object, template: Template = CONTAINS, **rules: object) -> PreparedInputs:
    (prepared,) = prepare(Case(inputs), [template], **rules)
    assert isinstance(prepared, PreparedInputs), prepared
    return prepared


def refused(inputs: object, template: Template = CONTAINS, **rules: object) -> InvalidCaseError:
    (prepared,) = prepare(Case(inputs), [template], **rules)
    assert type(prepared) is InvalidCaseError
    return prepared


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_row_has_the_templates_keys_in_the_templates_order():
    given = {"context": "c", "input": "i", "output": "o"}
    assert list(row(given, GROUNDEDNESS).inputs.items()) == [("output", "o"), ("input", "i"), ("context", "c")]
    assert row(given, GROUNDEDNESS).filled == {}


def test_any_mapping_will_do():
    assert row(MappingProxyType({"text": "x"})).inputs == {"text": "x"}


@pytest.mark.parametrize("inputs", [None, "text", ["text"], 5], ids=repr)
def test_inputs_that_are_no_mapping_are_refused_for_each_template(inputs):
    errors = prepare(Case(inputs), [CONTAINS, TONE])
    assert [type(error) for error in errors] == [InvalidCaseError] * 2
    kind = "None" if inputs is None else type(inputs).__name__
    assert errors[0].message == f"inputs must be a dict of inputs by key, not {kind}"


def test_a_missing_key_is_named_with_what_may_fill_it_and_what_the_case_has():
    error = refused({"output": "o", "other": "x"}, SIMILARITY, extra_keys="ignore")
    assert error.field == "expected"
    assert error.message == (
        "similarity needs the key 'expected' (or one of expected_output, expected_response, ground_truth)."
        " The case has: 'output', 'other'"
    )


def test_a_missing_key_without_aliases_is_named_alone():
    error = refused({}, Template("t", ("agent_prompt",)))
    assert (error.field, error.message) == ("agent_prompt", "t needs the key 'agent_prompt'. The case has: no keys")


@pytest.mark.parametrize(
    ("key", "source"), [(key, source) for key, sources in ALIASES.items() for source in sources], ids=str
)
def test_each_alias_fills_its_key_and_is_listed(key, source):
    assert row({source: "x"}, Template("t", (key,))) == PreparedInputs({key: "x"}, {key: source})


@pytest.mark.parametrize(("key", "sources"), ALIASES.items(), ids=str)
def test_the_key_itself_comes_first_and_then_the_aliases_in_their_order(key, sources):
    template = Template("t", (key,))
    everything = {name: f"from {name}" for name in reversed((key, *sources))}
    for name in (key, *sources):
        filled = {} if name == key else {key: name}
        assert row(everything, template, extra_keys="ignore") == PreparedInputs({key: f"from {name}"}, filled)
        del everything[name]


def test_the_aliases_are_those_that_users_of_the_official_sdk_rely_on():
    keys = """output input context expected expected_value generated_value reference hypothesis text conversation prompt
    system_prompt image caption instruction instructions images input_pdf json_content input_audio audio generated_audio
    generated_transcript"""
    assert list(ALIASES) == keys.split()
    assert ALIASES["output"] == ("response", "answer", "generated", "input")
    assert ALIASES["input"] == ("query", "question", "prompt_input", "output")
    assert all(key not in sources for key, sources in ALIASES.items())


def test_one_input_may_fill_two_keys():
    assert row({"output": "o", "context": "c"}, GROUNDEDNESS) == PreparedInputs(
        {"output": "o", "input": "o", "context": "c"}, {"input": "output"}
    )


@pytest.mark.parametrize(("key", "sources"), ALIASES.items(), ids=str)
def test_without_fill_missing_nothing_is_filled(key, sources):
    error = refused(dict.fromkeys(sources, "x"), Template("t", (key,)), fill_missing=False, extra_keys="ignore")
    assert error.field == key
    assert f"t needs the key {key!r}" in error.message
    assert "with fill_missing=True" in error.message


def test_an_alias_that_may_not_fill_is_an_extra_key():
    error = refused({"response": "o"}, TONE, fill_missing=False)
    assert error.field == "response"


def test_an_extra_key_is_named_with_the_fix_and_the_keys_there_are():
    error = refused({"text": "x", "txet": "y"})
    assert error.field == "txet"
    assert error.message == (
        "contains does not take the key 'txet', and the server refuses keys it does not know. Remove it, or have it"
        ' left out: extra_keys="ignore" in a program, --extra-keys ignore in a command. It takes: text'
    )


def test_an_extra_key_that_is_no_string_is_named_too():
    assert refused({"text": "x", 5: "y"}).field == "5"


def test_an_alias_beside_the_key_itself_is_extra():
    assert refused({"text": "x", "content": "y"}).field == "content"


def test_extra_keys_may_be_left_out():
    assert row({"text": "x", "more": object()}, extra_keys="ignore") == PreparedInputs({"text": "x"}, {})


def test_a_key_that_some_template_takes_is_not_extra_for_the_others():
    rows = prepare(Case({"output": "o", "text": "t", "expected": "e"}), [TONE, CONTAINS, SIMILARITY])
    assert rows == [
        PreparedInputs({"output": "o"}, {}),
        PreparedInputs({"text": "t"}, {}),
        PreparedInputs({"output": "o", "expected": "e"}, {}),
    ]


def test_a_key_that_only_fills_for_one_template_is_taken_too():
    rows = prepare(Case({"output": "o", "ground_truth": "e"}), [TONE, SIMILARITY])
    assert rows == [
        PreparedInputs({"output": "o"}, {}),
        PreparedInputs({"output": "o", "expected": "e"}, {"expected": "ground_truth"}),
    ]


def test_a_key_that_no_template_takes_is_refused_for_all():
    errors = prepare(Case({"output": "o", "text": "t", "zzz": "?"}), [TONE, CONTAINS])
    assert [(type(error), error.field) for error in errors] == [(InvalidCaseError, "zzz")] * 2
    assert "tone does not take" in errors[0].message
    assert "contains does not take" in errors[1].message


def test_each_template_has_its_own_row_or_refusal():
    row_of_tone, error = prepare(Case({"output": "o"}), [TONE, SIMILARITY])
    assert row_of_tone == PreparedInputs({"output": "o"}, {})
    assert error.field == "expected"


def test_a_template_without_keys_of_its_own_takes_every_key():
    assert row({"b": "2", "a": [1]}, FREE) == PreparedInputs({"b": "2", "a": "[1]"}, {})
    assert prepare(Case({"output": "o", "more": "m"}), [TONE, FREE]) == [
        PreparedInputs({"output": "o"}, {}),
        PreparedInputs({"output": "o", "more": "m"}, {}),
    ]


# -- partial templates -------------------------------------------------------------------------------------------------


def test_a_partial_template_does_with_some_of_its_keys():
    assert row({"b": "x"}, OWN) == PreparedInputs({"b": "x"}, {})


def test_a_partial_template_needs_one_of_its_keys():
    error = refused({}, OWN)
    assert error.field == "a"
    assert "own_partial needs the key 'a'" in error.message


def test_a_partial_template_refuses_extra_keys_too():
    assert refused({"a": "x", "c": "y"}, OWN).field == "c"


def test_nothing_is_filled_for_a_partial_template():
    partial = Template("t", ("output", "input"), partial=True)
    assert row({"output": "o"}, partial) == PreparedInputs({"output": "o"}, {})


def test_a_partial_template_allows_blanks_beside_text():
    assert row({"a": " ", "b": "x"}, OWN) == PreparedInputs({"a": " ", "b": "x"}, {})
    assert refused({"a": " ", "b": "[]"}, OWN).field == "a"
    assert refused({"b": ""}, OWN).field == "b"


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "blank",
    [
        "",
        " ",
        "\t\n ",
        "\u2003",
        "{}",
        "[]",
        " [ ] ",
        "null",
        " null\n",
        '""',
        '"  "',
        '"[]"',
        '"\\"\\""',
        "[[], {}]",
        '{"a": ""}',
        '{"a": [null, {"b": " "}]}',
        '["", null, "{}"]',
        [],
        {},
        [None, ""],
        {"a": {"b": []}},
        ["null"],
    ],
    ids=repr,
)
def test_what_the_server_reads_as_no_input_is_refused(blank):
    error = refused({"text": blank})
    assert error.field == "text"
    assert error.message == (
        "the input 'text' is blank, and the server refuses blank inputs: give it text, or leave this case out"
    )


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "false",
        "x",
        ".",
        "nothing",
        "nul",
        "NULL",
        "None",
        "[0]",
        "[false]",
        '{"a": 0}',
        '["", "x"]',
        "[",
        "{",
        '"',
        "n",
        "{]",
        "[" * 5000,
        '"half',
    ],
    ids=lambda text: text[:9],
)
def test_text_that_only_looks_blank_is_sent_as_it_is(text):
    assert row({"text": text}).inputs == {"text": text}


@pytest.mark.parametrize("depth", [100, 400, 700, 900, 50_000])
@pytest.mark.parametrize("core", ["", "1"], ids=["blank", "full"])
def test_nesting_of_any_depth_is_judged_without_a_crash(depth, core):
    text = "[" * depth + core + "]" * depth
    (prepared,) = prepare(Case({"text": text}), [CONTAINS])
    assert isinstance(prepared, PreparedInputs) or "is blank" in prepared.message


def test_a_blank_input_is_named_by_the_key_of_the_case_that_filled():
    error = refused({"response": " "}, TONE)
    assert error.field == "response"
    assert "'response' is blank" in error.message


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is\n ", "as it is\n "),
        ("naïve 日本語 🙂", "naïve 日本語 🙂"),
        (Colour.RED, "red"),
        (5, "5"),
        (0, "0"),
        (0.5, "0.5"),
        (True, "true"),
        (False, "false"),
        (["a", "b"], '["a", "b"]'),
        (("a", 1), '["a", 1]'),
        ([["a"], ["b"]], '[["a"], ["b"]]'),
        ({"role": "user", "content": "日本"}, '{"role": "user", "content": "日本"}'),
        ([None, "x"], '[null, "x"]'),
        (["\0"], '["\\u0000"]'),
    ],
    ids=repr,
)
def test_a_string_is_sent_as_it_is_and_a_richer_value_as_its_json_text(value, text):
    assert row({"text": value}).inputs == {"text": text}


def test_none_is_refused_with_the_fix():
    error = refused({"text": None})
    assert error.field == "text"
    assert error.message == "the input 'text' is None: give it text, or leave the key out"


def test_none_is_named_by_the_key_of_the_case_that_would_fill():
    assert refused({"response": None}, TONE).field == "response"


def endless() -> list[object]:
    cycle: list[object] = []
    cycle.append(cycle)
    return cycle


def deep() -> list[object]:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("inf"), "is an infinite number, which JSON has no form for"),
        ([float("inf")], "holds an infinite number, which JSON has no form for"),
        ({1, 2}, "is a set with no JSON form"),
        ([{1, 2}], "holds a set with no JSON form"),
        (b"\xff", "is bytes that are no UTF-8"),
        (object(), "is a object with no JSON form"),
        ({(1, 2): "x"}, "holds a dict with a tuple as key, with no JSON form"),
        (endless(), "holds lists more than 100 deep, or within themselves"),
        (deep(), "holds lists more than 100 deep, or within themselves"),
        (10**5000, "is a number of more digits than JSON is read with"),
        (pytest, "is a module with no JSON form"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_json_form_is_refused(value, why):
    error = refused({"text": value})
    assert error.field == "text"
    assert error.message == f"the input 'text' {why}: convert it to text first"


@pytest.mark.parametrize("value", [float("nan"), Decimal("nan")], ids=repr)
def test_what_is_missing_is_told_as_missing(value):
    assert refused({"text": value}).message == (
        "the input 'text' is missing (NaN, NaT or NA): give it text, or leave the key out"
    )


@pytest.mark.parametrize("text", ["\0", "a\0b", "日\0"])
def test_a_nul_is_refused(text):
    error = refused({"text": text})
    assert error.field == "text"
    assert "NUL character" in error.message
    assert "remove it" in error.message


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", ["\udcff"], {"a": "\ud83d"}], ids=ascii)
def test_half_of_a_surrogate_pair_is_refused(value):
    error = refused({"text": value})
    assert error.field == "text"
    assert "half of a surrogate pair" in error.message
    assert 'errors="replace"' in error.message


def test_no_refusal_quotes_an_input():
    for value in (["secret", float("inf")], "secret\0", "secret\ud800", {"secret"}):
        assert "secret" not in str(refused({"text": value}))


# -- rows of a call ----------------------------------------------------------------------------------------------------


def test_a_case_is_one_row_whatever_it_holds():
    case = Case({"text": ["a", "b"]}, id="mine")
    assert rows_of(case) == [case]
    assert row(rows_of(case)[0].inputs).inputs == {"text": '["a", "b"]'}


def test_a_dict_of_single_values_is_one_row():
    assert rows_of({"text": "a", "n": 5}) == [Case({"text": "a", "n": 5})]


def test_a_dict_of_lists_is_a_batch():
    assert rows_of({"output": ["a", "b"], "context": ("c", "d")}) == [
        Case({"output": "a", "context": "c"}),
        Case({"output": "b", "context": "d"}),
    ]


def test_a_dict_of_lists_of_lists_is_a_batch_whose_values_are_lists():
    assert rows_of({"hypothesis": [["a", "b"], ["c"]], "reference": ["x", "y"]}) == [
        Case({"hypothesis": ["a", "b"], "reference": "x"}),
        Case({"hypothesis": ["c"], "reference": "y"}),
    ]


def test_a_batch_of_one_is_one_row():
    assert rows_of({"text": ["a"]}) == [Case({"text": "a"})]


@pytest.mark.parametrize("value", [[1, 2], ["a", 1], [{"role": "user"}], [["a", 1]], {"a": ["b"]}], ids=repr)
def test_a_list_of_anything_else_is_one_rich_value(value):
    assert rows_of({"text": value}) == [Case({"text": value})]


def test_members_of_a_list_are_one_row_each():
    case = Case({"text": ["a", "b"]}, id="mine")
    assert rows_of([{"text": ["a", "b"]}, case, {"text": "c"}]) == [
        Case({"text": ["a", "b"]}),
        case,
        Case({"text": "c"}),
    ]
    assert rows_of(({"text": "a"},)) == [Case({"text": "a"})]


@pytest.mark.parametrize(
    ("single", "kind"), [("Paris", "str"), (5, "int"), (None, "None"), ({"a": 1}, "dict"), ([1], "list")]
)
def test_a_list_beside_a_single_value_is_refused(single, kind):
    with pytest.raises(InvalidCaseError) as caught:
        rows_of({"output": ["a", "b"], "expected": single})
    assert caught.value.field == "expected"
    assert caught.value.message.startswith(f"inputs['expected'] is one {kind} beside lists of rows")
    assert "character by character" in caught.value.message
    assert "Repeat it once per row, or pass one dict per row" in caught.value.message


def test_ragged_lists_are_refused_with_their_lengths():
    with pytest.raises(InvalidCaseError, match=r"\(output: 2, context: 3\): give each the same number of rows"):
        rows_of({"output": ["a", "b"], "context": ["c", "d", "e"]})


@pytest.mark.parametrize("inputs", [{"text": []}, {"a": [], "b": ()}], ids=repr)
def test_empty_lists_are_refused(inputs):
    with pytest.raises(InvalidCaseError, match="empty: there is nothing to evaluate"):
        rows_of(inputs)


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [("text", "str"), (b"x", "bytes"), (5, "int"), (None, "None"), ([], "list"), ((), "tuple"), ({1}, "set")],
    ids=repr,
)
def test_what_is_no_input_is_refused(inputs, kind):
    with pytest.raises(InvalidCaseError, match=f"a Case, or a non-empty list of these, not {kind}$"):
        rows_of(inputs)


def test_a_member_that_is_no_case_is_named_by_its_place():
    with pytest.raises(InvalidCaseError, match="a case must be a dict of inputs by key, or a Case, not str") as caught:
        rows_of([{"text": "a"}, "b"])
    assert caught.value.index == 1


def test_case_of_takes_dicts_and_cases_only():
    case = Case({"text": "a"})
    assert case_of(case) is case
    assert case_of({"text": "a"}) == case
    with pytest.raises(InvalidCaseError) as caught:
        case_of(None)
    assert caught.value.index is None


def test_a_list_subclass_of_sequence_is_a_list_of_rows():
    class Pair(Sequence):
        def __getitem__(self, place):
            return [{"text": "a"}, {"text": "b"}][place]

        def __len__(self):
            return 2

    assert rows_of(Pair()) == [Case({"text": "a"}), Case({"text": "b"})]
