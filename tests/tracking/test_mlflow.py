"""MLflow, on a store of files: `nox -s integrations` runs it, where the library is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fi_async.reports.tracking import figures_of

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("default")  # the library's own


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    yield
    while mlflow.active_run() is not None:
        mlflow.end_run()


def artifacts(run):
    return Path(run.info.artifact_uri.removeprefix("file://"))


def test_a_new_run_holds_figures_table_and_page(report):
    run = mlflow.get_run(report.log_to_mlflow("nightly"))
    assert (run.info.run_name, run.info.status) == ("nightly", "FINISHED")
    assert run.data.metrics == pytest.approx(figures_of(report._tracked()))
    assert run.data.tags["fi_async.templates"] == "calm, contains, is_json"
    table = json.loads((artifacts(run) / "outcomes.json").read_text())
    assert len(table["data"]) == 19
    row = dict(zip(table["columns"], table["data"][-1], strict=True))
    assert (row["template"], row["status"], row["score"]) == ("is_json", "invalid", None)
    assert "<html" in (artifacts(run) / "report.html").read_text()
    assert mlflow.active_run() is None


def test_an_active_run_stays_active_and_nothing_of_inputs_is_logged_unless_wanted(report):
    with mlflow.start_run() as active:
        assert report.log_to_mlflow(table=False, page=False) == active.info.run_id
        assert mlflow.active_run() is not None
    assert list(artifacts(active).glob("*")) == []


def test_a_run_that_cannot_be_logged_is_no_success(report, monkeypatch):
    monkeypatch.setattr(type(report), "to_html", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        report.log_to_mlflow("broken")
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.status == "FAILED"
