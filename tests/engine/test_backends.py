"""Who answers, as a client is asked: told before anything is sent where nobody can."""

from __future__ import annotations

import pytest

from fi_async import AsyncEvaluator, ConfigurationError, Criteria, Judge, template
from fi_async.local import LocalBackend

pytestmark = pytest.mark.anyio

CALM = Criteria("calm", "Does {{output}} stay calm?")


@template
def short(output: str) -> bool:
    return len(output) < 5


@pytest.mark.parametrize(
    ("backends", "asked", "config", "message"),
    [
        (["local"], "groundedness", None, "answers 'groundedness': add a Judge(...), or \"cloud\""),
        (["judge"], "is_json", None, "answers 'is_json': it is computed here: add \"local\""),
        (["local", "judge"], "audio_quality", None, "answers 'audio_quality': add \"cloud\" (it judges sound"),
        (["local"], "is_jsn", None, 'add "cloud" if it is one of your own there; did you mean is_json'),
        (["local"], CALM, None, "calm is a Criteria, which only a judge answers: pass backends=[Judge(...), ...]"),
        (["judge"], CALM, {"a": 1}, "eval_config: calm is a Criteria, and takes no parameters"),
        (["local"], short, {"a": 1}, "eval_config: short is a function, and takes no parameters beside its inputs"),
        (["local"], "ndcg_at_k", {"key": 1}, "eval_config of ndcg_at_k: Unknown function params: key"),
        (["judge"], [CALM, Criteria("calm", "Another {{output}}")], None, "has two that are called 'calm'"),
    ],
)
async def test_what_nobody_can_answer_is_told_before_anything_is_sent(backends, asked, config, message):
    app = LocalBackend()
    mine = Judge("m", app=app)
    async with AsyncEvaluator(backends=[mine if each == "judge" else each for each in backends]) as ev:
        with pytest.raises(ConfigurationError) as caught:
            await ev.gather([{"output": "x", "text": "x"}], asked, eval_config=config)
    assert message in caught.value.message
    assert app.chat_statistics()["requests"] == 0


async def test_what_is_not_the_platforms_cannot_be_submitted():
    async with AsyncEvaluator(backends=["local"]) as ev:
        with pytest.raises(ConfigurationError, match="short is not the platform's to answer"):
            await ev.submit(short, {"output": "x"})


async def test_a_judge_in_place_of_the_estimates_leaves_no_room_for_others():
    app = LocalBackend()
    with pytest.raises(ConfigurationError, match="leave app and backends out"):
        AsyncEvaluator.local(app, judge=Judge("m", app=app))
    async with AsyncEvaluator.local(judge=Judge("m", app=app, api_key="k")) as ev:
        case = {"output": "a", "context": "a", "input": "b"}
        results = (await ev.evaluate(["groundedness", "is_json"], {**case, "text": "[1]"})).eval_results
    assert [(each.backend, each.model, each.estimate) for each in results] == [
        ("judge", "m", False),
        ("local", None, False),
    ]
