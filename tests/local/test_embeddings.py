"""The embeddings of the extra: they tell near from far, and say that they are an estimate."""

from __future__ import annotations

import pytest

from fi_async.local.metrics import embeddings
from fi_async.local.scoring import EngineError, run_evaluator

pytestmark = pytest.mark.skipif(embeddings.missing() is not None, reason="needs the extra `embeddings`")

CAT = "The cat sat on the mat."


@pytest.mark.parametrize(
    ("other", "low", "high"),
    [(CAT, 1.0, 1.0), ("A cat was sitting on a rug.", 0.65, 0.8), ("Stock prices fell.", 0, 0.2)],
)
def test_near_texts_have_a_high_cosine(other, low, high):
    verdict = run_evaluator("embedding_similarity", {"output": CAT, "expected": other}, {})
    assert low <= verdict.output <= high
    assert verdict.reason == f"{embeddings.PREFIX}Cosine similarity (text): {verdict.output:.4f}"


def test_phrases_are_found_by_words_and_by_meaning():
    inputs = {"output": "We REFUND your money in five days. Call us!", "expected": '["refund", "telephone us", "apes"]'}
    verdict = run_evaluator("semantic_list_contains", inputs, {})
    assert verdict.output == 0.6667
    told = "Matched 2/3 phrases (threshold=0.5; partial matches allowed). 'refund': 1.0; 'telephone us': 0.7"
    assert verdict.reason.startswith(f"{embeddings.PREFIX}{told}")
    assert run_evaluator("semantic_list_contains", inputs, {"match_all": True}).output == 0.0
    assert run_evaluator("semantic_list_contains", inputs, {"match_all": True, "similarity_threshold": 0}).output == 1.0


def test_no_phrases_and_too_many():
    assert run_evaluator("semantic_list_contains", {"output": "a", "expected": ","}, {}).output == 0.0
    with pytest.raises(EngineError, match="more than 200 sentences in output"):
        run_evaluator("semantic_list_contains", {"output": "a. " * 201, "expected": "a"}, {})


def test_a_long_text_is_cut_off_after_its_first_tokens():
    long = {"output": f"{CAT} " * 200, "expected": f"{CAT} " * 5_000}
    assert run_evaluator("embedding_similarity", long, {}).output == 1.0
