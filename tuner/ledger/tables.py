"""The ledger's two tables, `trials` and `reports`: their columns, and how their parts are written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tuner.errors import Fault, InputError, LedgerError, MissingFileError, StorageError
from tuner.storage import Folder
from tuner.trial.measurement import MEASURED

# Arrow's default pool keeps the memory of each merge; over a long search that grows to tens of megabytes.
pa.set_memory_pool(pa.system_memory_pool())

TRIALS = pa.schema(
    [
        ("trial", pa.int64()),
        ("phase", pa.string()),  # search or finalist
        ("parent", pa.int64()),  # of a finalist's run: the search trial whose configuration it repeats
        ("seed", pa.int64()),
        ("configuration", pa.string()),  # JSON, only the parameters in force
        ("configuration_hash", pa.string()),
        ("ending", pa.string()),  # null while it runs
        ("reason", pa.string()),
        ("score", pa.float64()),  # of its best measurement
        ("score_spread", pa.float64()),  # of that measurement, over folds
        ("macro_f1", pa.float64()),
        ("constant_penalty", pa.float64()),
        ("skill", pa.float64()),
        ("best_epochs", pa.float64()),  # epochs at its best measurement
        ("epochs", pa.float64()),
        ("examples", pa.int64()),
        ("starts", pa.int64()),  # more than 1 if a worker died
        ("lost_nodes", pa.int64()),  # starts that were cut off because the node was lost
        ("node", pa.string()),  # where it ran last
        ("gpu", pa.string()),  # its number on the node; null without one
        ("parameters", pa.int64()),
        ("precision", pa.string()),
        ("vocabulary_found", pa.float64()),  # share of the vocabulary that has a pre-trained vector
        ("unknown_share", pa.float64()),  # of the validation tokens: not in the vocabulary
        ("truncated_share", pa.float64()),  # of the validation rows: longer than max_length
        ("empty_share", pa.float64()),  # of the validation rows: without a known token
        ("double_correction", pa.bool_()),  # more than one of loss weights, resampling and adjusted logits
        ("train_seconds", pa.float64()),
        ("started_s", pa.float64()),  # seconds since the run began
        ("ended_s", pa.float64()),
    ]
)
MEASUREMENTS = pa.schema(
    [
        ("trial", pa.int64()),
        ("start", pa.int64()),  # which start of the trial, from 1
        ("examples", pa.int64()),
        ("epochs", pa.float64()),
        ("score", pa.float64()),
        ("score_spread", pa.float64()),  # standard deviation over folds
        ("macro_f1", pa.float64()),
        ("constant_penalty", pa.float64()),
        ("skill", pa.float64()),
        ("auc", pa.float64()),
        ("average_precision", pa.float64()),
        ("logit_spread", pa.float64()),
        ("train_loss", pa.float64()),
        ("gradient_norm", pa.float64()),
        *((name, pa.float64()) for name in MEASURED),
        ("steps", pa.int64()),
        ("train_seconds", pa.float64()),
        ("evaluate_seconds", pa.float64()),
        ("diverged_at_step", pa.int64()),
        ("reported_s", pa.float64()),
    ]
)
SCHEMAS = {"trials": TRIALS, "reports": MEASUREMENTS}
"""By the name of the table's folder. `reports` holds the measurements."""
_LATER = ("lost_nodes", "node", "gpu")  # columns that older runs lack
_PARTS_BEFORE_MERGE = 64
_LEAST_COMPRESSED = 50  # rows
_ROWS_OF_A_PART = 1000  # in an object store
_READ_ATTEMPTS = 3
_KEYS = {"trials": ("trial",), "reports": ("trial", "start", "examples")}


class TableWriter:
    """Writes one table of a run in part files, and merges them from time to time.

    The latest parts are merged whenever there are 64 that were merged equally often. So a row is written a few times at most,
    and a merge is short however long the table is.

    In an object store, a part is written again with more rows until it has a thousand. That takes one request, and readers see
    the part either without the new rows or with them.
    """

    def __init__(self, folder: Folder, table: str) -> None:
        self._run = folder
        self._table = table
        self._parts = 0
        self._tiers: list[list[str]] = [[]]  # the parts by how often their rows were merged; all lower ones are later
        self._open: pa.Table | None = None  # the rows of the last part, if more are to come

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows as a new part, or with those of the last part in its place."""
        part = pa.Table.from_pylist(list(rows), schema=SCHEMAS[self._table])
        is_new = self._open is None
        if is_new:
            self._parts += 1
        else:
            part = pa.concat_tables([self._open, part]).combine_chunks()
        self._write_part(part)
        if is_new:
            self._tiers[0].append(_part_name(self._parts))
        self._open = part if self._run.is_store and len(part) < _ROWS_OF_A_PART else None

    def merge_if_many(self) -> None:
        """Merge the latest parts if there are many."""
        tier = 0
        while len(self._tiers[tier]) >= _PARTS_BEFORE_MERGE and self._open is None:
            if not self._merge(tier):
                return
            tier += 1

    def merge(self) -> None:
        """Merge all parts into one, if there are several and none is damaged."""
        self._tiers = [self._run.below(self._table).names() if self._parts else []]
        if len(self._tiers[0]) > 1:
            self._merge(0)

    def _merge(self, tier: int) -> bool:
        """Merge the parts of a tier, which are the latest of all, into one of the next tier. Return whether none is damaged."""
        names = self._tiers[tier]
        rows, damaged = read_parts(self._run, self._table, names)
        if damaged:  # never delete parts unless the merged part holds all their rows; those that follow may be merged
            self._tiers = [[]]
            return False
        self._parts, self._open = self._parts + 1, None
        self._write_part(rows)
        # Before parts are deleted: if that fails, they are older copies. If they were merged again, they would be newer ones.
        self._tiers[tier] = []
        if tier + 1 == len(self._tiers):
            self._tiers.append([])
        self._tiers[tier + 1].append(_part_name(self._parts))
        for name in reversed(names):  # newest first: if this is cut short, the remaining rows are still in order
            self._run.below(self._table).delete(name)
        return True

    def go_on(self) -> None:
        """Continue after the parts that another process wrote; move damaged ones to damaged/."""
        parts = self._run.below(self._table)
        for fault in read_parts(self._run, self._table)[1]:
            name = fault.where.rsplit("/", 1)[-1]
            self._run.write(f"damaged/{self._table}-{name}", parts.read(name))
            parts.delete(name)
        self._tiers = [parts.names()]
        self._parts = max((_number_of(name) for name in self._tiers[0]), default=0)

    def _write_part(self, rows: pa.Table) -> None:
        self._run.write(f"{self._table}/{_part_name(self._parts)}", to_parquet(rows))


def read_parts(folder: Folder, table: str, names: Sequence[str] | None = None) -> tuple[pa.Table, list[Fault]]:
    """Read the parts of `trials` or `reports` in order, by default all.

    Of several rows with the same key, the last one counts and takes the place of the first. Returns the rows, and a fault
    for each part that cannot be read or fails its checksum.
    """
    schema, parts = SCHEMAS[table], folder.below(table)
    if not folder.is_store and folder.size(table) is not None:
        return schema.empty_table(), [Fault(f"{folder}/{table}", "a file, not a folder", "restore it from a copy")]
    for _ in range(_READ_ATTEMPTS):
        read = parts.map(partial(_read_part, parts, schema=schema), parts.names() if names is None else names)
        errors = [each for each in read if isinstance(each, InputError)]
        if not any(parts.is_store or isinstance(error, MissingFileError) for error in errors):
            break  # no part was replaced or merged away during the read
    damaged = [fault for error in errors for fault in error.faults]
    tables = [each for each in read if isinstance(each, pa.Table)]
    if not tables:
        return schema.empty_table(), damaged  # only here: it would import pandas
    return _latest(pa.concat_tables(tables), _KEYS[table]), damaged


def _read_part(parts: Folder, name: str, *, schema: pa.Schema) -> pa.Table | InputError:
    """Return the rows of a part, or what is wrong with it. Raises StorageError if the store does not answer."""
    try:
        remedy = "restore it from a copy; its rows are left out"
        return read_parquet(parts, name, schema, remedy=remedy, later=_LATER)
    except (LedgerError, MissingFileError) as error:
        return error


def _latest(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the last row of each key, in the place of the key's first row."""
    values = zip(*(rows[name].to_pylist() for name in keys), strict=True)
    last = {key: row for row, key in enumerate(values)}  # a key stays where it came first
    return take_rows(rows, np.fromiter(last.values(), np.int64, len(last)))


def take_rows(table: pa.Table, places: NDArray[np.int64]) -> pa.Table:
    """Return the rows of a table at these places.

    Here and where columns become arrays, through `np.from_dlpack`, we avoid what imports pandas if it is installed, which takes
    0.15 s: `pa.array`, `to_numpy`, `group_by`, and comparing with a Python value.
    """
    return table.take(pa.Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(places)]))


def read_parquet(folder: Folder, name: str, schema: pa.Schema, *, remedy: str, later: tuple[str, ...] = ()) -> pa.Table:
    """Read a Parquet file with `schema`; if it lacks one of the columns `later`, that column is all null.

    Raises LedgerError with `remedy` if the file is damaged or belongs to another table, MissingFileError if it is not there, and
    StorageError if an object store does not answer.
    """
    try:
        source = pa.BufferReader(folder.read(name))
        rows = pq.ParquetFile(source, page_checksum_verification=True).read()  # `read_table` would import pandas
        for place, field in enumerate(schema):
            if field.name in later and field.name not in rows.column_names:
                rows = rows.add_column(place, field, pa.nulls(len(rows), field.type))
        return rows.cast(schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, MissingFileError) or (folder.is_store and isinstance(error, StorageError)):
            raise
        what = f"damaged, or not a part of this table ({str(error).splitlines()[0]})"
        raise LedgerError([Fault(f"{folder}/{name}", what, remedy)]) from error


def to_parquet(rows: pa.Table) -> pa.Buffer:
    """Return a table as the content of a Parquet file, with a checksum of every page.

    Compressing a few rows, column by column, takes more than half of the time and saves nothing.
    """
    sink, is_large = pa.BufferOutputStream(), len(rows) >= _LEAST_COMPRESSED
    compression = "zstd" if is_large else "none"
    pq.write_table(rows, sink, compression=compression, use_dictionary=is_large, write_page_checksum=True)
    return sink.getvalue()


def _part_name(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _number_of(part: str) -> int:
    """Return the number in a part's name, 0 for any other name."""
    digits = part.removeprefix("part-").removesuffix(".parquet")
    return int(digits) if digits.isdecimal() else 0
