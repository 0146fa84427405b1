"""Recognising tables with a row for each step of a series."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from tuner.data.columns.facts import describe_columns
from tuner.data.series.step_rows import StepRows, find_step_rows

N_SERIES, N_STEPS = 12, 5
ROWS = [(series, step) for step in range(N_STEPS) for series in range(N_SERIES)]
IDS = [f"m{series}" for series, _ in ROWS]
WHEN = [1_700_000_000 + 60 * step for _, step in ROWS]
TEMP = [series * 0.7 + step * step * 0.3 for series, step in ROWS]
STATE = [("ok", "bad")[series % 2] for series, _ in ROWS]


def find(columns: dict[str, list[Any]], **given: Any) -> list[StepRows]:
    table = pa.table(columns)
    return find_step_rows(table, describe_columns(table), given)


def test_the_columns_of_a_table_of_steps_are_found_with_their_settings() -> None:
    (found,) = find({"machine": IDS, "when": WHEN, "temp": TEMP, "rpm": TEMP[::-1], "state": STATE})
    assert found.settings == {"sequence_id": "machine", "order": "when", "sequence": ["temp", "rpm"]}
    assert found.option == "--set data.sequence_id=machine --set data.order=when --set 'data.sequence=[temp, rpm]'"
    assert found.constant == {"state"}


@pytest.mark.parametrize(
    "order",
    [
        WHEN,
        [datetime(2026, 1, 31) + timedelta(minutes=step) for _, step in ROWS],
        [f"2026-01-31 08:0{step}:00" for _, step in ROWS],
        [step / 100 for _, step in ROWS],
    ],
)
def test_steps_at_even_gaps_or_with_dates_are_ordered_whatever_the_column_is_called(order: list[Any]) -> None:
    (found,) = find({"foo": IDS, "bar": order, "temp": TEMP, "state": STATE})
    assert found.settings == {"sequence_id": "foo", "order": "bar", "sequence": "temp"}


def test_dates_that_cannot_be_read_still_order_a_series_so_that_reading_refuses_them() -> None:
    (found,) = find({"machine": IDS, "day": [f"0{step + 1}/02/2026" for _, step in ROWS], "temp": TEMP, "y": STATE})
    assert found.order == "day"


def test_without_an_order_the_rows_of_a_series_must_be_together() -> None:
    columns: dict[str, list[Any]] = {"machine": IDS, "temp": TEMP, "state": STATE}
    assert find(columns) == []
    turn = sorted(range(len(ROWS)), key=lambda row: ROWS[row])
    (found,) = find({name: [values[row] for row in turn] for name, values in columns.items()})
    assert found.settings == {"sequence_id": "machine", "sequence": "temp"}


def test_a_label_for_each_step_and_a_table_without_series_are_not_read() -> None:
    assert find({"machine": IDS, "when": WHEN, "temp": TEMP, "label": [step % 2 for _, step in ROWS]}) == []
    assert find({"length": TEMP, "width": TEMP[::-1], "species": STATE}) == []


def test_what_is_given_is_kept() -> None:
    columns: dict[str, list[Any]] = {"machine": IDS, "when": WHEN, "temp": TEMP, "rpm": TEMP[::-1], "state": STATE}
    assert [each.channels for each in find(columns, sequence="rpm")] == [("rpm",)]
    assert [each.channels for each in find(columns, sequence_id="machine", group="rpm")] == [("temp",)]
