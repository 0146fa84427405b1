"""The data that trials read: encoded rows, targets and vectors, made once for every setting that a space can choose.

Everything is plain numpy. So the data goes through the object store once, and all workers read the same memory.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from tuner.data.builtin import Say, say_nothing
from tuner.data.dataset import Dataset, RowInputs, take_inputs
from tuner.data.embeddings import EmbeddingTable, spellings_to_find, table_of_words, train_word2vec
from tuner.data.encoded import Encoded
from tuner.data.preparation import EmbeddingSetting, Preparation, PreparationSetting, Readable, fit_preparation
from tuner.data.prepared_settings import embedding_settings, options_of, preparation_settings
from tuner.data.row_vectors import document_vectors, sequence_vectors
from tuner.data.sequences import Sequences
from tuner.data.tokenisers import SPECIAL_TOKENS, UNKNOWN, WIDEST_VOCABULARY, SplitTexts, Tokeniser, split_words
from tuner.data.word_vectors import read_word_vectors
from tuner.show_value import show_duration
from tuner.space.build import declared_options, own_parameters
from tuner.space.configuration import Configuration
from tuner.space.domains import Domain, ends
from tuner.space.task import Inputs, Task
from tuner.storage import name_of

_SLOW_S = 2.0


@dataclass(frozen=True, eq=False)
class PreparedSplits:
    """Training and validation rows. `counts[n]` is how often token n occurs in the training rows; None for sequences."""

    train: Encoded
    validation: Encoded
    counts: NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class TrialData:
    """All data that a trial may see. There is no test split.

    Without folds, `prepared` has one pair of splits per setting. With k folds it has k + 1: pair f is fitted on the other
    folds and validates on fold f; the last is fitted on all training rows and has no validation rows. `tables` come in the
    same order. `validation_truth` is bool (rows, labels); with folds, its rows are the training rows. Thresholds are
    cross-fitted over the `parts` (rows,) of these rows. `seen` is bool (labels,). `vectors` are float32 (training rows,
    values), one array per pair, and None unless the space has a resampling that needs them. `soft_targets` are float32
    (training rows, labels): probabilities to learn in place of `train_targets`. A training row in fold -1 is in every part, and
    no validation row.
    """

    task: Task
    inputs: Inputs
    labels: tuple[str, ...]
    seen: NDArray[np.bool_]
    train_targets: NDArray[Any]
    validation_truth: NDArray[np.bool_]
    folds: NDArray[np.int64] | None
    parts: NDArray[np.int64]
    prepared: Mapping[PreparationSetting, tuple[PreparedSplits, ...]]
    tables: Mapping[tuple[PreparationSetting, EmbeddingSetting], tuple[EmbeddingTable, ...]]
    vectors: tuple[NDArray[np.float32], ...] | None
    soft_targets: NDArray[np.float32] | None = None

    @property
    def n_labels(self) -> int:
        """The number of labels, or classes."""
        return len(self.labels)


def prepare(dataset: Dataset, parameters: Mapping[str, Domain], say: Say | None = None) -> TrialData:
    """Encode the rows under every setting that a space with these parameters can choose, and make their vectors.

    `say` gets a line about each slow step, and about the share of the vocabulary in each vector file. Raises DataError if
    a vector file cannot be used.
    """
    say = say or say_nothing
    pyarrow.default_memory_pool().release_unused()  # otherwise pyarrow keeps the memory that it used to read the rows
    inputs_for = input_source(dataset)
    settings = preparation_settings(parameters)
    fitted = {setting: _fit_all(setting, inputs_for, dataset, _kept_words(parameters), say) for setting in settings}
    return TrialData(
        task=dataset.task,
        inputs=dataset.inputs,
        labels=dataset.labels,
        seen=dataset.seen,
        train_targets=dataset.train.targets,
        validation_truth=dataset.truth("validation"),
        folds=dataset.folds,
        parts=dataset.parts,
        prepared={setting: tuple(fit.splits for fit in fits) for setting, fits in fitted.items()},
        tables=_make_tables(fitted, embedding_settings(parameters), say),
        vectors=_all_row_vectors(dataset, say) if _asks_for_vectors(parameters) else None,
    )


def vocabulary_size(counts: NDArray[np.int64], configuration: Configuration) -> int:
    """Return how many token numbers a configuration keeps, with the two special ones. Only words are cut."""
    if configuration["tokens"] != "word":
        return len(counts)
    chosen = own_parameters(configuration, "tokens")
    return _KeptWords(int(chosen["min_count"]), int(chosen["vocabulary"])).size(counts)


@dataclass(frozen=True)
class _KeptWords:
    """Which words get a number: the `most` frequent words of those with at least `min_count` occurrences in training."""

    min_count: int
    most: int

    def size(self, counts: NDArray[np.int64]) -> int:
        """Return how many token numbers are kept; `counts[n]` is how often number n occurs in the training rows."""
        return SPECIAL_TOKENS + min(int((counts[SPECIAL_TOKENS:] >= self.min_count).sum()), self.most)


def _kept_words(parameters: Mapping[str, Domain]) -> _KeptWords:
    """Return the words that any configuration of a space keeps. No trial would read the vectors of other words."""
    domains = dict(options_of(parameters["tokens"])).get("word") if "tokens" in parameters else None
    if domains is None:
        return _KeptWords(1, WIDEST_VOCABULARY)
    return _KeptWords(int(ends(domains["min_count"])[0]), int(ends(domains["vocabulary"])[1]))


def _asks_for_vectors(parameters: Mapping[str, Domain]) -> bool:
    declared = declared_options("resampling")
    return any(declared[name].needs_vectors for name, _ in options_of(parameters["resampling"]))


# --- rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Fitted:
    preparation: Preparation
    splits: PreparedSplits


def input_source(dataset: Dataset) -> Callable[[PreparationSetting], tuple[Readable, Readable]]:
    """Return a function from a setting to its training and validation rows. Settings that split words alike share rows."""
    train, validation = dataset.train.inputs, dataset.validation.inputs

    @cache
    def split(lower_case: bool) -> tuple[Readable, Readable]:
        assert isinstance(train, tuple)
        assert isinstance(validation, tuple)
        first = split_words(train, lower_case=lower_case)
        return first, first if dataset.folds is not None else split_words(validation, lower_case=lower_case)

    def source(setting: PreparationSetting) -> tuple[Readable, Readable]:
        is_word = setting.name == "word"
        return split(bool(dict(setting.parameters)["lower_case"])) if is_word else (train, validation)

    return source


def _fit_all(
    setting: PreparationSetting,
    inputs_for: Callable[[PreparationSetting], tuple[Readable, Readable]],
    dataset: Dataset,
    kept: _KeptWords,
    say: Say,
) -> tuple[_Fitted, ...]:
    """Fit a setting once; with folds, once for each fold and once for all rows."""
    folds = dataset.folds
    with _say_if_slow(say, f"{_described(setting)}: {len(dataset.train):,} training rows prepared"):
        train, validation = inputs_for(setting)
        if folds is None:
            return (_fit(setting, train, validation, kept),)
        numbers = range(int(folds.max()) + 1)
        rows = [(np.flatnonzero(folds != number), np.flatnonzero(folds == number)) for number in numbers]
        by_fold = [_fit(setting, _take(train, others), _take(train, held_out), kept) for others, held_out in rows]
        return (*by_fold, _fit(setting, train, _take(train, np.zeros(0, np.int64)), kept))


def _fit(setting: PreparationSetting, train: Readable, validation: Readable, kept: _KeptWords) -> _Fitted:
    preparation = fit_preparation(setting, train)
    encoded = preparation.encode(train)
    counts = None
    if isinstance(preparation, Tokeniser):
        counts = np.bincount(encoded.steps, minlength=len(preparation))
        if setting.name == "word" and (size := kept.size(counts)) < len(preparation):
            preparation = preparation.cut(size)
            np.putmask(encoded.steps, encoded.steps >= size, UNKNOWN)
            counts = np.bincount(encoded.steps, minlength=size)
    return _Fitted(preparation, PreparedSplits(encoded, preparation.encode(validation), counts))


def _take(inputs: Readable, rows: NDArray[np.int64]) -> Readable:
    return inputs.take(rows) if isinstance(inputs, SplitTexts) else take_inputs(inputs, rows)


def _all_row_vectors(dataset: Dataset, say: Say) -> tuple[NDArray[np.float32], ...]:
    """Make the vectors of each pair's training rows, in the order of the pairs. Held-out rows do not influence them."""
    inputs, folds = dataset.train.inputs, dataset.folds
    if folds is None:
        return (_row_vectors(inputs, say),)
    parts = [np.flatnonzero(folds != fold) for fold in range(int(folds.max()) + 1)]
    return tuple(_row_vectors(take_inputs(inputs, rows), say) for rows in [*parts, np.arange(len(folds))])


def _row_vectors(inputs: RowInputs, say: Say) -> NDArray[np.float32]:
    with _say_if_slow(say, f"resampling: {len(inputs):,} training rows turned into vectors"):
        return sequence_vectors(inputs) if isinstance(inputs, Sequences) else document_vectors(inputs)


# --- vectors of tokens ----------------------------------------------------------------------------------------------


def _make_tables(
    fitted: Mapping[PreparationSetting, Sequence[_Fitted]], embeddings: Sequence[EmbeddingSetting], say: Say
) -> dict[tuple[PreparationSetting, EmbeddingSetting], tuple[EmbeddingTable, ...]]:
    tables = {}
    for embedding in embeddings:
        make = _tables_from_file if embedding.kind == "file" else _train_tables
        for setting, made in make(embedding, fitted, say).items():
            tables[setting, embedding] = made
    return tables


def _tables_from_file(
    embedding: EmbeddingSetting, fitted: Mapping[PreparationSetting, Sequence[_Fitted]], say: Say
) -> dict[PreparationSetting, tuple[EmbeddingTable, ...]]:
    """Read a vector file once for all settings and folds."""
    path = str(dict(embedding.parameters)["path"])
    spellings = {setting: [_tokeniser(fit).spellings for fit in fits] for setting, fits in fitted.items()}
    wanted = spellings_to_find(list(itertools.chain.from_iterable(itertools.chain.from_iterable(spellings.values()))))
    with _say_if_slow(say, f"{path}: read"):
        vectors = read_word_vectors(path, wanted)
    tables = {
        setting: tuple(table_of_words(words, vectors) for words in by_fold) for setting, by_fold in spellings.items()
    }
    for setting, made in tables.items():
        counts = fitted[setting][-1].splits.counts
        assert counts is not None  # there is text
        occurrences = counts[made[-1].is_found].sum() / max(counts[SPECIAL_TOKENS:].sum(), 1)
        shares = (
            f"{100 * made[-1].share_found:.0f} % of the vocabulary found, {100 * occurrences:.0f} % of its occurrences"
        )
        say(f"{name_of(path)}: {shares}; {_described(setting)}")
    return tables


def _train_tables(
    embedding: EmbeddingSetting, fitted: Mapping[PreparationSetting, Sequence[_Fitted]], say: Say
) -> dict[PreparationSetting, tuple[EmbeddingTable, ...]]:
    size = int(dict(embedding.parameters)["size"])
    tables = {}
    for setting, fits in fitted.items():
        rows = sum(len(fit.splits.train) for fit in fits)
        with _say_if_slow(say, f"word2vec vectors of {size} numbers: trained on {rows:,} texts"):
            tables[setting] = tuple(train_word2vec(fit.splits.train, len(_tokeniser(fit)), size=size) for fit in fits)
    return tables


def _tokeniser(fitted: _Fitted) -> Tokeniser:
    assert isinstance(fitted.preparation, Tokeniser)  # a space for sequences has no embedding
    return fitted.preparation


def _described(setting: PreparationSetting) -> str:
    parameters = ", ".join(f"{name} {value}" for name, value in setting.parameters)
    return f"{setting.name} tokens ({parameters})" if parameters else "sequences"


@contextmanager
def _say_if_slow(say: Say, what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    if seconds > _SLOW_S:
        say(f"{what} in {show_duration(seconds)}")
