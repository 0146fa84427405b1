"""Files of predictions: every way to write labels and probabilities, and the message for a faulty file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tuner.diagnosis.causes.diagnose import diagnose
from tuner.diagnosis.readers.file import evidence_of_file
from tuner.diagnosis.readers.predictions import read_predictions_file
from tuner.errors import DataError
from tuner.space.text_format import TextFormat

ROWS = 200


def write(path: Path, columns: dict[str, Any]) -> str:
    table = pa.table(columns)
    if path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    elif path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    return str(path)


@pytest.fixture
def truth() -> list[int]:
    return (np.random.default_rng(0).random(ROWS) < 0.3).astype(int).tolist()


@pytest.fixture
def ranked(truth: list[int]) -> np.ndarray:
    """Return probabilities of the positive class that rank well."""
    noise = np.random.default_rng(1).normal(0, 0.1, ROWS)
    return np.clip(0.2 + 0.2 * np.array(truth) + noise, 0.01, 0.99)


@pytest.mark.parametrize("extension", ["csv", "parquet", "jsonl"])
def test_integers_are_labels_in_every_format(extension: str, tmp_path: Path, truth: list[int]) -> None:
    uri = write(tmp_path / f"preds.{extension}", {"truth": truth, "pred": [1 - value for value in truth]})
    answers = read_predictions_file(uri)
    assert (answers.task, answers.labels) == ("binary", ("0", "1"))
    assert answers.truth[:, 1].tolist() == [bool(value) for value in truth]
    assert (answers.decisions != answers.truth).all()


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (["yes", "no"], ("no", "yes")),
        (["10", "9"], ("9", "10")),
        ([1.0, 0.0], ("0", "1")),
        (["1.0", "0.0"], ("0", "1")),
        ([True, False], ("false", "true")),
    ],
)
def test_of_two_labels_the_second_is_the_positive_one(
    written: list[Any], labels: tuple[str, ...], tmp_path: Path
) -> None:
    uri = write(tmp_path / "preds.parquet", {"truth": written * 20, "pred": written * 20})
    assert read_predictions_file(uri).labels == labels


def test_boolean_decisions_match_a_truth_of_zeros_and_ones(tmp_path: Path, truth: list[int]) -> None:
    uri = write(tmp_path / "preds.parquet", {"truth": truth, "pred": [value == 1 for value in truth]})
    answers = read_predictions_file(uri)
    assert (answers.decisions == answers.truth).all()


@pytest.mark.parametrize(
    ("extension", "lists"),
    [
        ("parquet", [["a", "b"], ["a"], []]),
        ("jsonl", [["a", "b"], ["a"], []]),
        ("csv", ['["a", "b"]', '["a"]', "[]"]),
        ("csv", ["a|b", "a", ""]),
    ],
)
def test_lists_of_labels_mean_several_labels_per_row(extension: str, lists: list[Any], tmp_path: Path) -> None:
    uri = write(tmp_path / f"preds.{extension}", {"truth": lists * 20, "pred": lists * 20})
    answers = read_predictions_file(uri)
    assert (answers.task, answers.labels) == ("multilabel", ("a", "b"))
    assert answers.truth[:3].tolist() == [[True, True], [True, False], [False, False]]


@pytest.mark.parametrize(
    ("truth", "pred"),
    [
        ([[0, 1, 1], [1, 0, 0], [0, 0, 0]], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
        (["[0, 1, 1]", "[1, 0, 0]", "[0, 0, 0]"], ["0 1 0", "1 0 0", "0 0 1"]),
        ([["1", "2"], ["0"], []], [["1"], ["0"], ["2"]]),
        (["1|2", "0", ""], ["1", "0", "2"]),
        ([{"0": 0, "1": 1, "2": 1}, {"0": 1, "1": 0, "2": 0}, {"0": 0, "1": 0, "2": 0}], [["1"], ["0"], ["2"]]),
    ],
)
def test_labels_are_read_in_the_forms_of_training_data(truth: list[Any], pred: list[Any], tmp_path: Path) -> None:
    uri = write(tmp_path / "preds.parquet", {"truth": truth * 20, "pred": pred * 20})
    answers = read_predictions_file(uri)
    assert (answers.task, answers.labels) == ("multilabel", ("0", "1", "2"))
    assert answers.truth[:3].tolist() == [[False, True, True], [True, False, False], [False, False, False]]
    assert answers.decisions[:3].tolist() == [[False, True, False], [True, False, False], [False, False, True]]


def test_vectors_of_decisions_are_in_the_order_of_the_columns_of_the_truth(tmp_path: Path) -> None:
    columns = {"a": [1, 0] * 20, "b": [1, 1] * 20, "pred": [[1, 1], [0, 1]] * 20}
    answers = read_predictions_file(write(tmp_path / "preds.parquet", columns), truth=("a", "b"), pred=("pred",))
    assert answers.labels == ("a", "b")
    assert (answers.decisions == answers.truth).all()


def test_decisions_are_separated_as_the_truth_is(tmp_path: Path) -> None:
    columns = {"truth": ["a b", "a", "b", "b a"] * 10, "pred": ["a b"] * 40}
    answers = read_predictions_file(write(tmp_path / "preds.csv", columns))
    assert answers.labels == ("a", "b")
    assert answers.decisions.all()


def test_decisions_in_another_spelling_are_the_same_labels(tmp_path: Path) -> None:
    columns = {"truth": ["Spam", "ham"] * 20, "pred": ["spam", "HAM "] * 20}
    answers = read_predictions_file(write(tmp_path / "preds.csv", columns))
    assert (answers.decisions == answers.truth).all()
    assert any("differ only in upper and lower case" in note for note in answers.notes)


def test_vectors_of_probabilities_may_be_written_as_text(tmp_path: Path) -> None:
    columns = {"truth": ["[0, 1, 1]", "[1, 0, 0]"] * 20, "p": ["[0.1, 0.9, 0.8]", "[0.7 0.2 0.1]"] * 20}
    answers = read_predictions_file(write(tmp_path / "preds.csv", columns), probability=("p",))
    assert (answers.decisions == answers.truth).all()


def test_single_decisions_beside_lists_of_truth_become_lists_of_one(tmp_path: Path) -> None:
    uri = write(tmp_path / "preds.parquet", {"truth": [["a", "b"], ["b"]] * 20, "pred": ["a", "b"] * 20})
    assert read_predictions_file(uri).decisions[:2].tolist() == [[True, False], [False, True]]


def test_columns_of_zeros_and_ones_are_labels_named_without_their_common_prefix(tmp_path: Path) -> None:
    columns = {"true_a": [1, 0] * 20, "true_b": [0, 1] * 20, "pred_a": [1, 1] * 20, "pred_b": [0, 0] * 20}
    answers = read_predictions_file(
        write(tmp_path / "preds.csv", columns), truth=("true_a", "true_b"), pred=("pred_a", "pred_b")
    )
    assert (answers.task, answers.labels) == ("multilabel", ("a", "b"))
    assert answers.decisions[0].tolist() == [True, False]


@pytest.mark.parametrize("separator", [" ", ",", "; "])
def test_probabilities_between_separators_are_read(separator: str, tmp_path: Path) -> None:
    columns = {"truth": ["a", "b", "a", "b"], "p": [f"0.25{separator}0.75", f"1.0{separator}0.0"] * 2}
    answers = read_predictions_file(write(tmp_path / "preds.csv", columns), probability=("p",))
    assert answers.probabilities is not None
    assert answers.probabilities[:2].tolist() == [[0.25, 0.75], [1.0, 0.0]]


def test_decisions_of_minus_1_are_0_if_the_truth_is_0_and_1(tmp_path: Path) -> None:
    answers = read_predictions_file(write(tmp_path / "preds.csv", {"truth": [0, 1, 1, 0], "pred": [-1, 1, -1, 1]}))
    assert answers.labels == ("0", "1")
    assert answers.decisions[:, 1].tolist() == [False, True, False, True]
    assert any("the decision -1 is read as 0" in note for note in answers.notes)


def test_decided_labels_that_no_truth_has_are_said(tmp_path: Path) -> None:
    columns = {"truth": ["a", "b"] * 20, "pred": ["a", "b", "?", "a"] * 10}
    answers = read_predictions_file(write(tmp_path / "preds.csv", columns))
    assert any("no row of the truth has these labels, which are decided: '?' (10 rows)" in n for n in answers.notes)


def test_vectors_of_several_lengths_are_refused_with_their_rows(tmp_path: Path) -> None:
    columns = {"truth": [[0, 0, 1]] * 5, "pred": [[0, 0, 1], [0, 0], [0, 0, 1], [1, 1], [1, 1, 0]]}
    message = refused(write(tmp_path / "preds.parquet", columns))
    assert "its vectors of 0 and 1 have 3 places in most rows, but another number in rows 2 and 4" in message


def test_missing_decisions_are_made_from_the_probabilities_with_a_note(
    tmp_path: Path, truth: list[int], ranked: np.ndarray
) -> None:
    answers = read_predictions_file(
        write(tmp_path / "preds.csv", {"truth": truth, "score": ranked}), probability=("score",)
    )
    assert answers.decisions[:, 1].tolist() == (ranked > 0.5).tolist()
    assert any("decisions are made from the probabilities" in note for note in answers.notes)


def test_columns_of_probabilities_are_matched_to_labels_by_name(tmp_path: Path) -> None:
    columns = {"truth": ["a", "b"] * 20, "p_b": [0.2, 0.9] * 20, "p_a": [0.8, 0.1] * 20}
    probabilities = read_predictions_file(write(tmp_path / "preds.csv", columns)).probabilities
    assert probabilities is not None
    assert probabilities[0].tolist() == [0.8, 0.2]


def test_a_column_of_lists_holds_probabilities_in_label_order(tmp_path: Path) -> None:
    columns = {"truth": ["c", "a", "b"] * 20, "p": [[0.1, 0.2, 0.7]] * 60}
    answers = read_predictions_file(write(tmp_path / "preds.parquet", columns), probability=("p",))
    assert answers.decisions[0].tolist() == [False, False, True]
    assert any("'a', 'b', 'c', in this order" in note for note in answers.notes)


def test_the_output_of_tuner_predict_is_read_without_naming_a_column(tmp_path: Path, truth: list[int]) -> None:
    columns = {
        "row": range(1, ROWS + 1),
        "prediction": [str(value) for value in truth],
        "p_0": [0.5] * ROWS,
        "p_1": [0.5] * ROWS,
        "label": [str(value) for value in truth],
    }
    answers = read_predictions_file(write(tmp_path / "preds.parquet", columns))
    assert answers.probabilities is not None
    assert (answers.decisions == answers.truth).all()


def test_rows_without_a_truth_are_left_out_and_counted(tmp_path: Path) -> None:
    uri = write(tmp_path / "preds.parquet", {"truth": ["a", None, "b"] * 20, "pred": ["a", "b", "b"] * 20})
    answers = read_predictions_file(uri)
    assert len(answers.truth) == 40
    left_out = "rows 2, 5, 8, 11 and 14 (20 in all) left out, as the label in column 'truth' is null or NaN"
    assert any(left_out in note for note in answers.notes)


def refused(uri: str, **columns: Any) -> str:
    with pytest.raises(DataError, match=r".+") as caught:
        read_predictions_file(uri, **columns)
    return str(caught.value)


def test_a_missing_column_is_reported_with_the_closest_name(tmp_path: Path) -> None:
    uri = write(tmp_path / "preds.csv", {"label": ["a", "b"], "predicted": ["a", "b"]})
    assert "there is no column 'predictd'; did you mean 'predicted'?" in refused(uri, pred=("predictd",))


def test_all_missing_columns_are_reported_at_once(tmp_path: Path) -> None:
    message = refused(write(tmp_path / "preds.csv", {"label": ["a"]}), pred=("x",), truth=("y",), probability=("z",))
    assert all(f"there is no column '{name}'" in message for name in "xyz")


@pytest.mark.parametrize(
    ("columns", "given", "message"),
    [
        (
            {"a": ["x", "y"]},
            {},
            "no column has a usual name for the truth; name the column of true labels with --truth",
        ),
        ({"truth": ["x", "y"], "b": [1, 2]}, {}, r"columns 'truth', 'b' hold no predictions; name a column"),
        ({"truth": ["x", "y"], "pred": ["p", "q"]}, {}, "no label in common; use the same label names in both"),
        ({"truth": ["x"] * 9, "pred": ["x"] * 9}, {}, "every row is 'x', so there is nothing to predict"),
        ({"truth": [0.5, 0.25], "pred": ["a", "b"]}, {}, "it holds fractions (double), which cannot be labels"),
        (
            {"truth": [0, 1], "logit": [-3.0, 2.5]},
            {"probability": ("logit",)},
            "-3 in row 1 is not between 0 and 1; give probabilities; apply a sigmoid to logits",
        ),
        ({"truth": [0, 1], "p": [0.1, None]}, {"probability": ("p",)}, "row 2: null, NaN or infinite"),
        (
            {"truth": [0, 1], "p": ["0.5", "low"]},
            {"probability": ("p",)},
            "not a column of numbers: row 2 has 'low'; name columns",
        ),
        (
            {"truth": ["a", "b"], "my p": [0.5, 0.25]},
            {"pred": ("my p",)},
            "it holds fractions such as 0.5, which look like probabilities and not like decisions; give them as "
            "--probability 'my p'",
        ),
        (
            {"a": [0, 1], "b": [1, 0], "p": [0.5, 0.2], "q": ["0.1", "1"]},
            {"truth": ("a", "b"), "pred": ("p", "q")},
            "give them as --probability p --probability q",
        ),
        *[
            ({"truth": [0, 1, 1], "pred": preds}, {}, f"such as {first}, which look like probabilities and not like")
            for preds, first in [
                (["5.7e-01", "0.000e+00", "1.000e+00"], "5.7e-01"),
                (["0.25", "N/A", "0.5"], "0.25"),
                (["0.25 0.75", "0.5 0.5", "1.0 0.0"], "0.25"),
            ]
        ],
        (
            {"truth": [0, 1, 1], "pred": ["0.25", "N/A", "0.5"]},
            {},
            "'N/A' is no number: leave out the rows without a prediction, then give them as --probability pred",
        ),
        *[
            (
                {"truth": [0, 1, 1], "pred": preds},
                {},
                "some cells are empty: leave out the rows without a prediction, then give them as --probability pred",
            )
            for preds in (["0.25", "", "0.5"], [0.25, None, 0.5])
        ],
        ({"truth": [0, 1], "pred": ["-2.5", "1.5"]}, {}, "such as -2.5, which are neither decisions nor probabilities"),
        ({"truth": [0, 1], "pred": [-2.5, 1.5]}, {}, "such as -2.5, which are neither decisions nor probabilities"),
        (
            {"truth": ["a", "b"], "pred": ["tensor([0.1, 0.9])", "tensor([0.8, 0.2])"]},
            {},
            "column 'pred', rows 1 and 2: it is a printed tensor; write its .tolist(); write labels, or",
        ),
        (
            {"truth": [[0, 1, 1], [1, 0, 0]], "pred": [["a"], ["b"]]},
            {},
            "decisions are 'a', 'b', but the truth is vectors of 0 and 1 with 3 places, labels '0', '1', '2': no label in common",
        ),
        (
            {"truth": ["a", None, "b", None], "pred": [None, "b", None, "a"]},
            {},
            "rows 2 and 4 left out, as the label in column 'truth' is null or NaN; rows 1 and 3 left out, as the label in",
        ),
        (
            {"truth": ["a", "b", "c"], "p": [0.1, 0.2, 0.3], "q": [0.1, 0.2, 0.3]},
            {"probability": ("p", "q")},
            "2 columns of probabilities, but 3 labels: 'a', 'b', 'c'; name one column for each label",
        ),
        (
            {"truth": [None, "a", None, "b"], "pred": ["a", None, "b", None]},
            {},
            "no row has both a truth and a decision",
        ),
        (
            {"truth": [str(n) for n in range(40)], "pred": ["1"] * 40},
            {},
            "40 different values on 40 rows cannot be labels",
        ),
    ],
)
def test_unusable_files_are_refused_with_value_rule_and_remedy(
    columns: dict[str, Any], given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    assert message in refused(write(tmp_path / "preds.parquet", columns), **given)


def test_a_constant_answer_with_a_good_ranking_is_blamed_on_the_threshold(
    tmp_path: Path, truth: list[int], ranked: np.ndarray
) -> None:
    uri = write(tmp_path / "preds.csv", {"truth": truth, "pred": [0] * ROWS, "p_1": ranked + 0.3})
    diagnosis = diagnose(evidence_of_file(uri))
    assert (diagnosis.state, diagnosis.causes[0].name) == ("collapsed", "threshold")


def test_without_probabilities_the_diagnosis_asks_for_them(tmp_path: Path, truth: list[int]) -> None:
    diagnosis = diagnose(evidence_of_file(write(tmp_path / "preds.csv", {"truth": truth, "pred": [0] * ROWS})))
    assert diagnosis.causes[0].name == "imbalance"
    assert any("give the probabilities (--probability)" in line for line in diagnosis.missing)


def test_percentages_are_read_as_probabilities_and_noted(tmp_path: Path, truth: list[int], ranked: np.ndarray) -> None:
    percent = [f"{100 * value:.1f} %" for value in ranked]
    answers = read_predictions_file(write(tmp_path / "preds.csv", {"truth": truth, "p_1": percent}))
    assert answers.probabilities is not None
    assert answers.probabilities[:, 1] == pytest.approx(ranked, abs=6e-4)
    assert any("37 % is read as 0.37" in note for note in answers.notes)


def test_percentages_as_decisions_are_named_as_probabilities(tmp_path: Path, truth: list[int]) -> None:
    uri = write(tmp_path / "preds.csv", {"truth": truth, "pred": ["83 %", "7%"] * (ROWS // 2)})
    assert "give them as --probability pred" in refused(uri)


def test_a_file_with_plain_quotation_marks_is_read_with_quoting_none(tmp_path: Path) -> None:
    (tmp_path / "preds.csv").write_text("truth,pred\n" + 'a,a\n"b,"b\n' * 20)
    assert read_predictions_file(str(tmp_path / "preds.csv"), text_format=TextFormat(quoting="none")).labels == (
        '"b',
        "a",
    )


def test_good_predictions_are_healthy(tmp_path: Path, truth: list[int], ranked: np.ndarray) -> None:
    uri = write(tmp_path / "preds.csv", {"truth": truth, "p_1": np.clip(ranked + 0.2, 0, 1)})
    diagnosis = diagnose(evidence_of_file(uri))
    assert (diagnosis.state, diagnosis.causes) == ("healthy", ())


def texts_of(truth: list[int], words: dict[int, str]) -> list[str]:
    generator = np.random.default_rng(3)
    return [
        f"{words[value]} w{a} w{b}" for value, (a, b) in zip(truth, generator.integers(0, 40, (ROWS, 2)), strict=True)
    ]


def test_texts_unrelated_to_the_labels_hold_no_signal(tmp_path: Path, truth: list[int]) -> None:
    guess = np.random.default_rng(4).permutation(truth).tolist()
    texts = texts_of(truth, {0: "word", 1: "word"})
    uri = write(tmp_path / "preds.csv", {"truth": truth, "pred": guess, "text": texts})
    diagnosis = diagnose(evidence_of_file(uri, text="text"))
    assert (diagnosis.state, diagnosis.causes[0].name) == ("no signal", "no_signal")


def test_a_guess_is_not_blamed_on_texts_that_predict_the_label(tmp_path: Path, truth: list[int]) -> None:
    guess = np.random.default_rng(4).permutation(truth).tolist()
    texts = texts_of(truth, {0: "ham", 1: "spam"})
    uri = write(tmp_path / "preds.csv", {"truth": truth, "pred": guess, "text": texts})
    diagnosis = diagnose(evidence_of_file(uri, text="text"))
    assert diagnosis.state == "weak"
    assert "no_signal" not in {cause.name for cause in diagnosis.causes}


def test_repeated_texts_with_other_labels_are_conflicts(tmp_path: Path) -> None:
    truth = [0, 1] * (ROWS // 2)
    texts = [f"text {number // 2}" for number in range(ROWS)]
    uri = write(tmp_path / "preds.csv", {"truth": truth, "pred": [0] * ROWS, "text": texts})
    first = diagnose(evidence_of_file(uri, text="text")).causes[0]
    assert first.name == "conflicting_duplicates"
    assert first.measurement["conflict_share"] == 0.5


def test_a_training_file_shows_unknown_words_and_rare_labels(tmp_path: Path, truth: list[int]) -> None:
    texts = texts_of(truth, {0: "ham", 1: "spam"})
    uri = write(tmp_path / "preds.csv", {"truth": truth, "pred": [0] * ROWS, "text": texts})
    rare = {"text": [f"other words {n}" for n in range(99)] + ["spam"], "truth": [0] * 99 + [1]}
    evidence = evidence_of_file(uri, text="text", train=write(tmp_path / "train.csv", rare))
    assert evidence.data is not None
    assert evidence.data.unknown_share is not None
    assert evidence.data.unknown_share > 0.8
    assert evidence.decisions is not None
    assert [label.train_rows for label in evidence.decisions.labels] == [99, 1]
    assert {cause.name for cause in diagnose(evidence).causes} >= {"unknown_words", "imbalance"}


def test_a_training_file_without_labels_still_shows_unknown_words(tmp_path: Path, truth: list[int]) -> None:
    texts = texts_of(truth, {0: "ham", 1: "spam"})
    uri = write(tmp_path / "preds.csv", {"truth": truth, "pred": [0] * ROWS, "text": texts})
    evidence = evidence_of_file(uri, text="text", train=write(tmp_path / "train.csv", {"text": texts}))
    assert evidence.data is not None
    assert evidence.data.unknown_share == 0
    assert evidence.reference is None
    assert any("the training labels are not known" in note for note in evidence.notes)


def test_columns_of_decisions_are_not_taken_for_probabilities(tmp_path: Path) -> None:
    columns = {"t_x": [1, 0] * 20, "t_y": [0, 1] * 20, "p_x": [1, 0] * 20, "p_y": [1] * 40}
    read = read_predictions_file(write(tmp_path / "preds.csv", columns), truth=("t_x", "t_y"), pred=("p_x", "p_y"))
    assert read.probabilities is None


def test_a_column_that_names_its_label_is_that_label_even_if_the_other_column_names_none(tmp_path: Path) -> None:
    path = tmp_path / "preds.csv"
    path.write_text("truth,p_no,p_ja\n" + "ja,0.1,0.9\nnein,0.8,0.2\n" * 30)
    evidence = evidence_of_file(str(path), truth=("truth",), probability=("p_no", "p_ja"))
    assert any("columns 'p_ja', 'p_no' are read as 'ja', 'nein', in this order" in note for note in evidence.notes)
    assert evidence.decisions is not None
    assert evidence.decisions.macro_f1 == 1.0
