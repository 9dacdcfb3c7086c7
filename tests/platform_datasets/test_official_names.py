"""Programs written for the official SDK's datasets run with another import line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fi_async import ConfigurationError, DatasetError, Evaluator, NotFoundError
from fi_async.fi_datasets import Dataset, DatasetConfig, ModelTypes
from fi_async.local import LocalBackend


@pytest.fixture
def evaluator():
    with Evaluator.local(LocalBackend()) as ev:
        yield ev


def test_a_program_of_the_official_sdk_runs(evaluator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("question,answer\na,[1]\nb,[2\n", encoding="utf-8")
    config = DatasetConfig(name="answers", model_type=ModelTypes.GENERATIVE_LLM)
    dataset = Dataset(dataset_config=config, evaluator=evaluator)
    dataset = dataset.create(source="data.csv")
    dataset = dataset.add_evaluation(
        name="is it JSON",
        eval_template="is_json",
        required_keys_to_column_names={"text": "answer"},
        model="turing_small",
        run=True,
        reason_column=True,
    )
    assert dataset.runs["is it JSON"].wait().summary()["scored"] == 2
    (stats,) = dataset.get_eval_stats()["result"]
    assert stats["result"][0]["output"]["pass"] == 50.0
    assert dataset.get_column_id("answer") is not None
    assert dataset.get_column_id("none") is None
    assert dataset.download("out.csv") is dataset
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "a,[1],Passed,Text is valid JSON"
    again = Dataset.get_dataset_config("answers", evaluator=evaluator)
    assert again.get_config().id == dataset.get_config().id
    frame = Dataset.download_dataset("answers", load_to_pandas=True, evaluator=evaluator)
    assert list(frame["is it JSON"]) == ["Passed", "Failed"]
    with pytest.raises(DatasetError, match="there is a dataset named 'answers' already"):
        again.create("data.csv")
    Dataset.delete_dataset("answers", evaluator=evaluator)
    with pytest.raises(NotFoundError, match="no dataset named 'answers'"):
        Dataset.get_dataset_config("answers", evaluator=evaluator)


def test_columns_and_rows_make_a_dataset(evaluator):
    dataset = Dataset(DatasetConfig(name="rows"), evaluator=evaluator).create()
    with pytest.raises(DatasetError, match="has no rows yet"):
        dataset.get_eval_stats()
    dataset.add_columns([{"name": "text", "data_type": "text"}, SimpleNamespace(name="note")])
    dataset.add_rows([{"cells": [{"column_name": "text", "value": "[1]"}]}])
    Dataset.add_dataset_rows(
        "rows",
        [SimpleNamespace(cells=[SimpleNamespace(column_name="text", value="[1")])],
        evaluator=evaluator,
    )
    dataset.add_evaluation("j", "is_json", {"text": "text"})
    assert [each.passed for each in dataset.runs["j"].wait().outcomes] == [True, False]
    with pytest.raises(ConfigurationError, match="before the first rows"):
        dataset.add_columns([{"name": "late"}])
    with pytest.raises(ConfigurationError, match="has no 'cells'"):
        dataset.add_rows([{"text": "x"}])
    with pytest.raises(ConfigurationError, match="not covered"):
        dataset.add_evaluation("k", "is_json", {"text": "text"}, run=False)
    by_id = Dataset(DatasetConfig(name="", id=dataset.get_config().id), evaluator=evaluator)
    by_id.delete()
    with pytest.raises(ConfigurationError, match="dataset_config is missing"):
        by_id.get_config()
    with pytest.raises(NotFoundError):
        Dataset(DatasetConfig(name="", id=dataset.get_config().id), evaluator=evaluator)
    assert Dataset.create_dataset(DatasetConfig(name="made"), [{"text": "x"}], evaluator=evaluator).get_config().id
