"""The interface of samplers, how a space chooses one, and how none tries a configuration twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tuner.samplers.draw import PURPOSE, sample
from tuner.samplers.enumeration import enumerate_configurations
from tuner.samplers.random import RandomDraw
from tuner.space.build import import_builder
from tuner.space.configuration import Configuration, configuration_hash
from tuner.space.counting import count_configurations
from tuner.space.domains import Domain
from tuner.space.load import Space
from tuner.space.search_settings import ALGORITHMS
from tuner.trial.ending import Ending

_ATTEMPTS = 4
"""How often a sampler draws before the configurations are gone through one by one.

TPE draws better ones than the first that is untried, but each draw takes as long as a proposal. In a space of 1,000 settings, ten
draws found the best one no sooner than four did.
"""


class Sampler(Protocol):
    """Proposes the configuration of each trial, and may learn from how the trials went."""

    def ask(self, index: int, attempt: int = 0) -> Configuration:
        """Return the configuration of trial `index`.

        Attempts count from 0. A later attempt draws again, and its configuration takes the place of the earlier one.
        """

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: Ending) -> None:
        """Take in a trial's measurements, as pairs (examples seen, score), and how it ended."""

    def replay(self, index: int, configuration: Configuration) -> None:
        """Restore the state after trial `index` was proposed with `configuration`, as if `ask` had returned it.

        Trials are replayed in the order of their proposals. A replay, too, takes the place of an earlier proposal.
        """


class UntriedSampler:
    """Proposes what a sampler proposes, but no configuration twice while there are others.

    If a proposal repeats an earlier one, the sampler draws again. If that does not help, the first untried configuration
    follows, counted from a random one on. A proposal that repeats nothing is the sampler's own, whatever the space.

    A configuration counts as tried as soon as it is proposed. It stays so if its trial fails: an error would come again,
    and a worker that died has been replaced already, with more memory if it had run out of it. Only a trial that the end
    of the budget cuts short before its first measurement does not count: nothing is known about its configuration.

    The settings in `first` are proposed before any other, in their order. The sampler learns of them as if it had proposed
    them. What such a setting leaves open is drawn at random, in the same way whenever it is proposed.

    A proposal depends only on the seed, its index, and the configurations and results of earlier trials.
    """

    def __init__(
        self, sampler: Sampler, parameters: Mapping[str, Domain], *, seed: int, first: Sequence[Configuration] = ()
    ) -> None:
        self._sampler, self._parameters, self._seed = sampler, parameters, seed
        draws = (RandomDraw(np.random.default_rng((PURPOSE, seed, place))) for place in range(len(first)))
        self._first = [sample(parameters, draw, given) for draw, given in zip(draws, first, strict=True)]
        self._count = count_configurations(parameters)
        self._open: dict[int, str] = {}  # the configuration's hash, of each trial that has not ended
        self._tried: Counter[str] = Counter()  # trials by the hash of their configuration

    def ask(self, index: int) -> Configuration:
        """Return the configuration of trial `index`. Call it once for each index."""
        configuration = self._sampler.ask(index) if self.untried() == 0 else self._ask_untried(index)
        self._note(index, configuration)
        return configuration

    def _ask_untried(self, index: int) -> Configuration:
        given = next((each for each in self._first if not self._is_tried(each)), None)
        if given is not None:
            self._sampler.replay(index, given)
            return given
        for attempt in range(_ATTEMPTS):
            configuration = self._sampler.ask(index, attempt)
            if not self._is_tried(configuration):
                return configuration
        generator = np.random.default_rng((PURPOSE, self._seed, index, _ATTEMPTS))
        others = enumerate_configurations(self._parameters, generator)
        configuration = next((each for each in others if not self._is_tried(each)), configuration)
        self._sampler.replay(index, configuration)
        return configuration

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: Ending) -> None:
        """Take in a trial's measurements and how it ended, as `Sampler.tell` does."""
        self._sampler.tell(index, measurements=measurements, ending=ending)
        key = self._open.pop(index)
        if ending in (Ending.CUT_SHORT, Ending.INTERRUPTED) and not measurements:
            self._tried[key] -= 1
            if not self._tried[key]:
                del self._tried[key]

    def replay(self, index: int, configuration: Configuration) -> None:
        """Restore the state after trial `index` was proposed with `configuration`, in the order of the proposals."""
        self._sampler.replay(index, configuration)
        self._note(index, configuration)

    def untried(self) -> int | None:
        """Return how many configurations have not been tried, None if infinitely many."""
        return None if self._count is None else max(0, self._count - len(self._tried))

    def _note(self, index: int, configuration: Configuration) -> None:
        self._open[index] = configuration_hash(configuration)
        self._tried[self._open[index]] += 1

    def _is_tried(self, configuration: Configuration) -> bool:
        return configuration_hash(configuration) in self._tried


def make_sampler(space: Space) -> UntriedSampler:
    """Make the sampler that the space names as `search.algorithm`, with the space's parameters and seed."""
    seed = space.search.seed
    sampler: Sampler = import_builder(ALGORITHMS[space.search.algorithm])(space.parameters, seed=seed)
    return UntriedSampler(sampler, space.parameters, seed=seed, first=space.first)
