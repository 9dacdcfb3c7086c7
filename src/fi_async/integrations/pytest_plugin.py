"""The plugin of pytest: `@pytest.mark.fi_eval(...)`, the fixture `fi_eval`, and fixtures of the embedded backend.

pytest loads this module in every project it is installed beside, so it imports nothing but pytest: the rest comes with
the first test that is marked.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from fi_async.testing import fi_local, fi_local_async, fi_local_backend, fi_local_server

if TYPE_CHECKING:
    from fi_async.backends.chosen import Backend
    from fi_async.integrations.pytest_lines import Settings
    from fi_async.integrations.pytest_session import FiEval, SessionEvaluations

__all__ = ["fi_eval", "fi_local", "fi_local_async", "fi_local_backend", "fi_local_server"]

_MARK: Final = "fi_eval"
_MARKER: Final = (
    "fi_eval(template, inputs=None, threshold=None, eval_config=None, model_name=None): evaluate the inputs, at the"
    " same time as those of all other tests, and fail the test if the score is below the threshold."
)
_DIGITS: Final = 12  # of a number that is asked for; Python reads none of thousands of digits
_OPTIONS: Final = {
    "concurrency": ("64", 'requests under way at once, or "auto"; workers of pytest-xdist share them'),
    "backend": ("", '"cloud" or "local" (the embedded backend); by default what FI_BASE_URL says'),
    "backends": ("", 'who evaluates, each template by the first that can: some of "local judge cloud"'),
    "judge": ("", "a model that judges, by its name at the endpoint; without --fi-backends: local judge, or cloud too"),
    "judge_url": ("", "the judge's endpoint, which mostly ends in /v1; by default OpenAI's"),
    "judge_key_env": ("", "the environment variable with the judge's key, or none; by default OPENAI_API_KEY"),
    "judge_limits": ("", 'what the judge allows, such as "500/min 100000/min:tokens"'),
    "model": ("", "the platform's judge, where a mark names none"),
    "runs": ("", "a directory that keeps results: what is unchanged is not evaluated again"),
    "shared_budget": ("", "a file, or a postgresql:// URL, through which processes keep to limits together"),
}
_evaluations: Final = pytest.StashKey["SessionEvaluations"]()
_claims: Final = pytest.StashKey[Path]()
_counted: Final = pytest.StashKey[list[dict[str, int]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, each also as a setting of the configuration file."""
    group = parser.getgroup("fi_async", "evaluations (fi_async)")
    for name, (default, text) in _OPTIONS.items():
        group.addoption(f"--fi-{name.replace('_', '-')}", dest=f"fi_{name}", default=None, help=text)
        parser.addini(f"fi_{name}", text, default=default)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and refuse options that cannot be meant so."""
    config.addinivalue_line("markers", _MARKER)
    config.stash[_counted] = []
    _concurrency(config)
    _backend(config)
    _backends(config)


def _option(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"fi_{name}")
    return str(config.getini(f"fi_{name}") if given is None else given)


def _concurrency(config: pytest.Config) -> int | Literal["auto"]:
    text = _option(config, "concurrency")
    if text == "auto":
        return "auto"
    if not text.isdecimal() or len(text) > _DIGITS or int(text) < 1:
        raise pytest.UsageError(f'fi_concurrency must be "auto" or a whole number from 1, not {text!r}')
    return max(1, int(text) // (_of_worker(config, "workercount") or 1))


def _of_worker(config: pytest.Config, name: str) -> Any:
    """Return what this worker of pytest-xdist was told; None if it was not, or is none."""
    return getattr(config, "workerinput", {}).get(name)


def _backend(config: pytest.Config) -> Literal["cloud", "local"] | None:
    text = _option(config, "backend")
    if text not in ("", "cloud", "local"):
        raise pytest.UsageError(f"fi_backend must be cloud or local, not {text!r}")
    return text or None  # type: ignore[return-value]  # mypy does not narrow by a tuple's members


def _backends(config: pytest.Config) -> Sequence[Backend]:
    """Return who evaluates, if that is said by --fi-backends or --fi-judge.

    Raises:
        pytest.UsageError: It cannot be meant so, or the judge has no key.
    """
    names, model = _option(config, "backends").split(), _option(config, "judge")
    told = {name: _option(config, name) for name in ("judge_url", "judge_key_env", "judge_limits")}
    if not names and not model and not any(told.values()):
        return []
    if _backend(config) is not None:
        raise pytest.UsageError("fi_backend stands beside fi_backends or fi_judge: say all of them in fi_backends")
    if not model and (name := next((name for name, value in told.items() if value), None)):
        raise pytest.UsageError(f"fi_{name} is about a judge: name its model by fi_judge")
    from fi_async._errors import ConfigurationError  # noqa: PLC0415  # not needed by who asks the platform
    from fi_async.backends.words import backends_of, default_names, judge_of, limit_of  # noqa: PLC0415  # as above

    try:
        judge = None
        if model:
            judge = judge_of(
                model,
                _named,
                url=told["judge_url"] or None,
                key_env=told["judge_key_env"] or None,
                limits=[limit_of(text, "fi_judge_limits") for text in told["judge_limits"].split()],
            )
        return backends_of(names or default_names(), judge, _named)
    except ConfigurationError as error:
        raise pytest.UsageError(error.message) from None


def _named(name: str) -> str:
    """Return what a setting of a judge is called here."""
    return f"fi_{name}"


def _path(config: pytest.Config, name: str) -> Path | None:
    text = _option(config, name)
    return config.rootpath / text if text else None


def _shared_budget(config: pytest.Config) -> str | Path | None:
    text = _option(config, "shared_budget")
    return text if text and "://" in text else _path(config, "shared_budget")


def _shared_file(config: pytest.Config) -> Path | None:
    """Return where workers claim evaluations; None where there is nothing to claim, or no way from another machine."""
    path = _of_worker(config, _MARK)
    return Path(path) if path is not None and Path(path).parent.is_dir() else None


def _settings(config: pytest.Config) -> Settings:
    from fi_async.integrations.pytest_lines import Settings  # noqa: PLC0415  # not needed by who marks no test

    return Settings(
        concurrency=_concurrency(config),
        backend=_backend(config),
        backends=_backends(config),
        model_name=_option(config, "model") or None,
        runs=_path(config, "runs"),
        shared_budget=_shared_budget(config),
        worker=_of_worker(config, "workerid") or "",
        claims=_shared_file(config),
    )


def _begun(config: pytest.Config) -> SessionEvaluations:
    """Return the evaluations of the session, begun with the first test that asks."""
    from fi_async.integrations.pytest_session import SessionEvaluations  # noqa: PLC0415  # as above

    if _evaluations not in config.stash:
        config.stash[_evaluations] = SessionEvaluations(_settings(config))
    return config.stash[_evaluations]


@pytest.fixture
def fi_eval(request: pytest.FixtureRequest) -> FiEval:
    """Return what the test's marks were answered, and a way to ask more; see `FiEval`."""
    from fi_async.integrations.pytest_session import FiEval  # noqa: PLC0415  # as above

    return FiEval(_begun(request.config), request.node)


def _is_marked(item: pytest.Item) -> bool:
    return item.get_closest_marker(_MARK) is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for what the test declares. The first that is marked has those of all that come after it evaluated too."""
    done = yield  # what fixtures of the session set up, the functions that make inputs may use
    if _is_marked(item):
        evaluations = _begun(item.config)
        if hasattr(item.config, "workerinput"):
            evaluations.offer(filter(_is_marked, _queued(item, evaluations.seen)))
        elif not evaluations.knows_all:
            evaluations.offer(filter(_is_marked, dropwhile(lambda each: each is not item, item.session.items)))
            evaluations.knows_all = True
        evaluations.await_results(item)
    return done


def _queued(item: pytest.Item, seen: set[object]) -> list[pytest.Item]:
    """Return the tests that a worker of pytest-xdist has been handed since: they come at the end, a few at a time.

    Only xdist's own plugin knows them. Where it does not tell, tests are evaluated one by one.
    """
    for plugin in item.config.pluginmanager.get_plugins():
        if (queue := getattr(plugin, "torun", None)) is not None:
            with queue.lock() as queued:
                numbers = [*takewhile(lambda number: number not in seen, reversed((plugin.nextitem_index, *queued)))]
            seen.update(numbers)
            return [item.session.items[number] for number in reversed(numbers) if isinstance(number, int)]
    return []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test if what it declares falls short, or if it leaves a mark unanswered."""
    if not _is_marked(item):
        return (yield)
    from fi_async.integrations.pytest_session import standing  # noqa: PLC0415  # as above

    known = standing(item)
    if known.shortfalls:
        pytest.fail("\n".join(known.shortfalls), pytrace=False)
    done = yield
    if known.is_unanswered:
        pytest.fail(
            "nothing was evaluated: give the mark inputs=, or call the fixture fi_eval in the test", pytrace=False
        )
    return done


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Forget what the test was told: one that is run again is asked again."""
    if _evaluations in item.config.stash:
        from fi_async.integrations.pytest_session import forget  # noqa: PLC0415  # as above

        forget(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report an evaluation that could not be made as an error, also where the test itself asked for it."""
    report = yield
    if call.excinfo is not None and call.when == "call" and _evaluations in item.config.stash:
        from fi_async.integrations.pytest_session import standing  # noqa: PLC0415  # as above

        if report.failed and standing(item).trouble is call.excinfo.value:
            report.when = "setup"  # pytest calls what fails in the call a failure, and all else an error
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End what is under way, and hand what a worker counted to the process that started it."""
    evaluations = session.config.stash.get(_evaluations, None)
    if evaluations is None:
        return
    evaluations.close(is_stopped=bool(session.shouldstop or session.shouldfail or exitstatus > 1))
    counted = evaluations.totals.as_dict()
    session.config.stash[_counted].append(counted)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_MARK] = counted


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist of the others, where they take tests over from each other."""
    config = node.config
    if config.getoption("dist") != "worksteal":
        return
    if _claims not in config.stash:
        directory = TemporaryDirectory(prefix="fi_async-")
        config.add_cleanup(directory.cleanup)
        config.stash[_claims] = Path(directory.name, "claims.db")
    node.workerinput[_MARK] = str(config.stash[_claims])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what a worker of pytest-xdist counted; what it had claimed, if it crashed, is for the others."""
    if error and _claims in node.config.stash:
        from fi_async.integrations.pytest_claims import Claims  # noqa: PLC0415  # as above

        crashed = Claims(node.config.stash[_claims], node.gateway.id)
        crashed.release()
        crashed.close()
    counted = getattr(node, "workeroutput", {}).get(_MARK)
    if counted is not None:
        node.config.stash[_counted].append(counted)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say in a line what was evaluated."""
    if not any(counted["evaluations"] for counted in config.stash[_counted]):
        return
    from fi_async.integrations.pytest_session import SessionTotals  # noqa: PLC0415  # as above

    totals = SessionTotals()
    for counted in config.stash[_counted]:
        totals.add(counted)
    terminalreporter.write_line(f"fi_async: {totals}")
