"""Chunks of a run in a database: no case is in two of them, and each is about as large as it may be."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from fi_async.journal.storage import CaseRow
from fi_async.store.store_cases import chunks_of

CASES = st.lists(st.integers(1, 30), min_size=1, max_size=40)


@given(CASES, st.integers(1, 50))
def test_no_case_is_in_two_chunks_and_none_is_left_out(sizes, in_chunk):
    rows = [CaseRow(f"{n}{k}", "t", n, None, f"case {n}") for n, size in enumerate(sizes) for k in range(size)]
    chunks = chunks_of(rows, in_chunk)
    assert chunks[0][0] == 0
    assert chunks[-1][1] == len(rows) - 1
    assert all(after == last + 1 for (_, last), (after, _) in pairwise(chunks))
    for _, case in groupby(enumerate(rows), lambda each: each[1].position):
        places = [place for place, _ in case]
        assert len({next(n for n, (first, last) in enumerate(chunks) if first <= at <= last) for at in places}) == 1
    for first, last in chunks[:-1]:
        assert in_chunk <= last - first + 1 < in_chunk + max(sizes)
