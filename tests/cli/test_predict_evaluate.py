"""`tuner predict` and `tuner evaluate`: the columns they read, and their messages about them."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tuner.bundle.members import LstmMember
from tuner.bundle.model_bundle import Bundle, save_bundle
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.sequences import Sequences, Standardiser
from tuner.data.table_writer import open_table
from tuner.errors import DataError
from tuner.ledger.run_directory import Ledger
from tuner.model.build import make_model
from tuner.space.task import Inputs, Task
from tuner.storage import Folder

Call = Callable[..., tuple[int, str, str]]
TEXTS = ("alpha one", "beta two", "gamma")
SEQUENCES = ([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]], [[7.0, 8.0], [9.0, 1.0]])


@pytest.fixture
def save(configure: Any, tmp_path: Path) -> Callable[..., Bundle]:
    """Return a function that saves an untrained bundle of texts or sequences as "bundle" in the folder of the test."""

    def make(inputs: Inputs, task: Task = "multiclass", label: str = "label", **columns: Any) -> Bundle:
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
            columns={"text": None, "sequence": None, label: label} | {inputs: f"my {inputs}"} | columns,
            record={"penalty_weight": 1.0},
            members=(LstmMember(1, None, configuration, model, preparation),),
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
    cut = "0 cut to 16 tokens, 0 without a known word" if inputs == "text" else "0 cut to 16 steps"
    assert (code, err) == (0, f"rows.parquet: 3 rows read, 3 predicted, 0 left out, {cut}\n")
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
        assert ("3 rows are too few to judge" in err) == (verb == "evaluate")


@pytest.mark.parametrize(
    "odd", [" {}", "#{}", "{}: y", "[{}]", "-{}", "it's {}", "\ufeff{}", "{}\n", "{}\x1b[0m", "${}"]
)
def test_a_shell_reads_the_option_for_an_odd_column_as_the_message_writes_it(odd: str, save: Any, call: Call) -> None:
    save("text")
    write("rows.parquet", **{odd.format("my text"): TEXTS, odd.format("label"): ["a", "b", "a"]})
    code, _, err = call("evaluate", "bundle", "rows.parquet")
    assert code == 2
    options = [line.rpartition("? Then ")[2] for line in err.splitlines()]
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {' '.join(options)}"], capture_output=True, check=True)
    code, _, err = call("evaluate", "bundle", "rows.parquet", *done.stdout.decode().split("\0")[:-1])
    assert code == 0, err


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


def test_columns_of_labels_with_commas_are_given_as_a_json_list(save: Any, call: Call) -> None:
    save("text", "multilabel", "labels")
    write("rows.parquet", **{"my text": list(TEXTS), "a": [0, 1, 1], " b, c": [1, 1, 0]})
    code, _, err = call("evaluate", "bundle", "rows.parquet", "--label-columns", '["a", " b, c"]')
    assert code == 0
    assert "unknown to the model, so left out of their rows: 'b, c' (2 rows)" in err


@pytest.mark.parametrize("names", ["a,,b", "a,a", ",", '["a", "a"]', '["a", ""]'])
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


# --- what happened to the rows ---


@pytest.mark.parametrize(("verb", "used"), [("predict", "predicted"), ("evaluate", "judged")])
def test_rows_that_are_left_out_cut_or_unknown_are_counted_and_shown_on_request(
    verb: str, used: str, save: Any, call: Call
) -> None:
    save("text")
    long = "alpha " * 40
    texts = ["alpha", None, long, "zzz qqq", " ", "unheard " * 10, "beta"]
    write("rows.parquet", **{"my text": texts, "label": ["a", "b", "a", "b", "a", "b", "b"]})
    arguments = (verb, "bundle", "rows.parquet", "--skip-unusable")
    counts = f"rows.parquet: 7 rows read, 5 {used}, 2 left out, 1 cut to 16 tokens, 2 without a known word\n"
    code, _, err = call(*arguments)
    assert code == 0
    assert counts in err
    assert "zzz" not in err
    _, _, err = call(*arguments, "--verbose")
    shown = err.partition(counts)[2].splitlines()
    assert shown[:3] == ["  left out: row 2", "  left out: row 5", f"  cut: row 3 of 40 tokens: {long[:59] + '…'!r}"]
    assert shown[3:5] == [
        "  nothing known: row 4: 'zzz qqq'",
        f"  nothing known: row 6: {('unheard ' * 10)[:59] + '…'!r}",
    ]


def test_rows_whose_label_the_model_does_not_know_count_as_left_out(save: Any, call: Call) -> None:
    save("sequence")
    write("rows.parquet", **{"my sequence": [[[1.0, 2.0]] * 40, *SEQUENCES[1:]], "label": ["a", "b", "unknown"]})
    _, out, err = call("evaluate", "bundle", "rows.parquet", "--format", "json", "--verbose")
    assert (
        "rows.parquet: 3 rows read, 2 judged, 1 left out, 1 cut to 16 steps\n  left out: row 3\n  cut: row 1 of 40 steps\n"
        in err
    )
    assert json.loads(out)["rows"] == 2


def test_a_folder_of_parts_is_predicted_in_one(save: Any, call: Call) -> None:
    save("text")
    Path("new").mkdir()
    for number in range(2):
        write(f"new/part-{number}.parquet", **{"my text": list(TEXTS)})
    code, out, err = call("predict", "bundle", "new")
    assert code == 0
    assert [json.loads(line)["row"] for line in out.splitlines()] == [1, 2, 3, 4, 5, 6]
    assert "new: 6 rows read, 6 predicted" in err


def test_a_stray_quotation_mark_takes_no_row_from_predictions(save: Any, call: Call) -> None:
    save("text")
    Path("rows.csv").write_text('my text,label\n"alpha one,a\nbeta,b\n"gamma,a\n')
    for verb in ("predict", "evaluate"):
        code, _, err = call(verb, "bundle", "rows.csv")
        assert code == 0
        assert "rows.csv:2: a quotation mark opens a value here" in err
        assert "3 rows read, 3" in err
    Path("rows.csv").write_text('my text,label\n"alpha one,a\n"beta",b\n"gamma,a\n')
    for verb in ("predict", "evaluate"):
        code, out, err = call(verb, "bundle", "rows.csv")
        assert (code, out) == (2, "")
        assert "rows.csv:2: a quotation mark opens a value here, and 'beta\",b' follows" in err
        assert err.endswith("plain characters, --quoting none\n")
        assert call(verb, "bundle", "rows.csv", "--quoting", "none")[0] == 0


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


LONG = {"sequence": ["x", "y"], "sequence_id": "id", "order": "t"}


@pytest.fixture
def steps(tmp_path: Path) -> dict[str, list[Any]]:
    """Write SEQUENCES with a row for each step, in reverse order, as steps.csv; return the columns."""
    rows = [(name, t, *step) for name, steps in zip("pqr", SEQUENCES, strict=True) for t, step in enumerate(steps)]
    table = dict(zip(("id", "t", "x", "y"), map(list, zip(*rows[::-1], strict=True)), strict=True))
    pa.csv.write_csv(pa.table(table | {"label": list("aabaa")}), tmp_path / "steps.csv")
    return table


def test_predictions_of_series_in_several_rows_name_each_series_and_its_first_row(
    save: Any, call: Call, steps: dict[str, list[Any]]
) -> None:
    expected = save("sequence", **LONG).predict_proba(SEQUENCES)
    code, out, err = call("predict", "bundle", "steps.csv")
    assert code == 0
    assert "note: steps.csv: 3 series from 5 rows, by column 'id'" in err
    predicted = [json.loads(line) for line in out.splitlines()]
    assert [(row["row"], row["id"]) for row in predicted] == [(1, "r"), (3, "q"), (4, "p")]
    assert [row["p_a"] for row in predicted[::-1]] == pytest.approx(expected[:, 0].tolist())


def test_options_name_the_columns_of_another_file_and_an_empty_one_says_that_rows_are_whole_series(
    save: Any, call: Call, steps: dict[str, list[Any]], tmp_path: Path
) -> None:
    save("sequence", **LONG)
    renamed = {"series": steps["id"], "place": steps["t"], "c_1": steps["x"], "c_2": steps["y"]}
    pq.write_table(pa.table(renamed), tmp_path / "new.parquet")
    code, plain, _ = call("predict", "bundle", "steps.csv", "--keep", "none")
    options = ("--sequence", "[c_1, c_2]", "--sequence-id", "series", "--order", "place")
    code, out, err = call("predict", "bundle", "new.parquet", "--keep", "none", *options)
    assert code == 0, err
    assert out.replace('"series"', '"id"') == plain
    pq.write_table(pa.table({"lists": SEQUENCES}), tmp_path / "lists.parquet")
    code, out, err = call("predict", "bundle", "lists.parquet", "--sequence", "lists", "--sequence-id", "")
    assert code == 0, err
    assert [json.loads(line)["row"] for line in out.splitlines()] == [1, 2, 3]


def test_series_in_several_rows_are_evaluated_as_series(save: Any, call: Call, steps: dict[str, list[Any]]) -> None:
    save("sequence", **LONG)
    code, out, err = call("evaluate", "bundle", "steps.csv")
    assert code == 0, err
    assert out.startswith("rows: 3\n")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sequence": []}, "columns.sequence in bundle.json is not the name of a column"),
        ({"sequence": ["x", 5]}, "columns.sequence in bundle.json is not the name of a column"),
        ({"sequence_id": 5}, "columns.sequence_id in bundle.json is not the name of a column"),
    ],
)
def test_a_bundle_with_odd_columns_of_series_is_refused(save: Any, call: Call, columns: Any, message: str) -> None:
    save("sequence", **columns)
    code, _, err = call("predict", "bundle", "steps.csv")
    assert code == 2
    assert message in err


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


@pytest.mark.parametrize("options", [(), ("--label", "y"), ("--labels", "several")])
def test_a_model_of_one_label_per_row_may_read_it_from_columns_of_0_and_1(
    options: tuple[str, ...], save: Any, call: Call
) -> None:
    save("text", label="label_columns", label_columns=["a", "b"])
    bundle = json.loads(Path("bundle/bundle.json").read_text())
    assert (bundle["task"], bundle["columns"]["label_columns"]) == ("multiclass", ["a", "b"])
    columns = {
        "my text": list(TEXTS),
        "a": [1, 0, 1],
        "b": [0, 1, 0],
        "y": ["a", "b", "a"],
        "several": [["a"], ["b"], ["a"]],
    }
    write("rows.parquet", **columns)
    code, out, err = call("evaluate", "bundle", "rows.parquet", *options, "--format", "json")
    assert code == 0, err
    assert [row["support"] for row in json.loads(out)["labels"]] == [2, 1]


def test_rows_with_several_labels_are_named_for_a_model_of_one(save: Any, call: Call) -> None:
    save("text", label="label_columns", label_columns=["a", "b"])
    write("rows.parquet", **{"my text": list(TEXTS), "a": [1, 0, 1], "b": [0, 1, 1]})
    code, _, err = call("evaluate", "bundle", "rows.parquet")
    assert code == 2
    assert "row 3: task multiclass needs one label, but there are 2 in the first of them; fix them, or leave" in err
    assert call("evaluate", "bundle", "rows.parquet", "--skip-unusable")[0] == 0


# --- what is kept, where it is written, and where it comes from ---


def test_predictions_stand_beside_all_columns_of_the_file_or_those_that_are_named(save: Any, call: Call) -> None:
    save("text")
    write("rows.parquet", id=[7, 8, 9], **{"my text": TEXTS}, day=[None, "b", "c"])
    predicted = ["prediction", "p_a", "p_b"]
    for keep, kept in (((), ["id", "my text", "day"]), (("--keep", "day,id"), ["day", "id"]), (("--keep", "none"), [])):
        code, out, _ = call("predict", "bundle", "rows.parquet", *keep)
        assert code == 0
        assert list(json.loads(out.splitlines()[0])) == ["row", *kept, *predicted]
    assert call("predict", "bundle", "rows.parquet", "--out", "out.parquet")[0] == 0
    assert pq.read_table("out.parquet")["id"].to_pylist() == [7, 8, 9]
    code, out, err = call("predict", "bundle", "rows.parquet", "--keep", "idd")
    assert (code, out) == (2, "")
    assert "did you mean 'id'? Then --keep id" in err


def test_a_column_of_the_file_keeps_its_name_if_a_prediction_has_the_same(save: Any, call: Call) -> None:
    save("text")
    write("rows.parquet", row=["x", "y", "z"], p_a=["1", "2", "3"], **{"my text": TEXTS})
    code, out, err = call("predict", "bundle", "rows.parquet")
    assert code == 0
    assert "so of the predictions 'row' is called 'tuner_row', 'p_a' is called 'tuner_p_a'" in err
    first = json.loads(out.splitlines()[0])
    assert (first["row"], first["p_a"], first["tuner_row"]) == ("x", "1", 1)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_values_that_json_and_csv_have_no_form_for_are_written(kind: str, save: Any, call: Call) -> None:
    save("text")
    odd = {"n": [float("nan"), float("inf"), 1.5], "b": [b"\xff", None, b""], "l": [[float("nan")], [], None]}
    write("rows.parquet", **{"my text": TEXTS}, **odd, d=pa.array([0, 1, None], pa.timestamp("s")))
    code, out, err = call("predict", "bundle", "rows.parquet", "--out", f"out.{kind}")
    assert (code, out) == (0, ""), err
    code, out, _ = call("predict", "bundle", "rows.parquet")
    first = json.loads(out.splitlines()[0], parse_constant=pytest.fail)
    assert (first["n"], first["b"], first["l"], first["d"]) == (None, "/w==", [None], "1970-01-01T00:00:00")


def test_a_file_is_overwritten_only_by_force(save: Any, call: Call) -> None:
    save("text")
    write("rows.parquet", **{"my text": TEXTS})
    Path("out.csv").write_text("precious")
    code, _, err = call("predict", "bundle", "rows.parquet", "--out", "out.csv")
    assert code == 2
    assert "--out out.csv: there is a file of this name already" in err
    assert "name another file, or add --force" in err
    assert Path("out.csv").read_text() == "precious"
    assert call("predict", "bundle", "rows.parquet", "--out", "out.csv", "--force")[0] == 0
    assert Path("out.csv").read_text().startswith('"row",')


def test_nothing_is_left_if_writing_is_interrupted(tmp_path: Path) -> None:
    def write_half() -> None:
        with open_table(str(tmp_path / "out.csv")) as write_batch:
            write_batch(pa.table({"row": [1]}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"my text,n\nalpha one,1\n", ()),
        (b"my text;n\nalpha, one;1\n", ()),
        (b"my text\tn\nalpha one\t1\n", ("--format-in", "tsv")),
        ("my text|n\ncafé|1\n".encode("latin-1"), ("--encoding", "latin-1")),
        ("my text\tn\ncafé\t1\n".encode("utf-16"), ()),
        (b'{"my text": "alpha", "n": "1"}\n', ()),
        (b'[\n {"my text": "alpha", "n": "1"}]', ()),
        (gzip.compress(b"my text,n\nalpha one,1\n", mtime=0), ()),
        (b"PARQUET", ()),
    ],
)
def test_rows_come_from_standard_input(content: bytes, options: tuple[str, ...], save: Any, tmp_path: Path) -> None:
    save("text")
    if content == b"PARQUET":
        pq.write_table(pa.table({"my text": ["alpha"], "n": ["1"]}), tmp_path / "rows.parquet")
        content = (tmp_path / "rows.parquet").read_bytes()
    command = [sys.executable, "-m", "tuner", "predict", "bundle", "-", *options]
    done = subprocess.run(command, cwd=tmp_path, input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == ["1"]
    assert b"stdin: 1 row read, 1 predicted" in done.stderr.replace(b".gz", b"")


def test_a_file_of_latin_1_is_refused_with_the_option_that_reads_it(save: Any, call: Call) -> None:
    save("text")
    Path("rows.csv").write_bytes("my text;label\ncafé, alpha;a\nnaïve;b\nbeta;a\n".encode("latin-1"))
    for verb in ("predict", "evaluate"):
        code, out, err = call(verb, "bundle", "rows.csv")
        assert (code, out) == (2, "")
        assert "byte 0xe9 is not UTF-8 text; if it is Western European text, --encoding latin-1;" in err
        code, out, err = call(verb, "bundle", "rows.csv", "--encoding", "latin-1")
        assert code == 0, err
        assert "its values are separated by ';', not by commas, and are read so; if it is commas, --separator ," in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--separator", "::"), "--separator: '::' is not one character"),
        (("--encoding", "latin1252"), "--encoding: 'latin1252' names no encoding of text"),
        (("--set", "data.train=x.csv"), "--set: it says where the files of a baseline are, but no --baseline is given"),
        (("--baseline", "tfidf"), "bundle is a bundle, which has only its own model; name the run that made it"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(
    options: tuple[str, ...], message: str, save: Any, call: Call
) -> None:
    save("text")
    write("rows.parquet", **{"my text": TEXTS})
    code, out, err = call("predict", "bundle", "rows.parquet", *options)
    assert (code, out) == (2, "")
    assert message in err
