"""Where each template of the catalogue can be evaluated, and why one cannot be here.

The page on the templates is made of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from fi_async._catalogue import rows
from fi_async.local.metrics import ESTIMATES, METRICS, answers, embeddings, lexical, links

_Kind = Literal["exact", "judged", "estimate", "not here"]


class Place(NamedTuple):
    """Where a template is evaluated: the best way there is, and what there is to say about it."""

    kind: _Kind
    note: str


JUDGED: Final = frozenset(
    """
    groundedness context_adherence context_relevance chunk_attribution chunk_utilization detect_hallucination
    factual_accuracy is_factually_consistent eval_ranking ground_truth_match completeness is_helpful is_concise
    is_good_summary summary_quality prompt_adherence prompt_instruction_adherence task_completion
    translation_accuracy no_llm_reference no_apologies contains_code text_to_sql evaluate_function_calling
    answer_refusal bias_detection clinically_inappropriate_tone content_moderation content_safety_violation
    cultural_sensitivity data_privacy_compliance is_compliant is_harmful_advice no_age_bias no_gender_bias
    no_racial_bias no_harmful_therapeutic_guidance pii prompt_injection protect_flash sexist toxicity is_informal_tone
    is_polite tone conversation_coherence conversation_hallucination conversation_resolution
    customer_agent_clarification_seeking customer_agent_context_retention customer_agent_conversation_quality
    customer_agent_human_escalation customer_agent_interruption_handling customer_agent_language_handling
    customer_agent_loop_detection customer_agent_objection_handling customer_agent_prompt_conformance
    customer_agent_query_handling customer_agent_task_completion customer_agent_termination_handling
    """.split()  # noqa: SIM905 - a list of sixty quoted names is harder to read
)
"""Templates that a language model can answer from text alone."""

_IMAGES: Final = "its inputs are images, and only text is evaluated here"
_AUDIO: Final = "its input is audio, and only text is evaluated here"
_NOT_HERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("clip_score", "fid_score", "image_properties", "psnr", "ssim"), _IMAGES),
        **dict.fromkeys(
            ("image_instruction_adherence", "synthetic_image_evaluator", "caption_hallucination"),
            _IMAGES,
        ),
        **dict.fromkeys(("dead_air_detection", "ASR/STT_accuracy", "TTS_accuracy", "audio_quality"), _AUDIO),
        "ocr_evaluation": "its input is a PDF file, and only text is evaluated here",
        "custom_code_evaluation": "code from a request is not run here: "
        "decorate a function of yours with fi_async.template instead",
        "deterministic_evals": "its rule is written by its user, for a judge of the platform",
    }
)
_UNRECORDED: Final = "by its definition; no recorded answers"
_NO_FUNCTION: Final = "its function is not written here"
_NO_JUDGE: Final = "a judge of the platform has to answer it"
_NETWORK_OFF: Final = (
    "it asks the network, which is off: allow it with LocalBackend(Switches(allow_network=True)), "
    "or with fi-async serve --allow-network"
)


def where(name: str, judged: frozenset[str] = JUDGED) -> Place:
    """Where a template of the catalogue is evaluated; `judged` are those that a judge can answer from text."""
    if name in METRICS and name not in ESTIMATES:
        if name in links.METRICS:
            return Place("exact", f"{_UNRECORDED}; asks the network: only where `allow_network` is on")
        return Place("exact", _UNRECORDED if name in answers.METRICS else "")
    if name in judged:
        return Place("judged", "an estimate that counts words, where asked for" if name in lexical.METRICS else "")
    if name in ESTIMATES:
        return Place("estimate", "extra `embeddings`" if name in embeddings.METRICS else "counts words")
    of_code = rows()[name]["engine"] == "CustomCodeEval"
    return Place("not here", _NOT_HERE.get(name, _NO_FUNCTION if of_code else _NO_JUDGE))


def why_not(name: str, *, allow_network: bool = False) -> str | None:
    """Why the template cannot be evaluated here as things are, and what to do; None if it can."""
    if name in links.METRICS and not allow_network:
        return _NETWORK_OFF
    if name in embeddings.METRICS:
        return embeddings.missing()
    return None if name in METRICS else _NOT_HERE.get(name)
