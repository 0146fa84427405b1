"""Columns of sequences: the ways to write them, and the rows that cannot be used, with reasons."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.inputs import read_inputs
from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import LabelledRows, to_labelled_rows, without_unusable
from tuner.data.load import load_data, read_labelled
from tuner.data.sequences import Sequences
from tuner.data.series.column import read_sequences, read_written_sequences
from tuner.errors import DataError
from tuner.space.settings import DataSettings

COLUMNS = Columns(sequence="values")


def _read(values: pa.Array | list[object]) -> tuple[LabelledRows | None, Findings]:
    findings = Findings()
    return to_labelled_rows(pa.table({"values": values}), "f", COLUMNS, findings), findings


def _rows(rows: LabelledRows | None) -> list[object]:
    assert rows is not None
    assert isinstance(rows.inputs, Sequences)
    return [rows.inputs.row(number).tolist() for number in range(len(rows))]


STEPS = [[[1, 2], [3, 4]], [[5, 6]]]


@pytest.mark.parametrize(
    "values",
    [
        STEPS,
        pa.array(STEPS, pa.list_(pa.list_(pa.float32()))),
        pa.array(STEPS, pa.large_list(pa.list_(pa.int8()))),
        pa.array(STEPS, pa.list_(pa.list_(pa.float64(), 2))),
        pa.array(STEPS, pa.list_(pa.list_(pa.float16()))),
        ["[[1, 2], [3, 4]]", " [[5.0, 6e0]]\n"],
        pa.chunked_array([pa.array(STEPS[:1]), pa.array(STEPS[1:])]),
        pa.array([[[0, 0]], *STEPS])[1:],
    ],
)
def test_steps_of_several_channels_may_be_written_in_several_ways(values: pa.Array | list[object]) -> None:
    rows, findings = _read(values)
    assert _rows(rows) == STEPS
    assert findings == Findings()


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2], [3]],
        pa.array([[1, 2], [3]], pa.large_list(pa.float32())),
        ["[1, 2]", "[3]"],
        ["[[1], [2]]", "[3]"],
    ],
)
def test_a_list_of_numbers_is_one_channel(values: pa.Array | list[object]) -> None:
    rows, findings = _read(values)
    assert _rows(rows) == [[[1], [2]], [[3]]]
    assert findings == Findings()


def test_lists_of_fixed_size_with_a_null_keep_their_rows() -> None:
    rows, findings = _read(pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32(), 2)))
    assert _rows(rows) == [[[1], [2]], [], [[3], [4]]]
    assert list(findings.unusable) == ["the sequence in column 'values' is null"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([[1.0], None], "is null"),
        ([[1.0], []], "is empty"),
        ([[1.0], [2, None, 3]], "has a null or NaN in the middle"),
        ([[1.0], [float("nan")]], "has only null or NaN"),
        ([[1.0], [float("-inf")]], "has a value that is infinite"),
        ([[1.0], [1e301]], r"infinite, or above 1e\+300"),
        ([[[1, 2]], [[1, 2], [3]], [[3, 4]]], "has steps with different numbers of channels"),
        ([[[1, 2]], [[1, 2], None, [5, 6]], [[3, 4]]], "has a null or NaN in the middle"),
        ([[[1, 2]], [[], []], [[3, 4]]], "different numbers of channels, or with none"),
        ([[[1, 2]], [[1, 2, 3]], [[3, 4]]], "does not have 2 channels as most rows do"),
        ([[[1, 2]], [[1, float("nan")]], [[3, 4]]], "has a null or NaN .* in some of a step's channels only"),
        ([[[1, 2]], [None, None], [[3, 4]]], "has only null or NaN"),
        (["[1]", None], "is null"),
        (["[1]", " "], "is empty"),
        (["[1]", "[null]"], "has only null or NaN"),
        (["[1]", "[2, NaN, 3]"], "has a null or NaN in the middle"),
        (["[1]", "[1e999]"], "has a value that is infinite"),
        (["[1]", "[1" + "0" * 400 + "]"], "has a value that is infinite"),
        (["[[1, 2]]", "[[1], [2]]", "[[3, 4]]"], r"does not have \d channels as most rows do"),
        (["[1]", "1, 2"], "is not a JSON list of numbers"),
        (["[1]", "[true]"], "is not a JSON list of numbers"),
        (["[1]", '["1"]'], "is not a JSON list of numbers"),
        (["[1]", "[[[1]]]"], "is not a JSON list of numbers"),
        (["[1]", "[1, [2]]"], "is not a JSON list of numbers"),
        (["[1]", '{"a": 1}'], "is not a JSON list of numbers"),
        (["[1]", "[" * 100_000], "is not a JSON list of numbers"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_one_reason(values: list[object], reason: str) -> None:
    rows, findings = _read(values)
    assert rows is not None
    kept = without_unusable(rows, findings, skip=False)
    (fault,) = findings.faults
    assert fault.where == "f: row 2"
    assert re.search(reason, fault.what)
    assert len(kept) == len(values) - 1
    assert np.isfinite(kept.inputs.values).all()


def test_rows_left_out_on_request_are_noted_and_the_others_stay_whole() -> None:
    rows, findings = _read([[[1, 2]], None, [[3, 4], [5, 6]], [[7]]])
    assert rows is not None
    kept = without_unusable(rows, findings, skip=True)
    assert _rows(kept) == [[[1, 2]], [[3, 4], [5, 6]]]
    assert kept.rows.tolist() == [1, 3]
    assert [note.split(" left out")[0] for note in findings.notes] == ["f: row 2", "f: row 4"]


def test_a_column_without_a_single_number_is_refused() -> None:
    for values in ([None, None], [[], []], [[[]], [[]]], ["", ""]):
        rows, findings = _read(values)
        assert rows is not None
        assert not len(without_unusable(rows, findings, skip=True))
        assert "no row can be used" in findings.faults[-1].what


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [1.0],
            r"it holds single numbers \(double\), not lists .*: --set data.sequence_id=COLUMN --set data.order=COLUMN",
        ),
        (["1.5", " 2", ""], r"its texts are single numbers, not lists .* --set data.sequence_id=COLUMN"),
        ([["a"]], "list<.*string.*>, not lists of numbers"),
        ([[[[1.0]]]], "not lists of numbers"),
        ([[True]], "not lists of numbers"),
    ],
)
def test_a_column_of_something_else_is_a_fault(values: list[object], message: str) -> None:
    rows, findings = _read(values)
    assert rows is None
    (fault,) = findings.faults
    assert re.search(message, str(fault))


def test_the_message_about_a_sequence_column_named_as_text_names_the_right_setting() -> None:
    findings = Findings()
    assert to_labelled_rows(pa.table({"text": [[1.0]]}), "f", Columns("text"), findings) is None
    remedy = "for numeric sequences, use a space for them, such as the shipped one, `sequence`: "
    settings = "--set data.text=null --set data.sequence=text; "
    assert findings.faults[0].remedy == remedy + settings + "for tokens, save them as whole numbers or texts"


NAN = float("nan")


@pytest.mark.parametrize(
    "values",
    [
        [[1.0, 2.0], [NAN, 3.0, NAN, NAN], [4.0, None]],
        [[[1.0], [2.0]], [[NAN], [3.0], [NAN], None], [[4.0], [None]]],
        pa.array([[1, 2], [None, 3, None, None], [4, None]], pa.list_(pa.int32())),
        ["[1, 2]", "[NaN, 3, null, nan]", '[4, "", "NaN"]'],
        ["[[1], [2]]", "[null, [3], [NaN], NaN]", "[[4], [None]]"],
    ],
)
def test_nan_in_all_channels_at_either_end_is_cut_off_and_counted(values: pa.Array | list[object]) -> None:
    rows, findings = _read(values)
    assert _rows(rows) == [[[1], [2]], [[3]], [[4]]]
    assert not findings.unusable
    begin, end = findings.notes
    assert begin == "f: 1 row of column 'values' begins in NaN or null (1 step): read as padding and cut off"
    assert re.fullmatch(r"f: 2 rows of column 'values' end in NaN or null \([12] (to 2 )?steps\): read as .*", end)


def test_the_message_about_a_gap_has_a_line_that_closes_it() -> None:
    table = pd.DataFrame({"values": [[[1.0, 5.0], [NAN, NAN], [3.0, NAN], [NAN, NAN]], [[4.0, 6.0]]]})
    rows, findings = _read(pa.Table.from_pandas(table)["values"])
    assert rows is not None
    without_unusable(rows, findings, skip=False)
    line = re.search(r"in pandas: (.*), or leave them out", findings.faults[0].remedy)
    assert line is not None
    exec(line[1], {"df": table, "pd": pd})
    assert _rows(_read(pa.Table.from_pandas(table)["values"])[0]) == [[[1, 5], [2, 5], [3, 5]], [[4, 6]]]


@pytest.mark.parametrize("is_json", [False, True])
def test_the_line_about_a_gap_in_a_written_list_closes_it(is_json: bool) -> None:
    texts = ["[1.0, nan, 3.0, nan]", "[4.0]"]
    table = pd.DataFrame({"values": [text.replace("nan", "NaN") for text in texts] if is_json else texts})
    rows, findings = _read(table["values"].tolist())
    assert rows is not None
    without_unusable(rows, findings, skip=False)
    line = re.search(r"in pandas: (.*), or leave them out", findings.faults[0].remedy)
    assert line is not None
    exec(line[1], {"df": table, "pd": pd})
    assert _rows(_read([str(value) for value in table["values"]])[0]) == [[[1], [2], [3]], [[4]]]


def test_the_line_about_bare_numbers_writes_lists() -> None:
    table = pd.DataFrame({"values": ["1;2", "3;4"]})
    rows, findings = _read(table["values"].tolist())
    assert rows is not None
    without_unusable(rows, findings, skip=False)
    line = re.search(r"write lists, in pandas: (.*?)(?:, or leave them out.*)?$", findings.faults[0].remedy)
    assert line is not None
    exec(line[1], {"df": table})
    assert _rows(_read([str(value) for value in table["values"]])[0]) == [[[1], [2]], [[3], [4]]]


def test_numbers_that_numpy_left_out_are_named_as_lost() -> None:
    rows, findings = _read(["[1. 2.]", "[1. ... 2.]"])
    assert rows is not None
    without_unusable(rows, findings, skip=False)
    assert "row 2: column 'values' has ... where numpy left numbers out; write all numbers: df['values']" in str(
        findings.faults[0]
    )


@pytest.mark.parametrize("is_written", [False, True])
def test_whole_numbers_that_floating_point_cannot_tell_apart_are_refused(is_written: bool) -> None:
    numbers = [(1 << 60) + step for step in range(8)]
    _, findings = _read([str(numbers)] if is_written else [numbers])
    assert "its 8 different values became 1; subtract the same number from all" in str(findings.faults[0])


def test_a_few_different_numbers_that_become_equal_are_noted() -> None:
    far = [(1 << 60) + 1024 * step for step in range(8)]
    _, findings = _read([[*far, far[0] + 1]])
    assert "its 9 different values became 8; subtract the same number from all" in findings.notes[0]
    assert _read([far])[1] == Findings()


@pytest.mark.parametrize(("verb", "turn"), [("end", 1), ("begin", -1)])
def test_rows_of_one_length_that_begin_or_end_in_zeros_may_be_padded(verb: str, turn: int) -> None:
    rows = [([1.0] * (10 - number % 6) + [0.0] * (number % 6))[::turn] for number in range(60)]
    (note,) = _read(rows)[1].notes
    assert note.startswith(
        f"f: 50 rows of column 'values' {verb} in zeros (1 to 5 steps), and all rows have the same length; if"
    )


def test_zeros_that_are_values_like_others_are_not_called_padding() -> None:
    rows = np.random.default_rng(0).integers(0, 2, (200, 12)).astype(float).tolist()
    assert not _read(rows)[1].notes


CELL = st.one_of(st.none(), st.floats(-10, 10, width=32), st.just(float("nan")), st.just(float("inf")))
ROW = st.one_of(st.none(), st.lists(st.lists(CELL, max_size=3), max_size=4))


@given(values=st.lists(ROW, min_size=1, max_size=12))
def test_a_row_is_read_whole_or_has_a_reason_also_as_text(values: list[list[list[float]]]) -> None:
    array = pa.chunked_array([pa.array(values, pa.list_(pa.list_(pa.float64())))])
    written = pa.chunked_array([pa.array([None if row is None else _json(row) for row in values], pa.string())])
    for read in (read_sequences(array, "x"), read_written_sequences(written, "x")):
        is_usable = ~np.any(list(read.unusable.values()), axis=0)
        for number in np.flatnonzero(is_usable):
            assert read.sequences.row(number).tolist() == _without_padding(values[number])
        for number in np.flatnonzero(~is_usable):
            row = _without_padding(values[number] or [])
            is_odd = not row or len({len(step) for step in row}) != 1 or len(row[0]) != read.sequences.channels
            assert is_odd or not np.isfinite(np.array(row, dtype=np.float64)).all()


def _without_padding(row: list[list[float]]) -> list[list[float]]:
    filled = [place for place, step in enumerate(row) if not step or not pd.isna(step).all()]
    return row[filled[0] : filled[-1] + 1] if filled else []


def _json(row: list[list[float]]) -> str:
    return str(row).replace("None", "null").replace("nan", "NaN").replace("inf", "Infinity")


# --- whole files ----------------------------------------------------------------------------------------------------


def test_the_three_formats_hold_the_same_sequences(tmp_path: Path) -> None:
    pq.write_table(pa.table({"values": STEPS}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text('values\n"[[1,2],[3,4]]"\n"[[5,6]]"\n')
    (tmp_path / "a.jsonl").write_text('{"values":[[1,2],[3,4]]}\n{"values":[[5,6.0]]}\n')
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        inputs, _, _ = read_inputs(str(tmp_path / name), COLUMNS)
        assert isinstance(inputs, Sequences)
        assert [inputs.row(number).tolist() for number in range(2)] == STEPS


def _write(path: Path, rows: list[list[list[float]]], labels: list[str]) -> str:
    pq.write_table(pa.table({"values": rows, "label": labels}), path)
    return str(path)


def _distinct(rows: int, *, channels: int = 2, start: int = 0) -> list[list[list[float]]]:
    return [[[float(start + row)] * channels] * (1 + row % 4) for row in range(rows)]


def test_a_file_of_sequences_is_divided_and_each_row_keeps_its_label(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", _distinct(60), ["low" if row < 40 else "high" for row in range(60)])
    dataset = load_data(DataSettings(train=path, sequence="values", label="label"), "binary", seed=0)
    assert dataset.inputs == "sequence"
    assert sum(len(split) for split in dataset.splits.values()) == 60
    for split in dataset.splits.values():
        assert isinstance(split.inputs, Sequences)
        for number, (row, target) in enumerate(zip(split.rows, split.targets, strict=True)):
            assert split.inputs.row(number).tolist() == [[row - 1.0] * 2] * (1 + (row - 1) % 4)
            assert dataset.labels[target] == ("low" if row <= 40 else "high")


def test_copies_of_a_sequence_stay_on_one_side(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", _distinct(50) * 2, ["a", "b"] * 50)
    dataset = load_data(DataSettings(train=path, sequence="values", label="label"), "binary", seed=0)
    parts = {row: name for name, split in dataset.splits.items() for row in split.rows}
    assert all(parts[row] == parts[row + 50] for row in range(1, 51))
    assert not any("may be too high" in note for note in dataset.notes)


def test_a_test_file_that_repeats_sequences_of_train_is_noted(tmp_path: Path) -> None:
    train = _write(tmp_path / "a.parquet", _distinct(60), ["a", "b"] * 30)
    test = _write(tmp_path / "t.parquet", _distinct(4, start=58), ["a", "b"] * 2)
    dataset = load_data(DataSettings(train=train, test=test, sequence="values", label="label"), "binary", seed=0)
    assert not any("may be too high" in note for note in dataset.notes)  # other lengths, so other sequences
    same = _write(tmp_path / "s.parquet", [*_distinct(2), *_distinct(2, start=100)], ["a", "b"] * 2)
    dataset = load_data(
        DataSettings(train=train, validation=0.02, test=same, sequence="values", label="label"), "binary", seed=0
    )
    assert any("2 of 4 rows of test have the sequence of a row in train" in note for note in dataset.notes)


def test_files_of_other_channels_than_train_are_refused(tmp_path: Path) -> None:
    train = _write(tmp_path / "a.parquet", _distinct(60), ["a", "b"] * 30)
    test = _write(tmp_path / "t.parquet", _distinct(4, channels=3), ["a", "b"] * 2)
    with pytest.raises(DataError, match=r"t\.parquet: the number of channels is 3, but 2 in .*a\.parquet"):
        load_data(DataSettings(train=train, test=test, sequence="values", label="label"), "binary", seed=0)


def test_another_file_of_sequences_is_read_with_the_labels_of_a_model(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", _distinct(3), ["a", "new", "b"])
    columns = Columns(sequence="values", label="label")
    split, notes = read_labelled(path, columns, task="multiclass", labels=("b", "a"))
    assert isinstance(split.inputs, Sequences)
    assert split.inputs.values[:, 0].tolist() == [0, 2, 2, 2]
    assert split.targets.tolist() == [1, 0]
    assert len(notes) == 1
