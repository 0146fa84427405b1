"""Trial data: one encoding per setting, fitted on training rows, and with folds once per fold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.data.model_rows import make_rows
from tuner.data.preparation import (
    EmbeddingSetting,
    PreparationSetting,
    embedding_setting,
    fit_preparation,
    preparation_setting,
    read_preparation,
)
from tuner.data.prepared_settings import embedding_settings, preparation_settings
from tuner.data.row_vectors import document_vectors, sequence_vectors
from tuner.data.sequences import Sequences, Standardiser
from tuner.data.token_lists import join_tokens
from tuner.data.tokenisers import UNKNOWN, Tokeniser
from tuner.data.trial_data import prepare
from tuner.errors import DataError
from tuner.space.domains import Choice, Domain, Fixed, IntRange, OptionChoice, default_domain
from tuner.space.options import Options
from tuner.space.parameters import PARAMETERS
from tuner.space.task import Inputs

WORD = PreparationSetting(
    "word", (("forms", "as_written"), ("lower_case", True), ("punctuation", True), ("stop_words", True))
)
BPE = PreparationSetting("bpe", (("lower_case", True), ("size", 100)))
SEQUENCE = PreparationSetting("sequence", ())
WORD2VEC = EmbeddingSetting("word2vec", (("size", 8),))
TASKS = pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
INPUTS = pytest.mark.parametrize("inputs", ["text", "sequence"])


def space(inputs: Inputs = "text", **domains: Domain) -> dict[str, Domain]:
    """Every parameter at its default, except those given."""
    return {name: default_domain(parameter) for name, parameter in PARAMETERS[inputs].items()} | domains


def option(parameter: str, name: str, **domains: Domain) -> tuple[str, Mapping[str, Domain]]:
    """One option with its parameters at their defaults, except those given."""
    options = PARAMETERS["text"][parameter]
    assert isinstance(options, Options)
    defaults = {
        key: default_domain(each) for key, each in options.options[name].parameters.items() if key not in domains
    }
    return name, defaults | domains


BOTH_TOKENS = OptionChoice((option("tokens", "word"), option("tokens", "bpe", size=Fixed(100))))
TRAINED = OptionChoice((option("embedding", "random"), option("embedding", "word2vec", size=Fixed(8))))


def from_file(path: str) -> OptionChoice:
    return OptionChoice((option("embedding", "file", path=Fixed(path)),))


# --- settings


def test_every_setting_that_a_space_can_choose_is_listed_once() -> None:
    forms = OptionChoice((("as_written", {}), ("stem", {})))
    tokens = OptionChoice(
        (
            option("tokens", "word", lower_case=Choice((True, False)), forms=forms, vocabulary=IntRange(100, 900)),
            option("tokens", "bpe", size=Choice((100, 200))),
        )
    )
    settings = preparation_settings(space(tokens=tokens))
    assert len(settings) == len(set(settings)) == 2 * 2 + 2
    assert WORD in settings
    assert PreparationSetting("bpe", (("lower_case", True), ("size", 200))) in settings


def test_the_setting_of_a_configuration_is_among_those_of_its_space(configure: Any) -> None:
    assert preparation_setting(configure()) == WORD
    assert preparation_setting(configure({"tokens.bpe.size": 100}, tokens="bpe")) == BPE
    assert preparation_setting(configure(inputs="sequence")) == SEQUENCE
    assert preparation_settings(space()) == [WORD]
    assert preparation_settings(space(tokens=OptionChoice((option("tokens", "bpe", size=Fixed(100)),)))) == [BPE]
    assert preparation_settings(space("sequence")) == [SEQUENCE]


def test_parameters_that_only_cut_the_vocabulary_share_a_setting(configure: Any) -> None:
    cut = configure({"tokens.word.vocabulary": 500, "tokens.word.min_count": 3})
    assert preparation_setting(cut) == WORD


def test_an_embedding_has_a_setting_unless_it_starts_at_random(configure: Any) -> None:
    assert embedding_setting(configure()) is None
    assert embedding_setting(configure(inputs="sequence")) is None
    trained = configure({"embedding.word2vec.is_tuned": False, "embedding.word2vec.size": 8}, embedding="word2vec")
    assert embedding_setting(trained) == WORD2VEC
    read = configure({"embedding.file.path": "v.txt"}, embedding="file")
    assert embedding_setting(read) == EmbeddingSetting("file", (("path", "v.txt"),))


def test_every_embedding_setting_that_a_space_can_choose_is_listed_once() -> None:
    sizes = option("embedding", "word2vec", size=Choice((8, 16)), is_tuned=Choice((True, False)))
    assert embedding_settings(space(embedding=OptionChoice((option("embedding", "random"), sizes)))) == [
        WORD2VEC,
        EmbeddingSetting("word2vec", (("size", 16),)),
    ]
    assert embedding_settings(space(embedding=from_file("v.txt"))) == [EmbeddingSetting("file", (("path", "v.txt"),))]
    assert embedding_settings(space()) == []
    assert embedding_settings(space("sequence")) == []


# --- rows


@TASKS
@INPUTS
def test_trial_data_has_consistent_shapes(task: Any, inputs: Inputs, make_dataset: Any) -> None:
    dataset = make_dataset(task, inputs=inputs)
    data = prepare(dataset, space(inputs))
    (splits,) = data.prepared[WORD if inputs == "text" else SEQUENCE]
    assert (len(splits.train), len(splits.validation)) == (len(dataset.train), len(dataset.validation))
    assert data.inputs == inputs
    assert data.labels == dataset.labels
    assert data.validation_truth.shape == (len(dataset.validation), data.n_labels)
    assert data.vectors is None
    assert data.tables == {}
    assert (splits.counts is None) == (inputs == "sequence")


@INPUTS
def test_fitting_depends_on_training_rows_only(inputs: Inputs, make_dataset: Any) -> None:
    dataset = make_dataset("binary", inputs=inputs)
    other = make_dataset("binary", inputs=inputs, rows=300, seed=7)
    parameters = space(inputs) | ({"tokens": BOTH_TOKENS, "embedding": TRAINED} if inputs == "text" else {})
    first = prepare(dataset, parameters)
    changed = prepare(replace(dataset, validation=other.validation, test=other.test), parameters)
    for setting, (splits,) in first.prepared.items():
        (again,) = changed.prepared[setting]
        assert splits.train.steps.tolist() == again.train.steps.tolist()
        assert as_list(splits.counts) == as_list(again.counts)
    for key, (table,) in first.tables.items():
        assert table.vectors.tolist() == changed.tables[key][0].vectors.tolist()


@INPUTS
def test_each_fold_is_encoded_by_a_fit_on_the_others_and_the_last_fit_uses_all_rows(
    inputs: Inputs, make_dataset: Any
) -> None:
    dataset = make_dataset("multiclass", inputs=inputs, folds=3)
    data = prepare(dataset, space(inputs) | ({"tokens": BOTH_TOKENS} if inputs == "text" else {}))
    for setting, parts in data.prepared.items():
        assert len(parts) == 4
        for number, part in enumerate(parts[:-1]):
            rows, is_held_out = dataset.train.take(np.flatnonzero(dataset.folds != number)), dataset.folds == number
            expected = prepare(replace(dataset, folds=None, train=rows), space_of(setting)).prepared[setting][0]
            assert part.train.steps.tolist() == expected.train.steps.tolist()
            assert as_list(part.counts) == as_list(expected.counts)
            assert rows_of(part.validation) == [
                row for row, is_kept in zip(rows_of(expected.validation), is_held_out, strict=True) if is_kept
            ]
        assert len(parts[-1].validation) == 0
        whole = fit_preparation(setting, dataset.train.inputs)
        assert parts[-1].train.steps.tolist() == whole.encode(dataset.train.inputs).steps.tolist()


def space_of(setting: PreparationSetting) -> dict[str, Domain]:
    if setting.name == "sequence":
        return space("sequence")
    domains = {name: Fixed(value) for name, value in setting.parameters if name != "forms"}
    return space(tokens=OptionChoice((option("tokens", setting.name, **domains),)))


def rows_of(encoded: Any) -> list[list[Any]]:
    return [
        encoded.steps[start:end].tolist() for start, end in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)
    ]


def as_list(counts: Any) -> Any:
    return None if counts is None else counts.tolist()


def test_counts_are_of_the_training_rows(make_dataset: Any) -> None:
    data = prepare(make_dataset("binary", folds=2), space())
    for part in data.prepared[WORD]:
        assert part.counts is not None
        assert part.counts.sum() == len(part.train.steps)
        assert part.counts[2:].min() > 0


@INPUTS
def test_rows_are_cut_to_a_length_on_the_side_that_the_space_chooses(inputs: Inputs, make_dataset: Any) -> None:
    dataset = make_dataset("binary", inputs=inputs)
    (splits,) = prepare(dataset, space(inputs)).prepared[WORD if inputs == "text" else SEQUENCE]
    for truncation, side in (("end", slice(None, 3)), ("start", slice(-3, None))):
        rows = make_rows(splits.train, dataset.train.targets, vocabulary=None, max_length=3, truncation=truncation)
        cut = [rows.steps[start : start + n].tolist() for start, n in zip(rows.starts, rows.lengths, strict=True)]
        assert cut == [row[side] for row in rows_of(splits.train)]


def test_rare_tokens_become_the_unknown_one(make_dataset: Any) -> None:
    dataset = make_dataset("binary")
    (splits,) = prepare(dataset, space()).prepared[WORD]
    rows = make_rows(splits.train, dataset.train.targets, vocabulary=5, max_length=3, truncation="end")
    assert set(rows.steps.tolist()) == {UNKNOWN, 2, 3, 4}
    assert ((rows.steps == splits.train.steps) | (splits.train.steps >= 5)).all()


def test_words_that_no_configuration_keeps_get_no_number(make_dataset: Any) -> None:
    """Otherwise each would have a vector, and every trial would copy the encoding to cut it."""
    dataset = make_dataset("binary", folds=2)
    rarest = prepare(dataset, space(tokens=OptionChoice((option("tokens", "word", min_count=Fixed(1)),))))
    minima = OptionChoice((option("tokens", "word", min_count=Choice((10, 9)), vocabulary=IntRange(100, 900)),))
    cut = prepare(dataset, space(tokens=minima, embedding=TRAINED))
    for whole, kept, table in zip(rarest.prepared[WORD], cut.prepared[WORD], cut.tables[WORD, WORD2VEC], strict=True):
        assert whole.counts is not None
        assert kept.counts is not None
        size = 2 + int((whole.counts[2:] >= 9).sum())
        assert size < len(whole.counts)
        assert kept.counts[2:].tolist() == whole.counts[2:size].tolist()
        assert kept.counts[UNKNOWN] == whole.counts[size:].sum()
        assert len(table.vectors) == size
        for ours, other in ((kept.train, whole.train), (kept.validation, whole.validation)):
            assert ours.steps.tolist() == np.where(other.steps < size, other.steps, UNKNOWN).tolist()
    largest = OptionChoice((option("tokens", "word", min_count=Fixed(1), vocabulary=Choice((5, 3))),))
    assert len(prepare(dataset, space(tokens=largest)).prepared[WORD][0].counts) == 7  # type: ignore[arg-type]


# --- vectors


@pytest.mark.parametrize("folds", [0, 3])
def test_every_vocabulary_has_its_table_of_vectors(folds: int, make_dataset: Any, tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("alpha 1 2\nw1 3 4\nw2 5 6\n")
    lines: list[str] = []
    dataset = make_dataset("binary", folds=folds)
    tokens = OptionChoice((option("tokens", "word", lower_case=Choice((True, False))),))
    data = prepare(dataset, space(tokens=tokens, embedding=from_file(str(path))), lines.append)
    for (setting, _), tables in data.tables.items():
        parts = data.prepared[setting]
        assert [len(table.vectors) for table in tables] == [
            len(part.counts) for part in parts if part.counts is not None
        ]
        tokeniser = fit_preparation(setting, dataset.train.inputs)
        assert isinstance(tokeniser, Tokeniser)
        assert tables[-1].vectors[2 + tokeniser.spellings.index("w1")].tolist() == [3, 4]
    assert len(lines) == 2
    assert lines[0].startswith("glove.txt: 9 % of the vocabulary found, ")


def test_a_vector_file_without_any_word_of_the_texts_is_refused_before_any_trial(
    make_dataset: Any, tmp_path: Path
) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("chat 1 2\n")
    with pytest.raises(DataError, match=r"none of the \d+ words of the training texts"):
        prepare(make_dataset("binary"), space(embedding=from_file(str(path))))


def test_trained_vectors_are_made_for_every_setting_of_tokens(make_dataset: Any) -> None:
    data = prepare(make_dataset("binary"), space(tokens=BOTH_TOKENS, embedding=TRAINED))
    assert set(data.tables) == {(WORD, WORD2VEC), (BPE, WORD2VEC)}
    for (setting, _), (table,) in data.tables.items():
        (splits,) = data.prepared[setting]
        assert splits.counts is not None
        assert table.vectors.shape == (len(splits.counts), 8)


@INPUTS
def test_training_rows_have_vectors_if_a_resampling_needs_them(inputs: Inputs, make_dataset: Any) -> None:
    resampling = OptionChoice((option("resampling", "none"), option("resampling", "smote")))
    dataset = make_dataset("multiclass", inputs=inputs, folds=2)
    vectors = prepare(dataset, space(inputs, resampling=resampling)).vectors
    assert vectors is not None
    assert dataset.folds is not None
    parts = [int((dataset.folds != fold).sum()) for fold in range(2)]
    assert [len(each) for each in vectors] == [*parts, len(dataset.train)]
    assert all(each.dtype == np.float32 for each in vectors)
    assert (
        prepare(dataset, space(inputs, resampling=OptionChoice((option("resampling", "oversample"),)))).vectors is None
    )


def test_texts_with_similar_words_have_similar_unit_vectors() -> None:
    texts = ["red car", "red bus", "blue car", "a dog barks", "the dog barks", "a dog ran", "..."] * 3
    vectors = document_vectors(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[3] @ vectors[4] > vectors[3] @ vectors[0]
    assert vectors.tolist() == document_vectors(texts).tolist()


@pytest.mark.parametrize("texts", [["", " "], ["word"], ["word", "word"], ["a b c", ""]])
def test_texts_with_hardly_any_words_have_vectors_too(texts: list[str]) -> None:
    vectors = document_vectors(texts)
    assert len(vectors) == len(texts)
    assert np.isfinite(vectors).all()


def test_vectors_of_sequences_contain_their_length_but_not_the_scale_of_channels() -> None:
    generator = np.random.default_rng(0)
    rows = [generator.normal(size=(length, 2)) for length in (3, 5, 5, 9)]
    small = sequence_vectors(Sequences.of(rows))
    assert small.shape == (4, 1 + 5 * 2)
    assert small[:, 0].argmax() == 3
    scaled = sequence_vectors(Sequences.of([row * [1, 1000] + [5, 0] for row in rows]))
    np.testing.assert_allclose(small, scaled, atol=1e-5)
    alike = sequence_vectors(Sequences.of([row[:3] for row in rows]))
    assert not alike[:, 0].any()


# --- bytes


def test_a_standardiser_is_read_back(make_dataset: Any) -> None:
    inputs = make_dataset("binary", inputs="sequence").train.inputs
    preparation = fit_preparation(SEQUENCE, inputs)
    again = read_preparation(preparation.to_bytes())
    assert isinstance(again, Standardiser)
    assert again.encode(inputs).steps.tolist() == preparation.encode(inputs).steps.tolist()


@pytest.mark.parametrize(
    "described",
    [
        [],
        {},
        {"kind": "other"},
        {"kind": "word"},
        {"kind": "word", "forms": "x", "words": [], "left_out": [], "lower_case": True, "punctuation": True},
        {"kind": "word", "forms": "stem", "words": ["a", "a"], "left_out": [], "lower_case": True, "punctuation": True},
        {"kind": "character", "characters": ["ab"], "lower_case": True},
        {"kind": "character", "characters": 5, "lower_case": True},
        {"kind": "bpe", "pieces": ["a"], "merges": [["a"]], "lower_case": True},
        {"kind": "bpe", "pieces": ["a"], "merges": 1, "lower_case": True},
    ],
)
def test_bytes_that_are_not_a_preparation_are_refused(described: Any) -> None:
    with pytest.raises(
        ValueError, match=r"does not describe|incomplete|known are|not a list of|several characters|unpack"
    ):
        read_preparation(json.dumps(described).encode())


def test_bytes_that_are_not_text_are_refused() -> None:
    with pytest.raises(ValueError, match=r"decode|JSON|Expecting"):
        read_preparation(b"\xff\xfe\x00")


def test_vectors_from_a_file_are_found_for_lists_of_words(make_dataset: Any, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("alpha 1 2\nw1 3 4\n")
    made = make_dataset("binary")
    lists = {
        name: replace(split, inputs=tuple(join_tokens(text.split()) for text in split.inputs))
        for name, split in made.splits.items()
    }
    data = prepare(replace(made, **lists), space(embedding=from_file(str(tmp_path / "v.txt"))))
    ((table,),) = data.tables.values()
    assert table.is_found.sum() == 2
