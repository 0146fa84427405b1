"""The task, what a row is, and the fields of a space that name its columns.

The settings that have these fields are in `tuner.space.settings`. That module imports pydantic, which those who only need the
names can do without.
"""

from __future__ import annotations

from typing import Literal

Task = Literal["binary", "multiclass", "multilabel"]
Inputs = Literal["text", "sequence"]

LABEL_FIELDS = ("label", "labels", "label_columns")
STEP_FIELDS = ("sequence_id", "order")  # of a table with a row for each step of a series
COLUMN_FIELDS = ("text", "sequence", *STEP_FIELDS, *LABEL_FIELDS, "group", "split_column")
LABEL_FORM_FIELDS = ("label_form", "label_names", "label_separator")
"""Fields that say how the labels are written."""
