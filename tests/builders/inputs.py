"""The rows of a file as `tuner predict` reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Columns, RowInputs
from tuner.data.input_batches import InputFile, check_inputs


def read_inputs(
    uri: str, columns: Columns, *, skip_unusable: bool = False
) -> tuple[RowInputs, NDArray[np.int64], list[str]]:
    """Return the inputs of a small file, their row numbers from 1, and the notes. Columns of labels are not read."""
    notes: list[str] = []
    unlabelled = replace(columns, label=None, labels=None, label_columns=None, group=None, split=None)
    file = InputFile(uri=uri, columns=unlabelled, skip_unusable=skip_unusable)
    (batch,) = check_inputs(file, note=notes.append).batches()
    return batch.inputs, batch.rows, notes
