"""Tables with a column or a row for each step of a series: read as the same series as a table of lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from builders.inputs import read_inputs
from tuner.data.columns.patterns import columns_like, numbered_columns, suggest_patterns
from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import LabelledRows, to_labelled_rows, without_unusable
from tuner.data.load import load_data
from tuner.data.sequences import Sequences
from tuner.errors import DataError
from tuner.space.settings import DataSettings

NAN = float("nan")
LONG = Columns(sequence="x", sequence_id="id", order="t")


def _read(columns: Columns, **values: Any) -> tuple[LabelledRows | None, Findings]:
    findings = Findings()
    return to_labelled_rows(pa.table(values), "f", columns, findings), findings


def _rows(rows: LabelledRows | None) -> list[list[list[float]]]:
    assert rows is not None
    assert isinstance(rows.inputs, Sequences)
    return [rows.inputs.row(number).tolist() for number in range(len(rows))]


def _message(columns: Columns, **values: Any) -> str:
    """The one fault of a table, as people read it."""
    rows, findings = _read(columns, **values)
    if rows is not None:
        without_unusable(rows, findings, skip=False)
    (fault,) = findings.faults
    return str(fault)


# --- names of columns -----------------------------------------------------------------------------------------------


def test_a_star_stands_for_a_number_and_columns_follow_their_numbers() -> None:
    names = ["t10", "t2", "target", "t1", "t1.5", "t2b", "tt3"]
    assert columns_like("t*", names) == ["t1", "t1.5", "t2", "t10"]
    assert numbered_columns("t*b", names) == [(2, "t2b")]


@pytest.mark.parametrize("name", ["t*", "plain", "a*b*", "none*"])
def test_the_name_of_a_column_two_stars_or_no_match_is_no_pattern(name: str) -> None:
    assert columns_like(name, ["t*", "t1", "a1b1", "plain"]) == [name]


def test_the_patterns_with_the_most_columns_are_suggested() -> None:
    names = ["id", *(f"x_{step}" for step in range(4)), *(f"y_{step}" for step in range(4)), "z_1", "z_2", "z_3"]
    assert suggest_patterns(names) == ["x_*", "y_*"]
    assert suggest_patterns(["a1", "a2", "b"]) == []


# --- a column for each step -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [False, True])
def test_a_column_for_each_step_is_read_with_empty_cells_at_the_end_as_padding(as_text: bool) -> None:
    cells: dict[str, list[Any]] = {"t10": [3.0, None], "t1": [1.0, 4.0], "t2": [2.0, 5.0]}
    if as_text:
        cells = {"t10": ["3", ""], "t1": [" 1.0", "4e0"], "t2": ["2", "5"]}
    rows, findings = _read(Columns(sequence="t*"), **cells)
    assert _rows(rows) == [[[1], [2], [3]], [[4], [5]]]
    described, padded = findings.notes
    steps = "f: 3 columns, t1 to t10, are read as the steps of a series"
    assert described == f"{steps}, although nothing is between t2 and t10"
    assert "1 row of columns 't1' to 't10' ends in NaN or null (1 step)" in padded


def test_a_pattern_for_each_channel_needs_the_same_steps() -> None:
    columns = Columns(sequence=("x_*", "y_*"))
    rows, _ = _read(columns, x_1=[1], y_1=[2], x_2=[3], y_2=[4])
    assert _rows(rows) == [[[1, 2], [3, 4]]]
    what = (
        "'x_\\*' stands for 2 columns and 'y_\\*' for 1, and only one of them has number 2; give every channel the same"
    )
    assert re.search(what, _message(columns, x_1=[1], y_1=[2], x_2=[3]))


def test_columns_of_labels_and_groups_are_no_steps() -> None:
    rows, _ = _read(Columns(sequence="*", label="0"), **{"0": ["a"], "1": [5], "2": [6]})
    assert _rows(rows) == [[[5], [6]]]


def test_a_list_of_single_columns_is_the_steps_of_one_channel() -> None:
    rows, _ = _read(Columns(sequence=("b", "a")), a=[1, 2], b=[3, 4])
    assert _rows(rows) == [[[3], [1]], [[4], [2]]]


@pytest.mark.parametrize("written", [False, True])
def test_a_list_of_columns_of_lists_is_a_channel_each(written: bool) -> None:
    lists: dict[str, Any] = {"x": [[1, 2], [5], [7, 8]], "y": [[3, 4], [6], [9]]}
    if written:
        lists = {name: [str(row) for row in rows] for name, rows in lists.items()}
    rows, findings = _read(Columns(sequence=("x", "y")), **lists)
    assert rows is not None
    assert _rows(without_unusable(rows, findings, skip=True)) == [[[1, 3], [2, 4]], [[5, 6]]]
    assert "row 3 left out, as columns x, y have different numbers of steps" in " ".join(findings.notes)


@pytest.mark.parametrize(
    ("sequence", "cells", "message"),
    [
        ("t*", {"t1": ["1", "2"], "t2": ["3", "x"]}, "f: row 2: a value is not a number: 'x' in column 't2' of row 2;"),
        ("t*", {"t1": [1, 2], "t2": [True, False]}, "f: column 't2': it holds bool, not numbers"),
        (("t*", "u"), {"t1": [1], "t2": [1], "u": [1]}, "mix patterns of columns with single columns; name a pattern"),
    ],
)
def test_cells_that_are_not_steps_are_named(sequence: Any, cells: dict[str, Any], message: str) -> None:
    assert message in _message(Columns(sequence=sequence), **cells)


def test_the_line_about_gaps_in_columns_closes_them() -> None:
    table = pd.DataFrame({"t1": [1.0, 1.0], "t2": [NAN, 2.0], "t3": [3.0, NAN]})
    columns = Columns(sequence="t*")
    line = re.search(r"in pandas: (.*), or leave them out", _message(columns, **table))
    assert line is not None
    exec(line[1], {"df": table})
    assert _rows(_read(columns, **table)[0]) == [[[1], [2], [3]], [[1], [2]]]


# --- a row for each step --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [False, True])
def test_rows_of_one_series_are_put_in_order_and_keep_their_label(as_text: bool) -> None:
    table: dict[str, list[Any]] = {"id": [7, 3, 7, 3, 7], "t": [10, 2, 9, 1, 8], "x": [1, 2, 3, 4, 5]}
    if as_text:
        table = {name: list(map(str, values)) for name, values in table.items()}
    rows, findings = _read(Columns(sequence="x", sequence_id="id", order="t", label="y"), **table, y=list("ababa"))
    assert _rows(rows) == [[[5], [3], [1]], [[4], [2]]]
    assert rows is not None
    assert rows.rows.tolist() == [1, 2]
    assert [rows.names[code] for code in rows.codes] == ["a", "b"]
    assert findings.notes == ["f: 2 series from 5 rows, by column 'id'"]


@pytest.mark.parametrize(
    "times",
    [
        ["2026-01-10", "2026-01-09"],
        ["2026-01-02 10:00", "2026-01-02 09:00:00.5"],
        ["2026-01-02T10:00:00+01:00", "2026-01-02T08:59:00Z"],
        ["10:00:00", "09:59:59.9"],
        ["10", "9.5"],
        pa.array([10, 9], pa.timestamp("ms", "Europe/Berlin")),
        pa.array([10, 9], pa.date32()),
        pa.array([(1 << 60) + 1, 1 << 60]),
    ],
)
def test_numbers_dates_and_times_order_the_steps(times: Any) -> None:
    rows, findings = _read(LONG, id=["a", "a"], t=times, x=[1, 2])
    assert _rows(rows) == [[[2], [1]]]
    assert len(findings.notes) == 1


@pytest.mark.parametrize(
    ("times", "mended"),
    [(["31/01/2026", "1/02/2026"], "pd.to_datetime(df['t'])"), (["step_9", "step_10"], "str.extract")],
)
def test_texts_that_cannot_be_ordered_are_refused_with_a_line_that_turns_them(times: list[str], mended: str) -> None:
    message = _message(LONG, id=["a", "a"], t=times, x=[1, 2])
    assert f"such as {times[0]!r}, are neither all numbers nor all times" in message
    assert mended in message


def test_without_an_order_the_file_decides_and_a_note_says_so() -> None:
    rows, findings = _read(Columns(sequence="x", sequence_id="id"), id=["a", "b", "a"], x=[1, 2, 3])
    assert _rows(rows) == [[[1], [3]], [[2]]]
    assert (
        "in the order of the file, as no column is named as data.order, although the rows of some" in findings.notes[0]
    )


def test_several_channels_may_be_columns_a_pattern_or_a_list_in_each_row() -> None:
    for names, cells in (
        (("x", "y"), {"x": [1, 3], "y": [2, 4]}),
        ("c*", {"c1": [1, 3], "c2": [2, 4]}),
        ("v", {"v": [[1, 2], [3, 4]]}),
    ):
        columns = Columns(sequence=names, sequence_id="id", order="t")
        assert _rows(_read(columns, id=["a", "a"], t=[1, 2], **cells)[0]) == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"id": ["a", "", None, "b"]},
            "f: row 2: column 'id' is empty in 2 rows, of which this is the first; fix them",
        ),
        ({"id": [0.5, 1, 2, 3]}, "column 'id': it holds double, not text or whole numbers"),
        ({"t": [1, None, 1, 2]}, "f: row 1: column 't' is empty in a row of the series"),
        (
            {"t": [[1]] * 4},
            "it holds list<.*> values, which are neither numbers nor dates nor times; name another column as data.o",
        ),
        ({"x": ["1", "2", "3", "oops"]}, "f: row 3: a value is not a number: 'oops' in column 'x' of row 4"),
        (
            {"y": ["u", "w", "v", "v"]},
            "f: row 1: column 'y' must be the same .* series 'a' has 'u' in row 1 and 'w' in row 2",
        ),
    ],
)
def test_what_is_wrong_with_rows_of_steps_is_named(change: dict[str, Any], message: str) -> None:
    table = {"id": ["a", "a", "b", "b"], "t": [1, 2, 1, 2], "x": ["1", "2", "3", "4"], "y": ["u", "u", "v", "v"]}
    columns = Columns(sequence="x", sequence_id="id", order="t", label="y")
    assert re.search(message, _message(columns, **{**table, **change}))


def test_a_label_in_only_one_row_of_a_series_is_that_of_the_series() -> None:
    columns = Columns(sequence="x", sequence_id="id", order="t", label="y")
    rows, findings = _read(columns, id=["a", "a", "b"], t=[1, 2, 1], x=[1, 2, 3], y=["", "u", "v"])
    assert rows is not None
    assert [rows.names[code] for code in rows.codes] == ["u", "v"]
    assert "some rows of 1 series are empty in column 'y', and take the value of the others" in findings.notes[-1]


def test_steps_with_the_same_place_stay_in_the_order_of_the_file_with_a_note() -> None:
    rows, findings = _read(LONG, id=["a", "a", "a"], t=[1, 1, 0], x=[1, 2, 3])
    assert _rows(rows) == [[[3], [1], [2]]]
    assert "rows of 1 series with the same value in column 't' stay in the order" in findings.notes[0]


@pytest.mark.parametrize("names", [("x",), ("x", "y")])
def test_the_line_about_gaps_in_rows_closes_them(names: tuple[str, ...]) -> None:
    table = pd.DataFrame({"id": [1, 1, 1, 2], "t": [3, 2, 1, 1], "x": [3.0, NAN, 1.0, 5.0], "y": [4.0] * 4})
    columns = Columns(sequence=names, sequence_id="id", order="t")
    line = re.search(r"in pandas: (.*), or leave them out", _message(columns, **table))
    assert line is not None
    scope = {"df": table}
    exec(line[1], scope)
    rows = _rows(_read(columns, **scope["df"])[0])
    assert [step[0] for step in rows[0]] == [1, 2, 3]


# --- whole files ----------------------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path: Path) -> Callable[[pd.DataFrame], str]:
    def to_csv(table: pd.DataFrame) -> str:
        table.to_csv(tmp_path / "f.csv", index=False)
        return str(tmp_path / "f.csv")

    return to_csv


def _long(series: int, steps: int) -> pd.DataFrame:
    ids, places = np.repeat(np.arange(series), steps), np.tile(np.arange(steps), series)
    table = pd.DataFrame({"id": ids, "t": places, "x": 100 * ids + places, "y": np.where(ids % 3, "up", "down")})
    return table.sample(frac=1, random_state=0)


def test_a_file_of_steps_is_divided_by_series(write: Callable[[pd.DataFrame], str]) -> None:
    path = write(_long(60, 5))
    settings = DataSettings(train=path, sequence="x", sequence_id="id", order="t", label="y")
    dataset = load_data(settings, "binary", seed=0)
    assert sum(len(split) for split in dataset.splits.values()) == 60
    for split in dataset.splits.values():
        assert isinstance(split.inputs, Sequences)
        for number, target in enumerate(split.targets):
            first = int(split.inputs.row(number)[0, 0])
            assert split.inputs.row(number).ravel().tolist() == list(range(first, first + 5))
            assert dataset.labels[target] == ("up" if first // 100 % 3 else "down")
    assert any("60 series from 300 rows" in note for note in dataset.notes)


def test_rows_to_predict_are_the_first_of_each_series(write: Callable[[pd.DataFrame], str]) -> None:
    table = _long(4, 3).drop(columns="y")
    inputs, rows, _ = read_inputs(write(table), Columns(sequence="x", sequence_id="id", order="t", label="y"))
    assert len(inputs) == 4
    assert rows.tolist() == [1 + table["id"].tolist().index(name) for name in dict.fromkeys(table["id"])]


def test_numbered_columns_are_suggested_for_a_missing_column_of_sequences(write: Callable[[pd.DataFrame], str]) -> None:
    path = write(pd.DataFrame({f"{axis}_{step}": [1.0] for axis in "xy" for step in range(9)}))
    settings = DataSettings(train=path, sequence="sequence", label="x_1")
    with pytest.raises(DataError, match=r"the steps of a series, --set 'data.sequence=\[x_\*, y_\*\]'"):
        load_data(settings, "binary", seed=0)
