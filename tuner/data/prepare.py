"""What trials read: encoded texts and targets, once for every tokeniser setting that a space can choose.

Everything is plain numpy, so that it goes through the object store once and every worker reads the same memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tuner.data.load import Dataset
from tuner.data.tokenise import SPECIAL_TOKENS, UNKNOWN, Encoded, encode, fit_words
from tuner.scoring.f1 import as_indicator
from tuner.space.domains import Choice, Domain, Fixed, OptionChoice
from tuner.space.sampler import Configuration
from tuner.space.settings import Task
from tuner.training.batches import Rows

TOKENISERS: dict[str, Callable[..., Tokenizer]] = {"word": fit_words}


@dataclass(frozen=True)
class TokenSetting:
    """A tokeniser's name and own parameters: what one encoding of the data depends on."""

    name: str
    parameters: tuple[tuple[str, str | int | float | bool], ...]


@dataclass(frozen=True)
class EncodedSplits:
    """Training and validation rows under one tokeniser; `counts[n]` is how often token n stands in the training rows."""

    train: Encoded
    validation: Encoded
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class TrialData:
    """All that a trial may see. The test split is not here."""

    task: Task
    train_targets: NDArray[np.integer]
    validation_truth: NDArray[np.bool_]  # (rows, labels)
    seen: NDArray[np.bool_]  # (labels,)
    encoded: Mapping[TokenSetting, EncodedSplits]

    @property
    def n_labels(self) -> int:
        """The number of labels, or classes."""
        return len(self.seen)


def token_setting(configuration: Configuration) -> TokenSetting:
    """Return the tokeniser setting that a configuration uses."""
    own = {
        name.removeprefix(f"tokens.{configuration['tokens']}."): value
        for name, value in configuration.items()
        if name.startswith("tokens.")
    }
    return TokenSetting(str(configuration["tokens"]), tuple(sorted(own.items())))


def token_settings(parameters: Mapping[str, Domain]) -> list[TokenSetting]:
    """Return every tokeniser setting that a space can choose, so that each is fitted and encoded once."""
    tokens = parameters["tokens"]
    assert isinstance(tokens, OptionChoice)  # so does the space's vocabulary have it
    settings = []
    for name, own in tokens.options:
        values = [[(parameter, value) for value in _values(domain)] for parameter, domain in own.items()]
        settings += [TokenSetting(name, tuple(sorted(chosen))) for chosen in itertools.product(*values)]
    return settings


def fit_tokeniser(setting: TokenSetting, dataset: Dataset) -> Tokenizer:
    """Fit a tokeniser on the training texts, and on nothing else."""
    return TOKENISERS[setting.name](dataset.train.texts, **dict(setting.parameters))


def prepare(dataset: Dataset, settings: Iterable[TokenSetting]) -> TrialData:
    """Encode training and validation rows under each of the settings."""
    encoded = {}
    for setting in settings:
        tokeniser = fit_tokeniser(setting, dataset)
        train = encode(tokeniser, dataset.train.texts)
        encoded[setting] = EncodedSplits(
            train=train,
            validation=encode(tokeniser, dataset.validation.texts),
            counts=np.bincount(train.ids, minlength=tokeniser.get_vocab_size()),
        )
    return TrialData(
        task=dataset.task,
        train_targets=dataset.train.targets,
        validation_truth=as_indicator(dataset.validation.targets, len(dataset.labels)),
        seen=dataset.seen,
        encoded=encoded,
    )


def make_rows(encoded: Encoded, targets: NDArray[np.integer], *, vocabulary: int, max_length: int) -> Rows:
    """Cut an encoding to a vocabulary size (rarer tokens become the unknown one) and a maximum length."""
    ids = np.where(encoded.ids < vocabulary, encoded.ids, UNKNOWN).astype(np.int32)
    return Rows(ids=ids, starts=encoded.offsets[:-1], lengths=np.minimum(encoded.lengths, max_length), targets=targets)


def vocabulary_size(counts: NDArray[np.int64], configuration: Configuration) -> int:
    """Return how many token numbers a configuration keeps, the two special ones among them."""
    frequent = int((counts[SPECIAL_TOKENS:] >= int(configuration["min_count"])).sum())
    return SPECIAL_TOKENS + min(frequent, int(configuration["vocabulary"]))


def _values(domain: Domain) -> tuple[int | float | bool, ...]:
    if isinstance(domain, Fixed):
        return (domain.value,)
    if isinstance(domain, Choice):
        return domain.values
    raise TypeError(f"a tokeniser's own parameter has the domain {domain}, but needs values that can be listed")
