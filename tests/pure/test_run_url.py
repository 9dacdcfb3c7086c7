"""The URL of a run in a database: what it names, and what it never shows."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fi_async import ConfigurationError, RunFile
from fi_async._run_url import RunUrl, is_store_url, secrets_of
from fi_async.cli.saved_command import command_line
from fi_async.engine.postgres_budget import PostgresBudget, without_password

SECRET = "p%2Fw"


@pytest.mark.parametrize(
    ("text", "database", "run", "shown"),
    [
        ("postgresql://u@h/db/nightly", "postgresql://u@h/db", "nightly", "postgresql://u@h/db/nightly"),
        ("postgres://h:5433/db/n.1_a-b/", "postgresql://h:5433/db", "n.1_a-b", "postgresql://h:5433/db/n.1_a-b"),
        ("postgresql://u:p%2Fw@h/db?run=n", "postgresql://u:p%2Fw@h/db", "n", "postgresql://u:***@h/db/n"),
        ("postgresql:///db/n?host=/tmp/x", "postgresql:///db?host=%2Ftmp%2Fx", "n", "postgresql:///db/n?host=/tmp/x"),
        (
            "postgresql://[::1]:5/db?sslmode=require&run=n",
            "postgresql://[::1]:5/db?sslmode=require",
            "n",
            "postgresql://[::1]:5/db/n?sslmode=require",
        ),
        (
            "postgresql://h/db/n?password=p%2Fw&user=u",
            "postgresql://h/db?password=p%2Fw&user=u",
            "n",
            "postgresql://h/db/n?password=***&user=u",
        ),
        (  # + is no space to libpq; several hosts, of which one may be written to
            "postgresql://a:1,b:2/db/n?user=u@x+y&target_session_attrs=read-write",
            "postgresql://a:1,b:2/db?user=u%40x%2By&target_session_attrs=read-write",
            "n",
            "postgresql://a:1,b:2/db/n?user=u@x+y&target_session_attrs=read-write",
        ),
    ],
)
def test_a_url_names_a_database_and_a_run(text, database, run, shown, monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    found = RunUrl.parse(text)
    assert (found.database, found.run, str(found)) == (database, run, shown)
    assert SECRET not in repr(found)
    assert set(secrets_of(found.database)) == (
        {"p/w", *(["p%2Fw"] if "u:" in text else [])} if SECRET in text else set()
    )
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgresql://u:p%2Fw@h/db", "postgresql://u:***@h/db: it names no run"),
        ("postgresql://u:p%2Fw@h/db/a/b", "'a/b' is no name of a run"),
        ("postgresql://u:p%2Fw@h/db/a%20b", "'a b' is no name of a run"),
        ("postgresql://u:p%2Fw@h/db/a?run=b", "it names two runs"),
        ("postgresql://u:p%2Fw@h/", "postgresql://u:***@h/: the URL of a run must look like"),
        ("postgresql://u:p%2Fw@h:no/db/a", "the URL of a run must look like postgresql://user@host/database/RUN"),
        ("postgresql://u:p%2Fw@h/db/a#b", "must look like"),
    ],
)
def test_a_url_that_names_none_is_told_without_its_password(text, said):
    with pytest.raises(ConfigurationError) as caught:
        RunUrl.parse(text)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["u:12/5w@h/db/n", "u:12#5w@h/db/n", "u:12?5w@h/db/n", "u:12?a=5w@h/db/n", "u:1@2/5w@h/d/n"]
)
def test_a_password_that_is_not_quoted_is_not_taken_for_more_of_the_url_and_shown(url):
    for call in (RunUrl.parse, lambda text: PostgresBudget(text, "owner"), without_password):
        with pytest.raises(ConfigurationError, match="percent-encoded") as caught:
            call(f"postgresql://{url}")
        assert not any(word in str(caught.value) for word in ("5w", "12", ":1"))


def test_what_a_file_keeps_of_a_budgets_url_is_what_libpq_takes():
    url = "postgresql://u:pw@h/db?application_name=a%20b+c&password=pw&sslmode=require"
    assert without_password(url) == "postgresql://u@h/db?application_name=a%20b%2Bc&sslmode=require"


@pytest.mark.parametrize("password", ["p%2Fw", "***"])
def test_a_command_line_to_go_on_with_leaves_the_password_to_libpq(password):
    told = command_line("work", f"postgresql://u:{password}@h/db/n?sslmode=require", "runs/a.db")
    assert told == "fi-async work 'postgresql://u@h/db/n?sslmode=require' runs/a.db"


def test_a_database_alone_is_taken_where_no_run_is_needed():
    assert RunUrl.parse("postgresql://h/db", needs_run=False).run == ""


@pytest.mark.parametrize("path", ["runs/nightly.db", "postgresql.db", "sqlite://x", 3])
def test_paths_are_no_urls(path):
    assert not is_store_url(path)


def test_a_run_file_takes_a_url_and_shows_no_password():
    kept = RunFile("postgresql://u:p%2Fw@h/db/nightly")
    assert kept.store is not None
    assert kept.store.run == "nightly"
    assert SECRET not in repr(kept)
    with pytest.raises(ConfigurationError, match="this needs a run's file, and not a database"):
        _ = kept.file
    assert RunFile("nightly.db").store is None


def test_a_url_as_a_path_is_refused_and_not_shown():
    with pytest.raises(ConfigurationError, match="pass it as text") as caught:
        RunFile(Path("postgresql://u:p%2Fw@h/db/nightly"))
    assert SECRET not in str(caught.value)


def test_what_nobody_may_see_is_found_wherever_libpq_takes_it_from(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "of-the-environment")
    url = "postgresql://u:p%40w@h/db?sslpassword=of-the-key&sslmode=require"
    assert secrets_of(url) == ["of-the-environment", "of-the-key", "p%40w", "p@w"]
