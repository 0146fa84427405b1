"""`tuner evaluate` and `tuner compare` tell rows that a model was fitted to from others."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.bundle import write_bundle
from builders.fixtures import Call
from tuner.bundle.known_rows import KnownRows, fingerprints, save_known_rows
from tuner.storage import Folder

NEW = tuple(f"new text {number}" for number in range(30))
TRAINED, CHOSEN, TESTED = (tuple(f"{use} {number}" for number in range(20)) for use in ("fit", "pick", "try"))


@pytest.fixture
def bundle(configure: Any, make_dataset: Any, tmp_path: Path, call: Call) -> Path:
    """Write a bundle that knows the rows above, of the labels 0 and 1."""
    folder = write_bundle(tmp_path / "bundle", configure(), make_dataset("binary"))
    rows = KnownRows(*(np.unique(fingerprints(texts)) for texts in (TRAINED, CHOSEN, TESTED)))
    save_known_rows(Folder.at(folder), rows)
    return folder


def labels_of(folder: Path) -> list[str]:
    return json.loads((folder / "bundle.json").read_text())["labels"]


def evaluate(call: Call, folder: Path, texts: tuple[str, ...], *options: str) -> tuple[str, str]:
    labels = labels_of(folder)
    table = pa.table({"text": texts, "label": [labels[number % 2] for number in range(len(texts))]})
    pq.write_table(table, "rows.parquet")
    code, out, err = call("evaluate", str(folder), "rows.parquet", *options)
    assert code == 0, err
    return out, err


def test_the_first_numbers_are_of_rows_that_the_model_was_not_fitted_to(bundle: Path, call: Call) -> None:
    out, _ = evaluate(call, bundle, (*TRAINED, *CHOSEN, *TESTED, *NEW))
    first, _, rows, *_ = out.splitlines()
    assert first == (
        "of 90 rows, the model was trained on 20 and chosen on 20; "
        "the first numbers are of the other 50, 20 from the model's test split"
    )
    assert rows == "rows: 50"
    _, _, seen = out.partition("rows that the model was trained or chosen on: not evidence\n")
    assert seen.startswith("rows: 40\n")


def test_rows_that_were_all_seen_are_said_to_be_no_evidence_before_any_number(bundle: Path, call: Call) -> None:
    out, _ = evaluate(call, bundle, TRAINED)
    lines = out.splitlines()
    assert "no number here says how good it is on new rows" in lines[0]
    assert lines[2] == "rows that the model was trained or chosen on: not evidence"
    assert lines[3] == "rows: 20"


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (NEW, "rows: 30, all new to the model"),
        (TESTED, "rows: 20, all from the model's test split"),
        (NEW + TESTED, "rows: 50, 20 from the model's test split"),
    ],
)
def test_rows_that_the_model_was_not_fitted_to_are_judged_together(
    texts: tuple[str, ...], first: str, bundle: Path, call: Call
) -> None:
    out, err = evaluate(call, bundle, texts)
    assert out.startswith(f"{first}\nmacro-F1: ")
    assert "not evidence" not in out + err


def test_another_label_makes_no_new_row(bundle: Path, call: Call) -> None:
    out, _ = evaluate(call, bundle, ("  FIT 0", "fit  1", *NEW), "--format", "json")
    assert json.loads(out)["seen_rows"] == {"trained": 2, "chosen": 0, "tested": 0, "new": 30}


def test_json_has_both_parts_and_its_own_numbers_are_the_unseen_ones(bundle: Path, call: Call) -> None:
    out, err = evaluate(call, bundle, (*TRAINED, *NEW), "--format", "json")
    measures = json.loads(out)
    assert measures["macro_f1"] == measures["unseen"]["macro_f1"]
    assert (measures["rows"], measures["seen"]["rows"]) == (30, 20)
    assert "note: of 50 rows, the model was trained on 20" in err


def test_json_of_seen_rows_alone_has_no_number_of_its_own(bundle: Path, call: Call) -> None:
    measures = json.loads(evaluate(call, bundle, TRAINED, "--format", "json")[0])
    assert (measures["macro_f1"], measures["unseen"]) == (None, None)
    assert measures["seen"]["rows"] == 20


def test_csv_says_which_numbers_are_of_seen_rows(bundle: Path, call: Call) -> None:
    out, _ = evaluate(call, bundle, (*TRAINED, *NEW), "--format", "csv")
    assert [row["seen"] for row in csv.DictReader(io.StringIO(out))] == ["False", "False", "True", "True"]


def test_a_bundle_that_does_not_know_its_rows_says_so_and_judges_all(bundle: Path, call: Call) -> None:
    (bundle / "rows.safetensors").unlink()
    out, err = evaluate(call, bundle, (*TRAINED, *NEW), "--format", "json")
    assert json.loads(out)["rows"] == 50
    assert json.loads(out)["seen_rows"] is None
    assert "note: this bundle does not say which rows it was trained on" in err


def test_a_single_new_row_is_judged_apart(bundle: Path, call: Call) -> None:
    assert "rows: 1\n" in evaluate(call, bundle, (*TRAINED, NEW[0]))[0]


def test_compare_says_which_model_was_fitted_to_the_rows(
    bundle: Path, call: Call, configure: Any, make_dataset: Any
) -> None:
    other = write_bundle(Path("other"), configure(hidden=7), make_dataset("binary"))
    evaluate(call, bundle, (*TRAINED, *NEW))
    code, _, err = call("compare", str(bundle), str(other), "--data", "rows.parquet")
    assert code == 0, err
    notes = [line for line in err.splitlines() if "unfair advantage" in line]
    assert notes == ["note: of 50 rows, A was trained on 20 and chosen on 0, so A has an unfair advantage"]
