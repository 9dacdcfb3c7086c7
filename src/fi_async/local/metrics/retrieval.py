"""How good a ranked list of retrieved chunks is (Manning, Raghavan and Schütze 2008, chapter 8).

`hypothesis` is what was retrieved, best first; `reference` is what is relevant. Chunks are the same when
their texts are. The two templates about contexts have other keys, and compare without case.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._lists import json_list
from fi_async.local.metrics._verdict import Metric, Verdict


def _parsed(value: Any) -> Any:
    """The list in a JSON or Python literal, else the value as the only item of one.

    A text that parses to something else than a list is passed on as it is: a number then fails the
    evaluation, a quoted string is ranked character by character. So it is on the platform.
    """
    if isinstance(value, list):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):  # Python's parser has no room for long texts
            continue
    return [value]


def _read(inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    return _parsed(inputs["hypothesis"]), _parsed(inputs["reference"])


def _texts(items: Any) -> list[str]:
    return [str(item) for item in items]


def _top(items: Any, params: Mapping[str, Any]) -> tuple[list[str], int]:
    """The first `k` items (all of them without `k`), and the k to name in the reason."""
    k = params.get("k")
    top = _texts(items if k is None else items[:k])
    return top, len(top) if k is None else k


def recall_at_k(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """The share of the relevant chunks that are in the first `k` retrieved."""
    hypothesis, reference = _read(inputs)
    if not reference:
        return Verdict(0.0, "Recall@K requires at least one ground-truth item")
    top, k = _top(hypothesis, params)
    relevant = set(_texts(reference))
    hits = len(relevant.intersection(top))
    recall = hits / len(relevant)
    return Verdict(recall, f"Recall@{k}: {recall:.3f} ({hits}/{len(relevant)} relevant items in top {k})")


def precision_at_k(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """The share of the first `k` retrieved chunks that are relevant; fewer than `k` divide by their number."""
    hypothesis, reference = _read(inputs)
    top, k = _top(hypothesis, params)
    if not top:
        return Verdict(0.0, "No retrieved items to evaluate")
    relevant = set(_texts(reference))
    hits = sum(item in relevant for item in top)
    precision = hits / len(top)
    return Verdict(precision, f"Precision@{k}: {precision:.3f} ({hits}/{len(top)} retrieved items are relevant)")


def hit_rate(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 when any relevant chunk was retrieved, else 0."""
    hypothesis, reference = _read(inputs)
    if not reference:
        return Verdict(0.0, "Hit rate requires at least one ground-truth item")
    if set(_texts(reference)).isdisjoint(_texts(hypothesis)):
        return Verdict(0.0, "Hit rate: 0.0 (no relevant items found in retrieved list)")
    return Verdict(1.0, "Hit rate: 1.0 (at least one relevant item was retrieved)")


def mrr(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The reciprocal of the rank of the first relevant chunk; 0 without one."""
    hypothesis, reference = _read(inputs)
    if not reference or not hypothesis:
        return Verdict(0.0, "MRR requires both reference and hypothesis")
    relevant = set(_texts(reference))
    for rank, item in enumerate(_texts(hypothesis), start=1):
        if item in relevant:
            return Verdict(1 / rank, f"MRR: {1 / rank:.3f} (first relevant item at rank {rank})")
    return Verdict(0.0, "MRR: 0.000 (no relevant item found in retrieved list)")


def ndcg_at_k(inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Verdict:
    """The discounted gain of the first `k` chunks / the best possible one (Järvelin and Kekäläinen 2002).

    A relevant chunk gains each time that it was retrieved, so that repeated ones may gain more than the best possible
    order, which has each once: the share is 1 then, and the reason says the gains as they are. So it is on the
    platform.
    """
    hypothesis, reference = _read(inputs)
    if not reference:
        return Verdict(0.0, "NDCG@K requires at least one ground-truth item")
    top, k = _top(hypothesis, params)
    relevant = set(_texts(reference))
    gain = math.fsum(_discount(rank) for rank, item in enumerate(top, start=1) if item in relevant)
    ideal = math.fsum(_discount(rank) for rank in range(1, min(len(relevant), len(top)) + 1))
    ndcg = gain / ideal if ideal else 0.0
    return Verdict(min(ndcg, 1.0), f"NDCG@{k}: {ndcg:.3f} (DCG={gain:.3f}, IDCG={ideal:.3f})")


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def recall_score(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The share of the relevant chunks that were retrieved, at any rank."""
    hypothesis, reference = _read(inputs)
    if not reference:
        return Verdict(0.0, "Recall score requires at least one ground-truth item")
    relevant = set(_texts(reference))
    hits = len(relevant.intersection(_texts(hypothesis)))
    recall = hits / len(relevant)
    return Verdict(recall, f"Recall score: {recall:.3f} ({hits}/{len(relevant)} relevant items retrieved)")


def mean_average_precision(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The mean, over the relevant chunks, of the precision at the rank where each was retrieved; 0 where it was not.

    This is the average precision of one query. As with `ndcg_at_k`, a relevant chunk counts each time that it was
    retrieved, and the share is 1 at most.
    """
    hypothesis, reference = (_items(inputs[key]) for key in ("hypothesis", "reference"))
    if not reference:
        return Verdict(0.0, "Empty reference")
    relevant = set(reference)
    ranks = [rank for rank, item in enumerate(hypothesis, start=1) if item in relevant]
    mean = sum(hits / rank for hits, rank in enumerate(ranks, start=1)) / len(relevant)
    return Verdict(min(mean, 1.0), f"MAP: {mean:.4f} ({len(ranks)} relevant in {len(hypothesis)} retrieved)")


def _items(value: Any) -> list[str]:
    """The texts of a JSON array, else the value as the only one."""
    items = json_list(value)
    return [str(value)] if items is None else _texts(items)


def _contexts(value: Any) -> list[str]:
    """The contexts of a JSON array, or the lines of a text; without case and surrounding white space."""
    items = json_list(value)
    texts = str(value).split("\n") if items is None else _texts(items)
    return [text.strip().lower() for text in texts if items is not None or text.strip()]


def non_llm_context_precision(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The share of the retrieved contexts (`output`) that are among the reference ones (`expected`)."""
    retrieved, reference = _contexts(inputs["output"]), _contexts(inputs["expected"])
    wanted = set(reference)
    return _share_found("Context Precision", sum(context in wanted for context in retrieved), len(retrieved))


def non_llm_context_recall(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """The share of the reference contexts (`expected`) that were retrieved (`output`)."""
    retrieved, reference = _contexts(inputs["output"]), _contexts(inputs["expected"])
    found = set(retrieved)
    return _share_found("Context Recall", sum(context in found for context in reference), len(reference))


def _share_found(what: str, hits: int, number: int) -> Verdict:
    share = hits / number
    return Verdict(share, f"{what}: {share:.4f} ({hits}/{number})")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        metric.__name__: metric
        for metric in (
            recall_at_k,
            precision_at_k,
            hit_rate,
            mrr,
            ndcg_at_k,
            recall_score,
            mean_average_precision,
            non_llm_context_precision,
            non_llm_context_recall,
        )
    }
)
