"""The names of the official SDK's `fi.datasets`: `from fi_async.fi_datasets import Dataset, DatasetConfig`."""

from fi_async.official_datasets import OfficialDataset as Dataset
from fi_async.official_datasets import OfficialDatasetConfig as DatasetConfig
from fi_async.official_datasets import OfficialModelTypes as ModelTypes

__all__ = ["Dataset", "DatasetConfig", "ModelTypes"]
