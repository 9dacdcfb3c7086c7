from __future__ import annotations

import json
import re

import pytest

from fi_async import _catalogue
from fi_async.local import templates as local_templates


def test_json_lists_all(cli):
    listed = json.loads(cli("templates --json").out)
    assert {each["name"] for each in listed} == set(_catalogue.rows())
    found = next(each for each in listed if each["name"] == "contains")
    assert found == {
        "name": "contains",
        "required_keys": ["text"],
        "aliases": {"text": ["output", "content"]},
        "output_type": "Pass/Fail",
        "choices": [],
        "params": _catalogue.rows()["contains"]["config"],
        "tags": found["tags"],
        "local": "exact",
        "backends": ["local", "cloud"],
        "description": "Checks if the text contains a specific keyword",
    }


def test_json_lists_the_local_ones(cli):
    listed = json.loads(cli("templates --local --json").out)
    expected = {name for name in _catalogue.rows() if local_templates.template_named(name).available}
    assert {each["name"] for each in listed} == expected
    assert {each["local"] for each in listed} == {"exact", "estimate"}


def test_piped_it_is_a_line_each(cli):
    rows = cli("templates --local").out.splitlines()
    assert all(len(row.split("\t")) == 5 for row in rows)
    assert "contains\ttext\tPass/Fail\tChecks if the text contains a specific keyword\tlocal,cloud" in rows


@pytest.mark.parametrize("columns", [120, 60])
def test_in_a_terminal_it_fits(columns, cli, monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": str(columns)}.items():
        monkeypatch.setenv(name, value)
    out = re.sub(r"\x1b\[[0-9;]*m", "", cli("templates").out)
    assert all(name in out for name in _catalogue.rows())
    assert max(len(line) for line in out.splitlines()) <= columns
    assert ("template" in out.splitlines()[0]) is (columns == 120)


def test_one_in_full(cli):
    out = cli("templates ndcg_at_k").out
    for said in (
        "hypothesis, or output, response",
        "k: integer, from 1",
        "score",
        "RAG",
        "evaluated as the platform does",
    ):
        assert said in out
    assert "case_sensitive: boolean, default true" in cli("templates contains").out
    assert "max_latency_ms: number, required, from 0" in cli("templates latency_check").out
    assert "a lexical estimate" in cli("templates groundedness").out
    assert "not evaluated" in cli("templates tone").out
    assert "neutral, joy" in cli("templates tone").out


def test_one_as_json(cli):
    found = json.loads(cli("templates tone --json").out)
    assert (found["name"], found["local"], found["choices"][:2]) == ("tone", None, ["neutral", "joy"])
