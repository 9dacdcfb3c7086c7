"""How good a ranked list of retrieved chunks is (Manning, Raghavan and Schütze 2008, chapter 8).

`hypothesis` is what was retrieved, best first; `reference` is what is relevant. Chunks are the same when
their texts are.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

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
        except (ValueError, SyntaxError):
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


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (recall_at_k, precision_at_k, hit_rate, mrr, ndcg_at_k)}
)
