"""The rows that a model has seen, as fingerprints in its bundle: new rows can then be judged apart from them.

rows.safetensors   for each use (trained, chosen, tested) the sorted 64-bit fingerprints of its rows, 8 bytes each

A bundle without this file, such as one of an older tuner, loads and predicts all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from tuner.bundle.bundle_json import ROWS, as_bundle_error, bundle_folder, check_plain_file
from tuner.data.dataset import Dataset, RowInputs
from tuner.data.stratification import row_keys
from tuner.storage import Folder

Fingerprints = NDArray[np.uint64]
_BYTES = 8


@dataclass(frozen=True, eq=False)
class KnownRows:
    """Ascending fingerprints, each (rows,), of the rows that a model was trained, chosen (with its thresholds) and tested on."""

    trained: Fingerprints
    chosen: Fingerprints
    tested: Fingerprints

    @classmethod
    def of(cls, dataset: Dataset) -> KnownRows:
        """Return the rows of a search. With folds, the rows that chose the model also trained it."""
        trained, chosen, tested = (np.unique(fingerprints(split.inputs)) for split in dataset.splits.values())
        return cls(trained, chosen, tested)

    def find(self, inputs: RowInputs) -> SeenRows:
        """Find which of some rows are among these. Only inputs are compared, as copies are found: not the labels."""
        rows = fingerprints(inputs)
        trained = _are_in(self.trained, rows)
        chosen = _are_in(self.chosen, rows) & ~trained
        return SeenRows(trained, chosen, _are_in(self.tested, rows) & ~(trained | chosen))


@dataclass(frozen=True, eq=False)
class SeenRows:
    """For each of some rows (rows,), whether a model was trained, else chosen, else tested on it."""

    trained: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    tested: NDArray[np.bool_]

    @property
    def is_fitted(self) -> NDArray[np.bool_]:
        """Whether a score on the row is too good (rows,). The test split decides nothing, so its rows are as good as new."""
        return self.trained | self.chosen

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of rows of each use, and of new rows."""
        counts = {name: int(mask.sum()) for name, mask in vars(self).items()}
        return {**counts, "new": len(self.trained) - sum(counts.values())}


def _are_in(known: Fingerprints, rows: Fingerprints) -> NDArray[np.bool_]:
    """Return which rows (rows,) are among known ones, which are ascending. Sorting a million anew takes seconds."""
    if not len(known):
        return np.zeros(len(rows), dtype=bool)
    places = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.asarray(known[places] == rows)


def fingerprints(inputs: RowInputs) -> Fingerprints:
    """Return a fingerprint for each row (rows,). Copies have the same, as `tuner.data.stratification.row_keys` tells."""
    keys = (key.encode(errors="surrogatepass") if isinstance(key, str) else key for key in row_keys(inputs))
    digests = b"".join(hashlib.blake2b(key, digest_size=_BYTES).digest() for key in keys)
    return np.frombuffer(digests, "<u8")


def save_known_rows(folder: Folder, rows: KnownRows) -> None:
    """Write the fingerprints into the folder of a bundle."""
    folder.write(ROWS, safetensors.numpy.save(dict(vars(rows))))


def read_known_rows(location: str | Path) -> KnownRows | None:
    """Read the fingerprints of a bundle, or of a run's champion; None if it has none. Raises BundleError."""
    folder = bundle_folder(location)
    if not folder.exists(ROWS):
        return None
    check_plain_file(folder, ROWS)
    with as_bundle_error(folder):
        arrays = safetensors.numpy.load(folder.read(ROWS))
        if set(arrays) != set(KnownRows.__annotations__):
            raise ValueError(f"{ROWS} has {', '.join(sorted(arrays)) or 'nothing'}, not trained, chosen and tested")
        if any(array.dtype != np.uint64 or array.ndim != 1 for array in arrays.values()):
            raise ValueError(f"{ROWS} does not hold lists of whole numbers of 64 bits")
        if any((array[1:] <= array[:-1]).any() for array in arrays.values()):
            raise ValueError(f"the fingerprints in {ROWS} are not in order")
        return KnownRows(**arrays)
