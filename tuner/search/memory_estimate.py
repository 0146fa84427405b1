"""Estimate, from the number and length of rows, whether a search fits into memory, and refuse it before it starts.

The bytes per row were measured (`scripts/bench memory`) on one machine, with rows of 5 to 200 words. An estimate is within
some tens of percent of what a run takes. That is enough to refuse an impossible search, but not enough for planning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from tuner.data.builtin import is_builtin
from tuner.data.dataset import Dataset
from tuner.data.formats.names import codec_of, known_format
from tuner.data.prepared_settings import preparation_settings
from tuner.data.samples import spread_positions
from tuner.data.sequences import Sequences
from tuner.data.source_files import locate_quietly
from tuner.data.trial_data import TrialData
from tuner.errors import DataError, Fault
from tuner.machine import count_cores
from tuner.space.assignment import set_option, set_options
from tuner.space.load import Space
from tuner.space.task import Inputs
from tuner.storage import extension

_GB = 1e9
# Estimates were up to 1.4 times the memory that a run took. So refuse only a search whose estimate exceeds the free memory
# by more.
_LARGEST_OVERESTIMATE = 1.4
_DRIVER, _WORKER, _RAY = 0.5 * _GB, 0.35 * _GB, 0.5 * _GB  # without rows, mostly imports
_TEXT_OBJECT = 57  # bytes of a Python string without its characters, and of the reference to it
_MOST_VALUES = 2048  # of a sequence, that the baselines read
_CHARACTERS_PER_TOKEN = {"word": 6.0, "bpe": 4.0, "wordpiece": 4.0, "character": 1.0}
_SAMPLE = 1000  # texts whose length is measured
_UNPACKED = 4  # times as large is a text file after unpacking: 3 to 5 for most texts
_BEGINNING = 1 << 20  # bytes of a text file that are read to estimate its number of lines


@dataclass(frozen=True)
class DataSize:
    """What memory depends on: the rows of all splits, their inputs, and the arrays prepared from them.

    `length` is the mean number of characters in a text, or of values in a sequence. `tokens` is the mean number of tokens
    in a text, for the preparation that makes the most tokens. `settings` is the number of preparations that the space may
    choose. `array_bytes` is the size of all prepared arrays, over all preparations and folds.
    """

    inputs: Inputs
    rows: int
    length: float
    tokens: float
    settings: int
    array_bytes: float

    def scaled(self, rows: int) -> DataSize:
        """Return the size of `rows` rows of the same kind."""
        return replace(self, rows=rows, array_bytes=self.array_bytes * rows / self.rows)


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of the driver while it reads and while it searches, of one worker, of the baselines, and of shared memory."""

    reading: float
    driver: float
    worker: float
    baselines: float
    shared: float

    def most(self, slots: int) -> float:
        """Return the peak with `slots` workers. With none, as on the head of a cluster, count only the driver and Ray."""
        workers = slots * self.worker + (self.baselines if slots else 0)
        return max(self.reading, self.driver + self.shared + workers) + _RAY


def estimate_memory(size: DataSize) -> MemoryNeed:
    """Estimate the memory of a search over data of this size."""
    rows, length, tokens = size.rows, size.length, size.tokens
    if size.inputs == "text":
        text = _TEXT_OBJECT + length
        return MemoryNeed(
            reading=_DRIVER + rows * (900 + 5.5 * length) + size.array_bytes,
            driver=_DRIVER + rows * text + size.array_bytes,
            worker=_WORKER + rows * (120 + 4 * tokens),
            baselines=_WORKER + rows * (text + 95 * tokens),
            shared=size.array_bytes + rows * length,
        )
    return MemoryNeed(
        reading=_DRIVER + rows * (100 + 70 * length) + size.array_bytes,
        driver=_DRIVER + rows * 12 * length + size.array_bytes,
        worker=_WORKER + rows * 120,
        baselines=_WORKER + rows * (8 * length + 45 * min(length, _MOST_VALUES)),
        shared=size.array_bytes + rows * 8 * length,
    )


def refuse_large_files(space: Space, available: int | None, *, is_local: bool) -> None:
    """Raise DataError if a space's local files need more than `available` bytes. The files are not read.

    With `is_local` the workers run on this machine too. Files of unknown size pass.
    """
    size = size_of_files(space)
    if size is not None:
        slots = count_workers(space) if is_local else 0
        _refuse(space, size, available, slots=slots)


def refuse_large_data(
    space: Space, dataset: Dataset, data: TrialData, available: int | None, *, slots: int, say: Callable[[str], None]
) -> None:
    """Raise DataError if a search over these data surely needs more than `available` bytes, and warn if it may need more.

    `available` is the free memory before the data were read and Ray started. `slots` workers run on this machine, 0 on a
    cluster.
    """
    _refuse(space, size_of_data(dataset, data), available, slots=slots, say=say)


def _refuse(
    space: Space, size: DataSize, available: int | None, *, slots: int, say: Callable[[str], None] | None = None
) -> None:
    if available is None:
        return
    fault = memory_fault(size, available, slots=slots, where=space.data.train, has_folds=space.data.folds is not None)
    if fault is None:
        return
    if size.rows > _rows_that_fit(size, round(_LARGEST_OVERESTIMATE * available), slots):
        raise DataError([fault])
    if say is not None:
        say(f"warning: {fault}")


def count_workers(space: Space) -> int:
    """Return how many trials run side by side on this machine, at least one."""
    cpus = count_cores()
    return max(1, min(cpus // space.resources.cpus, space.resources.concurrent or cpus))


def memory_fault(size: DataSize, available: int, *, slots: int, where: str, has_folds: bool) -> Fault | None:
    """Return the fault of a search that needs more memory than is available, None if it fits.

    The memory that it needs without any rows does not count, so that small data can be tried on a small machine.
    """
    need = estimate_memory(size)
    if size.rows <= _rows_that_fit(size, available, slots):
        return None
    workers = f" with {slots} {'worker' if slots == 1 else 'workers'}" if slots else ""
    parts = {"reading": need.reading} if need.reading + _RAY >= need.most(slots) else _by_part(need, slots)
    listed = ", ".join(f"{name} {_gigabytes(value)}" for name, value in parts.items())
    what = (
        f"{size.rows:,} rows need about {_gigabytes(need.most(slots))}{workers} ({listed}), but this machine has "
        f"{_gigabytes(available)} free"
    )
    remedies = list(_remedies(size, available, slots=slots, has_folds=has_folds))
    return Fault(where, what, ", or ".join(remedies))


def _by_part(need: MemoryNeed, slots: int) -> dict[str, float]:
    parts = {"driver": need.driver, "shared": need.shared}
    return {**parts, "each worker": need.worker, "baselines": need.baselines} if slots else parts


def _remedies(size: DataSize, available: int, *, slots: int, has_folds: bool) -> Iterator[str]:
    fewer = next((n for n in range(slots - 1, 0, -1) if size.rows <= _rows_that_fit(size, available, n)), None)
    if fewer is not None:
        yield f"run fewer trials at once: {set_option('resources.concurrent', fewer)}"
    if size.settings > 1:
        yield f"remove choices of tokens from the space, which has {size.settings} ways to prepare a text"
    if has_folds:
        yield f"use a validation split in place of folds: {set_options(folds=None, validation=0.15)}"
    yield f"use about {_two_digits(_rows_that_fit(size, available, slots)):,} rows, or use a machine with more memory"


def _rows_that_fit(size: DataSize, available: int, slots: int) -> int:
    """Return how many rows of this kind fit. Every part of an estimate is linear in the rows, and the peak nearly so."""
    without_rows = estimate_memory(size.scaled(0)).most(slots)
    room = max(available - without_rows, available / 2)
    return int(size.rows * room / (estimate_memory(size).most(slots) - without_rows))


def _two_digits(count: int) -> int:
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return count // unit * unit


def _gigabytes(count: float) -> str:
    return f"{count / _GB:.1f} GB"


# --- sizes of files and data ----------------------------------------------------------------------------------------------


def size_of_data(dataset: Dataset, data: TrialData) -> DataSize:
    """Return the size of data that were read and prepared. `length` comes from a sample of the texts."""
    rows = sum(len(split) for split in dataset.splits.values())
    train = dataset.train.inputs
    if isinstance(train, Sequences):
        length = train.values.size / len(train)
    else:
        sample = spread_positions(len(train), _SAMPLE).tolist()
        length = sum(len(train[row]) for row in sample) / len(sample)
    parts = [split for splits in data.prepared.values() for split in splits]
    arrays: list[Any] = [
        values for part in parts for split in (part.train, part.validation) for values in (split.steps, split.offsets)
    ]
    arrays += [table.vectors for tables in data.tables.values() for table in tables]
    arrays += data.vectors or ()
    return DataSize(
        inputs=dataset.inputs,
        rows=rows,
        length=length,
        tokens=max(part.train.steps.size / max(1, len(part.train)) for part in parts),
        settings=len(data.prepared),
        array_bytes=sum(values.nbytes for values in arrays),
    )


def size_of_files(space: Space) -> DataSize | None:
    """Estimate the size of a space's local files from their Parquet footers or their first lines.

    Return None if it is unknown: for a built-in set, a URI, series in several rows, or a missing or damaged file. Reading it
    will report the fault.
    """
    settings = space.data
    if settings.sequence_id is not None:  # a row of the files is a step
        return None
    uris = {uri for uri in (settings.train, settings.validation, settings.test) if isinstance(uri, str)}
    column = settings.text if space.inputs == "text" else settings.sequence
    counts = [_count(uri, str(column), space.inputs) for uri in uris]
    rows = sum(count[0] for count in counts if count)
    if not rows or not all(counts):
        return None
    length = sum(count[1] for count in counts if count) / rows
    preparations = preparation_settings(space.parameters)
    by_setting = [length / _CHARACTERS_PER_TOKEN.get(setting.name, 1.0) for setting in preparations]
    parts = 1 if settings.folds is None else settings.folds + 1
    return DataSize(
        inputs=space.inputs,
        rows=rows,
        length=length,
        tokens=max(by_setting),
        settings=len(preparations),
        array_bytes=rows * parts * sum(4 * tokens + 8 for tokens in by_setting),
    )


def _count(uri: str, column: str, inputs: Inputs) -> tuple[int, float] | None:
    """Return the rows of a source, and the characters or values in its column; None if they are unknown before reading."""
    source = None if is_builtin(uri) or "://" in uri else locate_quietly(uri)
    if source is None:
        return None
    try:
        counts = [_count_file(Path(part.path), column, inputs) for part in source.parts]
    except (OSError, ValueError):
        return None
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return None
    return sum(rows for rows, _ in known), sum(length for _, length in known)


def _count_file(path: Path, column: str, inputs: Inputs) -> tuple[int, float] | None:
    if extension(path.name) == ".parquet":
        return _count_parquet(path, column, inputs)
    return None if known_format(path.name) in ("parquet", "arrow") else _count_lines(path, inputs)


def _count_parquet(path: Path, column: str, inputs: Inputs) -> tuple[int, float] | None:
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    chunks = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] == column]
    total = sum(chunk.total_uncompressed_size if inputs == "text" else chunk.num_values for chunk in chunks)
    return (footer.num_rows, float(total)) if chunks or not groups else None


def _count_lines(path: Path, inputs: Inputs) -> tuple[int, float]:
    """Count from the first megabyte. Take a whole line as text, and eight characters as one value of a sequence."""
    size, codec = path.stat().st_size, codec_of(path.name)
    with pa.OSFile(str(path)) as packed:
        beginning = (packed if codec is None else pa.CompressedInputStream(packed, codec)).read(_BEGINNING)
    if codec is not None:
        size = len(beginning) if len(beginning) < _BEGINNING else size * _UNPACKED
    lines = max(1, beginning.count(b"\n"))
    rows = round(lines * size / len(beginning)) if beginning else 0
    return rows, size / (1 if inputs == "text" else 8)
