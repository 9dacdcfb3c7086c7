"""What the scorer refuses and how it words it; that nothing else ever leaves it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async._catalogue import rows
from fi_async.local.metrics import ESTIMATES, METRICS
from fi_async.local.scoring import BlankInputError, EngineError, check_params, run_evaluator, supported

RANKED = {"hypothesis": '["a", "b"]', "reference": '["b"]'}


@pytest.mark.parametrize(
    "blank", ["", " \n", "null", " null ", "{}", "[]", '""', '[""]', '[null, "  "]', '{"a": {}}', None, [], [" "]]
)
def test_blank_inputs_are_refused(blank):
    with pytest.raises(BlankInputError) as caught:
        run_evaluator("is_json", {"text": blank}, {})
    assert str(caught.value) == "No input received for 'text'. Please check your input."


@pytest.mark.parametrize("value", ["0", "false", "[0]", '{"a": 1}', "nothing", '"null and void"', "NaN"])
def test_other_inputs_are_not_blank(value):
    assert run_evaluator("length_greater_than", {"text": value}, {"min_length": 0}).output == "Passed"


def test_any_blank_input_is_enough_and_the_first_by_name_is_named():
    with pytest.raises(BlankInputError, match="'hypothesis'"):
        run_evaluator("rouge_score", {"reference": "", "hypothesis": "[]"}, {})
    with pytest.raises(BlankInputError, match="'reference'"):
        run_evaluator("rouge_score", {"reference": "", "hypothesis": "a"}, {})


@pytest.mark.parametrize("depth", [900, 2_000, 200_000])
def test_an_input_too_deep_to_be_looked_into_is_refused(depth):
    with pytest.raises(BlankInputError):
        run_evaluator("is_json", {"text": "[" * depth + "]" * depth}, {})


@pytest.mark.parametrize(
    ("name", "params", "fault"),
    [
        ("recall_at_k", {"k": 0}, "k must be >= 1"),
        ("recall_at_k", {"k": "abc"}, "k must be an integer"),
        ("recall_at_k", {"k": True}, "k must be an integer"),
        ("recall_at_k", {"k": 1.0}, "k must be an integer"),
        ("recall_at_k", {"kk": 1, "b": 2, "k": 0}, "Unknown function params: b, kk"),
        ("chrf_score", {"n": 11}, "n must be <= 10"),
        ("chrf_score", {"beta": "x"}, "beta must be a number"),
        ("chrf_score", {"beta": 10**400}, "beta must be a number"),
        ("chrf_score", {"beta": "0.05"}, "beta must be >= 0.1"),
        ("f_beta_score", {"beta": 1}, "positive_label is required"),
        ("f_beta_score", {"positive_label": " "}, "positive_label is required"),
        ("regex_pii_detection", {"detect_types": ["phone"]}, "detect_types must be a string"),
        ("sentence_count", {}, "max_sentences is required"),
    ],
)
def test_faults_of_params_are_worded_as_by_the_platform(name, params, fault):
    assert check_params(name, params) == [fault]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("recall_at_k", {}),
        ("recall_at_k", {"k": None}),
        ("recall_at_k", {"k": ""}),
        ("recall_at_k", {"k": " 2 "}),
        ("chrf_score", {"n": 2, "beta": "1.5"}),
        ("f_beta_score", {"positive_label": "yes"}),
        ("contains", {"zzz": 1}),
        ("of no catalogue", {"zzz": 1}),
    ],
)
def test_params_without_fault(name, params):
    assert check_params(name, params) == []


def test_every_template_of_the_catalogue_can_be_checked():
    for name, row in rows().items():
        for param in row.get("function_params_schema", {}):
            assert check_params(name, {param: object()}) != []


def test_params_are_scored_as_their_schema_reads_them():
    assert run_evaluator("recall_at_k", RANKED, {"k": "1"}) == run_evaluator("recall_at_k", RANKED, {"k": 1})
    assert run_evaluator("recall_at_k", RANKED, {"k": ""}) == run_evaluator("recall_at_k", RANKED, {})


@pytest.mark.parametrize(
    ("name", "inputs", "params", "text"),
    [
        ("regex", {"text": "x"}, {"pattern": "("}, "missing ), unterminated subpattern at position 0"),
        (
            "length_less_than",
            {"text": "x"},
            {"max_length": "a"},
            "invalid literal for int() with base 10: 'a'",
        ),
        ("contains_all", {"text": "x"}, {"keywords": None}, "'NoneType' object is not iterable"),
        ("recall_at_k", {"hypothesis": "1", "reference": "2"}, {}, "'int' object is not iterable"),
    ],
)
def test_a_metric_that_cannot_score_is_an_engine_error(name, inputs, params, text):
    with pytest.raises(EngineError) as caught:
        run_evaluator(name, inputs, params)
    assert str(caught.value) == f"Code eval input validation failed: Runtime error: {text}"


def test_a_missing_input_is_an_engine_error():
    with pytest.raises(EngineError) as caught:
        run_evaluator("groundedness", {"output": "a", "context": "b"}, {})
    assert str(caught.value) == (
        "Missing required input(s) for eval: input. Required keys: ['output', 'input', 'context']. Optional keys: []."
    )


def test_an_unsupported_template_is_an_engine_error():
    with pytest.raises(EngineError, match="no evaluator for tone"):
        run_evaluator("tone", {"output": "a"}, {})


@pytest.mark.parametrize(
    ("name", "inputs", "params", "output", "reason"),
    [
        ("contains_any", {"text": "x"}, {"keywords": "foo,"}, "Failed", "No keywords found in output"),
        ("regex", {"text": "x"}, {}, "Failed", "No regex pattern provided"),
        ("one_line", {"text": "a " * 51}, {}, "Failed", "Text has 51 words, too long for one line"),
        ("is_json", {"text": ["a"]}, {}, "Passed", "Text is valid JSON"),
        ("is_url", {"text": "mailto:a@b.c"}, {}, "Passed", "Valid URL with scheme=mailto"),
        ("is_url", {"text": "mailto:"}, {}, "Failed", "mailto: URL missing body"),
        ("is_url", {"text": "http://[a"}, {}, "Failed", "Not a valid URL: Invalid IPv6 URL"),
        ("is_url", {"text": "http://-a.b"}, {}, "Failed", "URL has malformed host label"),
        ("is_html", {"text": "<b><i></b></i><br>"}, {}, "Failed", "mismatched </b> (expected </i>); orphan </i>"),
        (
            "is_xml",
            {"text": "<!doctype a><a/>"},
            {},
            "Failed",
            "DOCTYPE declarations are rejected (XXE / billion-laughs risk)",
        ),
        (
            "is_xml",
            {"text": "<!ENTITY a 'b'>"},
            {},
            "Failed",
            "ENTITY declarations are rejected (billion-laughs risk)",
        ),
        (
            "length_between",
            {"text": "abc"},
            {"min_length": 3, "max_length": "3"},
            "Passed",
            "Text length (3) is between 3 and 3",
        ),
        ("length_less_than", {"text": "abc"}, {"max_length": 3}, "Failed", "Text length (3) is not less than 3"),
        ("length_greater_than", {"text": "x"}, {}, "Failed", "No min_length provided"),
        ("length_less_than", {"text": "x"}, {}, "Failed", "No max_length provided"),
        (
            "recall_at_k",
            {"hypothesis": "a", "reference": "0"},
            {},
            0.0,
            "Recall@K requires at least one ground-truth item",
        ),
        (
            "recall_at_k",
            {"hypothesis": "['a']", "reference": "a"},
            {},
            1.0,
            "Recall@1: 1.000 (1/1 relevant items in top 1)",
        ),
        ("precision_at_k", {"hypothesis": "()", "reference": "a"}, {}, 0.0, "No retrieved items to evaluate"),
        (
            "hit_rate",
            {"hypothesis": "a", "reference": "0"},
            {},
            0.0,
            "Hit rate requires at least one ground-truth item",
        ),
        ("mrr", {"hypothesis": "()", "reference": "a"}, {}, 0.0, "MRR requires both reference and hypothesis"),
        ("ndcg_at_k", {"hypothesis": "()", "reference": "a"}, {}, 0.0, "NDCG@0: 0.000 (DCG=0.000, IDCG=0.000)"),
        ("ndcg_at_k", {"hypothesis": "a", "reference": "0"}, {}, 0.0, "NDCG@K requires at least one ground-truth item"),
        (
            "ndcg_at_k",
            {"hypothesis": ["a", "a"], "reference": ["a"]},
            {},
            1.0,
            "NDCG@2: 1.631 (DCG=1.631, IDCG=1.000)",
        ),
        (
            "ndcg_at_k",
            {"hypothesis": ["no", "no", "positive"], "reference": ["no", "no", "positive"]},
            {},
            1.0,
            "NDCG@3: 1.307 (DCG=2.131, IDCG=1.631)",
        ),
        ("numeric_similarity", {"output": "9" * 400, "expected": "1"}, {}, 0.0, "Numeric Similarity: 0.000"),
    ],
)
def test_corners(name, inputs, params, output, reason):
    assert run_evaluator(name, inputs, params) == (output, reason)


def test_supported_is_the_metrics_all_of_the_catalogue():
    assert supported() == METRICS.keys() <= rows().keys()
    assert supported() > ESTIMATES


PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "keyword": st.text(max_size=3),
        "keywords": st.lists(st.text(max_size=3)) | st.text() | st.none(),
        "case_sensitive": st.booleans(),
        "case_insensitive": st.booleans(),
        "remove_punctuation": st.booleans(),
        "substring": st.text(max_size=3),
        "pattern": st.text(max_size=5),
        "min_length": st.integers() | st.text(max_size=3),
        "max_length": st.integers() | st.none(),
        "min_words": st.integers(),
        "max_words": st.integers(),
        "min_sentences": st.integers(),
        "max_sentences": st.integers(),
        "k": st.integers() | st.text(max_size=3) | st.none(),
        "n": st.integers(),
        "beta": st.floats(),
        "prefix_weight": st.floats() | st.none(),
        "detect_types": st.text() | st.sampled_from(["ssn,email", '["phone"]', "[[]]"]),
        "validations": st.lists(
            st.dictionaries(st.sampled_from(["field", "rule", "value"]), st.text(max_size=3) | st.none())
        ),
    },
)
TEXTS = st.text() | st.text("()[]{}<>/\"'0aZ.,!? \n:-") | st.lists(st.text(max_size=5)).map(repr) | st.lists(st.text())


@pytest.mark.parametrize("name", sorted(supported()))
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_text_gets_a_verdict_of_the_right_type_or_a_refusal(name, data):
    row = rows()[name]
    inputs = {key: data.draw(TEXTS, label=key) for key in row["required_keys"]}
    params = data.draw(PARAMS, label="params")
    if schema := row.get("function_params_schema"):
        params = {key: value for key, value in params.items() if key in schema}
    try:
        verdict = run_evaluator(name, inputs, params)
    except (BlankInputError, EngineError):
        return
    if row["output"] == "Pass/Fail":
        assert verdict.output in {"Passed", "Failed"}
    else:
        assert isinstance(verdict.output, float)
        assert 0 <= verdict.output <= 1
    assert verdict.reason
