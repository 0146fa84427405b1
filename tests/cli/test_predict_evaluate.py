"""`tuner predict` and `tuner evaluate`: the columns they read, and their messages about them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.bundle.model_bundle import Bundle, save_bundle
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.sequences import Sequences, Standardiser
from tuner.errors import DataError
from tuner.ledger.run_directory import Ledger
from tuner.model.build import make_model
from tuner.space.settings import Inputs, Task
from tuner.storage import Folder

Call = Callable[..., tuple[int, str, str]]
TEXTS = ("alpha one", "beta two", "gamma")
SEQUENCES = ([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]], [[7.0, 8.0], [9.0, 1.0]])


@pytest.fixture
def save(configure: Any, tmp_path: Path) -> Callable[..., Bundle]:
    """Return a function that saves an untrained bundle of texts or sequences as "bundle" in the folder of the test."""

    def make(inputs: Inputs, task: Task = "multiclass", label: str = "label") -> Bundle:
        configuration = configure(inputs=inputs)
        if inputs == "text":
            preparation = fit_preparation(preparation_setting(configuration), TEXTS)
        else:
            preparation = Standardiser.fit(Sequences.of(SEQUENCES))
        model = make_model(
            configuration,
            tokens=None if isinstance(preparation, Standardiser) else len(preparation),
            channels=None if inputs == "text" else 2,
            labels=2,
            precision="float32",
            seed=0,
        )
        bundle = Bundle(
            task=task,
            labels=("a", "b"),
            seen=np.ones(2, bool),
            thresholds=np.full(2, np.inf) if task == "multilabel" else np.zeros(0),  # infinite: never predicted
            configuration=configuration,
            columns={"text": None, "sequence": None, label: label} | {inputs: f"my {inputs}"},
            record={"penalty_weight": 1.0},
            model=model,
            preparation=preparation,
        )
        save_bundle(Folder.at(tmp_path / "bundle"), bundle)
        return bundle

    return make


def write(name: str, **columns: Any) -> None:
    pq.write_table(pa.table(columns), name)


@pytest.mark.parametrize(("inputs", "rows"), [("text", TEXTS), ("sequence", SEQUENCES)])
def test_predict_reads_the_column_that_the_bundle_was_trained_on(
    inputs: Inputs, rows: Any, save: Any, call: Call
) -> None:
    bundle = save(inputs)
    write("rows.parquet", **{f"my {inputs}": list(rows)})
    code, out, err = call("predict", "bundle", "rows.parquet")
    assert (code, err) == (0, "")
    predictions = [json.loads(line) for line in out.splitlines()]
    assert [row["row"] for row in predictions] == [1, 2, 3]
    np.testing.assert_allclose([[row["p_a"], row["p_b"]] for row in predictions], bundle.predict_proba(rows), atol=1e-7)


@pytest.mark.parametrize(("inputs", "rows"), [("text", TEXTS), ("sequence", SEQUENCES)])
def test_another_column_may_be_named(inputs: Inputs, rows: Any, save: Any, call: Call) -> None:
    save(inputs)
    write("rows.parquet", other=list(rows), label=["a", "b", "a"])
    for verb in ("predict", "evaluate"):
        code, _, err = call(verb, "bundle", "rows.parquet", f"--{inputs}", "other")
        assert code == 0
        assert "3 rows are too few to judge" in err if verb == "evaluate" else err == ""


@pytest.mark.parametrize(("inputs", "other"), [("text", "sequence"), ("sequence", "text")])
def test_a_column_of_the_other_kind_is_refused(inputs: Inputs, other: str, save: Any, call: Call) -> None:
    save(inputs)
    for verb in ("predict", "evaluate"):
        code, out, err = call(verb, "bundle", "rows.parquet", f"--{other}", "rows")
        assert (code, out) == (2, "")
        assert f"'rows' names a column of {other}s, but the bundle was trained on {inputs}s; use --{inputs} rows" in err


def test_unusable_sequences_are_named(save: Any, call: Call) -> None:
    save("sequence")
    write("rows.parquet", **{"my sequence": [[[1.0, 2.0]], [], [[1.0, None]]]})
    code, _, err = call("predict", "bundle", "rows.parquet")
    assert code == 2
    assert "row 2: the sequence in column 'my sequence' is empty" in err
    assert "row 3: the sequence in column 'my sequence' has a null or NaN" in err


def test_sequences_with_the_wrong_number_of_channels_are_refused(save: Any, call: Call) -> None:
    save("sequence")
    write("rows.parquet", **{"my sequence": [[1.0, 2.0]]})
    code, _, err = call("predict", "bundle", "rows.parquet")
    assert code == 2
    assert "the number of channels is 1, but 2 in the training data" in err


def test_evaluate_measures_a_bundle_of_sequences(save: Any, call: Call) -> None:
    save("sequence")
    write("rows.parquet", **{"my sequence": list(SEQUENCES), "label": ["a", "b", "unknown"]})
    code, out, err = call("evaluate", "bundle", "rows.parquet", "--format", "json")
    assert code == 0
    assert json.loads(out)["rows"] == 2
    assert "unknown to the model, so their rows are left out" in err


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_a_bare_text_is_not_taken_for_a_list_of_its_characters(inputs: Inputs, save: Any) -> None:
    bundle = save(inputs)
    for act in (bundle.predict, bundle.predict_proba):
        for bare in ("one text", "", b"bytes"):
            with pytest.raises(DataError, match=r"not a list of rows; put it in a list: predict\(\[text\]\)"):
                act(bare)


def test_a_row_that_is_not_text_is_named(save: Any) -> None:
    bundle = save("text")
    assert len(bundle.predict(np.array(["alpha", "beta"]))) == 2
    with pytest.raises(DataError, match="inputs: row 2: the model reads texts, but this is NoneType"):
        bundle.predict(["alpha", None])


def test_predictions_without_any_label_keep_the_type_of_lists_of_text(save: Any, call: Call) -> None:
    save("text", "multilabel", "labels")
    write("rows.parquet", **{"my text": list(TEXTS)})
    assert call("predict", "bundle", "rows.parquet", "--out", "out.parquet")[0] == 0
    predictions = pq.read_table("out.parquet")["prediction"]
    assert predictions.to_pylist() == [[], [], []]
    assert predictions.type == pa.list_(pa.string())


def test_unusable_rows_are_skipped_on_request_and_the_others_keep_their_numbers(save: Any, call: Call) -> None:
    save("text")
    write("rows.parquet", **{"my text": ["alpha", None, "beta", " "], "label": ["a", "b", "b", "a"]})
    code, out, err = call("predict", "bundle", "rows.parquet")
    assert (code, out) == (2, "")
    assert "row 2: the text in column 'my text' is null; fix them, or leave them out with --skip-unusable" in err
    code, out, err = call("predict", "bundle", "rows.parquet", "--skip-unusable")
    assert code == 0
    assert [json.loads(line)["row"] for line in out.splitlines()] == [1, 3]
    assert "note: rows.parquet: row 2 left out, as the text in column 'my text' is null" in err
    code, out, err = call("evaluate", "bundle", "rows.parquet", "--skip-unusable", "--format", "json")
    assert (code, json.loads(out)["rows"]) == (0, 2)
    assert "row 4 left out" in err


def test_a_missing_column_is_reported_with_the_option_that_names_it(save: Any, call: Call) -> None:
    save("text")
    write("rows.parquet", body=["alpha"], topic=["a"])
    code, _, err = call("evaluate", "bundle", "rows.parquet")
    assert code == 2
    assert "no column 'my text'; the columns are 'body', 'topic'; name another: --text COLUMN" in err
    assert "no column 'label'" in err
    assert call("evaluate", "bundle", "rows.parquet", "--text", "body", "--label", "topic")[0] == 0


def test_labels_without_a_column_are_noted(save: Any, call: Call) -> None:
    save("text", "multilabel", "labels")
    write("rows.parquet", **{"my text": list(TEXTS), "a": [0, 1, 1]})
    code, _, err = call("evaluate", "bundle", "rows.parquet", "--label-columns", "a")
    assert code == 0
    assert "no column is named for 'b'" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label", "x", "--labels", "y"), "--label and --labels: only one of these can name the labels"),
        (
            ("--labels", "x"),
            "--labels: this option is for several labels per row, but the bundle was trained on one label per row",
        ),
        (("--label-columns", "x"), "name the column of labels with --label"),
    ],
)
def test_labels_of_another_kind_than_the_model_are_refused(
    options: tuple[str, ...], message: str, save: Any, call: Call
) -> None:
    save("text")
    code, out, err = call("evaluate", "bundle", "rows.parquet", *options)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("names", ["a,,b", "a,a", ","])
def test_a_list_of_label_columns_is_checked(names: str, save: Any, call: Call) -> None:
    save("text", "multilabel", "labels")
    code, _, err = call("evaluate", "bundle", "rows.parquet", "--label-columns", names)
    assert code == 2
    assert "write each name once, separated by commas" in err


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("folder.csv", "this is a folder, not a file"),
        ("rows.parquet/out.csv", "nothing can be written there"),
        ("/proc/rows.csv", "/proc: nothing can be written there"),
        ("new/rows.csv", "--out new/rows.csv: there is no folder"),
        ("rows.parquet", "--out rows.parquet: this is rows.parquet, the input file, which would be overwritten"),
        ("foo://x/rows.csv", "download it and use a local path"),
    ],
)
def test_an_unwritable_output_is_refused_before_any_work(out: str, message: str, call: Call) -> None:
    write("rows.parquet", text=["a"])
    Path("folder.csv").mkdir()
    code, _, err = call("predict", "no-bundle", "rows.parquet", "--out", out)
    assert code == 2
    assert message in err
    assert "no-bundle" not in err
    assert sorted(path.name for path in Path().iterdir()) == ["folder.csv", "rows.parquet"]


# --- finding the model ---


@pytest.mark.parametrize(
    "given", ["bundle", "./bundle", "runs/first", "first", "first --runs runs", "runs/first/champion"]
)
def test_a_model_is_found_by_its_path_or_by_the_name_of_its_run(given: str, save: Any, call: Call) -> None:
    save("text")
    Ledger.create("runs/first", space="", environment={})
    shutil.copytree("bundle", "runs/first/champion")
    write("rows.parquet", **{"my text": list(TEXTS), "label": ["a", "b", "a"]})
    for verb in ("predict", "evaluate"):
        name, *more = given.split()
        assert call(verb, name, "rows.parquet", *more)[0] == 0


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_run_without_champion_is_refused_with_its_status(verb: str, call: Call) -> None:
    Ledger.create("runs/first", space="", environment={})
    ledger = Ledger.create("runs/second", space="", environment={})
    ledger.finish({"status": "failed"})
    for name, status in (("first", "unfinished"), ("second", "failed"), ("runs/second", "failed")):
        code, _, err = call(verb, name, "rows.parquet")
        assert code == 2
        assert f"the run has no champion (it is {status}); give a run that finished" in err


@pytest.mark.parametrize("verb", ["predict", "evaluate", "compare"])
def test_an_unknown_model_is_refused_with_the_known_runs(verb: str, call: Call) -> None:
    message = "there is no bundle here (no bundle.json), and no run of this name in runs; "
    code, _, err = call(verb, "frist", "rows.parquet")
    assert code == 2
    assert (
        f"frist: {message}give the directory of a bundle or a run; --runs names the folder that holds the runs" in err
    )
    Ledger.create("runs/first", space="", environment={})
    Ledger.create("runs/other", space="", environment={})
    assert f"frist: {message}did you mean 'first'?" in call(verb, "frist", "rows.parquet")[2]
    assert f"runs/frist/: {message}did you mean 'first'?" in call(verb, "runs/frist/", "rows.parquet")[2]
    assert f"xyz: {message}known: first, other" in call(verb, "xyz", "rows.parquet")[2]


def _save_with_reading(bundle: Bundle, **reading: Any) -> None:
    save_bundle(Folder.at("bundle"), replace(bundle, columns={**bundle.columns, **reading}))


@pytest.mark.parametrize(
    "labels",
    [[[0, 1], [1, 0], [0, 1]], ["0 1", "1 0", "0 1"], [["a"], ["b"], ["a"]], ["A", " b", "a"]],
    ids=["lists", "texts", "names", "spellings"],
)
def test_evaluate_reads_labels_in_the_form_that_the_bundle_remembers(labels: list[Any], save: Any, call: Call) -> None:
    reading = {"label_form": "vectors", "label_names": ["b", "a"], "label_separator": None, "label_case": "join"}
    _save_with_reading(save("text", "multilabel", "labels"), **reading)
    write("rows.parquet", **{"my text": list(TEXTS), "labels": labels})
    code, out, _ = call("evaluate", "bundle", "rows.parquet", "--format", "json")
    assert code == 0
    assert {row["label"]: row["support"] for row in json.loads(out)["labels"]} == {"a": 2, "b": 1}


def test_vectors_of_another_length_than_the_model_has_are_refused(save: Any, call: Call) -> None:
    _save_with_reading(save("text", "multilabel", "labels"), label_form="vectors", label_names=["b", "a"])
    write("rows.parquet", **{"my text": list(TEXTS), "labels": [[0, 1, 1]] * 3})
    code, _, err = call("evaluate", "bundle", "rows.parquet")
    assert code == 2
    assert "its vectors have 3 places, but there are 2 labels: b, a; write one place for each label" in err


def test_vectors_are_read_as_the_label_columns_that_a_bundle_was_trained_on(save: Any, call: Call) -> None:
    _save_with_reading(save("text", "multilabel", "labels"), labels=None, label_columns=["b", "a"])
    write("rows.parquet", **{"my text": list(TEXTS), "y": [[0, 1], [1, 1], [0, 1]]})
    code, out, _ = call("evaluate", "bundle", "rows.parquet", "--labels", "y", "--format", "json")
    assert code == 0
    assert {row["label"]: row["support"] for row in json.loads(out)["labels"]} == {"a": 3, "b": 1}
