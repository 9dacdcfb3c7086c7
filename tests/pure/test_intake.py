"""From cases to jobs: preflight for each template, and rows that may share a request."""

from __future__ import annotations

import pytest

from fi_async import (
    APITimeoutError,
    Case,
    ConfigurationError,
    InvalidCaseError,
    Outcome,
    OutcomeStatus,
    RunOptions,
    Template,
)
from fi_async.backends.chosen import PLATFORMS
from fi_async.engine.intake import Intake, Question, batches, configs_of, grouped, question
from fi_async.engine.work import Work
from fi_async.wire.preflight import PreparedInputs
from fi_async.wire.requests import Parameters
from pure.hand import context

TONE = Template("tone", ("output",))
SIMILARITY = Template("similarity", ("output", "expected"))


def questions(templates, options, config, **fields):
    configs = configs_of([each.name for each in templates], config)
    return [question(each, PLATFORMS, options, configs.get(each.name), **fields) for each in templates]


def intake(*templates: Template, **options: object) -> Intake:
    chosen = RunOptions(**options)
    shared = context()
    return Intake(questions(templates or (TONE,), chosen, None), lambda *_: shared, chosen)


# -- questions ---------------------------------------------------------------------------------------------------------


def test_one_template_takes_its_parameters_as_they_are():
    asked = questions([TONE], RunOptions(model_name="turing_small"), {"k": 3}, span_id="s", trace_eval=True)
    assert asked == [Question(TONE, Parameters("tone", "turing_small", {"k": 3}, span_id="s", trace_eval=True))]


@pytest.mark.parametrize("config", [None, {}])
def test_no_parameters_are_none(config):
    assert questions([TONE], RunOptions(), config) == [Question(TONE, Parameters("tone"))]


def test_several_templates_take_theirs_by_name():
    asked = questions([TONE, SIMILARITY], RunOptions(), {"similarity": {"k": 3}, "tone": {}})
    assert [question.parameters.config for question in asked] == [None, {"k": 3}]


@pytest.mark.parametrize(
    ("config", "name"), [({"k": 3}, "k"), ({"tone": 3}, "tone"), ({"tone": {}, "nope": {}}, "nope")]
)
def test_parameters_that_are_not_by_name_are_refused_with_an_example(config, name):
    with pytest.raises(ConfigurationError) as caught:
        questions([TONE, SIMILARITY], RunOptions(), config)
    assert caught.value.message.endswith(f"such as {{'tone': {{...}}}}; it has {name!r}")


# -- works -------------------------------------------------------------------------------------------------------------


def test_a_case_becomes_a_work_for_each_template():
    works = intake(TONE, SIMILARITY).admit(7, {"output": "o", "expected": "e"})
    assert [(work.index, work.parameters.template) for work in works] == [(7, "tone"), (7, "similarity")]


def test_a_case_that_cannot_be_sent_becomes_an_outcome_that_names_it():
    case = Case({"output": "o"}, id="mine")
    work, outcome = intake(TONE, SIMILARITY).admit(7, case)
    assert isinstance(work, Work)
    assert (outcome.index, outcome.case, outcome.template) == (7, case, "similarity")
    assert (outcome.status, outcome.attempts, outcome.latency_s) == (OutcomeStatus.INVALID, 0, None)
    assert type(outcome.error) is InvalidCaseError
    assert outcome.error.message.startswith("case 7: similarity needs the key 'expected'")
    assert (outcome.error.field, outcome.error.index, outcome.error.attempts) == ("expected", 7, None)
    assert outcome.error.__traceback__ is None


@pytest.mark.parametrize("item", ["text", None, 5, ["a"]], ids=lambda each: type(each).__name__)
def test_what_is_no_case_becomes_an_outcome_for_each_template(item):
    outcomes = intake(TONE, SIMILARITY).admit(3, item)
    assert [(each.template, each.status) for each in outcomes] == [
        ("tone", OutcomeStatus.INVALID),
        ("similarity", OutcomeStatus.INVALID),
    ]
    assert {(each.error.index, each.case) == (3, Case({})) for each in outcomes} == {True}
    assert outcomes[0].error.message.startswith("case 3: a case must be a dict")
    assert outcomes[0].error is not outcomes[1].error


def test_the_options_rule_what_is_filled_and_what_is_extra():
    assert isinstance(intake().admit(0, {"response": "o"})[0], Work)
    assert isinstance(intake(fill_missing=False).admit(0, {"response": "o"})[0], Outcome)
    assert isinstance(intake().admit(0, {"output": "o", "x": "y"})[0], Outcome)
    assert isinstance(intake(extra_keys="ignore").admit(0, {"output": "o", "x": "y"})[0], Work)


def test_what_was_filled_is_on_the_row():
    (work,) = intake().admit(0, {"response": "o"})
    assert work.row == PreparedInputs({"output": "o"}, {"output": "response"})


def test_works_come_case_by_case_and_in_the_order_of_the_templates():
    works = intake(SIMILARITY, TONE).works([{"output": "a", "expected": "b"}, Case({"output": "c", "expected": "d"})])
    assert [(work.index, work.parameters.template) for work in works] == [
        (0, "similarity"),
        (0, "tone"),
        (1, "similarity"),
        (1, "tone"),
    ]


@pytest.mark.parametrize("bad", [{"output": ""}, {"x": "y"}, "text"])
def test_the_first_case_that_cannot_be_sent_is_raised(bad):
    with pytest.raises(InvalidCaseError) as caught:
        intake().works([{"output": "o"}, bad, {"output": None}])
    assert caught.value.index == 1
    assert caught.value.message.startswith("case 1: ")


def test_a_case_that_was_not_begun_is_cancelled_unless_it_is_invalid():
    cancelled, invalid = intake(TONE, SIMILARITY).cancelled(7, {"output": "o"})
    assert (cancelled.index, cancelled.status, cancelled.attempts) == (7, OutcomeStatus.CANCELLED, 0)
    assert isinstance(cancelled.error, APITimeoutError)
    assert cancelled.error.sent is False
    assert (invalid.status, invalid.template) == (OutcomeStatus.INVALID, "similarity")


# -- groups ------------------------------------------------------------------------------------------------------------


def rows(template: str, count: int, *keys: str) -> list[Work]:
    row = PreparedInputs(dict.fromkeys(keys, "x"), {})
    return [Work(index, Case({}), Parameters(template), row) for index in range(count)]


def sizes(works: list[Work], *, held: bool) -> list[int]:
    groups = grouped(works, held=held)
    assert sorted(map(id, works)) == sorted(id(work) for group in groups for work in group)
    return [len(group) for group in groups]


@pytest.mark.parametrize(
    ("keys", "held", "expected"),
    [
        (("a",), True, [3, 3, 1]),
        (("a", "b"), True, [3, 3, 1]),
        (("a",), False, [7]),
        (("a", "b"), False, [3, 3, 1]),
        ((), False, [3, 3, 1]),
    ],
)
def test_rows_share_a_request_up_to_the_servers_bound(keys, held, expected):
    assert sizes(rows("t", 7, *keys), held=held) == expected


def test_one_list_is_bounded_by_what_a_lost_reply_may_cost():
    assert sizes(rows("t", 2500, "a"), held=False) == [1000, 1000, 500]


def test_templates_and_keys_are_not_mixed():
    works = [*rows("t", 1, "a"), *rows("u", 2, "a"), *rows("t", 1, "a"), *rows("t", 1, "a", "b"), *rows("t", 1, "a")]
    groups = grouped(works, held=False)
    assert [[work.parameters.template for work in group] for group in groups] == [["t", "t"], ["u", "u"], ["t"], ["t"]]
    place = {id(work): number for number, work in enumerate(works)}
    assert [[place[id(work)] for work in group] for group in groups] == [[0, 3], [1, 2], [4], [5]]


def test_order_is_kept_within_a_template():
    works = rows("t", 10, "a")
    assert [work.index for group in grouped(works, held=True) for work in group] == list(range(10))


# -- sources -----------------------------------------------------------------------------------------------------------


def read_by_hand(source: object, size: int = 1) -> list[object]:
    """Iterate without an event loop: what never waits needs none."""
    read, items = [], batches(source, size)
    while True:
        try:
            items.__anext__().send(None)
        except StopIteration as item:
            read.extend(item.value if size == 1 else [item.value])
        except StopAsyncIteration:
            return read


class Async:
    async def __aiter__(self):
        for number in range(100):
            yield number


@pytest.mark.parametrize("source", [[], [1, 2], (1, 2), iter([1, 2]), range(63)], ids=lambda each: type(each).__name__)
def test_cases_are_read_from_any_iterable(source):
    expected = [1, 2] if not isinstance(source, range | list) else list(source)
    assert read_by_hand(source) == expected


def test_cases_of_an_iterable_come_several_at_a_time():
    assert read_by_hand(iter(range(5)), 2) == [(0, 1), (2, 3), (4,)]


def test_cases_of_an_async_source_come_one_by_one():
    assert read_by_hand(Async(), 64)[:2] == [(0,), (1,)]


def test_cases_are_read_from_an_async_source_at_its_own_pace():
    assert read_by_hand(Async()) == list(range(100))
