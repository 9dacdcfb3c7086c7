"""What the recorded answers leave open: every kind of verdict of a metric, and what ends it."""

import pytest

from fi_async.local import bounded
from fi_async.local.scoring import EngineError, run_evaluator

NO_WORDNET = (
    "METEOR requires NLTK WordNet on the backend image. "
    "Add `python -m nltk.downloader wordnet omw-1.4` to backend Dockerfile."
)
JARO = "jaro_winkler_similarity"
RAISED = "Jaro-Winkler: 0.9861 (Jaro=0.9444, prefix=3)"
SUPPORTED = "detect_types must include at least one supported type"
ALL_PERSONAL = "PII detected: SSN: 1; Credit Card: 1; Phone: 1; Email: 2; IP: 1"
PERSONAL = "Ann 123-45-6789, 4111-1111-1111-1111, +1 (415) 555-2671, ann@example.org, bob@example.org, 10.0.0.1"


def pair(name, first, second, **params):
    """The verdict of two texts."""
    keys = {"jaro_winkler_similarity": ("output", "expected"), "squad_score": ("output", "expected")}
    return run_evaluator(
        name, dict(zip(keys.get(name, ("hypothesis", "reference")), (first, second), strict=True)), params
    )


def one(name, text, **params):
    """The verdict of one text."""
    return run_evaluator(name, {"text": text}, params)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score", "reason"),
    [
        # As NLTK 3.10 scores them, with a WordNet that is not there.
        ("the cats sat", "the cat sat", 0.9814814814814815, "METEOR: 0.9815"),
        ("the cat", "the cat sat on a mat", 0.33482142857142855, "METEOR: 0.3348"),
        ("mat the cat", "the cat sat on the mat", 0.2631578947368421, "METEOR: 0.2632"),
        ("relational", "related", 0.5, "METEOR: 0.5000"),
        ("the cat sat down", "the cat sat", 0.0, NO_WORDNET),
        ("feline", "cat", 0.0, NO_WORDNET),
        (0, "cat", 0.0, "Missing reference or hypothesis"),
        (0, 0, 1.0, "METEOR: 1.0000"),
    ],
)
def test_meteor(hypothesis, reference, score, reason):
    assert pair("meteor_score", hypothesis, reference) == (pytest.approx(score, rel=1e-12), reason)


@pytest.mark.parametrize(
    "case",
    [
        ("chrf_score", "ab", "abc", {"n": 2, "beta": 1}, 0.7368421052631579, "ChrF2: 0.7368 (P=1.000, R=0.583)"),
        ("chrf_score", 0, "abc", {}, 0.0, "Missing reference or hypothesis"),
        ("gleu_score", "a b", 0, {}, 0.0, "Missing reference or hypothesis"),
        ("gleu_score", ["a", "b"], "['a', 'b'] c", {}, 0.5773502691896257, "GLEU: 0.5774"),
        (JARO, "ab", "cd", {}, 0.0, "Jaro-Winkler: 0.0 (no matches)"),
        (JARO, "MARTHA", "MARHTA", {}, 0.9611111111111111, "Jaro-Winkler: 0.9611 (Jaro=0.9444, prefix=3)"),
        (JARO, "MARTHA", "MARHTA", {"prefix_weight": 0.9}, 0.9861111111111112, RAISED),
        (JARO, "AB", "ab", {"case_insensitive": False}, 0.0, "Jaro-Winkler: 0.0 (no matches)"),
        ("squad_score", "The cat!", "a cat", {}, 1.0, "SQuAD: EM=1, F1=1.0000"),
        ("squad_score", "the", "a", {}, 1.0, "SQuAD: EM=1, F1=1.0000"),
        ("squad_score", "the", "cat", {}, 0.0, "SQuAD: EM=0, F1=0.0000"),
        ("match_error_rate", "a", "b c a d", {}, 0.25, "MER: 75.0% (H=1, S=0, D=3, I=0)"),
        ("word_info_preserved", "a b c d", "a", {}, 0.0, "WIP: 0.0000"),
        ("word_info_lost", "a b c d", "a", {}, 0.25, "WIL: 0.7500 (H=1, |ref|=1, |hyp|=4)"),
    ],
)  # fmt: skip
def test_pairs(case):
    name, first, second, params, score, reason = case
    assert pair(name, first, second, **params) == (pytest.approx(score, rel=1e-12), reason)


@pytest.mark.parametrize(
    ("name", "text", "params", "output", "reason"),
    [
        ("repetition_rate", "a b a b a B", {"n": 2}, 0.4, "Repetition rate: 0.6000 (3 repeated 2-grams)"),
        ("repetition_rate", "a b", {"n": 10**9}, 1.0, "Text too short"),
        ("distinct_n", "a b a B", {"n": "2"}, 2 / 3, "Distinct-2: 0.6667 (2/3)"),
        ("readability_score", "?!", {}, 1.0, "Flesch Reading Ease=100.0/100, Grade Level=0.0 (1 words, 1 sentences)"),
        ("is_refusal", "It is NOT appropriate.", {}, "Passed", "Refusal: 'it is not appropriate'"),
        ("is_refusal", "I\N{RIGHT SINGLE QUOTATION MARK}m unable to", {}, "Failed", "No refusal detected"),
        ("is_sql", "SELECT 1", {}, "Failed", "SELECT requires one of: ['FROM']"),
        ("is_sql", "SELECT\n1 FROM t", {}, "Failed", "Text does not start with a recognized SQL keyword"),
        ("is_sql", "/* a */ -- b", {}, "Failed", "Text contains only comments"),
        ("is_sql", "DROP TABLE t -- it's gone", {}, "Passed", "Text appears to be valid SQL"),
        ("is_sql", "DROP TABLE t /*/ ( */", {}, "Passed", "Text appears to be valid SQL"),
        ("is_sql", "DROP TABLE 't", {}, "Failed", "Unbalanced ' quotes in SQL"),
        ("is_sql", 'SELECT "\\"" FROM t', {}, "Passed", "Text appears to be valid SQL"),
        ("is_sql", "SELECT (a FROM t", {}, "Failed", "Unbalanced parentheses (unclosed)"),
        ("is_sql", "SELECT a) FROM t", {}, "Failed", "Unbalanced parentheses (extra closing)"),
        ("is_sql", "begin;", {}, "Passed", "Text appears to be valid SQL"),
        ("regex_pii_detection", PERSONAL, {}, "Failed", ALL_PERSONAL),
        ("regex_pii_detection", PERSONAL, {"detect_types": '["email"]'}, "Failed", "PII detected: Email: 2"),
        ("regex_pii_detection", PERSONAL, {"detect_types": '"ssn,email"'}, "Failed", "PII detected: SSN: 1; Email: 2"),
        ("regex_pii_detection", PERSONAL, {"detect_types": "SSN"}, "Failed", SUPPORTED),
        ("regex_pii_detection", "Ann", {"detect_types": " ssn , zip "}, "Passed", "No PII (checked: ssn)"),
        ("syntax_validation", '"\\d"', {}, "Passed", "Valid Python syntax"),
        ("code_complexity", "a if b and c or d else e", {}, 0.85, "Cyclomatic complexity: 4, score=0.850"),
        ("code_complexity", "assert a\n" * 5, {}, 0.75, "Cyclomatic complexity: 6, score=0.750"),
        ("code_complexity", "assert a\n" * 10, {}, 0.5, "Cyclomatic complexity: 11, score=0.500"),
        ("code_complexity", "assert a\n" * 20, {}, 0.2, "Cyclomatic complexity: 21, score=0.200"),
        ("code_complexity", "assert a\n" * 40, {}, 0.0, "Cyclomatic complexity: 41, score=0.000"),
    ],
)  # fmt: skip
def test_texts(name, text, params, output, reason):
    expected = output if isinstance(output, str) else pytest.approx(output, rel=1e-12)
    assert one(name, text, **params) == (expected, reason)


@pytest.mark.parametrize(
    ("actual", "expected", "validations", "reason"),
    [
        ("{a", "1", [], "actual_json is not valid JSON: "),
        ({"a": 1}, "{a", [], "JSON validates against schema successfully"),
        ({"b": 1}, {"c": 1, "b": 1, "a": 1}, [], "Missing keys: c, a"),
        ({"a": 1.0, "b": True}, {"a": 1, "b": 1}, [], "Type mismatches: a: expected int, got float; b: "),
        ({"a": 1}, {"a": 2}, [{"field": "b", "rule": "required"}, 1], "Required field 'b' missing"),
        ({"a": 1}, {"a": 2}, [{"field": "a", "rule": "type", "value": "str"}], "Field 'a' type mismatch: expected "),
        ([1], [2], [{"field": "a", "rule": "required"}], "JSON validates against schema successfully"),
    ],
)  # fmt: skip
def test_json_scheme_validation(actual, expected, validations, reason):
    inputs = {"actual_json": actual, "expected_json": expected}
    verdict = run_evaluator("json_scheme_validation", inputs, {"validations": validations})
    assert verdict.output == ("Passed" if reason.startswith("JSON validates") else "Failed")
    assert verdict.reason.startswith(reason)


def test_json_diff_of_what_is_no_json():
    verdict = run_evaluator("json_diff", {"output": "{a", "expected": "1"}, {})
    assert (verdict.output, verdict.reason[:18]) == (0.0, "JSON parse error: ")


@pytest.mark.parametrize(
    ("name", "text", "params", "error"),
    [
        ("distinct_n", "a", {"n": 6}, "n must be <= 5"),
        ("regex_pii_detection", "a", {"detect_types": "5"}, "argument of type 'int' is not "),
        ("syntax_validation", "-" * 100_000 + "1", {}, ""),
        ("code_complexity", "1+" * 50_000 + "1", {}, ""),
    ],
)
def test_what_ends_an_evaluation(name, text, params, error):
    with pytest.raises(EngineError, match=f"Code eval input validation failed: Runtime error: {error}"):
        one(name, text, **params)


def test_code_is_read_in_another_process():
    """Python's parser warns of the first text, which would be an error here."""
    assert bounded.may_take_long("syntax_validation", {"text": "1"}, {})
    assert one("code_complexity", "1if 2 else 3").reason == "Cyclomatic complexity: 2, score=0.950"
