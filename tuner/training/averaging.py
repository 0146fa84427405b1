"""Averaged weights: a mean of the weights during training. It is judged and kept instead of the last weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tuner.training.state import State, fitting

# An update reads and writes every weight, including the whole embedding, so it happens only every few steps. A small budget
# gets more frequent updates, because a handful of samples is not an average.
STEPS_BETWEEN_UPDATES = 10
_UPDATES_AT_LEAST = 100

# (steps so far, updates so far, share of the budget spent, steps between updates) -> weight of the current weights in an
# update.
Averaging = Callable[[int, int, float, int], float]


def no_averaging() -> None:
    """Judge and keep the trained weights themselves."""
    return


def ema(*, decay: float) -> Averaging:
    """Exponential moving average that keeps `decay` of itself at each step (Polyak and Juditsky 1992, as in Adam's practice).

    In the first steps it keeps less, (1 + n) / (10 + n) at step n, so that it soon forgets the random first weights.
    """
    return lambda steps, _updates, _spent, between: 1 - min(decay, (1 + steps) / (10 + steps)) ** between


def swa(*, start: float) -> Averaging:
    """Plain mean over the budget from the share `start` on (Izmailov et al. 2018). The learning rate keeps its schedule."""
    return lambda _steps, updates, spent, _between: 1 / (updates + 1) if spent >= start else 0.0


def steps_between_updates(steps: int) -> int:
    """Return the number of steps between two updates, for a budget of `steps` steps."""
    return max(1, min(STEPS_BETWEEN_UPDATES, steps // _UPDATES_AT_LEAST))


class WeightAverage:
    """The average of a model's trained weights. Each update stands for the `between` steps since the previous one.

    So an exponential average with updates ten steps apart samples every tenth step's weights, and gives each sample the weight
    of ten steps. It ignores how the weights moved in between.
    """

    def __init__(self, model: nn.Module, averaging: Averaging, *, between: int = STEPS_BETWEEN_UPDATES) -> None:
        self._between = between
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._recurrent = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
        self._averaging = averaging
        self._averages: list[torch.Tensor] = []
        self._updates = 0

    def observe(self, steps: int, spent: float) -> None:
        """Record a step: `steps` is the number so far, `spent` the share of the budget."""
        if steps % self._between:
            return
        share = self._averaging(steps, self._updates, spent, self._between)
        if share == 0:
            return
        self._updates += 1
        if not self._averages:
            self._averages = [parameter.detach().clone() for parameter in self._parameters]
            return
        for average, parameter in zip(self._averages, self._parameters, strict=True):
            average.lerp_(parameter.detach(), share)

    def state(self) -> State:
        """Return the averages, if there are any yet, and the number of updates."""
        return {"updates": self._updates, "averages": {str(n): average for n, average in enumerate(self._averages)}}

    def restore(self, state: State) -> None:
        """Take over the averages of a model of the same shape."""
        self._updates, averages = state["updates"], state["averages"]
        self._averages = [
            fitting(averages[str(n)], parameter) for n, parameter in enumerate(self._parameters) if averages
        ]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Give the model the averages inside the `with` block; without averages it keeps its weights. No copy on a CPU."""
        if not self._averages:
            yield
            return
        trained = [parameter.data for parameter in self._parameters]
        self._hold(self._averages)
        for module in self._recurrent:  # GPU kernels need a layer's weights to be contiguous
            module.flatten_parameters()
        try:
            yield
        finally:
            self._hold(trained)

    def _hold(self, tensors: list[torch.Tensor]) -> None:
        for parameter, tensor in zip(self._parameters, tensors, strict=True):
            parameter.data = tensor
