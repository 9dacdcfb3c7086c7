"""How much of a transcript is right, by the words of an alignment (Morris, Maier and Green 2004).

Words are lower-cased and separated by white space. Every score is 1 for a perfect transcript; the rates in the
reasons are those of the field, where 0 is perfect. `word_error_rate` and `character_error_rate` stand with the other
edit distances.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict
from fi_async.local.metrics.edits import align, edit_distance


def _words(inputs: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The words of the reference and of the hypothesis."""
    return str(inputs["reference"]).lower().split(), str(inputs["hypothesis"]).lower().split()


def match_error_rate(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 - MER: edits / (hits + edits), the share of the aligned words that are wrong."""
    edits = align(*_words(inputs))
    wrong = edits.substitutions + edits.deletions + edits.insertions
    rate = wrong / (edits.hits + wrong)
    counts = f"H={edits.hits}, S={edits.substitutions}, D={edits.deletions}, I={edits.insertions}"
    return Verdict(max(0.0, 1 - rate), f"MER: {rate * 100:.1f}% ({counts})")


def word_info_lost(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """1 - WIL, where WIL = 1 - hits / words of the reference * hits / words of the hypothesis."""
    reference, hypothesis = _words(inputs)
    hits = align(reference, hypothesis).hits
    lost = 1 - (hits / len(reference)) * (hits / len(hypothesis))
    counts = f"H={hits}, |ref|={len(reference)}, |hyp|={len(hypothesis)}"
    return Verdict(max(0.0, 1 - lost), f"WIL: {lost:.4f} ({counts})")


def word_info_preserved(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """WIP: hits / words of the reference * hits / words of the hypothesis.

    Hits are the reference's words less the edits, insertions too, as the platform counts them: one inserted word
    costs as much as a wrong one, which `word_info_lost` does not count so.
    """
    reference, hypothesis = _words(inputs)
    hits = max(0, len(reference) - edit_distance(reference, hypothesis))
    preserved = (hits / len(reference)) * (hits / len(hypothesis))
    return Verdict(preserved, f"WIP: {preserved:.4f}")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (match_error_rate, word_info_lost, word_info_preserved)}
)
