"""The training loop: one model, trained some examples at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tuner.imbalance.loss import Loss
from tuner.imbalance.resample import Resample
from tuner.model.classifier import SequenceClassifier
from tuner.space.settings import Task
from tuner.training.batches import Rows, bucketed
from tuner.training.clipping import Clip
from tuner.training.optimisers import MakeOptimiser, TouchedRows
from tuner.training.schedules import Schedule


@dataclass(frozen=True)
class Progress:
    """What happened in some steps: means over them, seconds of wall time, and the first step that was not finite."""

    steps: int
    loss: float
    gradient_norm: float
    seconds: float
    non_finite_step: int | None


class Training:
    """A model in training. Examples are counted as they are read, so an epoch costs the same whatever resampling does."""

    def __init__(
        self,
        model: SequenceClassifier,
        rows: Rows,
        *,
        task: Task,
        loss: Loss,
        resample: Resample,
        make_optimiser: MakeOptimiser,
        learning_rate: float,
        schedule: Schedule,
        clip: Clip,
        batch_size: int,
        budget: int,
        generator: np.random.Generator,
    ) -> None:
        self.examples = 0
        self.steps = 0
        self._model, self._rows, self._loss, self._clip = model, rows, loss, clip
        self._learning_rate, self._schedule, self._budget = learning_rate, schedule, budget
        self._device = next(model.parameters()).device
        self._touched = TouchedRows(model.embedding.weight)
        dense = [parameter for parameter in model.parameters() if parameter is not model.embedding.weight]
        self._parameters = [*dense, self._touched.parameter]
        self._optimiser = make_optimiser(self._parameters, learning_rate)
        self._batches = _endless_batches(rows, task, resample, batch_size, generator)

    def train_until(self, examples: int) -> Progress:
        """Take steps until `examples` have been read in all; stops early at a number that is not finite."""
        self._model.train()
        start, first_step = time.perf_counter(), self.steps
        losses, norms = [], []
        while self.examples < examples:
            loss, norm = self._step(next(self._batches))
            losses.append(loss)
            norms.append(norm)
            # On a CPU reading the numbers is free; on a GPU it would wait for the step, so they are read at the end.
            if self._device.type == "cpu" and not math.isfinite(loss + norm):
                break
        if not losses:
            return Progress(0, math.nan, math.nan, 0.0, None)
        seen = torch.stack([torch.stack(losses), torch.stack(norms)]).cpu().double().numpy()
        broken = np.flatnonzero(~np.isfinite(seen).all(0))
        return Progress(
            steps=self.steps - first_step,
            loss=float(seen[0].mean()),
            gradient_norm=float(seen[1].mean()),
            seconds=time.perf_counter() - start,
            non_finite_step=first_step + int(broken[0]) + 1 if len(broken) else None,
        )

    def _step(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        touched, positions = np.unique(self._rows.padded(rows), return_inverse=True)
        touched_rows = self._to_device(touched)
        lengths = self._to_device(self._rows.lengths[rows])
        targets = self._to_device(self._rows.targets[rows])

        for parameter in self._parameters:
            parameter.grad = None
        leaf = self._touched.gather(touched_rows)
        logits = self._model.classify(F.embedding(self._to_device(positions), leaf), lengths)
        loss = self._loss(logits, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        self._touched.load(leaf, touched_rows, self._optimiser)
        norm = self._clip(self._parameters)
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate * self._schedule(min(self.examples / self._budget, 1.0))
        self._optimiser.step()
        self._touched.store(touched_rows, self._optimiser)
        self.examples += len(rows)
        self.steps += 1
        return loss.detach(), norm.detach()

    def _to_device(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self._device, non_blocking=True)


def predict_logits(model: SequenceClassifier, rows: Rows, *, tokens_per_batch: int = 8192) -> NDArray[np.float32]:
    """Logits of every row, shape (rows, labels), in the rows' own order.

    Rows go through sorted by length, `tokens_per_batch` tokens at a time, whatever their length.
    """
    model.eval()
    device = next(model.parameters()).device
    order = np.argsort(rows.lengths, kind="stable")
    logits = []
    with torch.inference_mode():
        for batch in _by_tokens(order, rows.lengths, tokens_per_batch):
            ids = torch.from_numpy(rows.padded(batch)).to(device)
            lengths = torch.from_numpy(rows.lengths[batch]).to(device)
            logits.append(model(ids, lengths).cpu().numpy())
    in_order = np.empty((len(rows), logits[0].shape[1]), np.float32)
    in_order[order] = np.concatenate(logits)
    return in_order


def _by_tokens(
    order: NDArray[np.int64], lengths: NDArray[np.int64], tokens_per_batch: int
) -> Iterator[NDArray[np.int64]]:
    """Cut rows sorted by length into batches whose longest row × rows stays within `tokens_per_batch` (or one row)."""
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // int(lengths[order[start]]))
        # The batch's last row is its longest, so a size that fits the first row has to shrink to fit the last.
        size = max(1, min(size, tokens_per_batch // int(lengths[order[min(start + size, len(order)) - 1]])))
        yield order[start : start + size]
        start += size


def _endless_batches(
    rows: Rows, task: Task, resample: Resample, batch_size: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    while True:
        one_pass = resample(rows.targets, task, generator)
        yield from bucketed(one_pass.rows, one_pass.strata, rows.lengths, batch_size=batch_size, generator=generator)
