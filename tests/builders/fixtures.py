"""Types of the values that the fixtures in conftest.py return."""

from __future__ import annotations

from collections.abc import Callable

from tuner.data.dataset import Dataset
from tuner.data.trial_data import TrialData
from tuner.space.configuration import Configuration

Call = Callable[..., tuple[int, str, str]]
Configure = Callable[..., Configuration]
MakeDataset = Callable[..., Dataset]
PrepareFor = Callable[[Dataset, Configuration], TrialData]
Write = Callable[..., str]
"""Takes the name of a Parquet file and its columns. Returns its path."""
