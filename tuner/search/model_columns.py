"""The columns that a model names, for other files that it is to read."""

from __future__ import annotations

from typing import Any

from tuner.data.dataset import Dataset
from tuner.space.settings import DataSettings
from tuner.space.task import LABEL_FIELDS


def columns_of_model(data: DataSettings, dataset: Dataset) -> dict[str, Any]:
    """Return the columns of inputs, labels and groups; those of rows that are steps only if there are any."""
    always = {name: getattr(data, name) for name in ("text", "sequence", *LABEL_FIELDS, "group")}
    of_steps = {name: getattr(data, name) for name in ("sequence_id", "order")}
    given = {name: column for name, column in of_steps.items() if column is not None}
    return always | given | dict(dataset.label_reading)
