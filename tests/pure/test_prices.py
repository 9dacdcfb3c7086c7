"""What answers cost: by the given price and by the table."""

from __future__ import annotations

import sys
from decimal import Decimal
from types import SimpleNamespace

import pytest

from fi_async import ConfigurationError, EvalResult
from fi_async._results import Usage
from fi_async.backends.prices import Price, TablePrice, price_from_tables, price_of

USAGE = Usage(input_tokens=1_000, cached_tokens=400, output_tokens=100, reasoning_tokens=60)


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(0.1, 0.4), 0.00014),
        (Price(0.25, 2.0, 0.025), 0.00036),
        (Price(1, 0, 0), 0.0006),
        (Price(0, 0), 0.0),
        (Price(Decimal("0.1"), Decimal("0.4")), 0.00014),
    ],
)
def test_a_price_is_dollars_a_million_tokens(price, cost):
    assert price.cost(USAGE) == cost


def test_reasoning_is_part_of_the_output():
    assert Price(0, 1).cost(Usage(output_tokens=100, reasoning_tokens=100)) == Price(0, 1).cost(
        Usage(output_tokens=100)
    )


@pytest.mark.parametrize("given", [(0.1, 0.4), [0.1, 0.4], Price(0.1, 0.4)])
def test_a_price_is_taken_as_a_pair(given):
    assert price_of(given) == Price(0.1, 0.4)


def test_a_third_number_is_for_what_is_cached():
    assert price_of((1, 2, 0.5)) == Price(1, 2, 0.5)
    assert price_of(None) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            (1,),
            (
                "price must be dollars a million tokens as (input, output) or (input, output, "
                "cached), such as (0.25, 2.0), not (1,)"
            ),
        ),
        (
            0.5,
            (
                "price must be dollars a million tokens as (input, output) or (input, output, "
                "cached), such as (0.25, 2.0), not 0.5"
            ),
        ),
        (
            "ab",
            (
                "price must be dollars a million tokens as (input, output) or (input, output, "
                "cached), such as (0.25, 2.0), not 'ab'"
            ),
        ),
        ((1, "2"), "price.output must be dollars a million tokens, from 0, not '2'"),
        ((-1, 2), "price.input must be dollars a million tokens, from 0, not -1"),
        ((float("nan"), 2), "price.input must be dollars a million tokens, from 0, not nan"),
        ((1, float("inf")), "price.output must be dollars a million tokens, from 0, not inf"),
        ((1, True), "price.output must be dollars a million tokens, from 0, not True"),
        ((1, 2, -1), "price.cached must be dollars a million tokens, from 0, not -1"),
    ],
)
def test_what_is_no_price_is_refused(given, message):
    with pytest.raises(ConfigurationError) as caught:
        price_of(given)
    assert caught.value.message == message


# Usage


def test_usage_adds_up():
    total = USAGE + Usage(input_tokens=1, output_tokens=2)
    assert total == Usage(input_tokens=1_001, cached_tokens=400, output_tokens=102, reasoning_tokens=60)
    assert total.total_tokens == 1_103
    assert Usage() + Usage() == Usage()


def test_a_result_carries_usage_and_cost_and_old_ones_have_neither():
    result = EvalResult(name="t", output=1.0, usage=USAGE, cost=0.25)
    assert EvalResult.model_validate(result.model_dump(exclude_computed_fields=True)) == result
    assert (EvalResult().usage, EvalResult().cost) == (None, None)
    assert EvalResult.model_validate_json(result.model_dump_json(exclude={"score", "passed", "choices"})).usage == USAGE


def test_usage_is_never_negative():
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Usage(input_tokens=-1)


# The table


def test_without_the_package_no_price_is_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert price_from_tables("gpt-5-mini", "https://api.openai.com/v1") is None


def test_the_table_knows_models_by_their_endpoint():
    pytest.importorskip("genai_prices", reason="the extra [prices]")
    known = price_from_tables("gpt-5-mini", "https://api.openai.com/v1")
    assert known.cost(Usage()) == 0.0
    assert known.cost(USAGE) > 0
    assert known.cost(USAGE) < known.cost(Usage(input_tokens=1_000, output_tokens=100))
    assert price_from_tables("no-such-model", "https://api.openai.com/v1") is None
    assert price_from_tables("gpt-5-mini", "http://127.0.0.1:11434/v1") is None


@pytest.mark.parametrize("error", [LookupError("no such model"), ValueError("usage")])
def test_what_the_table_cannot_price_has_no_price(error):
    def refuse(*_, **__):
        raise error

    tables = SimpleNamespace(Usage=SimpleNamespace, calc_price=refuse)
    assert TablePrice(tables, "m", "https://x.test").cost(USAGE) is None


def test_the_table_is_asked_with_cached_tokens_apart():
    asked = {}

    def price(usage, **model):
        asked.update(vars(usage), **model)
        return SimpleNamespace(total_price=Decimal("0.5"))

    assert (
        TablePrice(SimpleNamespace(Usage=SimpleNamespace, calc_price=price), "m", "https://x.test").cost(USAGE) == 0.5
    )
    assert asked == {
        "input_tokens": 1_000,
        "cache_read_tokens": 400,
        "output_tokens": 100,
        "model_ref": "m",
        "provider_api_url": "https://x.test",
    }
