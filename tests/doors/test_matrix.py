"""Every kind of value, through every way in and every way out: what is sent, and what is found, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from doors import kinds, ways
from doors.ways import WAYS_IN
from fi_async import Case, Evaluator, Report, cases_from
from fi_async._values import NotPlainError, as_text, plain, shown
from fi_async.local import LocalBackend, Switches
from fi_async.sources.rows import Source

NEEDLE = {"keyword": "needle"}
KINDS = {
    **{name: value for name, (value, _) in kinds.SENT.items()},
    **kinds.MISSING,
    **{name: value for name, (value, _) in kinds.REFUSED.items()},
}
DOORS = [
    pytest.param(
        name, marks=[] if name != "Hugging Face" or find_spec("datasets") else pytest.mark.skip("datasets is not here")
    )
    for name in WAYS_IN
]


class Recording:
    """The embedded backend, and the texts that it was sent, in their order."""

    def __init__(self) -> None:
        self.backend = LocalBackend(Switches())
        self.sent: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""

        async def recorded() -> Any:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.request" and not message.get("more_body"):
                self.sent.append(json.loads(body)["inputs"]["text"])
            return message

        await self.backend(scope, recorded, send)


@dataclass(frozen=True)
class Ran:
    report: Report
    kept: Report
    sent: dict[str, str]
    held: dict[str, Any]
    directory: Path


def _cases(made: Any) -> Iterator[Any]:
    return iter(made if isinstance(made, list | Source) else cases_from(made))


@cache
def ran(door: str) -> Ran:
    """Return a run of one case of each kind that came in through this door."""
    directory = Path(mkdtemp(prefix="doors-", dir=Path.home()))
    held, sources = {}, []
    for name, value in KINDS.items():
        made, held[name] = WAYS_IN[door].make(value, name, directory)
        sources.append(list(_cases(made)))
        assert len(sources[-1]) == 1, name
    app = Recording()
    with Evaluator.local(app, concurrency=1, strategy="sync", rows=1) as ev:
        report = ev.gather(chain.from_iterable(sources), "contains", eval_config=NEEDLE)
        in_order, app.sent = app.sent, []
        kept = ev.gather(chain.from_iterable(sources), "contains", eval_config=NEEDLE, run=directory / "run.db")
    scored = [name for name, each in zip(KINDS, report.outcomes, strict=True) if each.status == "scored"]
    return Ran(report, kept, dict(zip(scored, in_order, strict=True)), held, directory)


def expected_error(door: str, name: str, held: Any) -> str | None:
    """Return why a kind is invalid behind a door; None if it is sent."""
    try:
        text = as_text(held)
    except NotPlainError as error:
        return f"the input 'text' {error}: convert it to text first"
    way = WAYS_IN[door]
    if text is None and way.drops:
        return "contains needs the key 'text' (or one of output, content). The case has: no keys"
    if text is None:
        nothing = "None" if held is None else "missing (NaN, NaT or NA)"
        return f"the input 'text' is {nothing}: give it text, or leave the key out"
    if not text:
        return "the input 'text' is blank, and the server refuses blank inputs: give it text, or leave this case out"
    return None


def test_what_the_tables_of_kinds_say_is_so():
    for name, (value, has) in kinds.SENT.items():
        assert plain(value) == has, name
        assert json.loads(json.dumps(shown(value))) == has, name
    for name, value in kinds.MISSING.items():
        assert plain(value) is None, name
    for name, (value, why) in kinds.REFUSED.items():
        with pytest.raises(NotPlainError) as caught:
            plain(value)
        assert str(caught.value) == why, name
        json.dumps(shown(value), allow_nan=False)


@pytest.mark.parametrize("door", DOORS)
def test_what_is_sent_of_each_kind(door):
    found = ran(door)
    for (name, held), each in zip(found.held.items(), found.report.outcomes, strict=True):
        why = expected_error(door, name, held)
        if why is None:
            assert (name, str(each.status), found.sent[name]) == (name, "scored", as_text(held))
        else:
            assert (name, str(each.status)) == (name, "invalid")
            assert each.error.message.partition(": ")[2] == why, name


@pytest.mark.parametrize("door", DOORS)
def test_what_a_door_can_hold_is_the_same_as_in_a_dict(door):
    """A value that a door has a form for is sent as the same text through all of them."""
    found, given = ran(door), ran("dict")
    same = [name for name in found.sent if name in given.sent and found.held[name] is KINDS[name]]
    assert {name: found.sent[name] for name in same} == {name: given.sent[name] for name in same}
    assert door in ("JSONL", "JSON", "directory", "CSV", "stdin") or len(same) > 20


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _expected(door: str, name: str, held: Any, *, of_rows: bool) -> dict[str, Any]:
    way = WAYS_IN[door]
    has = shown(held)
    row = {"id": name} if of_rows and way.keeps else {}
    return row if has is None and way.drops else {**row, "text": has}


@pytest.mark.parametrize("out", [*ways.OF_ROWS, *ways.OF_CASES])
@pytest.mark.parametrize("door", DOORS)
def test_what_is_found_of_each_kind(door, out, tmp_path):
    found = ran(door)
    of_rows = out in ways.OF_ROWS
    read = (ways.OF_ROWS if of_rows else ways.OF_CASES)[out]
    told = read(found.report, found.directory if out == "journal" else tmp_path)
    assert len(told) == len(KINDS)
    for (name, held), (inputs, case_id) in zip(found.held.items(), told, strict=True):
        expected = _expected(door, name, held, of_rows=of_rows)
        if out == "HTML":
            expected = {key: _compact(value) for key, value in expected.items()}
        if out == "spool":
            try:
                plain(held)
            except NotPlainError:
                expected = {}
        assert (name, case_id) == (name, name if WAYS_IN[door].names else None)
        assert (name, inputs) == (name, expected)


@pytest.mark.parametrize("door", DOORS)
def test_a_run_that_is_kept_ends_the_same_and_again(door):
    found = ran(door)
    assert [(str(each.status), each.score) for each in found.kept.outcomes] == [
        (str(each.status), each.score) for each in found.report.outcomes
    ]


@pytest.mark.parametrize("door", DOORS)
def test_what_a_notebook_and_frames_show(door):
    report = ran(door).report
    for each in report.outcomes:
        assert "contains" in Report([each], 0.0)._repr_html_()
        assert len(Report([each], 0.0).to_pandas()) == 1
    assert list(report.to_pandas().columns) == report.to_polars().columns
    assert report.to_polars()["id"].to_list() == [each.case.id for each in report.outcomes]


@pytest.mark.parametrize("door", [param for param in DOORS if param.values[0] != "dict"])
def test_junit_holds_the_verdict_on_all_of_them(door, tmp_path):
    from fi_async.cli import main

    found = ran(door)
    junit = tmp_path / "gate.xml"
    assert main(["gate", f"{found.directory}/run.db", "--min", "contains>=1", "--coverage", "1", "--junit", str(junit)])
    named = [each.get("name") for each in ET.parse(junit).getroot().iter("testcase")]
    assert named == ["contains>=1", "contains coverage>=1"]


# -- ids ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", [param for param in DOORS if param.values[0] != "dict"])
def test_an_id_of_any_kind_comes_out_as_text(door, tmp_path):
    for name, (given, text) in kinds.IDS.items():
        (case,) = _cases(WAYS_IN[door].make("needle", given, tmp_path)[0]) if _takes(door, given) else [Case({}, text)]
        assert (name, case.id) == (name, text)


def _takes(door: str, given: Any) -> bool:
    """Tell whether a door has a form for an id of this kind; files of text have those of JSON and of text."""
    if door in ("Case", "iterable", "pandas"):
        return True
    return type(given) in ((str, int, float, bool) if door in ("Arrow", "Parquet", "polars") else (str, int))


def test_ids_with_no_form_make_their_case_invalid_and_no_other(tmp_path):
    cases = [Case({"text": "needle"}, id=each) for each in (*kinds.REFUSED_IDS.values(), 7)]
    with Evaluator.local(LocalBackend(Switches())) as ev:
        report = ev.gather(cases, "contains", eval_config=NEEDLE, run=tmp_path / "run.db")
    assert [(str(each.status), each.case.id) for each in report.outcomes] == [*[("invalid", None)] * 4, ("scored", "7")]
    assert report.outcomes[0].error.message == (
        "case 0: the id is a object with no JSON form: give text, a number or a UUID"
    )
    for out in ways.OF_ROWS.values():
        assert [case_id for _, case_id in out(report, tmp_path)] == [None] * 4 + ["7"]
    ways.html_out(report, tmp_path)
    assert report._repr_html_()


# -- what is no case ---------------------------------------------------------------------------------------------------


class Unreadable(dict):
    def __iter__(self):
        raise RuntimeError("secret")

    def items(self):
        raise RuntimeError("secret")

    __getitem__ = __contains__ = keys = __iter__


RUBBISH = [None, "text", ["text"], 5, b"text", kinds.Silent(), kinds.Silent, Case(None), Case("text", id=3), Case([1])]


@pytest.mark.parametrize("wrap", [iter, cases_from], ids=["generator", "cases_from"])
def test_what_is_no_case_is_invalid_with_words_and_the_others_go_on(wrap, tmp_path):
    good = {"text": "a needle"}
    with Evaluator.local(LocalBackend(Switches())) as ev:
        report = ev.gather(
            wrap([*RUBBISH, Unreadable(text="a"), Case(Unreadable(text="a"), id="u"), good]),
            "contains",
            eval_config=NEEDLE,
            run=tmp_path / "run.db",
        )
    assert [str(each.status) for each in report.outcomes] == ["invalid"] * (len(RUBBISH) + 2) + ["scored"]
    for each in report.failures:
        assert each.error.message.startswith(f"case {each.index}: ")
        assert "secret" not in str(each.error)
    for out in (*ways.OF_ROWS.values(), ways.html_out, ways.journal):
        assert len(out(report, tmp_path)) == len(RUBBISH) + 3
    assert report._repr_html_()
    assert report.outcomes[8].case.id == "3"
