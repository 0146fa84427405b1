"""A bundle predicts like the model saved in it and holds no code, and its errors say what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tuner
from builders.bundle import make_bundle
from tuner.bundle.member_files import restore_model
from tuner.bundle.members import LstmMember, share_preparations
from tuner.bundle.model_bundle import (
    FORMAT,
    Bundle,
    load,
    read_probabilities,
    save_bundle,
    save_probabilities,
    save_weights,
)
from tuner.data.dataset import Dataset
from tuner.data.preparation import fit_preparation, preparation_setting
from tuner.data.token_lists import join_tokens
from tuner.errors import BundleError, DataError
from tuner.model.build import to_probabilities
from tuner.space.configuration import Configuration
from tuner.storage import Folder
from tuner.training.loop import predict_logits
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

TASKS = ("binary", "multiclass", "multilabel")
FILES = ["bundle.json", "preparation.json", "weights.safetensors"]


@pytest.fixture
def make_trial(prepare_for: Any) -> Callable[[Configuration, Dataset], Trial]:
    def make(configuration: Configuration, dataset: Dataset) -> Trial:
        data = prepare_for(dataset, configuration)
        settings = TrialSettings(max_epochs=2, reports_per_epoch=1, penalty_weight=1.0)
        trial = Trial(configuration, data, settings, seed=1)
        trial.next_measurement()
        return trial

    return make


@pytest.fixture
def bundle(configure: Any, make_dataset: Any) -> Bundle:
    return make_bundle(make_dataset("multilabel"), [configure()])


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(Folder.at(tmp_path / "champion"), bundle)
    return tmp_path / "champion"


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "last"},
        {"pooling": "concatenation", "layer_norm": True},
        {"pooling": "self_attention", "variational_dropout": True},
        {"cell": "gru", "pooling": "attention", "weight_dropout": 0.2},
        {"tokens": "character", "truncation": "start", "max_length": 5},
        {"tokens": "bpe", "tokens.bpe.size": 120},
        {"tokens": "wordpiece", "tokens.wordpiece.size": 120},
        {"tokens.word.forms": "stem", "tokens.word.stop_words": False},
        {"tokens.word.forms": "lemma", "tokens.word.punctuation": False},
        {"embedding": "word2vec", "embedding.word2vec.is_tuned": False},
    ],
    ids=lambda change: "-".join(map(str, change.values())),
)
@pytest.mark.parametrize("task", TASKS)
def test_a_loaded_bundle_gives_the_probabilities_of_the_saved_one(
    task: str, change: dict[str, Any], configure: Any, make_dataset: Any, tmp_path: Path
) -> None:
    dataset = make_dataset(task)
    bundle = make_bundle(dataset, [configure(change, layers=2)])
    save_bundle(Folder.at(tmp_path), bundle)
    again = load(tmp_path)
    texts = [*dataset.test.inputs, "", "words unheard"]
    assert again.predict_proba(texts).tolist() == bundle.predict_proba(texts).tolist()
    assert again.predict(texts) == bundle.predict(texts)


@pytest.mark.parametrize(
    "change", [{}, {"tokens.word.min_count": 8}, {"max_length": 3}, {"truncation": "start", "max_length": 3}]
)
@pytest.mark.parametrize("task", TASKS)
def test_a_bundle_predicts_from_texts_what_the_trial_computed_from_its_own_encoding(
    task: str, change: dict[str, Any], configure: Any, make_dataset: Any, make_trial: Any
) -> None:
    configuration, dataset = configure(change), make_dataset(task)
    trial = make_trial(configuration, dataset)
    whole = fit_preparation(preparation_setting(configuration), dataset.train.inputs)
    (member,) = share_preparations([LstmMember(1, None, configuration, trial.model, whole)])
    bundle = replace(make_bundle(dataset, [configuration]), members=(member,))
    logits = predict_logits(trial.model, trial._kept.validation)
    expected = to_probabilities(logits, dataset.task, seen=dataset.seen)
    np.testing.assert_allclose(bundle.predict_proba(dataset.validation.inputs), expected, atol=1e-6)


def test_a_bundle_of_token_lists_reads_lists_only(configure: Any, make_dataset: Any, tmp_path: Path) -> None:
    made = make_dataset("binary")
    lists = [text.split() for text in made.train.inputs]
    train = replace(made.train, inputs=tuple(map(join_tokens, lists)))
    save_bundle(
        Folder.at(tmp_path), make_bundle(replace(made, train=train, validation=train, test=train), [configure()])
    )
    again = load(tmp_path)
    assert again.is_tokenised
    expected = again.predict_proba(train.inputs).tolist()
    for rows in (lists, [np.array(row) for row in lists], list(map(tuple, lists))):
        assert again.predict_proba(rows).tolist() == expected
    assert len(again.predict([[7, 12], []])) == 2
    for row, problem in (
        ("a text", "the model reads lists of tokens, but this is str"),
        ([1.5], "1.5 is not a token: a word or a whole number"),
        (["a", ""], "'' is not a token"),
        ([True], "True is not a token"),
    ):
        with pytest.raises(DataError, match=f"inputs: row 2: {problem}.*; give every row as a list of str or int"):
            again.predict([["a"], row])


def test_a_text_that_begins_with_a_separator_is_a_text(bundle: Bundle) -> None:
    assert bundle.predict_proba(["\x1falpha"]).tolist() == bundle.predict_proba(["alpha"]).tolist()


def test_everything_but_the_numbers_survives_too(saved: Path, bundle: Bundle) -> None:
    again = load(saved)
    for name in ("task", "labels", "configuration", "columns", "record"):
        assert getattr(again, name) == getattr(bundle, name)
    assert again.seen.tolist() == bundle.seen.tolist()


def test_a_threshold_that_is_never_reached_survives(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(Folder.at(tmp_path), replace(bundle, thresholds=np.array([0.25, np.inf, 1e-12])))
    assert load(tmp_path).thresholds.tolist() == [0.25, np.inf, 1e-12]
    assert "Infinity" not in (tmp_path / "bundle.json").read_text()


def test_multilabel_predictions_are_lists_of_names_which_may_be_empty(bundle: Bundle) -> None:
    texts = ["alpha beta", "w1"]
    assert replace(bundle, thresholds=np.array([0.0, np.inf, 0.0])).predict(texts) == [["a", "c"], ["a", "c"]]
    assert replace(bundle, thresholds=np.full(3, np.inf)).predict(texts) == [[], []]


def test_multiclass_predictions_are_the_most_probable_names(configure: Any, make_dataset: Any) -> None:
    bundle = make_bundle(make_dataset("multiclass"), [configure()])
    texts = ["alpha", "beta w1", "gamma w2 w3"]
    expected = [("a", "b", "c")[label] for label in bundle.predict_proba(texts).argmax(1)]
    assert bundle.predict(texts) == expected


@pytest.mark.parametrize(("threshold", "expected"), [(0.0, ["yes"]), (1.1, ["no"])])
def test_binary_predictions_follow_the_threshold_of_the_positive_label(
    threshold: float, expected: list[str], configure: Any, make_dataset: Any
) -> None:
    bundle = make_bundle(make_dataset("binary"), [configure()])
    assert replace(bundle, thresholds=np.array([threshold])).predict(["alpha w1"]) == expected


@pytest.mark.parametrize("task", TASKS)
def test_no_texts_give_no_predictions(task: str, configure: Any, make_dataset: Any) -> None:
    bundle = make_bundle(make_dataset(task), [configure()])
    assert bundle.predict_proba([]).shape == (0, len(bundle.labels))
    assert bundle.predict([]) == []


def test_a_prediction_does_not_depend_on_the_texts_beside_it(bundle: Bundle, make_dataset: Any) -> None:
    texts = make_dataset("multilabel").test.inputs
    together = bundle.predict_proba(texts)
    alone = np.concatenate([bundle.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_bundle_is_three_files_none_of_them_pickled(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == FILES
    for path in saved.iterdir():
        content = path.read_bytes()
        assert not content.startswith((b"\x80", b"PK"))  # a pickle, or the archive that torch.save makes of one
        if path.suffix == ".json":
            json.loads(content)


def test_loading_unpickles_nothing(saved: Path) -> None:
    (saved / "weights.safetensors").unlink()
    torch.save({"head.bias": torch.zeros(3)}, saved / "weights.safetensors")
    with pytest.raises(BundleError, match="copy it again"):
        load(saved)


def test_a_run_stands_for_its_champion(saved: Path) -> None:
    assert load(saved.parent).labels == load(saved).labels


def test_the_package_loads_a_bundle(saved: Path) -> None:
    assert tuner.load(saved).labels == ("a", "b", "c")
    assert tuner.load(str(saved)).labels == ("a", "b", "c")


def test_a_bundle_lies_on_any_file_system(bundle: Bundle, tmp_path: Path) -> None:
    location = f"file://{tmp_path}/elsewhere"
    save_bundle(Folder.at(location), bundle)
    assert load(location).labels == bundle.labels


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_a_remedy(name: str, saved: Path) -> None:
    (saved / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} not found; give the champion/ folder of a finished run") as caught:
        load(saved)
    assert str(saved) in str(caught.value)


def test_a_folder_that_is_not_there_names_every_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle\.json, preparation\.json, weights\.safetensors not found"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b"[]", b"null", b"\xff\xfe"])
@pytest.mark.parametrize("name", FILES)
def test_a_corrupt_file_is_an_error_with_a_remedy(name: str, content: bytes, saved: Path) -> None:
    (saved / name).write_bytes(content)
    with pytest.raises(BundleError, match=r"cannot be read.*copy it again from its run"):
        load(saved)


@pytest.mark.parametrize("name", FILES)
def test_half_a_file_is_an_error_with_a_remedy(name: str, saved: Path) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match="copy it again from its run"):
        load(saved)


def test_weights_of_another_configuration_are_an_error(saved: Path) -> None:
    described = json.loads((saved / "bundle.json").read_text())
    described["members"][0]["configuration"]["hidden"] = 7
    (saved / "bundle.json").write_text(json.dumps(described))
    with pytest.raises(BundleError, match="cannot be read"):
        load(saved)


@pytest.mark.parametrize("change", [{"labels": ["a", "b"]}, {"thresholds": [0.5]}, {"seen": [True]}])
def test_parts_that_do_not_fit_each_other_are_an_error(change: dict[str, Any], saved: Path) -> None:
    described = json.loads((saved / "bundle.json").read_text())
    (saved / "bundle.json").write_text(json.dumps(described | change))
    with pytest.raises(BundleError, match="cannot be read"):
        load(saved)


def test_a_bundle_of_another_format_names_both_formats(saved: Path) -> None:
    described = json.loads((saved / "bundle.json").read_text())
    (saved / "bundle.json").write_text(json.dumps(described | {"format": FORMAT + 1}))
    with pytest.raises(BundleError, match=rf"format {FORMAT + 1}, but this tuner reads 3 and {FORMAT}; load it with"):
        load(saved)


def test_the_format_is_checked_before_the_files(saved: Path) -> None:
    described = json.loads((saved / "bundle.json").read_text())
    (saved / "bundle.json").write_text(json.dumps(described | {"format": 2}))
    (saved / "preparation.json").unlink()
    with pytest.raises(BundleError, match=rf"format 2, but this tuner reads 3 and {FORMAT}"):
        load(saved)


def test_a_vocabulary_of_another_size_is_an_error_that_names_both(saved: Path) -> None:
    (prepared,) = json.loads((saved / "preparation.json").read_text())
    words = prepared["words"]
    (saved / "preparation.json").write_text(json.dumps([prepared | {"words": words[:-1]}]))
    with pytest.raises(BundleError, match=rf"{len(words) + 1} tokens, but the rest of the bundle has {len(words) + 2}"):
        load(saved)


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("record", {"penalty_weight": 1.0, "colour": "red"}, "record has unknown colour"),
        ("record", {}, "record lacks penalty_weight"),
        ("columns", {"text": "text"}, "columns lacks sequence"),
        (
            "columns",
            {"text": None, "sequence": "steps", "label": "label", "labels": None, "label_columns": None},
            "the columns name sequence, but the model reads a text",
        ),
        (
            "columns",
            {"text": "text", "sequence": None, "label": "label", "labels": "labels", "label_columns": None},
            "name 2 kinds of labels",
        ),
    ],
)
def test_a_record_or_columns_that_are_not_whole_are_an_error(
    key: str, change: dict[str, Any], message: str, saved: Path
) -> None:
    described = json.loads((saved / "bundle.json").read_text())
    (saved / "bundle.json").write_text(json.dumps(described | {key: change}))
    with pytest.raises(BundleError, match=message):
        load(saved)


def test_a_weight_of_another_shape_is_named(saved: Path) -> None:
    described = json.loads((saved / "bundle.json").read_text())
    described["members"][0]["configuration"]["hidden"] = 7
    (saved / "bundle.json").write_text(json.dumps(described))
    with pytest.raises(BundleError, match=r"have shape .*, but hidden is 7"):
        load(saved)


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_saved_weights_make_the_model_again(
    inputs: str, configure: Any, make_dataset: Any, make_trial: Any, tmp_path: Path
) -> None:
    configuration, dataset = configure(inputs=inputs, layers=2), make_dataset("multiclass", inputs=inputs)
    trial = make_trial(configuration, dataset)
    preparation = fit_preparation(preparation_setting(configuration), dataset.train.inputs)
    save_weights(f"{tmp_path}/finalists/trial-3.safetensors", trial.model)
    again = restore_model((tmp_path / "finalists/trial-3.safetensors").read_bytes(), configuration, preparation)
    logits = [predict_logits(model, trial._kept.validation) for model in (trial.model, again)]
    assert logits[0].tolist() == logits[1].tolist()


def test_a_bundle_for_sequences_reads_arrays_of_any_lengths(configure: Any, make_dataset: Any, tmp_path: Path) -> None:
    dataset = make_dataset("multiclass", inputs="sequence")
    bundle = make_bundle(dataset, [configure(inputs="sequence")])
    save_bundle(Folder.at(tmp_path), bundle)
    again = load(tmp_path)
    rows = [dataset.test.inputs.row(number) for number in range(5)]
    expected = bundle.predict_proba(dataset.test.inputs)[:5]
    np.testing.assert_allclose(again.predict_proba(rows), expected, atol=1e-6)
    assert again.predict(rows) == [again.labels[label] for label in expected.argmax(1)]


@pytest.mark.parametrize(
    ("row", "message"),
    [(["a"], "row 2 is not a list of"), ([[1.0, 2.0], [3.0]], "row 2 is not a list of"), ([], "row 2 is empty")],
)
def test_rows_that_are_no_sequences_are_refused_by_number(
    row: Any, message: str, configure: Any, make_dataset: Any
) -> None:
    dataset = make_dataset("multiclass", inputs="sequence")
    bundle = make_bundle(dataset, [configure(inputs="sequence")])
    with pytest.raises(DataError, match=rf"inputs: {message}.*; give each row as a list of numbers"):
        bundle.predict([dataset.test.inputs.row(0), row])


@pytest.mark.parametrize(
    "tokens", [{"tokens": "word"}, {"tokens": "bpe", "tokens.bpe.size": 100}, {"tokens": "character"}], ids=str
)
def test_half_of_a_surrogate_pair_is_read_as_a_character_that_is_unknown(
    tokens: dict[str, Any], configure: Any, make_dataset: Any
) -> None:
    bundle = make_bundle(make_dataset("binary"), [configure(tokens)])
    odd, plain = bundle.predict_proba(["red \ud83d", "red ?"])
    assert np.isfinite([odd, plain]).all()


def test_probabilities_of_held_out_rows_survive(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).random((7, 3))
    save_probabilities(f"{tmp_path}/trial-3-held-out.safetensors", probabilities, examples=40)
    read, examples = read_probabilities((tmp_path / "trial-3-held-out.safetensors").read_bytes())
    assert read.tolist() == probabilities.tolist()
    assert examples == 40
