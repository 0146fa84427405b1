"""Whether a search fits into memory: an estimate from the number and the length of rows, told before the search.

The figures of a row are measured ones (`scripts/bench memory`), on one machine and with rows of 5 to 200 words. They are
there to refuse what cannot be, not to plan by: an estimate is within some tens of percent of what a run takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.builtin import is_builtin
from tuner.data.dataset import Dataset
from tuner.data.preparation import preparation_settings
from tuner.data.sequences import Sequences
from tuner.data.trial_data import TrialData
from tuner.errors import DataError, Fault
from tuner.machine import count_cores
from tuner.space.load import Space
from tuner.space.settings import Inputs
from tuner.storage import extension

_GB = 1e9
_MOST_WRONG = (
    1.4  # estimates were up to so many times what was taken: only what is larger than that is surely too large
)
_DRIVER, _WORKER, _RAY = 0.5 * _GB, 0.35 * _GB, 0.5 * _GB  # without rows: imports for the most part
_TEXT_OBJECT = 57  # bytes of a Python text without its characters, and of what refers to it
_MOST_VALUES = 2048  # of a sequence that the baselines look at
_CHARACTERS_A_TOKEN = {"word": 6.0, "bpe": 4.0, "wordpiece": 4.0, "character": 1.0}
_SAMPLE = 1000  # texts whose length is measured
_BEGINNING = 1 << 20  # bytes of a file of lines by which its rows are counted


@dataclass(frozen=True)
class Size:
    """What memory depends on: rows of all splits, their inputs, and the arrays that are made of them.

    `length` is the mean of characters of a text, or of values of a sequence. `tokens` is that of the tokens of a text, of
    the setting that makes the most of them. `array_bytes` are those of all prepared arrays, of `settings` preparation
    settings, with folds of each fold.
    """

    inputs: Inputs
    rows: int
    length: float
    tokens: float
    settings: int
    array_bytes: float

    def scaled(self, rows: int) -> Size:
        """Return the size that so many rows of the same kind have."""
        return replace(self, rows=rows, array_bytes=self.array_bytes * rows / self.rows)


@dataclass(frozen=True)
class Need:
    """Bytes: of the driver while it reads and while it searches, of one worker, of the baselines, and of what all share."""

    reading: float
    driver: float
    worker: float
    baselines: float
    shared: float

    def most(self, slots: int) -> float:
        """The largest sum at any time, with so many workers; with none, as on a cluster's head, the driver's and Ray's."""
        beside = slots * self.worker + (self.baselines if slots else 0)
        return max(self.reading, self.driver + self.shared + beside) + _RAY


def estimate(size: Size) -> Need:
    """Return what a search over rows of this size takes."""
    rows, length, tokens = size.rows, size.length, size.tokens
    if size.inputs == "text":
        text = _TEXT_OBJECT + length
        return Need(
            reading=_DRIVER + rows * (900 + 5.5 * length) + size.array_bytes,
            driver=_DRIVER + rows * text + size.array_bytes,
            worker=_WORKER + rows * (120 + 4 * tokens),
            baselines=_WORKER + rows * (text + 95 * tokens),
            shared=size.array_bytes + rows * length,
        )
    return Need(
        reading=_DRIVER + rows * (100 + 62 * length) + size.array_bytes,
        driver=_DRIVER + rows * 8 * length + size.array_bytes,
        worker=_WORKER + rows * 120,
        baselines=_WORKER + rows * (4 * length + 45 * min(length, _MOST_VALUES)),
        shared=size.array_bytes + rows * 4 * length,
    )


def refuse_large_files(space: Space, available: int | None, *, is_local: bool) -> None:
    """Raise DataError where the local files of a space are larger than `available` bytes allow; they are not read.

    With `is_local` workers are on this machine too. Files that cannot be told beforehand are passed.
    """
    size = size_of_files(space)
    if size is not None:
        slots = count_workers(space) if is_local else 0
        _refuse(space, size, available, slots=slots)


def refuse_large_data(
    space: Space, dataset: Dataset, data: TrialData, available: int | None, *, slots: int, say: Callable[[str], None]
) -> None:
    """Raise DataError where a search over what was read and prepared takes more than `available` bytes.

    These are those of before the data were read and Ray was started. `slots` workers are on this machine: 0 on a cluster.
    Says where it may take more, for an estimate may be wrong.
    """
    _refuse(space, size_of_data(dataset, data), available, slots=slots, say=say)


def _refuse(
    space: Space, size: Size, available: int | None, *, slots: int, say: Callable[[str], None] | None = None
) -> None:
    if available is None:
        return
    fault = what_does_not_fit(
        size, available, slots=slots, where=space.data.train, has_folds=space.data.folds is not None
    )
    if fault is None:
        return
    if size.rows > _rows_that_fit(size, round(_MOST_WRONG * available), slots):
        raise DataError([fault])
    if say is not None:
        say(f"warning: {fault}")


def count_workers(space: Space) -> int:
    """Return how many trials of a space run side by side on this machine, at least one."""
    cpus = count_cores()
    return max(1, min(cpus // space.resources.cpus, space.resources.concurrent or cpus))


def what_does_not_fit(size: Size, available: int, *, slots: int, where: str, has_folds: bool) -> Fault | None:
    """Return the fault of a search over rows of this size that takes more than there is, None where it does not.

    What it takes without rows is not counted: small data may be tried on a small machine.
    """
    need = estimate(size)
    if size.rows <= _rows_that_fit(size, available, slots):
        return None
    workers = f" with {slots} {'worker' if slots == 1 else 'workers'}" if slots else ""
    parts = {"reading": need.reading} if need.reading + _RAY >= need.most(slots) else _by_part(need, slots)
    told = ", ".join(f"{name} {_gigabytes(value)}" for name, value in parts.items())
    what = (
        f"{size.rows:,} rows need about {_gigabytes(need.most(slots))}{workers} ({told}), but this machine has "
        f"{_gigabytes(available)} free"
    )
    remedies = list(_remedies(size, available, slots=slots, has_folds=has_folds))
    return Fault(where, what, ", or ".join(remedies))


def _by_part(need: Need, slots: int) -> dict[str, float]:
    own = {"driver": need.driver, "shared": need.shared}
    return {**own, "each worker": need.worker, "baselines": need.baselines} if slots else own


def _remedies(size: Size, available: int, *, slots: int, has_folds: bool) -> Iterator[str]:
    fewer = next((n for n in range(slots - 1, 0, -1) if size.rows <= _rows_that_fit(size, available, n)), None)
    if fewer is not None:
        yield f"set resources.concurrent: {fewer}"
    if size.settings > 1:
        yield f"leave fewer choices of tokens in the space, which has {size.settings} ways to prepare a text"
    if has_folds:
        yield "give data.validation in place of data.folds"
    yield f"give about {_two_digits(_rows_that_fit(size, available, slots)):,} rows, or use a machine with more memory"


def _rows_that_fit(size: Size, available: int, slots: int) -> int:
    """Return how many of such rows fit; each part of an estimate is a line over rows, and so, nearly, is the largest sum."""
    nothing = estimate(size.scaled(0)).most(slots)
    room = max(available - nothing, available / 2)
    return int(size.rows * room / (estimate(size).most(slots) - nothing))


def _two_digits(count: int) -> int:
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return count // unit * unit


def _gigabytes(count: float) -> str:
    return f"{count / _GB:.1f} GB"


# --- how large --------------------------------------------------------------------------------------------------------


def size_of_data(dataset: Dataset, data: TrialData) -> Size:
    """Return the size of what was read and prepared: `length` by a sample, arrays as they are."""
    rows = sum(len(split) for split in dataset.splits.values())
    train = dataset.train.inputs
    if isinstance(train, Sequences):
        length = train.values.size / len(train)
    else:
        some = np.linspace(0, len(train) - 1, min(_SAMPLE, len(train))).astype(int).tolist()
        length = sum(len(train[row]) for row in some) / len(some)
    parts = [split for splits in data.prepared.values() for split in splits]
    arrays: list[Any] = [
        values for part in parts for rows_ in (part.train, part.validation) for values in (rows_.steps, rows_.offsets)
    ]
    arrays += [table.vectors for tables in data.tables.values() for table in tables]
    arrays += data.vectors or ()
    return Size(
        inputs=dataset.inputs,
        rows=rows,
        length=length,
        tokens=max(part.train.steps.size / max(1, len(part.train)) for part in parts),
        settings=len(data.prepared),
        array_bytes=sum(values.nbytes for values in arrays),
    )


def size_of_files(space: Space) -> Size | None:
    """Return the size that the space's local files seem to have, from their footers or their first lines.

    None where there is nothing to go by: a built-in set, a URI, or a file that is not there or not whole, which reading
    it tells of.
    """
    settings = space.data
    uris = {uri for uri in (settings.train, settings.validation, settings.test) if isinstance(uri, str)}
    column = settings.text if space.inputs == "text" else settings.sequence
    counted = [_count(uri, str(column), space.inputs) for uri in uris]
    rows = sum(found[0] for found in counted if found)
    if not rows or not all(counted):
        return None
    length = sum(found[1] for found in counted if found) / rows
    own = preparation_settings(space.parameters)
    by_setting = [length / _CHARACTERS_A_TOKEN.get(setting.name, 1.0) for setting in own]
    parts = 1 if settings.folds is None else settings.folds + 1
    return Size(
        inputs=space.inputs,
        rows=rows,
        length=length,
        tokens=max(by_setting),
        settings=len(own),
        array_bytes=rows * parts * sum(4 * tokens + 8 for tokens in by_setting),
    )


def _count(uri: str, column: str, inputs: Inputs) -> tuple[int, float] | None:
    """Return rows, and characters or values of a column in all of them; None where they cannot be told beforehand."""
    if is_builtin(uri) or "://" in uri:
        return None
    try:
        path = Path(uri).expanduser()
        if extension(uri) == ".parquet":
            return _count_parquet(path, column, inputs)
        return _count_lines(path, inputs)
    except (OSError, ValueError, RuntimeError):  # the last of a home that nobody has
        return None


def _count_parquet(path: Path, column: str, inputs: Inputs) -> tuple[int, float] | None:
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    own = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] == column]
    total = sum(chunk.total_uncompressed_size if inputs == "text" else chunk.num_values for chunk in own)
    return (footer.num_rows, float(total)) if own else None


def _count_lines(path: Path, inputs: Inputs) -> tuple[int, float] | None:
    """By the first megabyte. All of a line is taken for its text; a value of a sequence for eight characters."""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if not beginning:
        return None
    lines = max(1, beginning.count(b"\n"))
    size = path.stat().st_size
    return max(1, round(lines * size / len(beginning))), size / (1 if inputs == "text" else 8)
