"""Every setting of a space that decides how rows become numbers, so that each is prepared once for all trials."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from tuner.data.preparation import ONLY_CUT, SEQUENCE, EmbeddingSetting, Parameters, PreparationSetting
from tuner.space.configuration import Value
from tuner.space.domains import Choice, Domain, Fixed, OptionChoice


def preparation_settings(parameters: Mapping[str, Domain]) -> list[PreparationSetting]:
    """Return every preparation setting that a space can choose. Each is fitted and encoded once."""
    if "tokens" not in parameters:
        return [PreparationSetting(SEQUENCE, ())]
    return [
        PreparationSetting(name, chosen)
        for name, domains in options_of(parameters["tokens"])
        for chosen in _combinations({key: domain for key, domain in domains.items() if key not in ONLY_CUT})
    ]


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
