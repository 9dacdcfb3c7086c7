"""Where a metric takes a shorter way than its definition, both give the same."""

from __future__ import annotations

import json
import re
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fi_async.local.metrics import METRICS
from fi_async.local.metrics.edits import Edits, align
from fi_async.local.metrics.safety import _emails
from fi_async.local.metrics.similarity import _jaro_matches
from fi_async.local.metrics.stems import stem

words = st.lists(st.sampled_from(["a", "b", "c", "é"]), max_size=40)


def aligned(reference, hypothesis):
    """Back along the whole matrix of distances (Wagner and Fischer 1974), in the order of preference."""
    distance = [[row + column for column in range(len(hypothesis) + 1)] for row in range(len(reference) + 1)]
    for row, item in enumerate(reference, start=1):
        for column, other in enumerate(hypothesis, start=1):
            distance[row][column] = min(
                distance[row - 1][column - 1] + (item != other),
                distance[row - 1][column] + 1,
                distance[row][column - 1] + 1,
            )
    row, column, counts = len(reference), len(hypothesis), [0, 0, 0, 0]
    while row or column:
        here = distance[row][column]
        both = row > 0 and column > 0
        if both and reference[row - 1] == hypothesis[column - 1]:
            kind, row, column = 0, row - 1, column - 1
        elif both and here == distance[row - 1][column - 1] + 1:
            kind, row, column = 1, row - 1, column - 1
        elif row and here == distance[row - 1][column] + 1:
            kind, row = 2, row - 1
        else:
            kind, column = 3, column - 1
        counts[kind] += 1
    return Edits(*counts)


@given(words, words)
def test_alignments_are_those_of_the_definition(reference, hypothesis):
    assert align(reference, hypothesis) == aligned(reference, hypothesis)


def test_long_alignments_are_those_of_the_definition():
    reference, hypothesis = list("abcab" * 60), list("bacb" * 90)
    assert align(reference, hypothesis) == aligned(reference, hypothesis)


def jaro_matches(output, expected):
    """Each character of the one takes the first free equal one of the other, within reach (Jaro 1989)."""
    reach = max(0, max(len(output), len(expected)) // 2 - 1)
    matches, taken = {}, set()
    for place, character in enumerate(output):
        for other in range(max(0, place - reach), min(place + reach + 1, len(expected))):
            if other not in taken and expected[other] == character:
                matches[place] = other
                taken.add(other)
                break
    return matches


@given(st.text("abc", min_size=1, max_size=40), st.text("abc", min_size=1, max_size=40))
def test_jaro_matches_are_those_of_the_definition(output, expected):
    assert _jaro_matches(output, expected) == jaro_matches(output, expected)


ADDRESS = re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,}\b")
pieces = st.sampled_from(["a", "ab", "@", ".", "-", "|", "_", "é", " ", "9", "%", "a@bc.de"])


@given(st.lists(pieces, max_size=20).map("".join))
def test_addresses_are_those_that_the_pattern_finds(text):
    assert _emails(text) == len(ADDRESS.findall(text))


def sql_passes(text):
    """Whether brackets and quotes are closed in what comments leave."""
    bare = re.sub(r"--[^\n]*", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    depths = list(accumulate((character == "(") - (character == ")") for character in bare))
    return min(depths) >= 0 and depths[-1] == 0 and bare.count("'") % 2 == 0


@given(st.lists(st.sampled_from(["/", "*", "-", "\n", "(", ")", "'", " "]), max_size=20).map("".join))
def test_comments_of_sql_are_those_that_the_patterns_find(text):
    statement = f"SELECT a FROM b {text} c"
    assert (METRICS["is_sql"]({"text": statement}, {}).output == "Passed") is sql_passes(statement)


def matching(found, wanted):
    """How many leaves match, of how many."""
    if type(found) is not type(wanted):
        return 0, 1
    if isinstance(found, list | dict) and (found or wanted):
        if isinstance(found, list):
            found, wanted = dict(enumerate(found)), dict(enumerate(wanted))
        both = [
            matching(found[key], wanted[key]) if key in found and key in wanted else (0, 1)
            for key in {**found, **wanted}
        ]
        return sum(matches for matches, _ in both), sum(of for _, of in both)
    return int(found == wanted), 1


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(values, values)
def test_leaves_of_json_are_those_of_the_definition(found, wanted):
    matches, of = matching(found, wanted)
    verdict = METRICS["json_diff"]({"output": json.dumps(found), "expected": json.dumps(wanted)}, {})
    assert verdict == (matches / of, f"JSON Diff: {matches / of:.4f} ({matches}/{of} matching)")


# What NLTK 3.10's PorterStemmer makes of them.
STEMS = """
    caresses:caress ponies:poni ties:tie dies:die cats:cat news:news skies:sky feed:feed agreed:agre plastered:plaster
    bled:bled motoring:motor sing:sing conflated:conflat troubled:troubl sized:size hopping:hop tanned:tan falling:fall
    hissing:hiss fizzed:fizz failing:fail filing:file happy:happi sky:sky cry:cri enjoy:enjoy say:say spied:spi died:die
    relational:relat conditional:condit rational:ration valenci:valenc digitizer:digit conformabli:conform
    radicalli:radic differentli:differ vileli:vile analogousli:analog vietnamization:vietnam predication:predic
    operator:oper feudalism:feudal decisiveness:decis hopefulness:hope callousness:callous formaliti:formal
    sensitiviti:sensit sensibiliti:sensibl hopefulli:hope archaeologi:archaeolog geologi:geolog triplicate:triplic
    formative:form formalize:formal electriciti:electr electrical:electr hopeful:hope goodness:good revival:reviv
    allowance:allow inference:infer airliner:airlin gyroscopic:gyroscop adjustable:adjust defensible:defens
    irritant:irrit replacement:replac adjustment:adjust dependent:depend adoption:adopt homologou:homolog
    communism:commun activate:activ angulariti:angular homologous:homolog effective:effect bowdlerize:bowdler
    probate:probat rate:rate cease:ceas controll:control roll:roll yyyyed:yyyi on:on as:as dying:die howe:howe
    naïveté:naïveté mat.:mat. university:univers universal:univers
"""


@pytest.mark.parametrize("pair", STEMS.split())
def test_stems_are_those_of_nltk(pair):
    word, expected = pair.split(":")
    assert stem(word) == expected
