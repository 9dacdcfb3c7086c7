"""What the driver of Ray's workers does while the database is away: it waits, as they do."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fi_async import APIConnectionError, ConfigurationError, FiAsyncError, JournalError
from fi_async._run_url import RunUrl
from fi_async.integrations import ray
from fi_async.store.run_control import Control
from fi_async.store.run_workers import SharedStanding


@pytest.mark.parametrize("lost_at", ["shared_standing", "count_run"])
def test_a_database_that_is_away_ends_no_workers(monkeypatch, capsys, lost_at):
    def away(*_):
        raise JournalError("the database cannot be reached")

    monkeypatch.setattr(ray, "shared_standing", lambda _: SharedStanding((), Control()))
    monkeypatch.setattr(ray, lost_at, away)
    crew = ray._Crew(None, RunUrl.parse("postgresql://somebody@nowhere.invalid/db/run"), patience=300.0, shows=True)
    crew._shown_at = float("-inf")
    crew._look()
    assert capsys.readouterr().err == "fi_async: the database is away\n"
    crew._look()
    assert capsys.readouterr().err == ""


class _LostError(Exception):
    """As Ray's `RayError`, where it is not installed."""


class _FailedError(_LostError):
    """As Ray's `RayTaskError`."""

    def __init__(self, cause):
        self.cause = cause


class _Ray:
    """Of Ray, what a crew asks: each reference is what its worker came to."""

    exceptions = SimpleNamespace(RayError=_LostError, RayTaskError=_FailedError)

    @staticmethod
    def wait(refs, **_):
        return refs[:1], refs[1:]

    @staticmethod
    def get(ref):
        if isinstance(ref, Exception):
            raise ref
        return ref


UNREACHED = APIConnectionError("no request of this worker reached a server")
ENDS = [_FailedError(UNREACHED), _FailedError(JournalError("it lost its lease")), _LostError()]


@pytest.mark.parametrize("ended", ENDS, ids=["no server", "no lease", "lost"])
@pytest.mark.parametrize("is_last", [True, False])
def test_one_worker_that_cannot_go_on_ends_no_other(monkeypatch, ended, is_last):
    crew = ray._Crew(_Ray, RunUrl.parse("postgresql://nowhere.invalid/db/run"), patience=300.0, shows=False)
    monkeypatch.setattr(ray._Crew, "_look", lambda _: None)
    reports = [ray.RayReport("run", {"scored": 3}, pending, (), 1.0) for pending in (0, 1)]
    for report in reports:
        monkeypatch.setattr(ray._Crew, "_report", lambda _, report=report: report)
        crew.refs = ["done", ended] if is_last else [ended, "done"]
        if report.is_complete:
            assert crew.watch() is report
        else:
            with pytest.raises(FiAsyncError, match=r"no request of this worker|lost its lease|workers are lost"):
                crew.watch()


def test_what_would_end_every_worker_is_raised_at_once(monkeypatch):
    crew = ray._Crew(_Ray, RunUrl.parse("postgresql://nowhere.invalid/db/run"), patience=300.0, shows=False)
    crew.refs = [_FailedError(ConfigurationError("the criteria are others here")), "done"]
    with pytest.raises(ConfigurationError, match="the criteria are others here"):
        crew.watch()
    assert crew.refs == ["done"]  # for `end`
