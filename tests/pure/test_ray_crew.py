"""What the driver of Ray's workers does while the database is away: it waits, as they do."""

from __future__ import annotations

import pytest

from fi_async import JournalError
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
