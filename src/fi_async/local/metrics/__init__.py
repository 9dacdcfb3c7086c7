"""The evaluators of the embedded backend, by template name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fi_async.local.metrics import (
    agreement,
    answers,
    classification,
    code,
    correlation,
    embeddings,
    error_rates,
    formats,
    json_structure,
    lexical,
    links,
    retrieval,
    safety,
    similarity,
    text,
    text_statistics,
    trajectories,
    translation,
)
from fi_async.local.metrics._verdict import Metric, Verdict

__all__ = ["ESTIMATES", "METRICS", "Metric", "Verdict"]

METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        **text.METRICS,
        **text_statistics.METRICS,
        **formats.METRICS,
        **json_structure.METRICS,
        **code.METRICS,
        **safety.METRICS,
        **similarity.METRICS,
        **error_rates.METRICS,
        **translation.METRICS,
        **retrieval.METRICS,
        **classification.METRICS,
        **agreement.METRICS,
        **correlation.METRICS,
        **trajectories.METRICS,
        **answers.METRICS,
        **embeddings.METRICS,
        **links.METRICS,
        **lexical.METRICS,
    }
)
ESTIMATES: Final = frozenset(lexical.METRICS) | frozenset(embeddings.METRICS)
"""Those that only estimate what the platform's models would say; the others answer as the platform does."""
