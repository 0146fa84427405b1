"""The training loop: it trains one model a given number of examples at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tuner.imbalance.loss import Loss
from tuner.imbalance.training_pass import Resample
from tuner.model.classifier import SequenceClassifier
from tuner.space.task import Task
from tuner.training.augment import Augment
from tuner.training.averaging import Averaging, WeightAverage, steps_between_updates
from tuner.training.batches import Batch, EndlessBatches, Rows
from tuner.training.clipping import Clip
from tuner.training.device import CPU
from tuner.training.mixing import mix_partners, mix_up
from tuner.training.optimisers import MakeOptimiser, TouchedRows, optimiser_state, restore_optimiser
from tuner.training.progress import Progress, StepLog, gradient_ratio
from tuner.training.schedules import Schedule
from tuner.training.state import State, fitting, restore_all, states_of
from tuner.training.transfer import read, to_device

_MOST_KEPT_BYTES = 256 << 20
_NUMBER_BYTES = 8  # of a token number; a value takes half


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """How to train a model. A schedule and a clipping rule may have state, so each training needs a recipe of its own.

    `vectors` (rows, d) serve resampling rules that look for neighbours. `augment` changes rows as they are read. `mixup` > 0
    mixes the rows of a batch and their losses, with shares from Beta(mixup, mixup). A step's gradient is the mean over the rows
    of `accumulation` batches. `l1` adds the slope of that penalty before clipping, on every weight that the step trains. Of the
    embedding, these are the rows that the step's batches use. Schedules and averaging span the `budget`, counted in examples.
    """

    task: Task
    loss: Loss
    resample: Resample
    vectors: NDArray[np.float32] | None
    augment: Augment | None
    mixup: float
    make_optimiser: MakeOptimiser
    learning_rate: float
    schedule: Schedule
    clip: Clip
    batch_size: int
    accumulation: int
    l1: float
    averaging: Averaging | None
    budget: int


class Training:
    """A model in training. Examples count when they are read, so an epoch costs the same with any resampling."""

    def __init__(
        self, model: SequenceClassifier, rows: Rows, recipe: Recipe, *, generator: np.random.Generator
    ) -> None:
        self.examples = 0
        self.steps = 0
        self._log: StepLog | None = None  # of the steps since `take_progress`
        self._model, self._recipe = model, recipe
        self._device = next(model.parameters()).device
        table = None if model.embedding is None else model.embedding.weight
        self._touched = TouchedRows(table) if table is not None and table.requires_grad else None
        self._parameters = [p for p in model.parameters() if p.requires_grad and p is not table]
        if self._touched is not None:
            self._parameters.append(self._touched.parameter)
        self._optimiser = recipe.make_optimiser(self._parameters, recipe.learning_rate)
        between = steps_between_updates(recipe.budget // (recipe.batch_size * recipe.accumulation))
        averaging = recipe.averaging
        self._average = None if averaging is None else WeightAverage(model, averaging, between=between)
        self._mixing = generator.spawn(1)[0]  # a separate stream: batches are the same with and without mixup
        self._batches = EndlessBatches(
            rows,
            task=recipe.task,
            resample=recipe.resample,
            vectors=recipe.vectors,
            augment=recipe.augment,
            batch_size=recipe.batch_size,
            generator=generator,
        )

    def train_until(self, examples: int) -> Progress:
        """Take steps until `examples` have been read in total; stop early at a number that is not finite.

        A GPU takes a few more steps before it is known there.
        """
        self.advance(examples)
        return self.take_progress()

    def advance(self, examples: int, *, pause_at: float = math.inf) -> bool:
        """Do as `train_until`, but pause once time.perf_counter() reaches `pause_at`. Return whether there is more to do."""
        self._model.train()
        log = self._log = self._log or StepLog(steps_before=self.steps)
        while self.examples < examples and log.is_finite():
            if time.perf_counter() >= pause_at:
                return True
            self._step(self._draw(), log)
        return False

    def take_progress(self) -> Progress:
        """Return the figures about the steps since the last call."""
        log, self._log = self._log, None
        return Progress() if log is None else log.progress()

    def _draw(self) -> list[Batch]:
        """Draw the batches of one step: `accumulation` of them, or fewer at the end of the budget."""
        batches = [next(self._batches)]
        drawn = self.examples + len(batches[0])
        while len(batches) < self._recipe.accumulation and drawn < self._recipe.budget:
            batches.append(next(self._batches))
            drawn += len(batches[-1])
        return batches

    def observe(self, score: float) -> None:
        """Pass a validation score on to the schedule; NaN counts as no improvement."""
        self._recipe.schedule.observe(score)

    def averaged(self) -> AbstractContextManager[None]:
        """Give the model the averaged weights inside the `with` block. It keeps its own until there is an average."""
        return nullcontext() if self._average is None else self._average.held()

    def state(self) -> State:
        """Return everything that later steps depend on: trained weights, optimiser state, averages and random streams.

        On a GPU dropout draws from PyTorch's own generator, which is not included.
        """
        return {
            "examples": self.examples,
            "steps": self.steps,
            "weights": self._weights(),
            "optimiser": optimiser_state(self._optimiser, self._touched),
            "mixing": self._mixing.bit_generator.state,
            "parts": states_of(self._parts()),
        }

    def restore(self, state: State) -> None:
        """Continue from the state of an equal training. Raises KeyError, TypeError or ValueError if it does not fit."""
        weights = self._weights()
        if state["weights"].keys() != weights.keys():
            raise ValueError(f"the weights are {', '.join(state['weights'])}, but should be {', '.join(weights)}")
        for name, weight in weights.items():
            weight.copy_(fitting(state["weights"][name], weight))
        restore_optimiser(self._optimiser, self._touched, state["optimiser"])
        self._mixing.bit_generator.state = state["mixing"]
        restore_all(self._parts(), state["parts"])
        self.examples, self.steps = state["examples"], state["steps"]

    def _weights(self) -> dict[str, Tensor]:
        return {name: weight.detach() for name, weight in self._model.named_parameters() if weight.requires_grad}

    def _parts(self) -> dict[str, object]:
        """Return the parts that may have state, by name."""
        recipe = self._recipe
        parts = {"batches": self._batches, "schedule": recipe.schedule, "clip": recipe.clip, "average": self._average}
        return parts | {f"model.{name}": module for name, module in self._model.named_modules()}

    def _step(self, batches: Sequence[Batch], log: StepLog) -> None:
        steps = [batch.steps for batch in batches]
        touched = leaf = None
        if self._touched is not None:
            numbers, steps = self._touched.join(steps)
            touched = self._to_device(numbers)
            leaf = self._touched.gather(touched)
        for parameter in self._parameters:
            parameter.grad = None
        rows = sum(map(len, batches))
        losses = [
            self._backward(batch, self._to_device(batch_steps), leaf, len(batch) / rows)
            for batch, batch_steps in zip(batches, steps, strict=True)
        ]
        if self._touched is not None and leaf is not None and touched is not None:
            self._touched.load(leaf, touched, self._optimiser)
        if self._recipe.l1:
            self._add_l1()
        if log.is_ratio_due:
            log.note_ratio(gradient_ratio(self._model))
        clipped = self._recipe.clip(self._parameters)
        spent = min(self.examples / self._recipe.budget, 1.0)
        for group in self._optimiser.param_groups:
            group["lr"] = self._recipe.learning_rate * self._recipe.schedule.factor(spent)
        self._optimiser.step()
        if self._touched is not None and touched is not None:
            self._touched.store(touched, self._optimiser)
        self.examples += rows
        self.steps += 1
        if self._average is not None:
            self._average.observe(self.steps, spent)
        log.note(torch.stack(losses).sum() if len(losses) > 1 else losses[0], clipped)

    def _backward(self, batch: Batch, steps: Tensor, leaf: Tensor | None, share: float) -> Tensor:
        """Add a share of a batch's gradients to the parameters' gradients, and return the same share of its loss.

        `steps` are token numbers, or with a `leaf` the positions of the tokens' rows in it.
        """
        embedded = self._model.embed(steps) if leaf is None else F.embedding(steps, leaf)
        lengths = self._to_device(batch.lengths)
        targets = self._to_device(batch.targets)
        if len(batch.mixed):
            mixed, weights = self._to_device(batch.mixed), self._to_device(batch.weights)
            embedded, lengths = mix_partners(embedded, lengths, mixed, weights)
        loss_of, mixup = self._recipe.loss, self._recipe.mixup
        if mixup:
            weight = self._mixing.beta(mixup, mixup)
            order = self._to_device(self._mixing.permutation(len(batch)))
            logits = self._model.classify(*mix_up(embedded, lengths, order, weight))
            loss = (1 - weight) * loss_of(logits, targets) + weight * loss_of(logits, targets[order])
        else:
            loss = loss_of(self._model.classify(embedded, lengths), targets)
        if share < 1:
            loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _add_l1(self) -> None:
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach().sign(), alpha=self._recipe.l1)

    def _to_device(self, values: NDArray[Any]) -> Tensor:
        return to_device(values, self._device)


class RowsToPredict:
    """Rows in batches of about `tokens_per_batch` tokens or steps, sorted by length, as they lie on a device.

    With `is_kept`, a GPU keeps them for the next time, if they take no more than 256 MB.
    """

    def __init__(
        self, rows: Rows, device: torch.device, *, tokens_per_batch: int = 8192, is_kept: bool = False
    ) -> None:
        self._rows, self._device = rows, device
        self._order = np.argsort(rows.lengths, kind="stable")
        self._positions = list(_by_tokens(self._order, rows.lengths, tokens_per_batch))
        self._kept: list[tuple[Tensor, Tensor]] | None = None
        if is_kept and device.type != CPU and self._padded_bytes <= _MOST_KEPT_BYTES:
            self._kept = list(self)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the steps and the lengths of each batch, as a model takes them."""
        if self._kept is not None:
            yield from self._kept
            return
        for batch in self._positions:
            yield (
                to_device(self._rows.padded(batch), self._device),
                to_device(self._rows.lengths[batch], self._device),
            )

    @property
    def _padded_bytes(self) -> int:
        steps = sum(len(batch) * int(self._rows.lengths[batch].max()) for batch in self._positions)
        return steps * _NUMBER_BYTES * math.prod(self._rows.steps.shape[1:])

    def in_order(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (rows, labels) of the sorted rows in the order of the rows."""
        in_order = np.empty_like(logits)
        in_order[self._order] = logits
        return in_order


def logits_on_device(model: SequenceClassifier, rows: RowsToPredict) -> Tensor:
    """Return the logits (rows, labels) of the sorted rows, without waiting for a GPU. Leaves the model in evaluation mode."""
    model.eval()
    with torch.inference_mode():
        logits = [model(steps, lengths) for steps, lengths in rows]
        return torch.cat(logits) if logits else torch.empty(0, model.head.out_features, device=model.head.weight.device)


def predict_logits(model: SequenceClassifier, rows: Rows, *, tokens_per_batch: int = 8192) -> NDArray[np.float32]:
    """Return the logits of every row, shape (rows, labels), in the order of `rows`.

    Rows are sorted by length and predicted in batches of about `tokens_per_batch` tokens or steps.
    """
    batches = RowsToPredict(rows, next(model.parameters()).device, tokens_per_batch=tokens_per_batch)
    (logits,) = read([logits_on_device(model, batches)])
    return batches.in_order(logits)


def _by_tokens(
    order: NDArray[np.int64], lengths: NDArray[np.int64], tokens_per_batch: int
) -> Iterator[NDArray[np.int64]]:
    """Cut rows, sorted by length, into batches of at most `tokens_per_batch` steps with padding, but of at least one row."""
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // int(lengths[order[start]]))
        # The last row of the batch is its longest, so a size that fits the first row must shrink to fit the last.
        size = max(1, min(size, tokens_per_batch // int(lengths[order[min(start + size, len(order)) - 1]])))
        yield order[start : start + size]
        start += size
