"""From a space to the sampler that its search section names."""

from __future__ import annotations

from tuner.samplers.base import Sampler
from tuner.space.build import import_builder
from tuner.space.load import Space
from tuner.space.search_settings import ALGORITHMS


def make_sampler(space: Space) -> Sampler:
    """Make the sampler of `search.algorithm`, with the space's parameters and seed."""
    sampler: Sampler = import_builder(ALGORITHMS[space.search.algorithm])(space.parameters, seed=space.search.seed)
    return sampler
