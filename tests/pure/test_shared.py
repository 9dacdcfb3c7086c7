"""The file of a shared budget: what it counts, what it holds, and what it says when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from fi_async import AsyncEvaluator, ConfigurationError, Limit
from fi_async._settings import Connection, Credentials
from fi_async.pacing.rate import Gate
from fi_async.pacing.sharing import Standing, Use
from fi_async.shared import SharedBudget

LIMIT = Limit(3, per=10.0)
NEVER = -float("inf")
AT = 1_000_005.0
MINE = Connection("https://evals.test", Credentials("my-api-key", "my-secret-key"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "budget"


@pytest.fixture
def shared(path):
    """Makes budgets in one file, and closes them."""
    opened = []

    def make(connection=MINE):
        opened.append(SharedBudget(path, connection))
        return opened[-1]

    yield make
    for each in opened:
        each.disconnect()


def use(window=100_000, amount=1, limit=LIMIT):
    return Use(limit, window, amount)


def test_what_one_takes_is_not_there_for_the_other(shared):
    one, other = shared(), shared()
    assert one.claim([use(amount=2)], AT) == Standing(True, NEVER, [0])
    assert other.claim([use(amount=2)], AT) == Standing(False, NEVER, [2])
    assert other.claim([use()], AT) == Standing(True, NEVER, [2])
    assert one.read([use()], AT) == Standing(False, NEVER, [3])
    assert one.claim([use(100_001)], AT) == Standing(True, NEVER, [0])


def test_all_is_taken_or_nothing(shared):
    budget = shared()
    rows = Limit(5, per=10.0, of="evaluations")
    uses = [use(), use(amount=3, limit=rows), use(100_001)]
    budget.claim([use(100_001, amount=3)], AT)
    assert budget.claim(uses, AT) == budget.read(uses, AT) == Standing(False, NEVER, [0, 0, 3])


def test_more_than_a_window_has_is_granted_where_nobody_was(shared):
    budget = shared()
    assert budget.claim([use(amount=5)], AT).granted
    assert not budget.claim([use(amount=1)], AT).granted
    assert not budget.claim([use(amount=5)], AT).granted


def test_two_limits_of_one_window_count_once(shared):
    budget = shared()
    strict, lax = use(limit=Limit(2, per=10.0)), use(limit=Limit(9, per=10.0))
    assert [budget.claim([strict, lax], AT).granted for _ in range(3)] == [True, True, False]


def test_a_refusal_closes_it_until_the_latest_time_that_anyone_was_told(shared):
    one, other = shared(), shared()
    one.close(AT + 5)
    other.close(AT + 3)
    assert other.claim([], AT) == Standing(False, AT + 5, [])
    assert other.claim([use()], AT) == Standing(False, AT + 5, [0])
    assert other.claim([use()], AT + 5) == Standing(True, AT + 5, [0])


def test_a_refusal_from_a_clock_that_was_wrong_does_not_close_it_for_ever(shared):
    budget = shared()
    budget.close(AT + 86_400)
    assert budget.claim([], AT) == Standing(True, NEVER, [])
    budget.close(AT + 5)
    assert budget.claim([], AT) == Standing(False, AT + 5, [])


def test_locks_that_pass_are_no_trouble_however_many(shared, path, monkeypatch):
    monkeypatch.setattr("fi_async.shared._PATIENCE", 3)
    budget = shared()
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        for _ in range(3):
            another.execute("BEGIN IMMEDIATE")
            assert budget.claim([use()], AT) is None
            budget.close(AT)
            another.execute("COMMIT")
            assert budget.read([use()], AT) == Standing(True, NEVER, [0])


def sends(gate, now, count):
    """Send so many requests, each answered at once."""
    for _ in range(count):
        assert gate.opens_at(now, post=True) <= now
        assert gate.claim(now, post=True)
        gate.left(now, post=True)
        gate.answered(now, now, None, refused=False)


def is_refused(gate, now, until):
    assert gate.claim(now, post=True)
    gate.left(now, post=True)
    gate.answered(now, now, None, refused=True)
    gate.hold(until)


@pytest.fixture
def gates(shared):
    """Return two gates of one budget, whose clocks agree with the server's."""

    def make():
        gate = Gate(shared())
        gate.clock.assume(0.0, AT, within=1.0)
        return gate

    return make(), make()


def test_what_had_left_before_anothers_refusal_is_what_may_leave_after_it(gates):
    one, other = gates
    sends(other, 0.0, 2)
    is_refused(one, 1.0, until=5.0)
    assert not other.claim(2.0, post=True)
    assert other.opens_at(2.0, post=True) == 5.0
    assert other.is_scarce
    assert other.statistics(2.0)["learned_requests_per_window"] == 2
    assert (one.refusals, other.refusals) == (1, 0)


def test_a_refusal_that_ran_out_while_one_did_not_ask_is_heard_of(gates):
    one, other = gates
    sends(other, 0.0, 2)
    is_refused(one, 1.0, until=5.0)
    sends(other, 9.0, 1)
    assert other.statistics(9.0)["learned_requests_per_window"] == 2


def test_a_refusal_that_ran_out_before_one_first_asked_is_nothing_to_go_by(gates):
    one, other = gates
    is_refused(one, 1.0, until=5.0)
    sends(other, 9.0, 5)
    assert other.statistics(9.0)["learned_requests_per_window"] is None
    assert not other.is_scarce


def test_a_file_that_is_locked_begins_no_window(gates, path):
    gate, _ = gates
    sends(gate, 0.0, 2)
    is_refused(gate, 1.0, until=5.0)
    sends(gate, 5.0, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        gate.keep_to([Limit(60)])
        another.execute("BEGIN IMMEDIATE")
        assert not gate.claim(6.0, post=True)
        assert gate.opens_at(6.0, post=True) == 6.05
        another.execute("COMMIT")
    sends(gate, 6.05, 1)
    assert gate.statistics(6.05)["learned_requests_per_window"] == 3, "it was a probe, beyond the two of the window"


def test_windows_that_are_past_are_dropped(shared, path):
    budget = shared()
    for window in range(100_000, 100_050):
        budget.claim([use(window)], AT)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT number FROM windows").fetchall() == [(100_047,), (100_048,), (100_049,)]


@pytest.mark.parametrize(
    "other",
    [
        Connection("https://evals.test", Credentials("another", "my-secret-key")),
        Connection("https://elsewhere.test", Credentials("my-api-key", "my-secret-key")),
    ],
    ids=["key", "server"],
)
def test_other_keys_and_other_servers_do_not_mix(shared, other):
    one, two = shared(), shared(other)
    one.claim([use(amount=3)], AT)
    one.close(AT + 5)
    assert two.claim([use(amount=3)], AT) == Standing(True, NEVER, [0])


def test_the_file_holds_no_key_and_is_for_its_user_alone(shared, path):
    budget = shared()
    budget.claim([use()], AT)
    budget.close(AT)
    content = b"".join(each.read_bytes() for each in path.parent.iterdir())
    for secret in (b"my-api-key", b"my-secret-key", b"evals.test"):
        assert secret not in content
    assert repr(budget) == f"<SharedBudget {path}>"
    if os.name == "posix":
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_two_files_name_the_same_key_differently(tmp_path):
    names = set()
    for name in ("one", "two"):
        budget = SharedBudget(tmp_path / name, MINE)
        budget.close(AT)
        budget.disconnect()
        with closing(sqlite3.connect(tmp_path / name)) as file:
            names.add(file.execute("SELECT budget FROM refusals").fetchone())
    assert len(names) == 2


def test_clients_that_make_the_file_at_the_same_moment_share_it(tmp_path):
    def begin(path):
        together.wait()
        budget = SharedBudget(path, MINE)
        try:
            while (standing := budget.claim([use(limit=Limit(1000, per=10.0))], AT)) is None:
                pass
            return standing.used[0]
        finally:
            budget.disconnect()

    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            used = list(pool.map(begin, [tmp_path / f"budget {turn}"] * 8))
            assert sorted(used) == list(range(8))


def refused(path):
    with pytest.raises(ConfigurationError) as caught:
        AsyncEvaluator.local(shared_budget=path)
    return str(caught.value)


def test_a_file_that_is_no_database_is_left_as_it_is(path):
    path.write_text("my notes" * 100, encoding="utf-8")
    assert refused(path) == (
        f"shared_budget {path} is damaged, or no shared budget (file is not a database):"
        " name another file, or delete it once nothing uses it"
    )
    assert path.read_text(encoding="utf-8") == "my notes" * 100


def test_another_programs_database_is_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    assert refused(path) == (
        f"shared_budget {path} is another program's file: name one of its own, which is made if missing"
    )
    assert path.read_bytes() == before


def test_a_file_of_another_version_is_left_as_it_is(shared, path):
    shared().disconnect()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 7")
    assert refused(path) == f"shared_budget {path} is of another version of fi-async: name another file"


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        (lambda _: None, "missing/budget", os.strerror(2)),
        (lambda directory: (directory / "file").touch(), "file/budget", os.strerror(20)),
    ],
    ids=["missing", "file"],
)
def test_a_directory_that_is_none_is_named(tmp_path, make, name, reason):
    make(tmp_path)
    assert refused(tmp_path / name) == (
        f"shared_budget {tmp_path / name} cannot be opened ({reason}):"
        " name a file in a directory that is there and that this user may write to"
    )


def test_a_directory_is_no_file(tmp_path):
    assert refused(tmp_path) == (
        f"shared_budget {tmp_path} cannot be opened (unable to open database file):"
        " name a file in a directory that is there and that this user may write to"
    )


def test_a_file_that_cannot_be_written_is_named(path, monkeypatch):
    # Root may write anywhere: SQLite itself is told not to.
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda file, **how: connect(f"file:{file}?mode=ro", uri=True, **how))
    assert refused(path) == (
        f"shared_budget {path} cannot be used (attempt to write a readonly database):"
        " name a file on a local disk that this user may write, and its directory"
    )


def test_a_client_that_nobody_closes_ends_in_silence(path):
    code = f"from fi_async import AsyncEvaluator; AsyncEvaluator.local(shared_budget={str(path)!r})"
    # What the parent had open is the parent's to close: the child drops it without.
    flags = ["-W", "error", "-W", "ignore:unclosed database:ResourceWarning"]
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [each.name for each in path.parent.iterdir()] == ["budget"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_opens_the_file_for_itself(path):
    code = f"""
import os
from fi_async import Limit
from fi_async._settings import Connection, Credentials
from fi_async.pacing.sharing import Use
from fi_async.shared import SharedBudget

budget = SharedBudget({str(path)!r}, Connection("local", Credentials("a", "b")))
uses = [Use(Limit(3), 1, 1)]
budget.claim(uses, 60.0)
file = budget._file
if os.fork() == 0:
    budget.claim(uses, 60.0)
    raise SystemExit(budget._file is file)
assert os.wait()[1] == 0
print(budget.claim(uses, 60.0).used)
"""
    # What the parent had open is the parent's to close: the child drops it without.
    flags = ["-W", "error", "-W", "ignore:unclosed database:ResourceWarning"]
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[2]\n", "")
