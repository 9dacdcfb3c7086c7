"""Weights & Biases, offline: `nox -s integrations` runs it, where the library is."""

from __future__ import annotations

import json

import pytest

from fi_async.reports.tracking import figures_of

wandb = pytest.importorskip("wandb")
pytestmark = pytest.mark.filterwarnings("default")  # the library's own


@pytest.fixture(autouse=True)
def _offline(tmp_path, monkeypatch):
    for name in ("DATA_DIR", "CACHE_DIR", "CONFIG_DIR", "ARTIFACT_DIR", "DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def test_a_run_holds_figures_table_and_page(report, tmp_path):
    with wandb.init(project="evals", dir=str(tmp_path)) as run:
        assert report.to_wandb(run) == run.id
        told = {name: run.summary[name] for name in figures_of(report._tracked())}
        assert told == pytest.approx(figures_of(report._tracked()))
        assert run.config["fi_async.templates"] == ["calm", "contains", "is_json"]
        (table,) = tmp_path.rglob("files/media/table/outcomes_*.table.json")
        rows = json.loads(table.read_text())
    assert len(rows["data"]) == 19
    row = dict(zip(rows["columns"], rows["data"][-1], strict=True))
    assert (row["template"], row["status"], row["score"]) == ("is_json", "invalid", None)
    assert len(list(tmp_path.rglob("files/media/html/report_*.html"))) == 1


def test_a_new_run_is_finished_and_its_table_is_bounded(report, tmp_path):
    report.to_wandb(project="evals", dir=str(tmp_path), rows=8, page=False)
    assert wandb.run is None
    (table,) = tmp_path.rglob("files/media/table/outcomes_*.table.json")
    rows = json.loads(table.read_text())
    at = rows["columns"].index("status")
    assert [row[at] for row in rows["data"]] == ["invalid"] * 7 + ["scored"]
