"""Write the file of results as the small table of curves that the tests read, and read it back."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.results import Line
from tuner.pruners.gate import Signs

MEASURES = (
    "score",
    "macro_f1",
    "constant_penalty",
    "skill",
    "auc",
    "average_precision",
    "logit_spread",
    "train_loss",
    "gradient_norm",
)
_VERSIONS = ("torch", "numpy", "pyarrow")


@dataclass(frozen=True, kw_only=True)
class TrialCurve:
    """One trial's measurements over its full budget, oldest first, and its configuration.

    `rows` is the number of training rows of its set, `max_epochs` its full budget.
    """

    set_name: str
    index: int
    kind: str
    signs: tuple[Signs, ...]
    configuration: dict[str, Any]
    rows: int
    max_epochs: float


def write_table(lines: Iterable[Line], path: Path, *, kept: pa.Table | None = None) -> int:
    """Write a row for each measurement of each trained trial, ordered by set and trial. Return the number of trials.

    Sets of the table `kept` that are not among the lines stay in the table.
    """
    newest = {(line["set"], line["index"]): line for line in lines if line["outcome"] == "trained"}
    trained = [newest[key] for key in sorted(newest)]
    table = _table(trained)
    sets = _sets(trained)
    if kept is not None:
        others = [name not in sets for name in kept["set"].to_pylist()]
        table = pa.concat_tables([kept.filter(others).select(table.column_names), table]).unify_dictionaries()
        sets = {name: origin for name, origin in _origin_of(kept)["sets"].items() if name not in sets} | sets
    path.parent.mkdir(parents=True, exist_ok=True)
    origin = {"command": "scripts/bench curves", "sets": dict(sorted(sets.items()))}
    table = table.replace_schema_metadata({"origin": json.dumps(origin, indent=1)})
    pq.write_table(table, path, compression="zstd", compression_level=19)
    return sum(int(each["trials"]) for each in sets.values())


def _table(trained: Sequence[Line]) -> pa.Table:
    rows = [(line, measurement) for line in trained for measurement in line["reports"]]

    def words(name: str) -> pa.Array:
        return pa.array([line[name] for line, _ in rows], pa.string()).dictionary_encode()

    columns = {
        "set": words("set"),
        "trial": pa.array([line["index"] for line, _ in rows], pa.int16()),
        "kind": words("kind"),
        "epochs": pa.array([measurement["epochs"] for _, measurement in rows], pa.float32()),
        "steps": pa.array([measurement["steps"] for _, measurement in rows], pa.int32()),
        **{name: pa.array([measurement[name] for _, measurement in rows], pa.float32()) for name in MEASURES},
        "is_finite": pa.array([measurement["diverged_at_step"] is None for _, measurement in rows]),
        "configuration": pa.array(
            [json.dumps(line["configuration"], separators=(",", ":")) for line, _ in rows], pa.string()
        ).dictionary_encode(),
    }
    return pa.table(columns)


def read_curves(path: Path) -> list[TrialCurve]:
    """Return the curves of a table, ordered by set and trial."""
    table = pq.read_table(path)
    sets = _origin_of(table)["sets"]
    measurements: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        measurements.setdefault((row["set"], row["trial"]), []).append(row)
    return [
        TrialCurve(
            set_name=set_name,
            index=index,
            kind=rows[0]["kind"],
            signs=tuple(_signs(row) for row in rows),
            configuration=json.loads(rows[0]["configuration"]),
            rows=sets[set_name]["rows"][0],
            max_epochs=sets[set_name]["max_epochs"],
        )
        for (set_name, index), rows in measurements.items()
    ]


def _signs(row: dict[str, Any]) -> Signs:
    names = ("score", "constant_penalty", "skill", "auc", "logit_spread")
    measured = {name: float("nan") if row[name] is None else row[name] for name in names}
    # float32 holds seven digits: the third half epoch is still 1.5, but 1.0000001 epochs would not differ from 1
    return Signs(epochs=round(row["epochs"], 6), is_finite=row["is_finite"], **measured)


def _origin_of(table: pa.Table) -> dict[str, Any]:
    origin: dict[str, Any] = json.loads(table.schema.metadata[b"origin"])
    return origin


def _sets(lines: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """Return what the trials of each set have in common, and the versions that made them."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}}
    return {
        line["set"]: {
            "trials": sum(other["set"] == line["set"] for other in lines),
            **{name: line[name] for name in ("rows", "max_epochs", "reports_per_epoch")},
            "versions": versions,
        }
        for line in lines
    }
