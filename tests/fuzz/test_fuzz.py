"""Only typed errors leave, in bounded time, whatever the bytes are.

FUZZ_EXAMPLES says how many of each. `nox -s fuzz` feeds the same targets by coverage: see `fuzz/coverage_guided.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.found import FOUND
from fuzz.names import NAMES
from fuzz.targets import Target, targets

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
BOUND = 5.0  # seconds for one input, on a machine that does other things too
PIECES = [
    *(b"[", b"]", b"{", b"}", b'"', b",", b":", b"\n", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"="),
    *(b"NaN", b"1e999", b"-0", b"null", b"9" * 400, b"\\ud800", b"\xed\xa0\x80", b"''", b"[[[[[[[[", b"\x1b[2J", b" "),
    *(b"9" * 5000, b"[" * 3000, b'{"a":' * 1500, b"'" * 3, b'"' * 3, b"inf", b"%", b">=", b"true"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return targets(tmp_path_factory.mktemp("seeds"))


@st.composite
def bytes_like(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Any bytes, or a seed with pieces of it gone, doubled, or replaced by what is awkward."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=300))
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 40)))
        put = draw(st.sampled_from(PIECES) | st.binary(max_size=4) | st.just(content[at:end] * 2))
        content = content[:at] + put + content[end:]
    return content


def test_every_target_is_fuzzed(made):
    assert sorted(made) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_only_typed_errors_leave(name, made):
    target: Target = made[name]
    directory = Path(mkdtemp(dir=Path.home()))

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bytes_like(target.seeds))
    def fuzzed(content: bytes) -> None:
        began = perf_counter()
        target.run(content, directory)
        assert perf_counter() - began < BOUND

    for seed in target.seeds:
        target.run(seed, directory)
    fuzzed()


@pytest.mark.parametrize(("name", "content"), FOUND, ids=[f"{name} {place}" for place, (name, _) in enumerate(FOUND)])
def test_what_was_found_stays_mended(name, content, made):
    made[name].run(content, Path(mkdtemp(dir=Path.home())))
