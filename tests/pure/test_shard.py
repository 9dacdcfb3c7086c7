from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async import ConfigurationError, Limit, RunOptions
from fi_async._shard import Shard

INPUTS = st.dictionaries(st.sampled_from(["output", "context", "input"]), st.text(max_size=8), min_size=1)
SENT = st.lists(INPUTS, max_size=3)


def home(sent, place, of):
    """The one shard that has a case."""
    found = [number for number in range(1, of + 1) if Shard(number, of).has(sent, place)]
    assert len(found) == 1
    return found[0]


@given(SENT, st.integers(0, 100), st.integers(1, 20))
def test_each_case_is_in_one_shard(sent, place, of):
    assert home(sent, place, of) == home(sent, place, of)


@given(SENT.filter(bool), st.tuples(st.integers(0, 100), st.integers(0, 100)), st.integers(1, 20), st.randoms())
def test_it_depends_on_what_is_sent_and_on_nothing_else(sent, places, of, rng):
    shuffled = [dict(rng.sample([*each.items()], len(each))) for each in rng.sample([*sent, sent[0]], len(sent) + 1)]
    assert home(sent, places[0], of) == home(shuffled, places[1], of)


@pytest.mark.parametrize("sent", [[], [{"output": object()}], [{"output": {1, 2}}]], ids=["nothing", "object", "set"])
def test_what_has_no_text_of_its_own_goes_by_its_place(sent):
    homes = [home(sent, place, 4) for place in range(100)]
    assert set(homes) == {1, 2, 3, 4}
    assert homes == [home([], place, 4) for place in range(100)]


def test_the_same_case_is_in_the_same_shard_in_every_version_and_process():
    assert [home([{"text": f"case {n}"}], n, 8) for n in range(12)] == [8, 4, 2, 4, 2, 1, 8, 3, 2, 5, 2, 4]


def test_shards_are_about_alike():
    counted = Counter(home([{"text": f"case {n}"}], n, 8) for n in range(4000))
    assert all(430 <= count <= 570 for count in counted.values())


@given(st.integers(1, 40), st.integers(0, 10_000))
def test_the_parts_of_a_number_are_alike_and_add_up(of, count):
    parts = [Shard(number, of).share_of(count) for number in range(1, of + 1)]
    assert sum(parts) == count
    assert max(parts) - min(parts) <= 1


def test_what_a_run_is_given_is_divided():
    options = RunOptions(concurrency=10, limits=[Limit(100, per=10.0), Limit(7, of="evaluations")])
    parts = [Shard(number, 3).options(options, is_shared=False) for number in (1, 2, 3)]
    assert [(each.concurrency, [limit.count for limit in each.limits]) for each in parts] == [
        (4, [34, 3]),
        (3, [33, 2]),
        (3, [33, 2]),
    ]
    assert parts[0].limits[0] == Limit(34, per=10.0)


def test_limits_that_a_shared_budget_keeps_are_not_divided_and_auto_finds_its_part():
    options = RunOptions(limits=[Limit(2)])
    assert Shard(1, 8).options(options, is_shared=True) == options
    assert Shard(8, 8).options(RunOptions(concurrency=3), is_shared=False).concurrency == 1


def test_a_limit_that_cannot_be_divided_is_refused():
    with pytest.raises(ConfigurationError) as caught:
        Shard(1, 8).limits([Limit(8), Limit(7, of="evaluations")])
    assert str(caught.value) == (
        "limit.count 7 of evaluations cannot be divided among 8 shards: use fewer shards, or shared_budget, which"
        " needs no dividing"
    )


@pytest.mark.parametrize("given", ["3/8", (3, 8), [3, 8], Shard(3, 8)])
def test_a_shard_is_named_in_several_ways(given):
    assert Shard.named(given) == Shard(3, 8)
    assert (str(Shard.named(given)), Shard.named(given).words) == ("3/8", "shard 3 of 8")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((0, 8), "shard 0/8: shards are numbered from 1/8 to 8/8. Where an engine counts from 0, add 1."),
        ("0/8", "shard 0/8: shards are numbered from 1/8 to 8/8. Where an engine counts from 0, add 1."),
        ((9, 8), "shard 9/8: shards are numbered from 1/8 to 8/8."),
        ((-1, 8), "shard -1/8: shards are numbered from 1/8 to 8/8."),
        ((1, 0), "shard 1/0: shards are numbered from 1/1 to 1/1."),
        ("3 of 8", 'shard must be (i, N) or "i/N", such as (1, 8) or "1/8", not \'3 of 8\''),
        (3, 'shard must be (i, N) or "i/N", such as (1, 8) or "1/8", not 3'),
        ((1, 2, 3), 'shard must be (i, N) or "i/N", such as (1, 8) or "1/8", not (1, 2, 3)'),
        ((1.0, 8), "shard must be two whole numbers, such as (1, 8), not (1.0, 8)"),
        ((True, 8), "shard must be two whole numbers, such as (1, 8), not (True, 8)"),
    ],
)
def test_what_is_no_shard_is_refused(given, said):
    with pytest.raises(ConfigurationError) as caught:
        Shard.named(given)
    assert str(caught.value) == said
