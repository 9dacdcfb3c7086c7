"""Who answers which template, and what is told before anything is sent."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from fi_async import AsyncEvaluator, ConfigurationError, Criteria, Judge, MissingCredentialsError, template
from fi_async.backends.chosen import Backends
from fi_async.backends.functions import ExactFunction

URL = "http://127.0.0.1:1/v1"
CALM = Criteria("calm", "Does {{output}} stay calm?")


@template
def short(output: str) -> bool:
    """Tell whether it is short."""
    return len(output) < 5


def judge(model: str = "m", **settings: Any) -> Judge:
    return Judge(model, base_url=URL, **settings)


def test_each_template_goes_to_the_first_backend_that_can():
    first, second = judge("a"), judge("b")
    backends = Backends(["local", first, second, "cloud"])
    assert isinstance(backends.route("is_json", None).function, ExactFunction)
    assert backends.route("groundedness", None).judge is first
    assert backends.route("groundedness", None).rubric.name == "groundedness"
    assert backends.route(CALM, None).judge is first
    assert backends.route(short, None).function is short
    assert backends.route("audio_quality", None).is_platform
    assert backends.route("one_of_mine", None).is_platform
    assert Backends(["cloud", first]).route("groundedness", None).is_platform
    assert Backends([first, "local"]).route("is_json", None).function.backend == "local"


def test_without_backends_all_is_the_platforms_but_functions_of_the_users():
    assert Backends().route("is_json", None).is_platform
    assert Backends().route("groundedness", None).is_platform
    assert Backends().route(short, None).function is short


def test_what_is_not_the_platforms_has_a_fingerprint_that_changes_with_it():
    mine = judge("a")
    backends = Backends(["local", mine])
    told = {
        backends.route("groundedness", None).fingerprint,
        backends.route("toxicity", None).fingerprint,
        backends.route(CALM, None).fingerprint,
        backends.route(Criteria("calm", "Is {{output}} calm?"), None).fingerprint,
        Backends([judge("b")]).route(CALM, None).fingerprint,
        Backends([judge("a", temperature=0.5)]).route(CALM, None).fingerprint,
        short.fingerprint,
        template(name="short", version="2")(short.function).fingerprint,
    }
    assert len(told) == 8
    assert None not in told
    assert backends.route("is_json", None).fingerprint is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "backends is empty: leave it out for the platform, or say who answers"),
        ("local", "backends must be a list, such as"),
        (["local", "clod"], 'backends must hold "local", "cloud", Judges and Juries, not \'clod\''),
        (["local", "cloud", "local"], "backends has 'local' twice"),
    ],
)
def test_backends_that_are_none_are_refused(given, message):
    with pytest.raises(ConfigurationError) as caught:
        AsyncEvaluator(backends=given)
    assert caught.value.message.startswith(message)


def test_two_judges_of_one_endpoint_are_one_too_many():
    with pytest.raises(ConfigurationError, match="twice"):
        Backends([judge("a"), judge("a", temperature=1)])


def test_a_judge_without_a_key_is_told_when_the_client_is_made(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingCredentialsError, match="OPENAI_API_KEY missing"):
        AsyncEvaluator(backends=["local", Judge("gpt-5-mini")])


def test_keys_of_the_platform_are_asked_for_only_where_it_answers(monkeypatch):
    for name in ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    AsyncEvaluator(backends=["local", judge()])
    with pytest.raises(MissingCredentialsError, match="FI_API_KEY"):
        AsyncEvaluator(backends=["local", "cloud"])


# -- @template ---------------------------------------------------------------------------------------------------------


def test_a_function_stays_callable_and_has_the_facts_of_a_template():
    @template
    def grade(output: str, most: int = 5) -> tuple[Literal["good", "bad"], str]:
        """Grade it.

        More.
        """
        return ("good" if len(output) < most else "bad"), "by length"

    assert grade("abc") == ("good", "by length")
    assert (vars(grade)["__name__"], grade.eval_name) == ("grade", "grade")
    facts = grade.template
    assert (facts.required_keys, facts.optional_keys) == (("output",), ("most",))
    assert (facts.output_type, facts.choices, facts.description) == ("choices", ("good", "bad"), "Grade it.")
    assert repr(grade) == "<FunctionTemplate grade(output, most) -> choices>"


def starred(*outputs: str) -> bool:
    return True


def keyworded(output: str, **others: str) -> bool:
    return True


def positional(output: str, /) -> bool:
    return True


def of_nothing() -> bool:
    return True


def unannotated(output: str):
    return True


def odd(output: str) -> dict[str, int]:
    return {}


def unreadable(output: str) -> nowhere:  # type: ignore[name-defined]  # noqa: F821  # what a name that is not there does
    return True


def is_json(output: str) -> bool:
    return True


async def awaited(output: str) -> bool:
    return True


def labelled(output: str) -> Literal["a", "b"]:
    return "a"


@pytest.mark.parametrize(
    ("function", "how", "message"),
    [
        (starred, {}, "@template on starred: *outputs names no input key"),
        (keyworded, {}, "@template on keyworded: **others names no input key"),
        (positional, {}, "@template on positional: output is positional only"),
        (of_nothing, {}, "@template on of_nothing: it has no parameters"),
        (unannotated, {}, "@template on unannotated: annotate what it returns: bool, float"),
        (odd, {}, "@template on odd: dict[str, int] is no output type: return bool, float"),
        (unreadable, {}, "@template on unreadable: its annotations cannot be read"),
        (is_json, {}, "@template on is_json: the platform has a template of that name"),
        (lambda output: len(output) > 1, {}, "@template on <lambda>: give it a name"),
        (str, {}, "@template decorates a function, not type"),
        (awaited, {"processes": 2}, "@template on awaited: a coroutine function runs in the event loop"),
        (labelled, {"processes": -1}, "@template on labelled: processes must be a whole number from 0"),
        (labelled, {"choices": {"a": 1.0}}, "@template on labelled: choices must give the score of each label"),
        (labelled, {"choices": {"a": 1.0, "b": float("nan")}}, "@template on labelled: choices must be finite numbers"),
    ],
)
def test_a_function_that_is_no_template_is_told_with_the_fix(function, how, message):
    with pytest.raises(ConfigurationError) as caught:
        template(**how)(function)
    assert caught.value.message.startswith(message)
