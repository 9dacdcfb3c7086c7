"""No text of 100 kB keeps a metric for a second; that none makes one crash is for test_scoring.

`regex` and `fuzzy_match` may run away: they are ended, see test_bounded.
"""

import gc
import time
from contextlib import suppress

import pytest

from fi_async._catalogue import rows
from fi_async.local import bounded
from fi_async.local.metrics import METRICS, Verdict

SIZE = 100_000  # bytes of all inputs of an evaluation
MOST = 1.0  # seconds of processor time
REFUSED = (ValueError, TypeError, MemoryError, RecursionError)  # as the platform's engine would
MAY_RUN_AWAY = {"regex", "fuzzy_match"}
PARAMS = {
    "sentence_count": {"min_sentences": 0, "max_sentences": 9},
    "word_count_in_range": {"min_words": 0, "max_words": 9},
    "chrf_score": {"n": 10, "beta": 2.0},
}
ADVERSE = {
    "short-words": "a b c ",
    "one-word": "y",
    "half-addresses": "a.a@a.-",
    "open-comments": "SELECT /* -- ",
    "nested": '[1,{"a":',
    "tags": "<a><b></a>",
    "numbers": "+1 (555) 123.1-1234 ",
    "statements": "a = b or c\n",
    "ideographs": "".join(map(chr, range(0x4E00, 0x9FFF))),
}

# What edits cost does not hang on the text, so two of them do: the tests have little time.
EDITS = {"levenshtein_similarity", "character_error_rate", "match_error_rate", "word_info_lost"}
ENOUGH_OF_EDITS = ("short-words", "ideographs")


def filled(text, size):
    return (text * (size // len(text.encode()) + 1))[: size * len(text) // len(text.encode())]


def inputs_of(name, text):
    """The text for the first input, and as long a one that is much like it for each other."""
    keys = rows()[name]["required_keys"]
    whole = filled(text, SIZE // len(keys))
    return {key: whole[::-1] if number else whole for number, key in enumerate(keys)}


@pytest.mark.parametrize("name", sorted(METRICS.keys() - MAY_RUN_AWAY))
def test_no_text_of_100_kb_takes_a_second(name):
    took = {}
    gc.freeze()  # what the other tests have made is not to be looked through while this one is timed
    for case in ENOUGH_OF_EDITS if name in EDITS else ADVERSE:
        inputs = inputs_of(name, ADVERSE[case])
        began = time.thread_time()
        with suppress(*REFUSED):
            assert isinstance(METRICS[name](inputs, PARAMS.get(name, {})), Verdict)
        took[case] = time.thread_time() - began
    gc.unfreeze()
    assert max(took.values()) < MOST, took


@pytest.mark.parametrize("name", sorted(MAY_RUN_AWAY))
def test_what_may_run_away_is_told_before(name):
    assert bounded.may_take_long(name, inputs_of(name, "a"), {"pattern": "a+"})
