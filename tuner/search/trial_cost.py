"""What a trial costs: measured, or guessed from its configuration and the length of rows before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from tuner.data.preparation import preparation_setting
from tuner.data.trial_data import TrialData
from tuner.samplers.base import UntriedSampler
from tuner.samplers.random import RandomSampler
from tuner.space.build import own_parameters
from tuner.space.configuration import Configuration
from tuner.space.counting import count_configurations
from tuner.space.load import Space

SAMPLED = 60  # configurations that stand for a space
_BUILD_S = 0.1
_WIDTH = 100  # of the inputs of a network without an embedding size of its own
# Seconds on one core of an AMD EPYC, fitted to 48 configurations on four data sets; half of them are within a sixth.
_MULTIPLICATION_S = 5.3e-11
_STEP_S = 6.8e-5  # each step in time of a layer in one direction, for a whole batch
_BATCH_S = 2.4e-3
_EXAMPLE_S = 5e-5
_EVALUATING = 0.35  # the time of a validation row, relative to that of an example


@dataclass(frozen=True, kw_only=True)
class TrialCost:
    """Seconds that a configuration needs: to build its model, to train on an example, and to evaluate a validation row.

    `load` is how many times as long the work took as it would have on a core of its own.
    """

    build_s: float
    example_s: float
    row_s: float
    load: float


def sample_configurations(space: Space) -> list[Configuration]:
    """Return configurations as a random search would draw them after the first settings: 60, or as many as the space has."""
    seed, count = space.search.seed, count_configurations(space.parameters)
    sampler = UntriedSampler(RandomSampler(space.parameters, seed=seed), space.parameters, seed=seed, first=space.first)
    return [sampler.ask(index) for index in range(min(SAMPLED, SAMPLED if count is None else count))]


def guess_example_s(configuration: Configuration, steps: float) -> float:
    """Return the seconds of an example with so many steps in time on an idle core."""
    hidden, directions = int(configuration["hidden"]), int(configuration["directions"])
    has_embedding = configuration.get("embedding") is not None
    width = own_parameters(configuration, "embedding").get("size", _WIDTH) if has_embedding else _WIDTH
    inputs = [int(width), *[directions * hidden] * (int(configuration["layers"]) - 1)]
    multiplied = steps * sum(4 * directions * hidden * (size + hidden) for size in inputs)
    of_batch_s = _BATCH_S + steps * len(inputs) * directions * _STEP_S
    return multiplied * _MULTIPLICATION_S + of_batch_s / int(configuration["batch_size"]) + _EXAMPLE_S


def cost_of_example(configuration: Configuration, steps: float, *, models: int = 1) -> TrialCost:
    """Return the guessed cost of a trial that trains `models` models on rows with so many steps in time."""
    example_s = guess_example_s(configuration, steps)
    return TrialCost(build_s=_BUILD_S, example_s=models * example_s, row_s=_EVALUATING * example_s, load=1.0)


@dataclass(frozen=True, kw_only=True)
class CostGuess:
    """Guesses for the configurations that stand for a space, on its data."""

    configurations: Sequence[Configuration]
    data: TrialData

    def at(self, batch_size: int | None = None) -> list[TrialCost]:
        """Return the cost of each configuration, with batches of another size if it is given."""
        sized: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
        return [self.of({**configuration, **sized}) for configuration in self.configurations]

    def rescaled(self, costs: Sequence[TrialCost], batch_size: int | None) -> list[TrialCost]:
        """Return costs that were measured with the batches of the space as they probably are with batches of another size."""
        ratio = fmean(cost.example_s for cost in self.at(batch_size)) / fmean(cost.example_s for cost in self.at())
        return scale(costs, example=ratio, row=1.0)

    def of(self, configuration: Configuration) -> TrialCost:
        """Return the cost of one configuration. With folds a trial trains several models."""
        rows = self.data.prepared[preparation_setting(configuration)][-1].train
        models = 1 if self.data.folds is None else int(self.data.folds.max())  # each sees all folds but one
        return cost_of_example(configuration, len(rows.steps) / max(len(rows), 1), models=models)


def scale(costs: Sequence[TrialCost], *, example: float, row: float) -> list[TrialCost]:
    """Return costs with `example` times the seconds of an example and `row` times those of a validation row."""
    return [replace(cost, example_s=example * cost.example_s, row_s=row * cost.row_s) for cost in costs]
