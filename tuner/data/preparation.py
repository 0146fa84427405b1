"""How rows become numbers: tokenisers and standardisers, and their settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from tuner.data.dataset import RowInputs
from tuner.data.encoded import Encoded
from tuner.data.sequences import Sequences, Standardiser
from tuner.data.subwords import SubwordTokeniser, read_subwords
from tuner.data.tokenisers import (
    CharacterTokeniser,
    SplitTexts,
    Tokeniser,
    read_characters,
    read_words,
)
from tuner.space.build import builder_of, own_parameters
from tuner.space.configuration import Configuration, Value

_READERS: Mapping[str, Callable[[dict[str, Any]], Tokeniser]] = {
    "word": read_words,
    "character": read_characters,
    "bpe": read_subwords,
    "wordpiece": read_subwords,
}

SEQUENCE = "sequence"
"""The name of the setting of numeric rows."""
ONLY_CUT = ("vocabulary", "min_count")
"""Parameters of words that no setting has: a smaller vocabulary has the same encoding, and each trial cuts it."""

Parameters: TypeAlias = tuple[tuple[str, Value], ...]
Readable: TypeAlias = "RowInputs | SplitTexts"


class Preparation(Protocol):
    """Turns rows into numbers; fitted on training rows. A tokeniser for texts, or a standardiser for sequences."""

    def encode(self, inputs: Any, /) -> Encoded:
        """Encode rows of the kind it was fitted on."""

    def to_bytes(self) -> bytes:
        """Return JSON that `read_preparation` reads."""


@dataclass(frozen=True)
class PreparationSetting:
    """Everything that decides one encoding of the data: a tokeniser's name and its parameters, or "sequence"."""

    name: str
    parameters: Parameters


@dataclass(frozen=True)
class EmbeddingSetting:
    """Everything that decides the initial vectors of tokens: the path of a file, or the size to train."""

    kind: Literal["file", "word2vec"]
    parameters: Parameters


def fit_preparation(setting: PreparationSetting, inputs: Readable) -> Preparation:
    """Fit the tokeniser or standardiser of a setting. `inputs` must be training rows only."""
    if isinstance(inputs, Sequences):
        return Standardiser.fit(inputs)
    tokeniser: Tokeniser = builder_of("tokens", setting.name)(inputs, **dict(setting.parameters))
    return tokeniser


def read_preparation(content: bytes) -> Preparation:
    """Read the output of `Preparation.to_bytes` without running anything in it. Raises ValueError for anything else."""
    return restore_preparation(json.loads(content))


def restore_preparation(described: Any) -> Preparation:
    """Rebuild a preparation from its parsed JSON. Raises ValueError for anything else."""
    kind = str(described.get("kind")) if isinstance(described, dict) else ""
    if kind not in _READERS:
        return Standardiser.from_json(described)
    try:
        return _READERS[kind](described)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the {kind} tokeniser is incomplete ({type(error).__name__}: {error})") from error


def kind_of(preparation: Preparation) -> str:
    """Return the name that a preparation has in its `PreparationSetting`."""
    if isinstance(preparation, SubwordTokeniser):
        return preparation.rule
    if isinstance(preparation, Standardiser):
        return SEQUENCE
    return "character" if isinstance(preparation, CharacterTokeniser) else "word"


def preparation_setting(configuration: Configuration) -> PreparationSetting:
    """Return the setting that encodes the rows of a configuration."""
    if "tokens" not in configuration:
        return PreparationSetting(SEQUENCE, ())
    kept = {name: value for name, value in own_parameters(configuration, "tokens").items() if name not in ONLY_CUT}
    return PreparationSetting(str(configuration["tokens"]), tuple(sorted(kept.items())))


def embedding_setting(configuration: Configuration) -> EmbeddingSetting | None:
    """Return the source of a configuration's initial vectors. None if they are random, or if there are no tokens."""
    match configuration.get("embedding"):
        case "file":
            return EmbeddingSetting("file", (("path", own_parameters(configuration, "embedding")["path"]),))
        case "word2vec":
            return EmbeddingSetting("word2vec", (("size", own_parameters(configuration, "embedding")["size"]),))
    return None
