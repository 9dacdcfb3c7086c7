"""The file of a run: who may open it, what is said of one that is damaged, and what any part of it replays to."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fi_async import JournalError
from fi_async.journal import schema
from fi_async.journal.events import EventKind
from fi_async.journal.file_storage import FileStorage
from fi_async.journal.records import RunInfo
from fi_async.journal.replay import Past, Story
from fi_async.journal.storage import CaseRow
from fi_async.journal.view import open_view
from fi_async.journal.writer import Journal

INFO = RunInfo("run", ("contains",), None, "local", "local", started_at=1.0)
BODY = '{"status":"scored","backend":"local","latency_s":1.0,"result":{"name":"contains","output":"Passed"}}'


def row(number: int) -> CaseRow:
    return CaseRow(f"{number:024x}", "contains", number, f"c{number}", '{"text":"a"}')


async def written(path: Path, cases: int, copy: Path | None = None) -> None:
    """Write a run of which each case went another way; copy its files before they are closed."""
    async with Journal(FileStorage(path), INFO, lambda: 2.0) as journal:
        for number in range(cases):
            (case,) = await journal.admit([row(number)])
            journal.write(case.n, EventKind.INTENT)
            await journal.flush()
            if number % 4:
                journal.write(case.n, [EventKind.ACCEPTED, EventKind.VOID, EventKind.LOST][number % 3], "an-id")
            if number % 2:
                journal.write(case.n, EventKind.ENDED, BODY)
            await journal.flush()
        if copy is not None:
            for file in path.parent.glob(f"{path.name}*"):
                shutil.copy(file, copy / file.name)


def events(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        cases = connection.execute("SELECT n, key FROM cases ORDER BY n").fetchall()
        return [*cases, *connection.execute("SELECT n, kind, body FROM events ORDER BY seq").fetchall()]


def test_a_case_that_cannot_be_sent_is_never_in_the_file_without_saying_so(tmp_path):
    async def write() -> None:
        async with Journal(FileStorage(tmp_path / "run.db"), INFO, lambda: 2.0) as journal:
            admitted = await journal.admit([row(0), row(1)._replace(ended=BODY), row(2)])
            assert [case.ended for case in admitted] == [None] * 3
            assert not journal.is_behind
            with open_view(tmp_path / "run.db") as view:  # as another process sees it, nothing else being committed
                assert list(view.past.unfinished()) == list(journal.past.unfinished()) == [1, 3]
                assert [(each.outcome.index, each.ended_at) for each in view.records()] == [(1, 2.0)]

    asyncio.run(write())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[object, ...]]]:
    """A run's file whose whole history is still in the write-ahead log, as after a kill; and that history."""
    whole, copy = tmp_path_factory.mktemp("made") / "run.db", tmp_path_factory.mktemp("killed")
    asyncio.run(written(whole, 30, copy))
    return copy / "run.db", events(whole)


@settings(deadline=None)  # it is the disk that takes time
@given(cut=st.integers(0, 250_000), log=st.booleans())
def test_a_file_cut_at_any_byte_replays_to_what_was_once_true_or_is_refused(made, tmp_path_factory, cut, log):
    (killed, whole), place = made, tmp_path_factory.mktemp("cut")
    for file in killed.parent.glob("run.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, place / file.name)
    target = place / ("run.db-wal" if log else "run.db")
    os.truncate(target, cut % (target.stat().st_size + 1))
    try:
        with open_view(place / "run.db") as view:
            standing = [(view.past.has_ended(n), view.past.story(n)) for n in range(1, view.past.count + 1)]
            assert len(list(view.records())) == sum(ended for ended, _ in standing)
    except JournalError:
        return
    part = events(place / "run.db")
    cases, known = [each for each in part if len(each) == 2], [each for each in part if len(each) == 3]
    assert cases == whole[: len(cases)]
    assert known == [each for each in whole if len(each) == 3][: len(known)]


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(list(EventKind)[:6])), max_size=40))
def test_any_history_replays_to_numbers_that_add_up(history):
    past = Past()
    for position in range(4):
        past.add(position)
    for n, kind in history:
        past.take(n, kind, 1.0, "an-id")
    for n in range(1, 5):
        story = past.story(n)
        kinds = [kind for case, kind in history if case == n]
        since = kinds[len(kinds) - kinds[::-1].index(EventKind.ENDED) :] if EventKind.ENDED in kinds else []
        assert 0 <= story.possible_duplicates <= story.ambiguous <= story.attempts + kinds.count(EventKind.LOST)
        assert past.has_ended(n) == (EventKind.ENDED in kinds and EventKind.REOPENED not in since)
        assert not (past.has_ended(n) and story != Story() and kinds[-1] is EventKind.ENDED)
    assert set(past.unfinished()) == {n for n in range(1, 5) if not past.has_ended(n)}


async def _write_one(path: Path) -> None:
    await written(path, 1)


def test_a_file_is_its_owner_s_alone(tmp_path):
    path = tmp_path / "run.db"
    asyncio.run(_write_one(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.db", "run.db-lock"]


def test_reading_leaves_nothing_behind(tmp_path):
    path = tmp_path / "run.db"
    asyncio.run(_write_one(path))
    with open_view(path) as view:
        assert view.past.count == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.db", "run.db-lock"]


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "run.db"
    asyncio.run(_write_one(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 4")
    for opened in (lambda: asyncio.run(_write_one(path)), lambda: open_view(path)):
        with pytest.raises(JournalError) as caught:
            opened()
        assert str(caught.value) == f"{path}: a newer version of fi-async wrote it (schema 4, this one knows 3)"


def test_an_older_version_is_migrated_when_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "run.db"
    asyncio.run(_write_one(path))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    steps = ("ALTER TABLE cases ADD COLUMN extra TEXT", "CREATE TABLE more (n)")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *steps))
    asyncio.run(_write_one(path))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert connection.execute("SELECT n, extra FROM cases").fetchall() == [(1, None)]
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (0,)


def test_another_program_s_database_is_refused(tmp_path):
    path = tmp_path / "run.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    with pytest.raises(JournalError) as caught:
        asyncio.run(_write_one(path))
    assert str(caught.value) == f"{path}: it is another program's database, not a run: choose another name"


@pytest.mark.parametrize("content", [b"{}\n", b"SQLite format 3\0" + b"x" * 200, b"x" * 5000])
def test_what_is_no_database_is_refused(tmp_path, content):
    path = tmp_path / "run.db"
    path.write_bytes(content)
    for opened in (lambda: asyncio.run(_write_one(path)), lambda: open_view(path)):
        with pytest.raises(JournalError, match="it is damaged, or no run's file"):
            opened()
    assert path.read_bytes() == content


def test_a_missing_run_is_told(tmp_path):
    with pytest.raises(JournalError) as caught:
        open_view(tmp_path / "run.db")
    assert str(caught.value) == f"{tmp_path / 'run.db'}: there is no such run"


def test_a_directory_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "nowhere" / "run.db"
    with pytest.raises(JournalError) as caught:
        asyncio.run(_write_one(path))
    assert str(caught.value) == (
        f"{path}: it cannot be written (unable to open database file): a run needs a directory of its own that you"
        " may write to"
    )


@pytest.mark.anyio
async def test_a_full_disk_is_told_and_nothing_follows_what_is_not_in_the_file(tmp_path):
    path = tmp_path / "run.db"
    told = []
    with pytest.raises(JournalError) as caught:  # noqa: PT012  # it is raised on the way out, after the rest
        storage = FileStorage(path)
        async with Journal(storage, INFO, lambda: 2.0) as journal:
            (case,) = await journal.admit([row(0)])
            pages = storage._connection.execute("PRAGMA page_count").fetchone()[0]
            storage._connection.execute(f"PRAGMA max_page_count = {pages}")
            journal.write(case.n, EventKind.ENDED, "x" * 100_000, lambda: told.append("first"))
            with pytest.raises(JournalError):
                await journal.flush()
            storage._connection.execute("PRAGMA max_page_count = 100000")
            journal.write(case.n, EventKind.REOPENED, None, lambda: told.append("second"))
            await journal.flush()
    assert str(caught.value) == (
        f"{path}: it cannot be written (database or disk is full): make room on its disk, then run the same again"
        " to go on"
    )
    assert told == ["first", "second"]  # handed out all the same
    assert [each for each in events(path) if len(each) == 3] == []
