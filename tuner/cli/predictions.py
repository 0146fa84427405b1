"""Predict the rows of a file batch by batch, and put the predictions beside the columns that are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tuner.cli.output import say
from tuner.cli.row_counts import RowCounts, count_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from tuner.bundle.model_bundle import Bundle
    from tuner.data.input_batches import InputBatch, InputRows
    from tuner.search.baseline_model import BaselineModel

    Model = Bundle | BaselineModel

_FIRST_S, _EVERY_S = 2.0, 10.0


@dataclass
class Progress:
    """Says how far slow work on a file has come: after two seconds, and then every ten."""

    data: str
    _next_s: float = field(default_factory=lambda: time.monotonic() + _FIRST_S)

    def show(self, done: int, what: str, total: int | None = None) -> None:
        """Say how many rows are done, if it is time to."""
        if time.monotonic() >= self._next_s:
            of = "" if total is None else f" of {total:,}"
            say(f"{self.data}: {done:,}{of} rows {what}")
            self._next_s = time.monotonic() + _EVERY_S


def predict_rows(
    model: Model, rows: InputRows, write: Callable[[pa.Table], None], progress: Progress, *, is_verbose: bool
) -> None:
    """Predict all rows, write the table, and say what happened to the rows."""
    names = _names(model, rows, progress.data)
    counts = RowCounts(cast("Bundle", model)) if hasattr(model, "encode") else None
    n_used = 0
    for batch in rows.batches():
        probabilities = _probabilities(model, batch, counts)
        write(_table(model, batch, probabilities, names))
        n_used += len(batch.rows)
        progress.show(n_used, "predicted", int(rows.is_usable.sum()))
    if counts is None:
        say(f"{progress.data}: {count_rows(len(rows.numbers), n_used, 'predicted')}")
        return
    left_out = rows.left_out.tolist()
    counts.say(progress.data, n_read=len(rows.numbers), left_out=left_out, used="predicted", is_verbose=is_verbose)


def _probabilities(model: Any, batch: InputBatch, counts: RowCounts | None) -> Any:
    """Return the probabilities (rows, labels) of a batch, and count its rows."""
    if counts is None:
        return model.predict_proba(batch.inputs)
    encoded = model.encode(batch.inputs)
    counts.add(encoded.leading, batch.inputs, batch.rows.tolist())
    return model.predict_encoded(encoded)


def _names(model: Model, rows: InputRows, data: str) -> list[str]:
    """Return the names of the row number, the prediction and the probabilities: others than the file has, which is noted."""
    taken, names, renamed = set(rows.schema.names), list[str](), list[str]()
    for name in ("row", "prediction", *(f"p_{label}" for label in model.labels)):
        free = name
        while free in taken:
            free = f"tuner_{free}"
        taken.add(free)
        names.append(free)
        if free != name:
            renamed.append(f"{name!r} is called {free!r}")
    if renamed:
        from tuner.data.name_lists import list_names

        say(f"note: {data}: it has columns of the same name, so of the predictions {list_names(renamed)}")
    return names


def _table(model: Model, batch: InputBatch, probabilities: Any, names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    predictions = model.name_decisions(model.decide(probabilities))
    kind = pa.list_(pa.string()) if model.task == "multilabel" else pa.string()
    row, prediction, *columns = names
    return pa.table(
        {
            row: pa.array(batch.rows, pa.int64()),
            **dict(zip(batch.kept.column_names, batch.kept.columns, strict=True)),
            prediction: pa.array(predictions, kind),  # Arrow could not infer the type if all lists were empty
            **{name: probabilities[:, number] for number, name in enumerate(columns)},
        }
    )
