"""evaluate() and aevaluate() with backends, and with templates of the user's."""

from __future__ import annotations

import pytest

from fi_async import (
    ConfigurationError,
    Criteria,
    Judge,
    MissingCredentialsError,
    aevaluate,
    evaluate,
    template,
)
from fi_async.local import LocalBackend

CALM = Criteria("calm", "Is {{output}} calm?")
NAMES = ("FI_API_KEY", "FI_SECRET_KEY", "FI_BASE_URL", "OPENAI_API_KEY")


@template
def brief(output: str) -> bool:
    return len(output) < 5


@pytest.fixture(autouse=True)
def _without_keys(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def judge_of(verdict):
    return Judge(
        "m", base_url="http://127.0.0.1/v1", api_key="k", app=LocalBackend(judge=lambda *_: {"result": verdict})
    )


def test_a_function_needs_no_account():
    assert evaluate(brief, output="abc").passed
    assert not evaluate(brief, output="abcdef").passed
    with pytest.raises(MissingCredentialsError):
        evaluate("groundedness", output="x", context="y")


def test_equal_judges_over_other_apps_are_told_apart():
    yes, no = judge_of("Pass"), judge_of("Fail")
    assert yes == no
    assert evaluate(CALM, output="x", backends=["local", yes]).passed
    assert not evaluate(CALM, output="x", backends=["local", no]).passed
    assert evaluate("is_json", text="[1]", backends=["local", no]).backend == "local"


@pytest.mark.anyio
async def test_who_awaits_has_them_too():
    result = await aevaluate(CALM, output="x", backends=[judge_of("Pass")])
    assert (result.passed, result.backend, result.model) == (True, "judge", "m")
    assert (await aevaluate(brief, output="abc")).backend == "code"


@pytest.mark.parametrize(
    ("backends", "said"),
    [([], "backends is empty"), (["clod"], "not 'clod'"), ("local", "backends must be a list"), ([[]], "not \\[\\]")],
)
def test_backends_that_are_none_are_told(backends, said):
    with pytest.raises(ConfigurationError, match=said):
        evaluate("is_json", text="[1]", backends=backends)
    with pytest.raises(MissingCredentialsError, match="OPENAI_API_KEY"):
        evaluate(CALM, output="x", backends=[Judge("m")])
