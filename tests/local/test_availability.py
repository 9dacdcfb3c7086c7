"""Where each template can be evaluated, and what is said where it cannot."""

from __future__ import annotations

from collections import Counter

import pytest

from fi_async._catalogue import rows
from fi_async.local.metrics import METRICS, embeddings
from fi_async.local.metrics.availability import JUDGED, Place, where, why_not
from fi_async.local.scoring import EngineError, run_evaluator
from local.api import Api

pytestmark = pytest.mark.anyio

UNRECORDED = "by its definition; no recorded answers"


def test_every_template_has_a_place():
    kinds = Counter(where(name).kind for name in rows())
    assert kinds["judged"] == len(JUDGED) == 60
    assert kinds["estimate"] == len(embeddings.METRICS)
    assert kinds["exact"] == len([name for name in METRICS if name not in JUDGED | embeddings.METRICS.keys()])
    assert kinds.total() == 156


def test_who_is_judged_is_a_template_that_a_model_judges():
    assert {rows()[name]["engine"] for name in JUDGED} <= {row["engine"] for row in rows().values()} - {
        "CustomCodeEval"
    }


def test_a_template_that_is_not_here_says_why():
    missing = [name for name in rows() if where(name).kind == "not here" and rows()[name]["engine"] != "CustomCodeEval"]
    assert all(where(name).note != "a judge of the platform has to answer it" for name in missing)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("accuracy", Place("exact", "")),
        ("latency_check", Place("exact", UNRECORDED)),
        ("api_call", Place("exact", f"{UNRECORDED}; asks the network: only where `allow_network` is on")),
        ("groundedness", Place("judged", "an estimate that counts words, where asked for")),
        ("tone", Place("judged", "")),
        ("embedding_similarity", Place("estimate", "extra `embeddings`")),
        ("psnr", Place("not here", "its inputs are images, and only text is evaluated here")),
    ],
)
def test_places(name, place):
    assert where(name) == place


def test_without_judges_what_only_they_answer_is_not_here():
    assert where("tone", frozenset()) == Place("not here", "a judge of the platform has to answer it")
    assert where("groundedness", frozenset()) == Place("estimate", "counts words")


@pytest.mark.parametrize(
    ("name", "inputs", "why"),
    [
        (
            "custom_code_evaluation",
            {},
            "code from a request is not run here: decorate a function of yours with fi_async.template instead",
        ),
        ("ssim", {"output": "a", "expected": "b"}, "its inputs are images, and only text is evaluated here"),
        ("dead_air_detection", {"input_audio": "a"}, "its input is audio, and only text is evaluated here"),
    ],
)
async def test_a_backend_says_why(api: Api, name, inputs, why):
    reply = await api.post({"eval_name": name, "inputs": inputs or {"x": "y"}})
    assert reply.status_code == 400
    if inputs:
        told = f"The local backend cannot evaluate {name!r}: {why}."
        assert reply.json()["details"] == {"non_field_errors": [told]}
    with pytest.raises(EngineError) as caught:
        run_evaluator(name, inputs, {})
    assert str(caught.value) == f"The local backend cannot evaluate {name}: {why}."


def test_embeddings_without_their_extra_name_it(monkeypatch):
    monkeypatch.setattr(embeddings, "find_spec", lambda library: None if library == "onnxruntime" else library)
    assert why_not("embedding_similarity") == "it needs onnxruntime: pip install 'fi-async[embeddings]'"
    with pytest.raises(EngineError, match=r"embedding_similarity: it needs onnxruntime: pip install"):
        run_evaluator("embedding_similarity", {"output": "a", "expected": "b"}, {})
    with pytest.raises(ValueError, match="it needs onnxruntime"):
        embeddings.embedding_similarity({"output": "a", "expected": "b"}, {})


@pytest.mark.parametrize(
    ("expected", "phrases"),
    [('["a ", 1]', ["a", "1"]), ("a, b,,", ["a", "b"]), ('"a, b"', ["a, b"]), ("7", ["7"]), (["x"], ["x"]), (",", [])],
)
def test_phrases(expected, phrases):
    assert embeddings._phrases(expected) == phrases
