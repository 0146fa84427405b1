"""Averaged weights: a mean of the weights along the way, which is judged and kept in place of the last ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tuner.training.state import State, fitting

# An update reads and writes every weight, the whole embedding too, so it comes only every so many steps: in a budget of
# few steps oftener, for an average of a handful of weights is none.
STEPS_BETWEEN_UPDATES = 10
_UPDATES_AT_LEAST = 100

# (steps so far, updates so far, share of the budget spent, steps between updates) -> share that an update gives to the
# present weights.
Averaging = Callable[[int, int, float, int], float]


def no_averaging() -> None:
    """Judge and keep the weights as they are."""
    return


def ema(*, decay: float) -> Averaging:
    """Exponential moving average that keeps `decay` of itself each step (Polyak and Juditsky 1992, as in Adam's practice).

    It keeps less in the first steps, (1 + n) / (10 + n) at step n, so that the random first weights do not linger.
    """
    return lambda steps, _updates, _spent, between: 1 - min(decay, (1 + steps) / (10 + steps)) ** between


def swa(*, start: float) -> Averaging:
    """Plain mean from the share `start` of the budget on (Izmailov et al. 2018), the learning rate as scheduled."""
    return lambda _steps, updates, spent, _between: 1 / (updates + 1) if spent >= start else 0.0


def steps_between_updates(steps: int) -> int:
    """Return how many steps lie between two updates in a budget of so many steps."""
    return max(1, min(STEPS_BETWEEN_UPDATES, steps // _UPDATES_AT_LEAST))


class WeightAverage:
    """The average of a model's trained weights. One update stands for the steps since the one before, `between`.

    So an exponential average over updates ten steps apart is that of every tenth step's weights, each weighing what ten
    steps would; what it leaves out is how the weights moved in between.
    """

    def __init__(self, model: nn.Module, averaging: Averaging, *, between: int = STEPS_BETWEEN_UPDATES) -> None:
        self._between = between
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._recurrent = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
        self._averaging = averaging
        self._averages: list[torch.Tensor] = []
        self._updates = 0

    def observe(self, steps: int, spent: float) -> None:
        """Take note of a step: `steps` are those so far, `spent` the share of the budget."""
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
        """Return the averages, where there are any yet, and how many updates they have seen."""
        return {"updates": self._updates, "averages": {str(n): each for n, each in enumerate(self._averages)}}

    def restore(self, state: State) -> None:
        """Take over averages of a model of the same shape."""
        self._updates, averages = state["updates"], state["averages"]
        self._averages = [
            fitting(averages[str(n)], parameter) for n, parameter in enumerate(self._parameters) if averages
        ]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the model hold the averages for a while; its own weights, before there are any. Nothing is copied on a CPU."""
        if not self._averages:
            yield
            return
        trained = [parameter.data for parameter in self._parameters]
        self._hold(self._averages)
        for module in self._recurrent:  # on a GPU the kernel wants a layer's weights side by side
            module.flatten_parameters()
        try:
            yield
        finally:
            self._hold(trained)

    def _hold(self, tensors: list[torch.Tensor]) -> None:
        for parameter, tensor in zip(self._parameters, tensors, strict=True):
            parameter.data = tensor
