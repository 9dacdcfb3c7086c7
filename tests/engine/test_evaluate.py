from __future__ import annotations

import asyncio
import dataclasses
import pickle
from contextlib import nullcontext
from typing import Any

import anyio
import pytest

import fi_async
from embedded import GROUNDED, NEEDLE, backend, client, texts
from fi_async import (
    APITimeoutError,
    AsyncEvaluator,
    AuthenticationError,
    Case,
    ConfigurationError,
    EvalResult,
    EvalStatus,
    EvaluationError,
    Execution,
    FiAsyncError,
    HoldBegun,
    InvalidCaseError,
    Limit,
    MissingCredentialsError,
    NotFoundError,
    StalledError,
    Timeout,
    ValidationError,
)
from fi_async._events import emit
from fi_async.local import Faults, Switches
from scripted import Scripted, accepted, completed, error, failed, pending, scored, uuid

pytestmark = pytest.mark.anyio
KEYS = {"key-a": "secret-a", "key-b": "secret-b"}


async def test_one_evaluation_gives_its_result():
    async with client(backend(latency=2)) as ev:
        batch = await ev.evaluate("groundedness", GROUNDED, model_name="turing_small")
    (result,) = batch.eval_results
    assert (result.name, result.output, result.score, result.passed) == ("groundedness", "Passed", 1.0, True)
    assert (result.runtime, result.model, result.output_type) == (2000, "turing_small", "Pass/Fail")
    assert (result.backend, result.estimate, result.choices) == ("local", True, None)
    assert result.eval_id
    assert result.request_id
    assert "Lexical estimate" in result.reason


async def test_a_missing_key_is_filled_from_its_alias_and_listed():
    app = Scripted(scored(name="groundedness"))
    async with client(app) as ev:
        batch = await ev.evaluate("groundedness", {"output": "a", "context": "b"})
        assert batch.eval_results[0].filled == {"input": "output"}
        assert app.requests[0][2]["inputs"] == {"output": "a", "input": "a", "context": "b"}
        with pytest.raises(InvalidCaseError, match="needs the key 'input'"):
            await ev.with_options(fill_missing=False).evaluate("groundedness", {"output": "a", "context": "b"})


async def test_parameters_travel_as_the_server_wants_them():
    app = Scripted(scored())
    async with client(app, model_name="turing_flash") as ev:
        await ev.evaluate(
            "contains",
            {"text": "x"},
            eval_config=NEEDLE,
            custom_eval_name="mine",
            trace_eval=True,
            span_id="0123456789abcdef",
            error_localizer=True,
        )
    assert app.requests[0][:3] == (
        "POST",
        "/sdk/api/v1/new-eval/",
        {
            "eval_name": "contains",
            "inputs": {"text": "x"},
            "model": "turing_flash",
            "span_id": "0123456789abcdef",
            "custom_eval_name": "mine",
            "trace_eval": True,
            "error_localizer": True,
            "config": {"params": NEEDLE},
        },
    )


async def test_a_batch_goes_in_as_few_requests_as_the_server_takes():
    app = backend()
    async with client(app) as ev:
        batch = await ev.evaluate("levenshtein_similarity", {"output": list("abcde"), "expected": list("abxxe")})
        assert [result.score for result in batch.eval_results] == [1.0, 1.0, 0.0, 0.0, 1.0]
        assert app.statistics()["posts"] == 2  # rows of three, and the rest
        batch = await ev.evaluate("contains", [{"text": "needle"}, Case({"text": "x"})], eval_config=NEEDLE)
        assert [result.passed for result in batch.eval_results] == [True, False]


async def test_several_templates_answer_case_by_case():
    async with client(backend()) as ev:
        batch = await ev.evaluate(["is_json", "one_line"], [{"text": "[\n1]"}, {"text": "[1]"}])
    assert [(result.name, result.passed) for result in batch.eval_results] == [
        ("is_json", True),
        ("one_line", False),
        ("is_json", True),
        ("one_line", True),
    ]


async def test_any_object_with_an_eval_name_is_a_template():
    class IsJson:
        eval_name = "is_json"

    async with client(backend()) as ev:
        for template in (IsJson, IsJson(), [IsJson]):
            assert (await ev.evaluate(template, {"text": "1"})).eval_results[0].passed


async def test_is_async_returns_at_once_with_ids():
    async with client(backend(latency=30)) as ev:
        batch = await ev.evaluate("contains", {"text": ["needle", "x"]}, eval_config=NEEDLE, is_async=True)
        assert anyio.current_time() == 0.0
        ids = [result.eval_id for result in batch.eval_results]
        assert [result.output for result in batch.eval_results] == [None, None]
        report = await ev.poll(*ids)
        assert [outcome.passed for outcome in report.outcomes] == [True, False]
        assert [outcome.case.id for outcome in report.outcomes] == ids


async def test_errors_are_raised_typed_and_tell_what_was_done():
    replies = [scored(name="is_json"), error(400, "boom"), error(400, "boom"), error(400, "boom")]
    async with client(Scripted(*replies), concurrency=1) as ev:
        with pytest.raises(ValidationError, match="boom") as caught:
            await ev.evaluate(["is_json", "one_line"], {"text": "x"})
    assert [str(outcome.status) for outcome in caught.value.report.outcomes] == ["scored", "failed"]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.server_message) == (str(caught.value), "boom")


async def test_a_bad_input_sends_nothing():
    app = Scripted(scored())
    async with client(app) as ev:
        with pytest.raises(InvalidCaseError, match=r"case 1: .*'text' is blank") as caught:
            await ev.evaluate("contains", [{"text": "x"}, {"text": " "}])
    assert (caught.value.field, caught.value.index, app.requests) == ("text", 1, [])


async def test_a_row_that_spoils_its_batch_costs_only_itself():
    async with client(backend()) as ev:
        with pytest.raises(ValidationError) as caught:
            await ev.evaluate("regex", {"text": ["a", "b"]}, eval_config={"pattern": "("})
    assert len(caught.value.report.outcomes) == 2


@pytest.mark.parametrize("call", ["evaluate", "gather", "client"])
@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_number_of_seconds_bounds_each_case_whatever_the_call(call, is_refused):
    refusing = Scripted((429, {"status": False, "result": {"retry_after": 100}}), scored())
    given: dict[str, Any] = {"timeout": 5}
    async with client(refusing if is_refused else backend(latency=60), **(given if call == "client" else {})) as ev:
        if call == "gather":
            report = await ev.gather([{"text": "x"}], "contains", **given)
            assert report.coverage == is_refused
        else:
            with nullcontext() if is_refused else pytest.raises(APITimeoutError):
                await ev.evaluate("contains", {"text": "x"}, **(given if call == "evaluate" else {}))
        assert anyio.current_time() == pytest.approx(100.0 if is_refused else 5.0)


async def test_the_timeout_of_the_call_bounds_what_a_limit_takes_too():
    app = Scripted((429, {"status": False, "result": {"retry_after": 100}}))
    async with client(app) as ev:
        with pytest.raises(FiAsyncError, match="timeout of the call"):
            await ev.evaluate("contains", {"text": "x"}, timeout=Timeout(call=5))
        assert anyio.current_time() == 5.0


async def test_submit_gives_a_handle_that_can_be_awaited():
    app = backend(latency=3)
    async with client(app) as ev:
        execution = await ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
        assert isinstance(execution, Execution)
        assert (execution.status, execution.is_done(), anyio.current_time()) == (EvalStatus.PENDING, False, 0.0)
        assert (await execution.refresh()).status in (EvalStatus.PENDING, EvalStatus.PROCESSING)
        assert (await execution).passed is True
        assert 3.0 <= anyio.current_time() <= 4.0
        assert execution.is_done()
        assert repr(execution) == f"<Execution {execution.id} completed>"
        polls = app.statistics()["gets"]
        assert (await execution.result()).passed is True
        assert app.statistics()["gets"] == polls

    async with client(app) as other:
        assert (await other.get_execution(execution.id)).eval_id == execution.id
        assert (await other.poll(execution.id, timeout=300)).passed is True


async def test_submit_of_a_batch_gives_a_list():
    async with client(backend()) as ev:
        handles = await ev.submit("contains", [{"text": "needle"}, {"text": "x"}], eval_config=NEEDLE)
        assert [(await handle).passed for handle in handles] == [True, False]
        assert len(await ev.submit("contains", {"text": ["needle"]}, eval_config=NEEDLE)) == 1
        assert len(await ev.submit(["is_json", "one_line"], {"text": "x"})) == 2


async def test_wait_polls_at_the_interval_it_is_given():
    app = backend(latency=9.5)
    async with client(app) as ev:
        execution = await ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
        assert (await execution.wait(timeout=60, poll_interval=2.0)) is execution
        assert anyio.current_time() == 10.0
        assert app.statistics()["gets"] == 6  # at 0, when it was first seen, and every 2 s


async def test_a_wait_in_vain_costs_nothing_more():
    async with client(backend(latency=10)) as ev:
        execution = await ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
        with pytest.raises(StalledError, match="still p") as caught:
            await execution.wait(timeout=4)
        assert (anyio.current_time(), caught.value.eval_id) == (4.0, execution.id)
        assert isinstance(caught.value, TimeoutError)
        assert (await execution).passed is True


async def test_a_failed_execution_raises_its_error_or_hands_it_over():
    async with client(Scripted(accepted(1), pending(), failed("no judge", 1))) as ev:
        execution = await ev.submit("contains", {"text": "x"})
        assert (await execution.wait(raise_on_failure=False)).error_message == "no judge"
        assert execution.status is EvalStatus.FAILED
        with pytest.raises(EvaluationError, match="no judge"):
            await execution
    async with client(Scripted(completed(number=2))) as ev:
        assert ev.get_execution(uuid(2)).error_message is None


async def test_an_id_that_is_none_is_refused():
    app = backend()
    async with client(app) as ev:
        for none in ("", "  ", 5, None):
            with pytest.raises(InvalidCaseError, match="eval_id must be a text, as submit\\(\\) returns it"):
                ev.get_execution(none)
            with pytest.raises(InvalidCaseError, match="eval_id must be a text"):
                await ev.poll([uuid(9), none])
            with pytest.raises(InvalidCaseError, match="eval_id must be a text"):
                await ev.get_eval_result(none)
        assert app.statistics()["requests"] == 0
        with pytest.raises(NotFoundError, match="Evaluation not found"):
            await ev.get_execution(uuid(9))
        with pytest.raises(NotFoundError, match="Evaluation not found"):
            await ev.get_execution(uuid(9)).refresh()
        report = await ev.poll([uuid(9), uuid(8)])
        assert [type(outcome.error) for outcome in report.outcomes] == [NotFoundError] * 2


@pytest.mark.parametrize("spelling", ["snake", "camel"])
async def test_the_raw_answer_has_both_spellings(spelling):
    async with client(backend(latency=1, spelling=spelling)) as ev:
        execution = await ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
        raw = await ev.get_eval_result(execution.id)
        assert raw["result"]["evalStatus"] == raw["result"]["eval_status"] != "completed"
        assert (await execution).passed
        raw = await ev.get_eval_result(execution.id)
    assert raw["result"]["evalStatus"] == raw["result"]["eval_status"] == "completed"
    record = raw["result"]["result"]
    assert record["evalId"] == record["eval_id"] == execution.id
    assert record["outputType"] == record["output_type"] == "Pass/Fail"
    assert record["value"] == "Passed"
    assert record["runtime"] == 1000.0


async def test_a_sync_verdict_of_failed_is_a_result_and_no_failure():
    async with client(backend()) as ev:
        batch = await ev.evaluate("contains", {"text": "straw"}, eval_config=NEEDLE)
        assert (await ev.get_eval_result(batch.eval_results[0].eval_id))["result"]["eval_status"] == "failed"
        assert (await ev.poll(batch.eval_results[0].eval_id)).passed is False


async def test_the_registry_is_asked_once_by_many():
    app = backend(overhead=1)
    async with client(app) as ev, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ev.list_evaluations)
    assert app.statistics()["requests"] == 1
    listed = await ev.list_evaluations()
    assert len(listed) >= 156
    assert app.statistics()["requests"] == 1


async def test_the_pipeline_and_its_results():
    data = [{"eval_template": "contains", "inputs": {"text": ["needle", "x"]}, "config": {"params": NEEDLE}}]
    async with client(backend(latency=1)) as ev:
        accepted_ = await ev.evaluate_pipeline("project", "v1", data)
        assert accepted_["result"]["version"] == "v1"
        assert (await ev.get_pipeline_results("project", ["v1"]))["result"]["status"] == "processing"
        await anyio.sleep(5)
        done = await ev.get_pipeline_results("project", ["v1"])
        assert done["result"]["evaluation_runs"][0]["results_summary"] == {"contains": 50.0}
        with pytest.raises(ValidationError, match="already exists") as caught:
            await ev.evaluate_pipeline("project", "v1", data)
        assert list(caught.value.fields) == ["version"]
        with pytest.raises(ConfigurationError, match="list of names"):
            await ev.get_pipeline_results("project", "v1")


async def test_a_platforms_configuration_is_checked():
    app = backend(own_templates=frozenset({"contains"}))
    langfuse = {"langfuse_secret_key": "sk", "langfuse_public_key": "pk", "langfuse_host": "https://lf.example"}
    async with client(app, **langfuse) as ev:
        batch = await ev.evaluate(
            "contains", {"text": "output.value"}, platform="langfuse", custom_eval_name="mine",
            span_id="0123456789abcdef", trace_id="0" * 31 + "1",
        )  # fmt: skip
        assert (batch.eval_results, batch.message) == ([], "Configuration is valid.")
        with pytest.raises(ConfigurationError, match="custom_eval_name"):
            await ev.configure_evaluations("contains", {"text": "x"}, custom_eval_name=None)
        with pytest.raises(ConfigurationError, match="one template"):
            await ev.configure_evaluations(["a", "b"], {"text": "x"}, custom_eval_name="mine")
        with pytest.raises(TypeError, match="platfrom"):
            await ev.evaluate("contains", {"text": "x"}, platfrom="langfuse")


async def test_clients_with_different_keys_never_mix():
    app = backend(keys=KEYS)
    a = client(app, fi_api_key="key-a", fi_secret_key="secret-a")
    b = client(app, fi_api_key="key-b", fi_secret_key="secret-b")
    wrong = client(app, fi_api_key="key-a", fi_secret_key="secret-b")
    execution = await a.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
    with pytest.raises(NotFoundError):
        await b.poll(execution.id)
    assert (await a.poll(execution.id)).passed
    with pytest.raises(AuthenticationError) as caught:
        await wrong.evaluate("contains", {"text": "x"})
    for shown in (repr(a), repr(wrong), str(caught.value), repr(vars(caught.value)), repr(a._session.connection)):
        assert "secret-" not in shown
        assert "key-a" not in shown


async def test_with_options_shares_the_connections_and_nothing_else():
    app = backend(latency=1)
    async with client(app) as ev:
        other = ev.with_options(concurrency=2, model_name="turing_large")
        assert other._session.transport is ev._session.transport
        report = await other.gather(texts(4), "contains", eval_config=NEEDLE)
        assert (report.wall_s, report.results[0].model) == (2.0, "turing_large")
        assert repr(ev) == "<AsyncEvaluator local concurrency=auto>"
        assert (await ev.gather(texts(4), "contains", eval_config=NEEDLE)).wall_s == 1.0


async def test_a_closed_client_opens_again():
    ev = client(backend())
    await ev.aclose()
    await ev.evaluate("contains", {"text": "x"})
    await ev.aclose()
    await ev.aclose()
    assert (await ev.evaluate("contains", {"text": "x"})).eval_results[0].passed is False


def test_a_client_serves_one_event_loop_after_another():
    ev = AsyncEvaluator.local(fi_async_backend())

    async def use() -> bool | None:
        first, second = await asyncio.gather(
            ev.evaluate("is_json", {"text": "[1]"}), ev.evaluate("is_json", {"text": "[2]"})
        )
        assert second.eval_results[0].passed
        return first.eval_results[0].passed

    assert [asyncio.run(use()), asyncio.run(use())] == [True, True]


def fi_async_backend():
    from fi_async.local import LocalBackend

    return LocalBackend(Switches(faults=Faults()))


def test_without_keys_the_error_names_the_variables_and_the_way_out(monkeypatch):
    with pytest.raises(MissingCredentialsError) as caught:
        AsyncEvaluator()
    for words in ("FI_API_KEY", "FI_SECRET_KEY", "AsyncEvaluator.local()", "FI_BASE_URL=local"):
        assert words in str(caught.value)
    monkeypatch.setenv("FI_API_KEY", "k")
    with pytest.raises(MissingCredentialsError, match=r"^FI_SECRET_KEY missing"):
        AsyncEvaluator()
    monkeypatch.setenv("FI_BASE_URL", "local")
    assert repr(AsyncEvaluator()) == "<AsyncEvaluator local concurrency=auto>"


async def test_the_environment_chooses_the_embedded_backend(monkeypatch):
    monkeypatch.setenv("FI_BASE_URL", "local")
    result = await fi_async.aevaluate("contains", text="needle", eval_config=NEEDLE, model="turing_small")
    assert (result.passed, result.backend) == (True, "local")


def test_two_names_for_one_bound_are_one_too_many():
    with pytest.raises(ConfigurationError, match="old name"):
        AsyncEvaluator.local(concurrency=1, max_workers=1)
    assert repr(AsyncEvaluator.local(max_workers=3)) == "<AsyncEvaluator local concurrency=3>"


@pytest.mark.parametrize(("eval_id", "sent"), [("job-17", "job-17"), ("a/b?c", "a%2Fb%3Fc")])
async def test_an_execution_is_found_again_by_whatever_id_a_server_gave(eval_id, sent):
    app = Scripted(completed(eval_id=eval_id))
    async with client(app) as ev:
        assert (await ev.get_execution(eval_id)).passed is True
        assert (await ev.poll(eval_id)).eval_id == eval_id
        assert (await ev.get_eval_result(eval_id))["result"]["eval_status"] == "completed"
    assert {request[1] for request in app.requests} == {f"/sdk/api/v1/new-eval/?eval_id={sent}"}


async def test_the_raw_answer_is_never_another_evaluations():
    async with client(Scripted(completed(number=1), completed("Failed", number=2))) as ev:
        answer = await ev.get_eval_result(uuid(2))
    assert (answer["result"]["result"]["eval_id"], answer["result"]["result"]["value"]) == (uuid(2), "Failed")


async def test_a_redirect_ends_a_case_at_once_and_names_the_base_url_to_set():
    app = Scripted((307, b"", {"location": "https://me:pw@eu.example.com/sdk/api/v1/new-eval/?key=s3cret"}))
    async with client(app) as ev:
        report = await ev.gather([{"text": "a"}, {"text": "b"}], "contains", eval_config=NEEDLE)
    assert len(app.requests) == 2
    assert (report.summary()["ambiguous"], report.summary()["possible_duplicates"]) == (0, 0)
    for outcome in report.outcomes:
        assert "set fi_base_url=https://eu.example.com (" in str(outcome.error)
        assert "pw" not in repr(outcome)
        assert "s3cret" not in repr(outcome)


async def test_odd_fields_cost_no_score_and_no_second_request():
    item = {"name": "contains", "reason": ["why"], "runtime": "12 ms", "output": "Passed", "output_type": "Pass/Fail"}
    app = Scripted((200, {"status": True, "result": [{"evaluations": [{**item, "model": 5, "eval_id": 17}]}]}))
    async with client(app) as ev:
        report = await ev.gather([{"text": "a"}], "contains", eval_config=NEEDLE, strategy="sync")
    (outcome,) = report.outcomes
    assert (outcome.score, outcome.attempts, outcome.eval_id, len(app.requests)) == (1.0, 1, "17", 1)
    assert (outcome.result.reason, outcome.result.runtime, outcome.result.model) == ('["why"]', None, "5")


# -- what callers may say ----------------------------------------------------------------------------------------------


async def test_inputs_may_be_keywords_and_then_the_one_result_is_returned():
    async with client(backend()) as ev:
        result = await ev.evaluate("is_json", text="[1]")
        assert (type(result), result.passed) == (EvalResult, True)
        assert (await ev.evaluate("contains", text="a needle", eval_config=NEEDLE)).passed is True
        several = await ev.evaluate(["is_json", "contains"], text="needle", eval_config={"contains": NEEDLE})
        assert [each.passed for each in several.eval_results] == [False, True]
        with pytest.raises(TypeError, match=r"evaluate\(\) needs inputs"):
            await ev.evaluate("is_json")
        with pytest.raises(TypeError, match="unexpected keyword argument 'modle' beside inputs; did you mean model"):
            await ev.evaluate("is_json", {"text": "{}"}, modle="x")


@pytest.mark.parametrize("call", ["evaluate", "submit", "gather", "plan", "stream"])
@pytest.mark.parametrize("inputs", [{"text": "{}"}, [{"text": "{}"}], Case({"text": "{}"})])
async def test_swapped_arguments_are_named(call, inputs):
    async with client(backend()) as ev:
        given = (inputs, "is_json") if call in ("evaluate", "submit") else ("is_json", inputs)

        async def ask() -> None:
            answer = getattr(ev, call)(*given)
            await (anext(answer) if call == "stream" else answer)

        with pytest.raises(ConfigurationError, match="are the arguments swapped"):
            await ask()


@pytest.mark.parametrize("cases", ["is_json", {"text": "{}"}])
async def test_what_is_no_collection_of_cases_is_refused(cases):
    async with client(backend()) as ev:
        with pytest.raises(ConfigurationError, match="cases must be an iterable of dicts or Cases"):
            await ev.gather(cases, "is_json")


async def test_a_single_case_has_no_number():
    async with client(backend()) as ev:
        with pytest.raises(InvalidCaseError, match=r"^the input 'text' is blank"):
            await ev.evaluate("is_json", {"text": " "})
        with pytest.raises(InvalidCaseError, match=r"^case 1: the input 'text' is blank"):
            await ev.evaluate("is_json", [{"text": "[1]"}, {"text": " "}])


MODEL_CALLS = ["evaluate", "submit", "gather", "stream", "plan", "with_options"]


@pytest.mark.parametrize("call", [*MODEL_CALLS, "constructor"])
async def test_both_words_for_the_judge_are_taken_and_must_agree(call):
    async with client(backend()) as ev:

        async def ask(**given: str) -> None:
            if call == "constructor":
                assert AsyncEvaluator.local(**given)._options.model_name == "turing_small"
            elif call == "with_options":
                assert ev.with_options(**given)._options.model_name == "turing_small"
            elif call == "stream":
                assert (await anext(ev.stream([{"text": "[1]"}], "is_json", **given))).result.model == "turing_small"
            elif call in ("gather", "plan"):
                await getattr(ev, call)([{"text": "[1]"}], "is_json", **given)
            else:
                await getattr(ev, call)("is_json", {"text": "[1]"}, **given)

        for given in ({"model": "turing_small"}, {"model": "turing_small", "model_name": "turing_small"}):
            await ask(**given)
        with pytest.raises(ConfigurationError, match="model='a' and model_name='b' are two words for the judge"):
            await ask(model="a", model_name="b")


async def test_a_poll_of_several_keeps_the_template_of_each():
    app = backend(latency=2)
    async with client(app) as ev, client(app) as other:
        first = await ev.submit("contains", {"text": "needle"}, eval_config=NEEDLE)
        second = await ev.submit("is_json", {"text": "[1]"})
        for given in ([first, second], [first.id, second.id]):
            report = await ev.poll(given)
            assert [each.template for each in report.outcomes] == ["contains", "is_json"]
            assert set(report.summary()["templates"]) == {"contains", "is_json"}
        assert ev.get_execution(first.id).template == "contains"
        assert (await other.poll(first, second.id)).outcomes[0].template == "contains"
        assert (await other.poll(first)).passed is True


async def test_a_template_made_after_the_first_listing_is_found():
    listed = [{"name": "mine", "config": {"required_keys": ["text"], "output": "Pass/Fail"}}]
    app = Scripted(
        (200, {"status": True, "result": []}), (200, {"status": True, "result": listed}), scored(name="mine")
    )
    async with client(app) as ev:
        assert await ev.list_evaluations() == []
        assert await ev.list_evaluations() == []
        assert (await ev.gather([{"text": "x"}], "mine")).coverage == 1.0
        assert [path.split("/")[-2] for _, path, *_ in app.requests] == ["get-evals", "get-evals", "new-eval"]


async def test_the_list_of_templates_is_asked_for_again_when_told_to():
    app = backend()
    async with client(app) as ev:
        await ev.list_evaluations()
        await ev.list_evaluations()
        assert app.statistics()["requests"] == 1
        await ev.list_evaluations(refresh=True)
        assert app.statistics()["requests"] == 2


async def test_every_fact_that_a_client_knows_has_a_field():
    async with client(backend(), limits=[Limit(5)], concurrency="auto") as ev:
        await ev.evaluate("is_json", {"text": "[1]"})
        told, session = ev.statistics(), ev._session
        gate = session.gate.statistics(anyio.current_time(), session.terms(ev._options))
        for part, facts in (
            (told, gate),
            (told.concurrency, session.slots().statistics()),
            (told.polling, session.polls.statistics()),
            (told.limits[0], gate["limits"][0]),
        ):
            values = dataclasses.asdict(part)
            assert set(facts) <= set(values)
            for name in set(facts) - {"limits"}:
                assert values[name] == facts[name], name
        assert dataclasses.asdict(told)["limits"][0]["count"] == 5
        with pytest.raises(dataclasses.FrozenInstanceError):
            told.refusals = 1


def test_a_listener_is_the_clients_and_those_made_of_it():
    told = []
    ev = AsyncEvaluator.local(on_event=told.append)
    event = HoldBegun("request limit", 1.0)
    for each in (ev, ev.with_options(concurrency=2)):
        emit(each._session, event)
    assert told == [event, event]
    with pytest.raises(ConfigurationError, match="on_event must be a function"):
        AsyncEvaluator.local(on_event="print")
