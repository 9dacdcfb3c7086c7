"""The official SDK's `fi.datasets`, over `Evaluator().datasets`: programs that use it change their import alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self

from fi_async._errors import ConfigurationError, DatasetError, NotFoundError
from fi_async._extras import need
from fi_async.datasets.blocking_datasets import BlockingDataset, BlockingDatasetRun
from fi_async.sync import Evaluator


class OfficialModelTypes(Enum):
    """What the platform files a dataset under."""

    GENERATIVE_LLM = "GenerativeLLM"
    GENERATIVE_IMAGE = "GenerativeImage"


@dataclass(slots=True)
class OfficialDatasetConfig:
    """Which dataset a program is about."""

    name: str
    model_type: OfficialModelTypes = OfficialModelTypes.GENERATIVE_LLM
    id: str | None = None


class OfficialDataset:
    """A dataset, by the names of the official SDK; each method blocks, and most return the dataset itself.

    A dataset without a source is made on the platform with its first rows. What is asked for in columns before that
    is made with them. Columns that the platform fills by prompts, and optimisations, are not covered.

    Args:
        dataset_config: Its name and kind, or its id.
        fi_api_key: As of Evaluator.
        fi_secret_key: As of Evaluator.
        fi_base_url: As of Evaluator.
        evaluator: A client of yours, in place of one with these keys.
        **options: The keywords of Evaluator.

    Attributes:
        runs: The evaluations that were begun here, by their names: `runs[name].wait()` is their report.

    Raises:
        FiAsyncError: As Evaluator, and as its `datasets` do.
    """

    def __init__(
        self,
        dataset_config: OfficialDatasetConfig | None = None,
        fi_api_key: str | None = None,
        fi_secret_key: str | None = None,
        fi_base_url: str | None = None,
        *,
        evaluator: Evaluator | None = None,
        **options: Any,
    ) -> None:
        self.dataset_config = dataset_config
        self.runs: dict[str, BlockingDatasetRun] = {}
        self._ev = evaluator or Evaluator(fi_api_key, fi_secret_key, fi_base_url, **options)
        self._columns: list[str] = []
        self._dataset: BlockingDataset | None = None
        if dataset_config is not None:
            self._find(dataset_config)

    def _find(self, config: OfficialDatasetConfig) -> None:
        try:
            found = self._ev.datasets.get(**({"name": config.name} if config.id is None else {"id": str(config.id)}))
        except NotFoundError:
            if config.id is not None:
                raise
            return
        self._keep(found)

    def _keep(self, dataset: BlockingDataset) -> None:
        self._dataset = dataset
        if self.dataset_config is not None:
            self.dataset_config.id = dataset.id

    def create(self, source: Any = None) -> Self:
        """Make the dataset of a file, or of anything that `cases_from` reads; without a source, with its first rows."""
        config = self.get_config()
        if self._dataset is not None:
            raise DatasetError(f"there is a dataset named {config.name!r} already", dataset_id=self._dataset.id)
        if source is not None:
            self._make(source)
        return self

    def _make(self, source: Any) -> None:
        config = self.get_config()
        kind = config.model_type.value if isinstance(config.model_type, Enum) else str(config.model_type)
        self._keep(self._ev.datasets.create(source, name=config.name, model_type=kind))

    def add_columns(self, columns: Sequence[Any]) -> Self:
        """Name columns that the rows will have, before the first rows."""
        if self._dataset is not None:
            raise ConfigurationError(
                "add_columns comes before the first rows: a dataset that has rows keeps its columns"
            )
        self._columns += [str(_field(column, "name")) for column in columns]
        return self

    def add_rows(self, rows: Sequence[Any]) -> Self:
        """Add rows: dicts of `cells`, each with its `column_name` and `value`."""
        given = [
            {str(_field(cell, "column_name")): _field(cell, "value") for cell in _field(row, "cells")} for row in rows
        ]
        if self._dataset is None:
            self._make([{**dict.fromkeys(self._columns), **row} for row in given])
        else:
            self._dataset.add_rows(given)
        return self

    def add_evaluation(
        self,
        name: str,
        eval_template: str,
        required_keys_to_column_names: Mapping[str, str],
        model: str | None = None,
        *,
        run: bool = True,
        reason_column: bool = True,  # noqa: ARG002  # the platform makes one in any case
        config: Mapping[str, Any] | None = None,
        error_localizer: bool = False,
        **more: Any,
    ) -> Self:
        """Have every row evaluated. `runs[name].wait()` is the report; `get_eval_stats` has aggregates."""
        if not run or more.get("save_as_template") or more.get("kb_id"):
            raise ConfigurationError("run=False, save_as_template and kb_id are not covered: use the official SDK")
        self.runs[name] = self._there().evaluate(
            eval_template,
            mapping=dict(required_keys_to_column_names),
            names={eval_template: name},
            eval_config=config,
            error_localizer=error_localizer,
            model_name=model,
        )
        return self

    def get_eval_stats(self) -> dict[str, Any]:
        """Return the platform's aggregates of the evaluations as they stand; cells that failed are left out of them."""
        return {"status": True, "result": self._there().statistics()}

    def get_column_id(self, column_name: str) -> str | None:
        """Return the id of a column; None if there is none."""
        return self._there().columns().get(column_name)

    def download(self, file_path: str | None = None, load_to_pandas: bool = False) -> Any:
        """Write the dataset as CSV, and return itself; or the frame, with load_to_pandas."""
        path = Path(file_path or f"{self.get_config().name}.csv")
        path.write_text(self._there().download(), encoding="utf-8", newline="")
        if not load_to_pandas:
            return self
        return need("pandas", "pandas", "load_to_pandas").read_csv(path)

    def delete(self) -> None:
        """Delete the dataset."""
        self._there().delete()
        self._dataset = self.dataset_config = None

    def get_config(self) -> OfficialDatasetConfig:
        """Return which dataset this is about.

        Raises:
            ConfigurationError: None was named.
        """
        if self.dataset_config is None:
            raise ConfigurationError("dataset_config is missing: DatasetConfig(name=..., model_type=...)")
        return self.dataset_config

    def _there(self) -> BlockingDataset:
        if self._dataset is None:
            raise DatasetError(
                f"the dataset {self.get_config().name!r} has no rows yet: create it of a file, or add rows"
            )
        return self._dataset

    @classmethod
    def create_dataset(cls, dataset_config: OfficialDatasetConfig, source: Any = None, **options: Any) -> Self:
        """Return a dataset that is made of a source."""
        return cls(dataset_config, **options).create(source)

    @classmethod
    def get_dataset_config(cls, dataset_name: str, **options: Any) -> Self:
        """Return the dataset of a name.

        Raises:
            NotFoundError: There is none.
        """
        found = cls(OfficialDatasetConfig(dataset_name), **options)
        if found._dataset is None:
            raise NotFoundError(f"there is no dataset named {dataset_name!r}")
        return found

    @classmethod
    def download_dataset(
        cls,
        dataset_name: str,
        file_path: str | None = None,
        load_to_pandas: bool = False,
        **options: Any,
    ) -> Any:
        """Write the dataset of a name as CSV; see `download`."""
        return cls.get_dataset_config(dataset_name, **options).download(file_path, load_to_pandas)

    @classmethod
    def delete_dataset(cls, dataset_name: str, **options: Any) -> None:
        """Delete the dataset of a name."""
        cls.get_dataset_config(dataset_name, **options).delete()

    @classmethod
    def add_dataset_rows(cls, dataset_name: str, rows: Sequence[Any], **options: Any) -> Self:
        """Add rows to the dataset of a name."""
        return cls.get_dataset_config(dataset_name, **options).add_rows(rows)


def _field(of: Any, name: str) -> Any:
    """Return a field of a dict, or of an object as the official SDK has them.

    Raises:
        ConfigurationError: There is none.
    """
    found = of.get(name, ...) if isinstance(of, Mapping) else getattr(of, name, ...)
    if found is ...:
        raise ConfigurationError(
            f"{type(of).__name__} has no {name!r}: rows have cells, with a column_name and a value"
        )
    return found
