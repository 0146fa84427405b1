"""An unknown name is answered with what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import SpaceError, letters_of
from tuner.space.imbalance import IMBALANCE
from tuner.space.load import load_space
from tuner.space.options import Options
from tuner.space.unknown_names import _NOT_HERE

TEXT = "task: multilabel\ndata: {train: a.parquet, labels: l}\nsearch: {time: 5m}\nspace:\n"
SEQUENCE = TEXT.replace("labels: l", "labels: l, sequence: s")


def answers(folder: Path, text: str) -> list[str]:
    path = folder / "x.yaml"
    path.write_text(text)
    with pytest.raises(SpaceError) as caught:
        load_space(str(path))
    return [f"{fault.what}; {fault.remedy}".removeprefix("space.") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (
            "threshold: 1",
            "threshold: space has no parameter 'threshold'; it belongs to space.clipping.norm and space.clipping.value",
        ),
        (
            "vocabulary: 5000",
            "vocabulary: space has no parameter 'vocabulary'; write tokens: {word: {vocabulary: …}}",
        ),
        (
            "min_count: [1, 2]",
            "min_count: space has no parameter 'min_count'; write tokens: {word: {min_count: …}}",
        ),
        (
            "optimiser: {sgd: {beta: 0.1}}",
            "optimiser.sgd.beta: sgd has no parameter 'beta'; write loss_weights: {effective_number: {beta: …}}",
        ),
        (
            "optimiser: {adam: {learning_rate: 0.1}}",
            "optimiser.adam.learning_rate: adam has no parameter 'learning_rate'; write learning_rate: …",
        ),
        (
            "patience: 5",
            "patience: space has no parameter 'patience'; "
            "write schedule: {plateau: {patience: …}}; otherwise, it belongs to search: move it there",
        ),
        ("folds: 5", "folds: unknown parameter 'folds'; it belongs to data: move it there"),
    ],
)
def test_a_parameter_in_the_wrong_place_is_answered_with_the_right_place(
    tmp_path: Path, written: str, answer: str
) -> None:
    assert answers(tmp_path, f"{TEXT}  {written}\n") == [answer]


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("optimizer: adam", "optimizer: unknown parameter 'optimizer'; did you mean 'optimiser'?"),
        ("lr: 0.1", "lr: 'lr' has another name here; write learning_rate: …"),
        ("bidirectional: true", "bidirectional: 'bidirectional' has another name here; write directions: 2"),
        (
            "embedding_scale: 0.1",
            "embedding_scale: 'embedding_scale' has another name here; write embedding: {random: {scale: …}}",
        ),
        ("class_weight: x", "class_weight: 'class_weight' has another name here; write loss_weights: …"),
        ("early_stopping: 3", "early_stopping: 'early_stopping' has another name here; write patience in"),
    ],
)
def test_a_name_from_another_library_is_answered_with_the_name_here(tmp_path: Path, written: str, answer: str) -> None:
    (message,) = answers(tmp_path, f"{TEXT}  {written}\n")
    assert message.startswith(answer)


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("sigmoid: true", "sigmoid: no parameter 'sigmoid': every loss works on logits"),
        ("activation: softmax", "activation: no parameter 'activation': every loss works on logits"),
        ("padding: 0", "padding: no parameter 'padding': padding is never read"),
        ("pack: true", "pack: no parameter 'pack': padding is never read"),
        ("pooling: {last: {mask: true}}", "pooling.last.mask: no parameter 'mask': padding is never read"),
    ],
)
def test_a_pitfall_of_other_libraries_has_no_parameter_here(tmp_path: Path, written: str, answer: str) -> None:
    (message,) = answers(tmp_path, f"{TEXT}  {written}\n")
    assert message.startswith(answer)


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (
            "smote: {neighbours: 3}",
            "smote: 'smote' is not a parameter, but an option of resampling; write resampling: smote",
        ),
        ("stem: true", "stem: 'stem' is not a parameter, but an option of forms; write tokens: {word: {forms: stem}}"),
        ("loss: bce", "loss: 'bce' is not among the options; write cross_entropy"),
        ("cell: bilstm", "cell: 'bilstm' is not among the options; write lstm, with directions: 2"),
        ("embedding: glove", "embedding: 'glove' is not among the options; write {file: {path: …}}"),
        ("resampling: bce", "resampling: 'bce' is not among the options; known: "),
        ("loss: BCEWithLogitsLoss", "loss: 'BCEWithLogitsLoss' is not among the options; write cross_entropy"),
        ("loss: asl", "loss: 'asl' is not among the options; write asymmetric"),
        ("loss: soft_f1", "loss: 'soft_f1' is not an option of loss, but a parameter; write soft_f1: …"),
        (
            "loss: label_smoothing",
            "loss: 'label_smoothing' is not an option of loss, but a parameter; "
            "write loss: {cross_entropy: {label_smoothing: …}}",
        ),
        (
            "clipping: threshold",
            "clipping: 'threshold' is not an option of clipping, but a parameter; "
            "it belongs to space.clipping.norm and space.clipping.value",
        ),
    ],
)
def test_a_misplaced_option_is_answered_with_its_parameter_or_its_name(
    tmp_path: Path, written: str, answer: str
) -> None:
    (message,) = answers(tmp_path, f"{TEXT}  {written}\n")
    assert message.startswith(answer)


SEVERAL_LABELS = (
    "none, oversample, undersample, balanced_batches, label_set_oversample, label_set_undersample, ml_ros, ml_rus, "
    "mlsmote"
)


@pytest.mark.parametrize(
    ("task", "written", "answer"),
    [
        ("binary", "resampling: SMOTE", "'SMOTE' is not among the options; did you mean 'smote'?"),
        ("binary", "resampling: ADASYN", "'ADASYN' is not among the options; did you mean 'adasyn'?"),
        (
            "binary",
            "resampling: BorderlineSMOTE",
            "'BorderlineSMOTE' is not among the options; did you mean 'borderline_smote'?",
        ),
        ("binary", "resampling: SMOTETomek", "'SMOTETomek' is not among the options; did you mean 'smote_tomek'?"),
        ("binary", "resampling: NearMiss", "'NearMiss' is not among the options; did you mean 'near_miss'?"),
        ("binary", "resampling: ENN", "'ENN' is not among the options; write edited_nearest_neighbours"),
        ("binary", "resampling: RandomOverSampler", "'RandomOverSampler' is not among the options; write oversample"),
        ("multilabel", "resampling: MLSMOTE", "'MLSMOTE' is not among the options; did you mean 'mlsmote'?"),
        (
            "multilabel",
            "resampling: TomekLinks",
            f"'TomekLinks' is not among the options; known: {', '.join(sorted(SEVERAL_LABELS.split(', ')))}",
        ),
        (
            "binary",
            "resampling: CondensedNearestNeighbour",
            "'CondensedNearestNeighbour' is not available; use near_miss, which is the most similar",
        ),
        (
            "binary",
            "resampling: SVMSMOTE",
            "'SVMSMOTE' is not available; use borderline_smote, which is the most similar",
        ),
        ("multilabel", "resampling: KMeansSMOTE", f"'KMeansSMOTE' is not available; choose from {SEVERAL_LABELS}"),
        ("binary", "loss: asl", "'asl' is not among the options; known: cross_entropy, focal"),
        (
            "multilabel",
            "resampling: 3",
            "3 is given, but resampling takes the name of an option; "
            f"write resampling: {{oversample: {{ratio: …}}}}, or choose from {SEVERAL_LABELS}",
        ),
    ],
)
def test_an_option_from_another_library_is_answered_with_what_the_task_may_use(
    tmp_path: Path, task: str, written: str, answer: str
) -> None:
    text = TEXT if task == "multilabel" else TEXT.replace("multilabel", task).replace("labels: l", "label: l")
    assert answers(tmp_path, f"{text}  {written}\n") == [f"{written.partition(':')[0]}: {answer}"]


def test_every_resampler_that_is_missing_is_answered_with_a_similar_one() -> None:
    resampling = IMBALANCE["resampling"]
    assert isinstance(resampling, Options)
    assert set(_NOT_HERE.values()) <= set(resampling.options)
    assert not set(_NOT_HERE) & set(map(letters_of, resampling.options))


@pytest.mark.parametrize(
    ("written", "places", "shown"),
    [
        ("128", [""], ["128"]),
        ("[100, 200]", ["[0]", "[1]"], ["100", "200"]),
        ("{choice: [0.5]}", [".choice[0]"], ["0.5"]),
        ("{low: 50, high: 300}", [""], ["a range"]),
    ],
)
def test_a_number_in_place_of_an_option_is_answered_with_where_it_goes(
    tmp_path: Path, written: str, places: list[str], shown: list[str]
) -> None:
    assert answers(tmp_path, f"{TEXT}  embedding: {written}\n") == [
        f"embedding{place}: {each} is given, but embedding takes the name of an option; "
        "write embedding: {random: {size: …}}, or choose from random, file, word2vec"
        for place, each in zip(places, shown, strict=True)
    ]


def test_a_parameter_for_texts_is_refused_for_sequences(tmp_path: Path) -> None:
    assert answers(tmp_path, f"{SEQUENCE}  tokens: word\n") == [
        "tokens: 'tokens' is for texts, but the data are numeric sequences; remove it"
    ]


def test_a_parameter_for_sequences_is_refused_for_texts(tmp_path: Path) -> None:
    assert answers(tmp_path, f"{TEXT}  noise: 0.1\n") == [
        "noise: 'noise' is for numeric sequences, but the data are texts; "
        "remove it, or name the column of sequences with data: {sequence: COLUMN}"
    ]
