"""The spool as a file, and the queue over it: what is offered survives until a sink has it."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import NEEDLE, backend, client, texts
from fi_async import Case, ConfigurationError
from fi_async.background import Offer, Statistics
from fi_async.background.offers import offer_ids
from fi_async.background.spool import Spool


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue.spool"


def offers(count):
    ids = offer_ids(1.0)
    return [Offer({"text": f"{number}"}, None, next(ids), 1.5) for number in range(count)]


def left_in(path):
    spool = Spool(path)
    try:
        return spool.page("", 10_000)
    finally:
        spool.close()


def test_what_is_written_is_there_the_next_time_until_acknowledged(path):
    written = [
        Offer({"text": 'ü "\ud800\0', "list": [1, None, {"a": 0.1}]}, "mine", "1", 1.5),
        Offer({}, None, "2", 2.5),
        Offer({"text": "3"}, None, "3", 3.5),
    ]
    spool = Spool(path)
    assert (spool.backlog, spool.last) == (0, "")
    spool.write(written, [])
    spool.write([], ["2", "unknown"])
    assert spool.page("", 10) == []  # not of an earlier process
    spool.close()
    again = Spool(path)
    assert (again.backlog, again.last) == (2, "3")
    assert again.page("", 1) + again.page("1", 10) == [written[0], written[2]]
    again.close()


def test_the_file_is_its_owners_only(path):
    spool = Spool(path)
    spool.write(offers(3), [])
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    spool.close()


def test_values_are_kept_as_they_are_sent_without_what_has_no_json_form(path):
    spool = Spool(path)
    endless = []
    endless.append(endless)
    spool.write([Offer({"text": "1", "day": date(2026, 1, 31)}, "mine", "1"), Offer({"text": endless}, None, "2")], [])
    spool.close()
    assert left_in(path) == [Offer({"text": "1", "day": "2026-01-31"}, "mine", "1"), Offer({}, None, "2")]


def test_two_processes_do_not_share_one(path):
    spool = Spool(path)
    with pytest.raises(ConfigurationError) as raised:
        Spool(path)
    assert str(raised.value) == f"spool {path}: another process has it: give each process a spool of its own"
    # Nor does it lose its lock to a third, in another process.
    third = "import sys; from fi_async.background.spool import Spool; Spool(sys.argv[1])"
    ran = subprocess.run([sys.executable, "-c", third, path], capture_output=True, text=True, check=False)
    assert ran.stderr.endswith(f"{raised.value}\n")
    spool.close()
    Spool(path).close()


def test_a_file_of_another_kind_is_refused_and_left_as_it_is(path):
    path.write_text("not a database, and long enough to be taken for one" * 10)
    with pytest.raises(ConfigurationError) as raised:
        Spool(path)
    assert str(raised.value) == f"spool {path}: no spool, or damaged (file is not a database): move it away"
    path.unlink()
    with sqlite3.connect(path) as mine:
        mine.execute("CREATE TABLE mine (a)")
    mine.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError) as raised:
        Spool(path)
    assert str(raised.value) == f"spool {path}: an SQLite file of another kind: name another"
    assert path.read_bytes() == before


def test_one_of_a_newer_version_is_refused(path):
    Spool(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 2")
    newer.close()
    with pytest.raises(ConfigurationError) as raised:
        Spool(path)
    assert str(raised.value) == f"spool {path}: written by a newer version of fi-async: update it"


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=rf"^spool {re.escape(str(tmp_path))}: cannot be opened \("):
        Spool(tmp_path)


def test_a_write_that_fails_changes_nothing(path):
    spool = Spool(path)
    written = offers(2)
    spool.write(written[:1], [])
    with pytest.raises(OSError, match=r"cannot be written \(UNIQUE constraint failed: offers.id\)$"):
        spool.write([written[1], written[0]], [written[0].offer_id])
    spool.write(written[1:], [])
    spool.close()
    assert left_in(path) == written


def test_ids_grow_also_when_the_clock_is_set_back():
    first = offer_ids(1_000.0)
    earlier = [next(first) for _ in range(300)]
    second = offer_ids(10.0, after=earlier[-1])
    ids = [*earlier, *(next(second) for _ in range(300))]
    assert ids == sorted(set(ids))


STEPS = st.lists(
    st.one_of(st.tuples(st.integers(0, 5), st.lists(st.integers(0, 30), max_size=5)), st.just("reopen")), max_size=12
)


@settings(max_examples=30)  # each writes to a disk
@given(STEPS)
def test_it_holds_what_was_added_and_not_acknowledged(steps):
    with tempfile.TemporaryDirectory() as directory:
        spool, supply, expected, added = Spool(Path(directory) / "s"), iter(offers(100)), {}, []
        for step in steps:
            if step == "reopen":
                spool.close()
                spool = Spool(Path(directory) / "s")
                assert spool.page("", 1000) == list(expected.values())
                continue
            count, forgotten = step
            new = [next(supply) for _ in range(count)]
            gone = [added[number].offer_id for number in forgotten if number < len(added)]
            spool.write(new, gone)
            added += new
            expected |= {offer.offer_id: offer for offer in new}
            for offer_id in gone:
                expected.pop(offer_id, None)
        spool.close()
        assert left_in(Path(directory) / "s") == list(expected.values())


# The queue over it


@asynccontextmanager
async def queue_over(path, sink, *, latency=0.0, **given):
    async with (
        client(backend(latency=latency)) as ev,
        ev.background("contains", sink=sink, eval_config=NEEDLE, spool=path, **given) as queue,
    ):
        yield queue


class Taken(list):
    async def __call__(self, outcome):
        self.append((outcome.case.offer_id, outcome.case.inputs["text"], outcome.case.id))


@pytest.mark.anyio
async def test_a_restart_loses_nothing(path, caplog):
    first, second = Taken(), Taken()
    async with queue_over(path, first, latency=10, drain=15.0) as queue:
        for number, case in enumerate(texts(40)):
            assert queue.offer(Case(case, id=str(number)))
    assert queue.statistics() == Statistics(offered=40, kept=24, done=16)
    assert caplog.messages == ["cases kept in the spool for the next start: 24"]
    async with queue_over(path, second) as queue:
        queue.offer({"text": "after"})
        assert await queue.drained() is True
        assert queue.statistics() == Statistics(offered=1, replayed=24, done=25)
    taken = [*first, *second]
    assert sorted(text for _, text, _ in taken) == sorted([*(case["text"] for case in texts(40)), "after"])
    assert {case_id for _, _, case_id in taken} == {*map(str, range(40)), None}
    assert len({offer_id for offer_id, _, _ in taken}) == 41
    assert left_in(path) == []


@pytest.mark.anyio
async def test_a_case_that_the_sink_raised_for_is_evaluated_again_at_the_next_start(path):
    taken = Taken()

    async def down(outcome):
        if "needle" in outcome.case.inputs["text"]:
            raise ConnectionError

    async with queue_over(path, down) as queue:
        for case in texts(6):
            queue.offer(case)
    assert queue.statistics() == Statistics(offered=6, done=6, sink_errors=2)
    async with queue_over(path, taken) as queue:
        pass
    assert queue.statistics() == Statistics(replayed=2, done=2)
    assert [text for _, text, _ in taken] == ["case 0 needle", "case 3 needle"]


@pytest.mark.anyio
async def test_put_returns_once_the_case_is_on_disk(path):
    async with queue_over(path, Taken(), latency=60, drain=0.0) as queue:
        assert await queue.put({"text": "1"}) is True
        [(count,)] = queue._keeper.spool._connection.execute("SELECT count(*) FROM offers")
        assert count == 1


@pytest.mark.anyio
async def test_a_spool_that_cannot_be_written_is_counted_and_the_cases_are_evaluated(path, caplog):
    taken = Taken()
    async with queue_over(path, taken) as queue:
        queue._keeper.spool._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(OSError, match=f"^spool {re.escape(str(path))}: cannot be written"):
            await queue.put({"text": "1"})
        await queue.drained()
        queue._keeper.spool._connection.execute("PRAGMA query_only = OFF")
        await queue.put({"text": "2"})
    assert [text for _, text, _ in taken] == ["1", "2"]
    told = queue.statistics()
    assert (told.offered, told.done, told.kept, told.spool_errors > 0) == (2, 2, 0, True)
    [message] = caplog.messages
    assert message.endswith("; until it can, cases are in memory only")
    assert not queue._keeper._in_memory_only
    assert left_in(path) == []


@pytest.mark.anyio
async def test_an_acknowledgement_that_could_not_be_written_is_written_later(path):
    async with queue_over(path, Taken(), latency=1) as queue:
        await queue.put({"text": "1"})
        queue._keeper.spool._connection.execute("PRAGMA query_only = ON")
        await queue.drained()
        await anyio.sleep(1)
        assert queue.statistics().spool_errors == 1
        queue._keeper.spool._connection.execute("PRAGMA query_only = OFF")
    assert left_in(path) == []


@pytest.mark.anyio
async def test_nothing_piles_up_while_the_disk_is_full(path, caplog):
    async with queue_over(path, Taken()) as queue:
        keeper = queue._keeper
        keeper.spool._connection.execute("PRAGMA query_only = ON")
        for number in range(20):
            queue.offer({"text": str(number)})
            await queue.drained()
        assert (keeper._acknowledged, keeper._in_memory_only) == ([], set())
    assert queue.statistics() == Statistics(offered=20, done=20, spool_errors=20)
    assert len(caplog.messages) == 1


@pytest.mark.anyio
async def test_what_is_in_memory_only_is_dropped_at_the_end_and_not_called_kept(path):
    async with queue_over(path, Taken(), latency=60, drain=0.0) as queue:
        await queue.put({"text": "1"})
        queue._keeper.spool._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(OSError, match="cannot be written"):
            await queue.put({"text": "2"})
    told = queue.statistics()
    assert (told.offered, told.kept, told.dropped, told.cut_off) == (2, 1, 1, 1)


@pytest.mark.anyio
async def test_a_large_backlog_is_read_by_the_page(path):
    spool = Spool(path)
    spool.write(offers(1000), [])
    spool.close()
    taken = Taken()
    async with queue_over(path, taken, max_queue=1, drain=3600) as queue:
        assert queue.statistics().waiting == 1000
    assert sorted(int(text) for _, text, _ in taken) == list(range(1000))
    assert queue.statistics() == Statistics(replayed=1000, done=1000)


@pytest.mark.anyio
async def test_a_spool_in_use_is_raised_on_entering(path):
    spool = Spool(path)
    with pytest.raises(ConfigurationError, match="another process has it"):
        async with queue_over(path, Taken()):
            pytest.fail("entered")
    spool.close()


@pytest.mark.anyio
async def test_a_spool_that_cannot_be_read_ends_the_queue(path, monkeypatch):
    def damaged(self, after, limit):
        raise OSError(f"spool {self.path}: cannot be read (database disk image is malformed)")

    monkeypatch.setattr(Spool, "page", damaged)
    with pytest.raises(OSError, match=r"malformed\)$"):  # noqa: PT012  # on leaving the block
        async with queue_over(path, Taken()) as queue:
            queue.offer({"text": "1"})
            assert await queue.drained(60) is False
            assert queue.offer({"text": "2"}) is False
    assert queue.statistics() == Statistics(offered=2, dropped=1, kept=1)
