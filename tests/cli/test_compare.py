"""`tuner compare`: the rows and files it accepts, what it refuses, and what it prints."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.bundle.members import LstmMember
from tuner.bundle.model_bundle import Bundle, save_bundle
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.table_reader import fingerprint
from tuner.ledger.lock import LOCK
from tuner.ledger.predictions import PREDICTIONS
from tuner.ledger.run_directory import Ledger
from tuner.model.build import make_model
from tuner.scoring.measures import measure
from tuner.storage import Folder

Call = Callable[..., tuple[int, str, str]]
TEXTS = tuple(f"{word} {number}" for number in range(20) for word in ("alpha", "beta", "gamma"))
LABELS = ("a", "b", "c")
TRUTH = np.tile(np.eye(3, dtype=bool), (20, 1))
SPACE = """task: multilabel
data: {{train: rows.parquet, labels: labels}}
search: {{time: {time}}}
space: {{hidden: [64, 128]}}
"""


@pytest.fixture
def save(configure: Any, tmp_path: Path) -> Callable[..., Bundle]:
    """Return a function that saves an untrained bundle of texts in the folder of the test."""

    def make(name: str, *, labels: tuple[str, ...] = LABELS, seed: int = 0, **more: Any) -> Bundle:
        configuration = configure(hidden=6 + seed)
        preparation = fit_preparation(preparation_setting(configuration), TEXTS)
        model = make_model(
            configuration,
            tokens=len(preparation),
            channels=None,
            labels=len(labels),
            precision="float32",
            seed=seed,
        )
        made: dict[str, Any] = {
            "task": "multilabel",
            "labels": labels,
            "seen": np.ones(len(labels), bool),
            "thresholds": np.full(len(labels), 0.5),
            "columns": {"text": "text", "sequence": None, "label": None, "labels": "labels", "label_columns": None},
            "record": {"penalty_weight": 1.0, "data": {}},
            "members": (LstmMember(1, None, configuration, model, preparation),),
        }
        bundle = Bundle(**{**made, **more})
        save_bundle(Folder.at(tmp_path / name), bundle)
        return bundle

    return make


@pytest.fixture
def run_of(save: Any, tmp_path: Path) -> Callable[..., None]:
    """Return a function that writes the ledger of a finished run with given decisions on its test rows."""

    def make(name: str, decisions: Any, *, time: str = "5m", digest: str = "sha", seed: int = 0, **more: Any) -> None:
        data = {
            "labels": list(LABELS),
            "rows": {"train": 100, "validation": 20, "test": len(decisions)},
            "sources": dict.fromkeys(("train", "validation", "test"), "rows.parquet"),
            "fingerprints": {"rows.parquet": digest},
        }
        environment = {"data": data, "versions": {"torch": more.pop("torch", "2.13.0")}}
        ledger = Ledger.create(tmp_path / "runs" / name, space=SPACE.format(time=time), environment=environment)
        save(f"runs/{name}/champion", seed=seed, **more)
        columns = {
            "model": ["champion"] * len(decisions),
            "row": list(range(1, len(decisions) + 1)),
            "block": list(range(len(decisions))),
            "truth": [np.flatnonzero(row).tolist() for row in TRUTH[: len(decisions)]],
            "decided": [np.flatnonzero(row).tolist() for row in decisions],
            "probabilities": [row.astype(float).tolist() for row in decisions],
        }
        ledger.write_table("predictions/test", pa.table(columns, schema=PREDICTIONS))

    return make


@pytest.fixture
def rows() -> str:
    """Write a labelled file to the folder of the test. Request it after `call`."""
    labels = [[LABELS[number % 3]] for number in range(len(TEXTS))]
    pq.write_table(pa.table({"text": TEXTS, "labels": labels, "other": labels[::-1]}), "rows.parquet")
    return "rows.parquet"


def worse() -> Any:
    """Return the truth with the first label wrong on some of the rows."""
    decisions = TRUTH.copy()
    decisions[::3, 0] ^= np.arange(20) < 10
    return decisions


def test_two_runs_are_compared_on_their_test_rows(run_of: Any, call: Call) -> None:
    run_of("monday", worse(), torch="2.12.0")
    run_of("tuesday", TRUTH, time="10m", seed=1)
    code, out, err = call("compare", "monday", "tuesday", "--format", "json")
    described = json.loads(out)
    assert (code, err) == (0, "")
    assert described["conclusion"].startswith("B is ahead by 0.111 macro-F1 (95 % 0.0")
    assert described["score"]["a"] == pytest.approx(measure(worse(), TRUTH, "multilabel").score)
    changes = described["changes"]
    assert changes["space"] == [{"setting": "search.time", "a": "300", "b": "600", "change": "changed"}]
    assert changes["configuration"] == [{"parameter": "hidden", "a": 6, "b": 7}]
    assert changes["environment"] == [{"what": "torch", "a": "2.12.0", "b": "2.13.0"}]
    assert changes["data"] == []


def test_the_conclusion_comes_first(run_of: Any, call: Call) -> None:
    run_of("monday", worse())
    run_of("tuesday", TRUTH, time="10m")
    code, out, _ = call("compare", "runs/monday", "runs/tuesday")
    assert code == 0
    first, second, empty, conclusion = out.splitlines()[:4]
    assert (first, second, empty) == ("A: runs/monday (run)", "B: runs/tuesday (run)", "")
    assert conclusion.endswith(": the difference is clear on 60 rows")
    assert "changed in the data: nothing" in out
    assert "search.time" in out


def test_csv_has_a_row_per_label(run_of: Any, call: Call) -> None:
    run_of("monday", worse())
    run_of("tuesday", TRUTH)
    code, out, _ = call("compare", "monday", "tuesday", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["label"], row["support"]) for row in rows] == [("a", "20"), ("b", "20"), ("c", "20")]
    assert float(rows[0]["difference"]) == pytest.approx(1 / 3)


def test_the_exit_code_is_zero_whichever_is_ahead(run_of: Any, call: Call) -> None:
    run_of("monday", worse())
    run_of("tuesday", TRUTH)
    code, out, _ = call("compare", "tuesday", "monday")
    assert code == 0
    assert "A is ahead by 0.111" in out


def test_runs_with_different_test_rows_are_compared_on_those_they_share(run_of: Any, call: Call) -> None:
    run_of("monday", worse())
    run_of("tuesday", TRUTH[:45])
    code, out, _ = call("compare", "monday", "tuesday", "--format", "json")
    assert (code, json.loads(out)["rows"]) == (0, 45)
    assert "their test rows differ: the comparison uses the 45 rows in common" in json.loads(out)["notes"][0]


def test_runs_on_different_files_are_refused_with_a_remedy(run_of: Any, call: Call) -> None:
    run_of("monday", worse())
    run_of("tuesday", TRUTH, digest="another")
    code, out, err = call("compare", "monday", "tuesday")
    assert (code, out) == (2, "")
    assert (
        "runs/monday (A) and runs/tuesday (B): their 60 and 60 test rows come from files with different contents" in err
    )
    assert "--data FILE" in err


def test_a_run_without_champion_is_refused(run_of: Any, call: Call, tmp_path: Path) -> None:
    run_of("monday", worse())
    Ledger.create(tmp_path / "runs" / "tuesday", space="", environment={})
    code, _, err = call("compare", "monday", "tuesday")
    assert code == 2
    assert "the run has no champion (it is unfinished), so there is nothing to compare" in err


def test_damaged_predictions_are_named(run_of: Any, call: Call, tmp_path: Path) -> None:
    run_of("monday", worse())
    run_of("tuesday", TRUTH)
    run = Folder.at(tmp_path / "runs/tuesday")
    contents = {name: run.read(name) for name in run.all_files() if name != LOCK}
    files = {name: {"bytes": len(each), "sha256": sha256(each).hexdigest()} for name, each in contents.items()}
    run.write("manifest.json", json.dumps({"format": 2, "status": "finished", "files": files}).encode())
    path = tmp_path / "runs/tuesday/predictions/test.parquet"
    table = pq.read_table(path)
    lost = pa.nulls(len(table), table.schema.field("truth").type)
    pq.write_table(table.set_column(table.column_names.index("truth"), "truth", lost), path)
    code, _, err = call("compare", "monday", "tuesday")
    assert code == 2
    assert "predictions/test.parquet: " in err
    assert "were written; restore it from a copy" in err


def test_bundles_without_data_are_refused(save: Any, call: Call) -> None:
    save("one")
    save("two")
    code, _, err = call("compare", "one", "two")
    assert code == 2
    assert "one: this is a bundle, which contains no test rows; give --data FILE" in err


def test_columns_without_data_are_refused(run_of: Any, call: Call) -> None:
    run_of("monday", worse())
    code, _, err = call("compare", "monday", "monday", "--label-columns", "a,b")
    assert code == 2
    assert "--label-columns: this option works only with --data" in err
    assert (
        "--quoting: this option works only with --data" in call("compare", "monday", "monday", "--quoting", "none")[2]
    )


def test_bundles_are_compared_on_a_file(save: Any, call: Call, rows: str) -> None:
    bundles = [save("one"), save("two", seed=1)]
    code, out, _ = call("compare", "one", "two", "--data", rows, "--format", "json")
    described = json.loads(out)
    assert (code, described["rows"], described["data_file"]) == (0, 60, rows)
    for name, bundle in zip("ab", bundles, strict=True):
        decisions = bundle.decide(bundle.predict_proba(TEXTS))
        assert described["macro_f1"][name] == pytest.approx(measure(decisions, TRUTH, "multilabel").macro_f1)
    assert (described["changes"]["space"], described["changes"]["environment"]) == (None, None)
    assert "a bundle has no space and no environment, so these are not compared" in described["notes"]


def test_changed_settings_are_shown_as_a_configuration_holds_them(save: Any, call: Call, rows: str) -> None:
    bundle = save("one")
    changed = {"variational_dropout": True, "learning_rate": 0.0123456}
    save("two", members=(replace(bundle.leading, configuration={**bundle.configuration, **changed}),))
    _, out, _ = call("compare", "one", "two", "--data", rows)
    shown = [line.split() for line in out.splitlines()]
    assert ["variational_dropout", "false", "true"] in shown
    assert ["learning_rate", "0.002", "0.01235"] in shown


def test_a_run_and_a_bundle_are_compared_on_a_file(save: Any, run_of: Any, call: Call, rows: str) -> None:
    run_of("monday", worse())
    save("one", labels=("b", "a"))
    code, out, _ = call("compare", "monday", "one", "--data", rows, "--labels", "other", "--format", "json")
    described = json.loads(out)
    assert (code, described["a"]["kind"], described["b"]["kind"]) == (0, "run", "bundle")
    assert [row["label"] for row in sorted(described["labels"], key=lambda row: row["label"])] == ["a", "b"]


def test_a_file_that_a_search_read_is_noted_as_flattering(save: Any, call: Call, rows: str) -> None:
    save("one", record={"penalty_weight": 1.0, "data": {"elsewhere.parquet": fingerprint(rows)}})
    save("two")
    code, _, err = call("compare", "one", "two", "--data", rows)
    assert code == 0
    assert (
        "note: the search of A read this file; unless it used the file only as its test split, A has an unfair advantage"
        in err
    )
    assert "the search of B" not in err


def test_models_trained_on_different_columns_need_one_named(save: Any, call: Call, rows: str) -> None:
    columns = {"text": "text", "sequence": None, "label": None, "label_columns": None}
    save("one", columns={**columns, "labels": "labels"})
    save("two", columns={**columns, "labels": "other"})
    code, _, err = call("compare", "one", "two", "--data", rows)
    assert code == 2
    assert "A was trained on labels: labels and B on labels: other, so they would have different true labels" in err
    assert call("compare", "one", "two", "--data", rows, "--labels", "other")[0] == 0


def test_a_broken_bundle_is_named(save: Any, call: Call, tmp_path: Path) -> None:
    save("one")
    (tmp_path / "one" / "bundle.json").write_text("{")
    code, _, err = call("compare", "one", "one", "--data", "rows.parquet")
    assert code == 2
    assert "one: the bundle cannot be read (bundle.json is not valid JSON: " in err
