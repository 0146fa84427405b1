"""How rows become numbers: tokenisers and standardisers, and the settings that a space can choose for them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
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
from tuner.space.domains import Choice, Domain, Fixed, OptionChoice

_READERS: Mapping[str, Callable[[dict[str, Any]], Tokeniser]] = {
    "word": read_words,
    "character": read_characters,
    "bpe": read_subwords,
    "wordpiece": read_subwords,
}

_SEQUENCE = "sequence"
_ONLY_CUT = ("vocabulary", "min_count")  # a smaller vocabulary has the same encoding, and each trial cuts it

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
    described = json.loads(content)
    kind = str(described.get("kind")) if isinstance(described, dict) else ""
    if kind not in _READERS:
        return Standardiser.from_bytes(content)
    try:
        return _READERS[kind](described)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the {kind} tokeniser is incomplete ({type(error).__name__}: {error})") from error


def kind_of(preparation: Preparation) -> str:
    """Return the name that a preparation has in its `PreparationSetting`."""
    if isinstance(preparation, SubwordTokeniser):
        return preparation.rule
    if isinstance(preparation, Standardiser):
        return _SEQUENCE
    return "character" if isinstance(preparation, CharacterTokeniser) else "word"


def preparation_setting(configuration: Configuration) -> PreparationSetting:
    """Return the setting that encodes the rows of a configuration."""
    if "tokens" not in configuration:
        return PreparationSetting(_SEQUENCE, ())
    kept = {name: value for name, value in own_parameters(configuration, "tokens").items() if name not in _ONLY_CUT}
    return PreparationSetting(str(configuration["tokens"]), tuple(sorted(kept.items())))


def preparation_settings(parameters: Mapping[str, Domain]) -> list[PreparationSetting]:
    """Return every preparation setting that a space can choose. Each is fitted and encoded once."""
    if "tokens" not in parameters:
        return [PreparationSetting(_SEQUENCE, ())]
    return [
        PreparationSetting(name, chosen)
        for name, domains in options_of(parameters["tokens"])
        for chosen in _combinations({key: domain for key, domain in domains.items() if key not in _ONLY_CUT})
    ]


def embedding_setting(configuration: Configuration) -> EmbeddingSetting | None:
    """Return the source of a configuration's initial vectors. None if they are random, or if there are no tokens."""
    match configuration.get("embedding"):
        case "file":
            return EmbeddingSetting("file", (("path", own_parameters(configuration, "embedding")["path"]),))
        case "word2vec":
            return EmbeddingSetting("word2vec", (("size", own_parameters(configuration, "embedding")["size"]),))
    return None


def embedding_settings(parameters: Mapping[str, Domain]) -> list[EmbeddingSetting]:
    """Return every embedding setting that a space can choose. Each is read or trained once."""
    settings = []
    for name, domains in options_of(parameters["embedding"]) if "embedding" in parameters else ():
        if name == "file":
            settings += [EmbeddingSetting("file", (("path", path),)) for path in _values(domains["path"])]
        elif name == "word2vec":
            settings += [EmbeddingSetting("word2vec", (("size", size),)) for size in _values(domains["size"])]
    return settings


def options_of(domain: Domain) -> tuple[tuple[str, Mapping[str, Domain]], ...]:
    """Return the options that a space can choose from, each with the domains of its parameters."""
    assert isinstance(domain, OptionChoice)  # the declared hyperparameters guarantee it
    return domain.options


def _combinations(domains: Mapping[str, Domain]) -> Iterator[Parameters]:
    """Yield every combination of values, as sorted pairs of name and value."""
    alternatives: list[list[Parameters]] = []
    for name, domain in domains.items():
        if isinstance(domain, OptionChoice):
            alternatives.append(
                [
                    ((name, option), *((f"{name}.{option}.{key}", value) for key, value in chosen))
                    for option, option_domains in domain.options
                    for chosen in _combinations(option_domains)
                ]
            )
        else:
            alternatives.append([((name, value),) for value in _values(domain)])
    for chosen in itertools.product(*alternatives):
        yield tuple(sorted(itertools.chain.from_iterable(chosen)))


def _values(domain: Domain) -> tuple[Value, ...]:
    if isinstance(domain, Fixed):
        return (domain.value,)
    if isinstance(domain, Choice):
        return domain.values
    raise TypeError(f"a setting that is prepared once has the domain {domain}, but needs a fixed value or a choice")
