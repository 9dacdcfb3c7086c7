"""The exception tree: its shape, what its members carry, and that they survive a pickle."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import fi_async
from fi_async import (
    APIConnectionError,
    APITimeoutError,
    Case,
    EvalResult,
    EvaluationError,
    FiAsyncError,
    IncompleteRunError,
    InvalidCaseError,
    Outcome,
    OutcomeStatus,
    RateLimitError,
    Report,
    StalledError,
    ValidationError,
    _errors,
)

# As drawn in the docstring of _errors: each class with its parent.
TREE = {
    "FiAsyncError": "Exception",
    "ConfigurationError": "FiAsyncError",
    "MissingCredentialsError": "ConfigurationError",
    "APIError": "FiAsyncError",
    "APIConnectionError": "APIError",
    "APITimeoutError": "APIConnectionError",
    "APIStatusError": "APIError",
    "AuthenticationError": "APIStatusError",
    "PermissionDeniedError": "APIStatusError",
    "ValidationError": "APIStatusError",
    "NotFoundError": "APIStatusError",
    "RateLimitError": "APIStatusError",
    "QuotaExhaustedError": "APIStatusError",
    "ServerError": "APIStatusError",
    "ProtocolError": "APIError",
    "InvalidCaseError": "FiAsyncError",
    "EvaluationError": "FiAsyncError",
    "FunctionError": "EvaluationError",
    "JudgeError": "EvaluationError",
    "UndecidedError": "EvaluationError",
    "AmbiguousError": "FiAsyncError",
    "StalledError": "FiAsyncError",
    "DatasetError": "FiAsyncError",
    "JournalError": "FiAsyncError",
    "CostLimitError": "FiAsyncError",
    "IncompleteRunError": "FiAsyncError",
}
BUILTIN_PARENTS = {
    "ConfigurationError": ValueError,
    "APITimeoutError": TimeoutError,
    "InvalidCaseError": ValueError,
    "StalledError": TimeoutError,
}
CLASSES = [getattr(_errors, name) for name in TREE]
FACTS = {
    "status": 429,
    "request_id": "r-1",
    "eval_id": "e-1",
    "dataset_id": "d-1",
    "attempts": 3,
    "server_message": "words",
    "report": {"any": "thing"},
    "code": "invalid",
    "fields": {"inputs": ["bad"]},
    "retry_after": 44.0,
    "field": "text",
    "index": 7,
    "throttled": True,
    "sent": False,
    "failures": [1, 2],
}


def test_the_tree_is_the_one_that_is_drawn():
    defined = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(_errors).items()
        if inspect.isclass(kind) and issubclass(kind, BaseException)
    }
    assert defined == TREE
    for name, kind in defined.items():
        assert f"── {name} " in _errors.__doc__ or name == "FiAsyncError", kind


@pytest.mark.parametrize("name", TREE)
def test_each_class_is_public_and_has_the_builtin_parent_it_should(name):
    kind = getattr(fi_async, name)
    assert kind.__module__ == "fi_async"
    expected = BUILTIN_PARENTS.get(name) or BUILTIN_PARENTS.get(TREE[name])
    found = next((builtin for builtin in (ValueError, TimeoutError) if issubclass(kind, builtin)), None)
    assert found is expected


@pytest.mark.parametrize("kind", CLASSES)
def test_facts_that_are_unknown_read_as_none(kind):
    error = kind("what happened")
    assert error.message == str(error) == "what happened"
    assert error.args == ("what happened",)
    for fact in ("status", "request_id", "eval_id", "attempts", "server_message", "report"):
        assert getattr(error, fact) is None


@pytest.mark.parametrize(
    ("kind", "fact", "default"),
    [
        (APIConnectionError, "sent", True),
        (APITimeoutError, "sent", True),
        (ValidationError, "fields", {}),
        (RateLimitError, "retry_after", None),
        (InvalidCaseError, "field", None),
        (InvalidCaseError, "index", None),
        (EvaluationError, "throttled", False),
        (IncompleteRunError, "failures", ()),
        (fi_async.APIStatusError, "code", None),
    ],
)
def test_the_facts_of_one_class_have_defaults(kind, fact, default):
    assert getattr(kind("x"), fact) == default
    assert getattr(kind("x", **{fact: None}), fact) == default


@pytest.mark.parametrize("clone", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_survives_a_pickle_with_all_it_carries(kind, clone):
    error = kind("what happened", **FACTS)
    again = clone(error)
    assert type(again) is kind
    assert again is not error
    assert again.__dict__ == error.__dict__ == {"message": "what happened", **FACTS}
    assert again.args == ("what happened",)
    assert str(again) == str(error)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", CLASSES)
def test_a_report_that_holds_the_error_itself_survives_a_pickle(kind, protocol):
    error = kind("what happened", eval_id="e-1")
    failed = Outcome(0, Case({"text": "x"}, id="mine"), "t", OutcomeStatus.FAILED, error=error, attempts=2)
    scored = Outcome(1, Case({"text": "y"}), "t", OutcomeStatus.SCORED, result=EvalResult(output="Passed"))
    error.report = Report([failed, scored], 1.5)
    again = pickle.loads(pickle.dumps(error, protocol))
    assert again.report.outcomes[0].error is again
    assert again.report.outcomes[0].case == failed.case
    assert again.report.outcomes[1] == scored
    assert again.eval_id == "e-1"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, "no"),
        ({"status": 500}, "no (status 500)"),
        ({"request_id": "r-1"}, "no (request r-1)"),
        ({"eval_id": "e-1"}, "no (evaluation e-1)"),
        ({"attempts": 1}, "no"),
        ({"attempts": 2}, "no (attempt 2)"),
        ({"server_message": "words", "code": "x", "field": "f", "report": [1]}, "no"),
        (FACTS, "no (status 429, request r-1, evaluation e-1, dataset d-1, attempt 3)"),
    ],
)
def test_str_has_the_message_and_what_a_support_ticket_needs(facts, text):
    assert str(FiAsyncError("no", **facts)) == text
    assert str(APITimeoutError("no", **facts)) == text


def test_with_facts_adds_what_is_not_known_and_keeps_what_is():
    error = StalledError("x", eval_id="e-1")
    assert error.with_facts(eval_id="e-2", attempts=3, status=None) is error
    assert (error.eval_id, error.attempts, error.status) == ("e-1", 3, None)
    assert "status" not in error.__dict__


def test_with_facts_fills_a_fact_that_is_the_class_default_of_none_only():
    error = EvaluationError("x").with_facts(throttled=True, server_message="words")
    assert (error.throttled, error.server_message) == (False, "words")


def test_one_errors_facts_are_not_anothers():
    ValidationError("x", status=400, fields={"a": ["b"]})
    assert ValidationError("y").status is None
    assert ValidationError("y").fields == {}
