"""The ledger's two tables, `trials` and `reports`: their columns, and how their parts are written and read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tuner.errors import Fault, LedgerError
from tuner.storage import Folder
from tuner.trial.health_names import MEASURED

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
_KEYS = {"trials": ("trial",), "reports": ("trial", "start", "examples")}


def read_parts(folder: Folder, table: str) -> tuple[pa.Table, list[Fault]]:
    """Read the parts of `trials` or `reports` in order.

    Of several rows with the same key, the last one counts and takes the place of the first. Returns the rows, and a fault
    for each part that cannot be read or fails its checksum.
    """
    schema, parts = SCHEMAS[table], folder.below(table)
    tables: list[pa.Table] = []
    damaged: list[Fault] = []
    for name in parts.names():
        try:
            tables.append(read_parquet(parts, name, schema, remedy="restore it from a copy; its rows are left out"))
        except LedgerError as error:
            damaged += error.faults
    if not tables:
        return schema.empty_table(), damaged
    rows = pa.concat_tables(tables)
    numbered = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    places = numbered.group_by(list(_KEYS[table])).aggregate([("row", "min"), ("row", "max")]).sort_by("row_min")
    return rows.take(pc.cast(places["row_max"], pa.int64())), damaged


def read_parquet(folder: Folder, name: str, schema: pa.Schema, *, remedy: str, later: tuple[str, ...] = ()) -> pa.Table:
    """Read a Parquet file with `schema`; if it lacks one of the columns `later`, that column is all null.

    Raises LedgerError with `remedy` if the file is damaged or belongs to another table.
    """
    try:
        source = pa.BufferReader(folder.read(name))
        rows = pq.read_table(source, page_checksum_verification=True)
        for place, field in enumerate(schema):
            if field.name in later and field.name not in rows.column_names:
                rows = rows.add_column(place, field, pa.nulls(len(rows), field.type))
        return rows.cast(schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"damaged, or not a part of this table ({str(error).splitlines()[0]})"
        raise LedgerError([Fault(f"{folder}/{name}", what, remedy)]) from error


def to_parquet(rows: pa.Table) -> pa.Buffer:
    """Return a table as the content of a Parquet file, with a checksum of every page."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()
