"""The file of a shared budget: what it counts, what it holds, and what it says when it cannot be used."""

from __future__ import annotations

import json
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
from fi_async._connection import Connection, Credentials
from fi_async.engine.shared_budget import SharedBudget
from fi_async.pacing.learned import Learned, Use

LIMIT = Limit(3, per=10.0)
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


def taken(budget, *uses):
    """Use so much more, and return what was used before; None if it is locked."""
    with budget.turn() as turn:
        if turn is None:
            return None
        used = turn.used(uses)
        turn.take(uses, used)
        return used


def learned(budget, *words):
    """Return what was learned, and learn these words."""
    with budget.turn() as turn:
        before = turn.learned
        turn.learned = "".join(words) or before
        return before


def test_what_one_takes_the_other_sees(shared):
    one, other = shared(), shared()
    assert taken(one, use(amount=2)) == [0]
    assert taken(other, use(amount=1)) == [2]
    assert taken(one, use(amount=0), use(100_001)) == [3, 0]


def test_two_limits_of_one_window_count_once(shared):
    budget = shared()
    strict, lax = use(limit=Limit(2, per=10.0)), use(limit=Limit(9, per=10.0))
    assert [taken(budget, strict, lax) for _ in range(3)] == [[0, 0], [1, 1], [2, 2]]


def test_what_one_learns_the_other_knows_and_since_when(shared):
    one, other = shared(), shared()
    assert learned(one) == ""
    one.wall_clock = lambda: AT
    assert learned(one, "this") == ""
    assert learned(other) == "this"
    other.wall_clock = lambda: AT + 5
    with other.turn() as turn:
        assert turn.age == 5.0


def test_a_turn_that_ends_in_an_error_changes_nothing(shared):
    budget = shared()

    def fail():
        with budget.turn() as turn:
            turn.take([use()], [0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert taken(budget, use()) == [0]


def test_locks_that_pass_are_no_trouble_however_many(shared, path, monkeypatch):
    monkeypatch.setattr("fi_async.engine.shared_budget._PATIENCE", 3)
    budget = shared()
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        for turn in range(3):
            another.execute("BEGIN IMMEDIATE")
            assert taken(budget, use()) is None
            assert taken(budget, use()) is None
            another.execute("COMMIT")
            assert taken(budget, use()) == [turn]


def test_windows_that_were_over_an_hour_ago_are_dropped(shared, path):
    budget = shared()
    for window in range(100_000, 100_363):
        taken(budget, use(window))
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT min(number), count(*) FROM windows").fetchall() == [(100_002, 361)]


def test_what_may_fall_into_many_windows_drops_none_of_them(shared):
    """While the server's time is little known, the last of them says nothing of the first."""
    budget = shared()
    for before in (0, 1, 2):
        assert taken(budget, *map(use, range(100_000, 101_000))) == [before] * 1000


def test_windows_that_are_far_ahead_drop_none_of_the_present(shared):
    """As one sees them whose clock is wrong, or who knows little of the server's."""
    budget = shared()
    budget.wall_clock = lambda: AT
    taken(budget, use(100_000))
    taken(budget, use(200_000))
    assert taken(budget, use(100_000)) == [1]


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
    taken(one, use(amount=3))
    learned(one, "this")
    assert (taken(two, use()), learned(two)) == ([0], "")


def test_the_file_holds_no_key_and_is_for_its_user_alone(shared, path):
    budget = shared()
    taken(budget, use())
    learned(budget, "this")
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
        learned(budget, "this")
        budget.disconnect()
        with closing(sqlite3.connect(tmp_path / name)) as file:
            names.add(file.execute("SELECT budget FROM learned").fetchone())
    assert len(names) == 2


def test_clients_that_make_the_file_at_the_same_moment_share_it(tmp_path):
    def begin(path):
        together.wait()
        budget = SharedBudget(path, MINE)
        try:
            while (used := taken(budget, use())) is None:
                pass
            return used[0]
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


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM salt",
        "UPDATE salt SET salt = 'text'",
        "UPDATE windows SET used = 'many'",
        "UPDATE learned SET at = 'then'",
    ],
)
def test_a_value_of_another_type_is_damage(damage, shared, path):
    use = Use(LIMIT, 7, 1)
    made = shared()
    with made.turn() as turn:
        turn.take([use], turn.used([use]))
        turn.learned = "{}"
    made.disconnect()
    with closing(sqlite3.connect(path)) as file:
        file.execute(damage)
        file.commit()
    said = r"is damaged, or no shared budget \(a value of another type"
    with pytest.raises(ConfigurationError, match=said), shared().turn() as turn:  # some is found when it is asked for
        turn.used([use])


@pytest.mark.parametrize(
    "words", ["{", "[]", "{}", "null", '{"quota": {}, "refused_until": 1, "clock": null}', "[" * 5000, '{"quota": 1}']
)
def test_words_that_cannot_be_read_teach_nothing_and_are_replaced(words, shared):
    budget = shared()
    with budget.turn() as turn:
        turn.learned = words
    learned = Learned(budget)
    with learned.turn(budget, 0.0) as turn:
        assert turn.learned == words
        learned.refused(5.0)
    with budget.turn() as turn:
        assert json.loads(turn.learned)["refused_until"] == pytest.approx(budget.wall_clock() + 5.0, abs=5.0)


def test_a_file_of_another_version_is_left_as_it_is(shared, path):
    shared().disconnect()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 1")
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
from fi_async._connection import Connection, Credentials
from fi_async.pacing.learned import Learned, Use
from fi_async.engine.shared_budget import SharedBudget

budget = SharedBudget({str(path)!r}, Connection("local", Credentials("a", "b")))
uses = [Use(Limit(3), 1, 1)]

def taken():
    with budget.turn() as turn:
        used = turn.used(uses)
        turn.take(uses, used)
        return used

taken()
file = budget._file
if os.fork() == 0:
    taken()
    raise SystemExit(budget._file is file)
assert os.wait()[1] == 0
print(taken())
"""
    # What the parent had open is the parent's to close: the child drops it without.
    flags = ["-W", "error", "-W", "ignore:unclosed database:ResourceWarning"]
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[2]\n", "")
