"""A run's file that is made of others: whole or not at all, by one program at a time, and in nobody's place."""

from __future__ import annotations

import pytest

from fi_async import ConfigurationError, JournalError
from fi_async.journal.whole_file import made_whole


def names(tmp_path):
    return sorted(each.name for each in tmp_path.iterdir())


def test_it_has_its_name_once_it_is_whole(tmp_path):
    with made_whole(tmp_path / "run.db", ".part") as part:
        part.write_bytes(b"all")
        assert not (tmp_path / "run.db").exists()
    assert (names(tmp_path), (tmp_path / "run.db").read_bytes()) == (["run.db"], b"all")


def make(target, also):
    with made_whole(target, ".part") as part:
        part.write_bytes(b"ours")
        also()


def test_what_was_made_meanwhile_stays(tmp_path):
    with pytest.raises(ConfigurationError, match=r"run\.db: it is there already: name another file"):
        make(tmp_path / "run.db", lambda: (tmp_path / "run.db").write_bytes(b"theirs"))
    assert (names(tmp_path), (tmp_path / "run.db").read_bytes()) == (["run.db"], b"theirs")


def test_a_disk_without_links_has_it_too(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", link)
    test_it_has_its_name_once_it_is_whole(tmp_path)
    (tmp_path / "run.db").unlink()
    test_what_was_made_meanwhile_stays(tmp_path)


def test_one_program_at_a_time_makes_it(tmp_path):
    with made_whole(tmp_path / "run.db", ".part") as part:
        part.write_bytes(b"half")
        with pytest.raises(JournalError, match=r"run\.db: another process is writing this run"):
            make(tmp_path / "run.db", lambda: None)
        assert part.read_bytes() == b"half"
    assert (tmp_path / "run.db").read_bytes() == b"half"


def test_nothing_stays_of_one_that_failed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "run.db", lambda: 1 / 0)
    assert names(tmp_path) == []
    with pytest.raises(ConfigurationError, match=r"run\.db: there is no directory .*none$"):
        make(tmp_path / "none" / "run.db", lambda: None)
