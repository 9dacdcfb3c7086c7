"""evaluate-pipeline: acceptance, refusals by item, and summaries."""

from __future__ import annotations

import pytest

from fi_async.local import Faults, Quota, scoring, templates
from fi_async.local.metrics import Verdict

pytestmark = pytest.mark.anyio

PATH = "evaluate-pipeline/"
REQUIRED = "This field is required."
CONTAINS = {
    "eval_template": "contains",
    "inputs": {"text": ["Rome 0", "Paris 1", "Paris 2"]},
    "config": {"params": {"keyword": "Paris"}},
}
LEVENSHTEIN = {
    "eval_template": "levenshtein_similarity",
    "model_name": "turing_small",
    "inputs": {"output": ["kitten"] * 4, "expected": ["sitting"] * 4},
}


def run(*items, version="v1", project="default", **more):
    return {"project_name": project, "version": version, "eval_data": list(items), **more}


@pytest.fixture
def label(monkeypatch):
    """Lets the server evaluate two templates that choose labels, by the labels named in the input."""

    def several(inputs, _params):
        return Verdict(inputs["output"].split("|"), "")

    def scored(inputs, _params):
        return Verdict({"score": 1.0, "choice": inputs["conversation"]}, "")

    metrics = {"tone": several, "customer_agent_query_handling": scored}
    monkeypatch.setattr(scoring, "METRICS", metrics)
    templates._templates.cache_clear()
    yield
    templates._templates.cache_clear()


async def report(api, versions="v1", project="default"):
    reply = await api.get(PATH, project_name=project, versions=versions)
    assert reply.status_code == 200, reply.text
    return reply.json()["result"]


async def test_a_run_is_processed_and_then_summed_up(start):
    api = start(latency=2.0)
    reply = await api.post(run(CONTAINS, LEVENSHTEIN), path=PATH)
    accepted = reply.json()["result"]
    assert accepted == {
        "message": "Evaluation run accepted and is being processed.",
        "project_name": "default",
        "version": "v1",
        "evaluation_run_id": accepted["evaluation_run_id"],
    }
    assert await report(api) == {
        "message": "Evaluations are being processed. Please try again in a few minutes.",
        "status": "processing",
    }
    api.clock.now += 2.0
    await api.post(run(CONTAINS, version="v2"), path=PATH)
    api.clock.now += 2.0
    both = await report(api, "v1, v2")
    assert both["message"] == "Evaluation runs retrieved successfully."
    assert both["status"] == "completed"
    assert both["evaluation_runs"][0] == {
        "id": accepted["evaluation_run_id"],
        "project": "default",
        "version": "v1",
        "results_summary": {"contains": 66.66666666666667, "levenshtein_similarity": 57.14285714285714},
    }
    assert both["evaluation_runs"][1]["results_summary"] == {"contains": 66.66666666666667}
    assert api.backend.statistics()["evaluations_made"] == 10


async def test_choices_are_percentages_of_each_label(api, label):
    tones = {"eval_template": "tone", "inputs": {"output": ["joy|surprise", "neutral", "anger"]}}
    scored = {"eval_template": "customer_agent_query_handling", "inputs": {"conversation": ["always"] * 3}}
    await api.post(run(tones, scored), path=PATH)
    summary = (await report(api))["evaluation_runs"][0]["results_summary"]
    third = 33.333333333333336
    assert list(summary["tone"].items()) == [
        ("joy", third),
        ("fear", 0.0),
        ("love", 0.0),
        ("anger", third),
        ("neutral", third),
        ("sadness", 0.0),
        ("surprise", third),
        ("annoyance", 0.0),
        ("confusion", 0.0),
    ]
    assert set(summary["customer_agent_query_handling"].values()) == {0.0}


async def test_lists_and_objects_come_back_as_python_would_write_them(api, label):
    tone = await api.submit(eval_name="tone", inputs={"output": "joy|surprise"}, config={})
    assert (await api.progress(tone))["result"]["value"] == "['joy', 'surprise']"
    talk = await api.submit(eval_name="customer_agent_query_handling", inputs={"conversation": "always"}, config={})
    assert (await api.progress(talk))["result"]["value"] == "{'score': 1.0, 'choice': 'always'}"
    reply = await api.post({"eval_name": "tone", "inputs": {"output": "joy"}})
    (item,) = reply.json()["result"][0]["evaluations"]
    assert item["output"] == ["joy"]
    assert (await api.progress(item["eval_id"]))["eval_status"] == "failed"  # recorded: of a synchronous list


async def test_failed_rows_are_left_out_without_a_word(start):
    api = start(evaluations=(Quota(4, 60),))
    blank = {"eval_template": "one_line", "inputs": {"text": ["", " "]}}
    await api.post(run(blank, CONTAINS), path=PATH)
    assert (await report(api))["evaluation_runs"][0]["results_summary"] == {"contains": 50.0}


async def test_stuck_rows_keep_a_run_processing(start):
    api = start(faults=Faults(stuck=1.0))
    await api.post(run(CONTAINS), path=PATH)
    api.clock.now += 1e9
    assert (await report(api))["status"] == "processing"


@pytest.mark.parametrize("texts", [[], ["a \0 b"]], ids=["empty", "not storable"])
async def test_a_run_without_evaluations_is_complete_at_once(api, texts):
    reply = await api.post(run({"eval_template": "contains", "inputs": {"text": texts}, "foo": 1}), path=PATH)
    assert reply.status_code == 200
    result = await report(api)
    assert (result["status"], result["evaluation_runs"][0]["results_summary"]) == ("completed", {})


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, {"project_name": [REQUIRED], "version": [REQUIRED], "eval_data": [REQUIRED]}),
        (run(), {"eval_data.non_field_errors": ["This list may not be empty."]}),
        ({**run(), "eval_data": "x"}, {"eval_data": ['Expected a list of items but got type "str".']}),
        (run(CONTAINS, foo=1), {"foo": ["Unknown field."]}),
        (run(CONTAINS, project="nope"), {"project_name": ["Project with name 'nope' not found."]}),
        (
            run("x"),
            {"eval_data.0.non_field_errors": ["Invalid data. Expected a dictionary, but got str."]},
        ),
        (run({"inputs": {}}), {"eval_data.0.eval_template": [REQUIRED]}),
        (
            run({"eval_template": "contains", "inputs": {"text": "x"}}),
            {"eval_data.0.inputs": ["All input values must be lists for batched requests."]},
        ),
        (
            run({"eval_template": "levenshtein_similarity", "inputs": {"output": ["a", "b"], "expected": ["a"]}}),
            {"eval_data.0.inputs": ["All input lists must have the same length."]},
        ),
        (
            run(
                CONTAINS,
                {"eval_template": "nope", "inputs": {"text": ["x"]}},
                {"eval_template": "contains", "inputs": {"zzz": ["x"]}},
            ),
            {
                "eval_data.1.eval_template": ["Evaluation template with name 'nope' not found."],
                "eval_data.2.inputs": ["Unexpected keys provided: zzz. Accepted keys are: text"],
            },
        ),
        (
            run(
                {
                    "eval_template": "recall_at_k",
                    "inputs": {"hypothesis": ["a"], "reference": ["a"]},
                    "config": {"params": {"k": 0}},
                }
            ),
            {"eval_data.0.config": ["k must be >= 1"]},
        ),
    ],
)
async def test_wrong_runs(start, body, messages):
    reply = await start(projects=frozenset({"default"})).post(body, path=PATH)
    assert (reply.status_code, reply.json()["errors"]) == (400, messages)


async def test_a_template_this_server_lacks(api):
    item = {"eval_template": "answer_refusal", "inputs": {"input": ["a"], "output": ["b"]}}
    errors = (await api.post(run(item), path=PATH)).json()["errors"]
    assert errors["eval_data.0.eval_template"][0].startswith("The local backend has no evaluator for")


async def test_a_version_is_accepted_once_in_each_project_of_each_key(api):
    for who, project in ((api, "default"), (api, "second"), (api.as_key("other"), "default")):
        assert (await who.post(run(CONTAINS, project=project), path=PATH)).status_code == 200
    reply = await api.post(run(CONTAINS), path=PATH)
    assert reply.json()["errors"] == {"version": ["An evaluation run for version 'v1' already exists in this project."]}


@pytest.mark.parametrize(
    ("params", "messages"),
    [
        ({}, {"project_name": [REQUIRED], "versions": [REQUIRED]}),
        (
            {"project_name": "default", "versions": " , "},
            {"versions": ["At least one version must be provided in the 'versions' parameter."]},
        ),
        (
            {"project_name": "default", "versions": "nope,zip"},
            {"versions": ["Evaluation runs not found for versions: nope, zip"]},
        ),
    ],
)
async def test_wrong_questions_about_runs(api, params, messages):
    reply = await api.get(PATH, **params)
    assert (reply.status_code, reply.json()["errors"]) == (400, messages)
