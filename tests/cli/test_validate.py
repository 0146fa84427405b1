"""`tuner validate` with data describes the rows on stderr, and as JSON on stdout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

from builders.fixtures import Call
from tuner.cli.data_summary import row_lines

ROWS = 200
LABELS = [f"label {min(row % 23, row % 31, row % 17)}" for row in range(ROWS)]
TEXTS = [f"parcel {row} is late, где посылка {row}" for row in range(ROWS)]


@pytest.fixture(autouse=True)
def _rows(call: Call) -> None:
    columns = {"text": [*TEXTS[:-1], TEXTS[0]], "label": LABELS, "tags": ["a|b", "", "b", "c"] * (ROWS // 4)}
    pyarrow.csv.write_csv(pa.table({**columns, "id": list(range(ROWS))}), "rows.csv")


def validate(call: Call, *arguments: str) -> tuple[list[str], str]:
    code, out, err = call("validate", *arguments)
    assert code == 0, err
    return err.splitlines(), out


def test_the_rows_columns_labels_lengths_scripts_and_copies_are_described(call: Call) -> None:
    lines, out = validate(call, "--data", "rows.csv", "--set", "data.label=label")
    assert out == ""
    assert "rows: rows.csv: 200 read" in lines
    assert "columns: text 'text' (found); label 'label'" in lines
    assert "task: multiclass (one label per row)" in lines
    assert f"labels: {len(set(LABELS))}" in lines
    first = next(line for line in lines if line.startswith("  label "))
    assert int(first.split()[2]) == max(map(LABELS.count, LABELS))
    assert any(line.startswith("  … and") and line.endswith("more, down to the rarest:") for line in lines)
    assert any(line.startswith("lengths: half of the training rows have 8 words or fewer") for line in lines)
    assert any("cuts 0 % at 64" in line for line in lines)
    assert "scripts: Latin 55 %, Cyrillic 45 % (of the letters)" in lines
    assert any(line.startswith("copies of an earlier row: ") and "1" in line for line in lines)


def test_the_description_fits_into_80_columns(call: Call) -> None:
    long = [f"{label} with a name that goes on and on for more than half of a line" for label in LABELS]
    pyarrow.csv.write_csv(pa.table({"text": TEXTS, "label": long}), "rows.csv")
    lines, _ = validate(call, "--data", "rows.csv")
    described = lines[next(number for number, line in enumerate(lines) if line.startswith("rows: ")) :]
    described = described[: next(number for number, line in enumerate(described) if line.startswith("data: rows:"))]
    assert len(described) > 15
    assert max(map(len, described)) <= 80


@pytest.mark.parametrize("width", [36, 40, 60])
def test_a_narrow_terminal_gets_narrow_lines_and_whole_numbers(call: Call, width: int) -> None:
    described = json.loads(validate(call, "--data", "rows.csv", "--set", "data.label=label", "--format", "json")[1])
    lines = row_lines(described["data"], width)
    assert max(map(len, lines)) <= width
    whole = set("\n".join(row_lines(described["data"])).split())
    assert {word for line in lines if "not shown" not in line for word in line.split() if word[0].isdigit()} <= whole
    assert any(line.startswith("  not shown: share") for line in lines) == (width < 60)


def test_several_labels_per_row_are_counted_with_rows_without_any(call: Call) -> None:
    lines, _ = validate(call, "--data", "rows.csv", "--set", "data.labels=tags")
    assert "task: multilabel (several labels per row: 1.0 on average, at most 2, none on 50" in lines
    assert any(line.split() == ["b", "100", "50", "%", "70", "15", "15"] for line in lines)


def test_json_has_the_same_on_stdout(call: Call) -> None:
    _, out = validate(call, "--data", "rows.csv", "--set", "data.label=label", "--format", "json")
    described = json.loads(out)
    assert (described["task"], described["inputs"]) == ("multiclass", "text")
    rows = described["data"]
    assert (rows["read"], rows["found"], rows["columns"]["label"]) == ({"rows.csv": 200}, ["text"], "label")
    assert sum(rows["splits"]["train"]["labels"].values()) == rows["splits"]["train"]["rows"]
    assert rows["splits"]["train"]["lengths"]["cut"] == {"64": 0}
    assert set(rows["missing"]) == {"train", "validation", "test"}
    assert round(rows["scripts"]["seen"]["Cyrillic"], 2) == 0.45


def test_json_without_data_describes_the_space_alone(call: Call) -> None:
    described = json.loads(validate(call, "multiclass", "--format", "json")[1])
    assert described["data"] is None
    assert "hidden" in described["searched"]


def test_rows_that_are_left_out_are_counted(call: Call) -> None:
    Path("odd.csv").write_text(
        "text,label\n" + "".join(f"a text {row},{'ab'[row % 2] * (row > 4)}\n" for row in range(60))
    )
    lines, _ = validate(call, "--data", "odd.csv", "--set", "data.skip_unusable=true")
    assert "rows: odd.csv: 60 read" in lines
    assert "rows used: 55; 5 left out" in lines


def test_with_folds_the_training_rows_are_shown_once(call: Call) -> None:
    settings = [word for each in ("data.folds=4", "data.validation=null") for word in ("--set", each)]
    lines, _ = validate(call, "--data", "rows.csv", "--set", "data.labels=tags", *settings)
    head = next(line for line in lines if line.split()[:2] == ["rows", "share"])
    assert head.split() == ["rows", "share", "train", "test"]


def test_sequences_are_described_in_steps(call: Call) -> None:
    rows: dict[str, Any] = {"sequence": [[0.5, 1.0, row / 7] for row in range(60)], "label": ["a", "b"] * 30}
    Path("steps.jsonl").write_text("\n".join(json.dumps({name: rows[name][row] for name in rows}) for row in range(60)))
    lines, _ = validate(call, "--data", "steps.jsonl")
    assert any("3 steps or fewer" in line for line in lines)
    assert not any(line.startswith("scripts") for line in lines)
