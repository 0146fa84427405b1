"""Where the time of a training step goes, measured by timers around its parts."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from tuner.model import recurrent

_LSTM_BACKWARD = "mkldnn_rnn_layer_backward"
_BACKWARD = "autograd::engine::evaluate_function"


def breakdown(trial: Any) -> tuple[float, dict[str, float]]:
    """Return milliseconds per step, in all and by part. Trains `trial` for three measurements.

    The parts are private to tuner: choosing and padding rows, forward through the LSTMs, the rest of the forward pass,
    backward (with the share of the LSTMs), clipping, the optimiser with its gathering and scattering of embedding rows,
    and the rest.
    """
    trial.next_measurement()  # builds kernels
    seconds: dict[str, float] = defaultdict(float)
    with _timers(trial, seconds):
        measurement = trial.next_measurement()
    lstm_backward_share = _profiled_share(trial)
    per_step = 1000 / measurement.steps
    total = measurement.train_seconds * per_step
    parts = {name: value * per_step for name, value in seconds.items()}
    # The time of a container includes that of its content.
    parts["embedding, dropout, pooling, head"] = parts.pop("classify") - parts["LSTM forward"]
    backward = parts.pop("backward")
    parts["LSTM backward"] = backward * lstm_backward_share
    parts["other backward"] = backward - parts["LSTM backward"]
    parts["rest"] = total - sum(parts.values())
    return total, parts


@contextmanager
def _timers(trial: Any, seconds: dict[str, float]) -> Iterator[None]:
    training = trial._kept.training
    is_training = True

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **named)
            if is_training:
                seconds[name] += time.perf_counter() - start
            return result

        return call

    model, touched, optimiser = training._model, training._touched, training._optimiser
    replaced = [
        (model, "classify", "classify"),
        (recurrent, "read_both_ways", "LSTM forward"),
        (torch.Tensor, "backward", "backward"),
        (optimiser, "step", "optimiser"),
        (touched, "join", "embedding rows"),
        (touched, "gather", "embedding rows"),
        (touched, "load", "embedding rows"),
        (touched, "store", "embedding rows"),
    ]
    before = [(owner, name, owner.__dict__.get(name)) for owner, name, _ in replaced]
    batches, recipe, evaluate = training._batches, training._recipe, trial._evaluate

    def stop_timing(progress: Any) -> Any:
        nonlocal is_training
        is_training = False
        return evaluate(progress)

    for owner, attribute, part in replaced:
        setattr(owner, attribute, timed(part, getattr(owner, attribute)))
    training._batches = _called_for_ever(timed("choosing rows, padding", batches.__next__))
    training._recipe = replace(recipe, loss=timed("loss", recipe.loss), clip=timed("clipping", recipe.clip))
    trial._evaluate = stop_timing
    try:
        yield
    finally:
        for owner, name, value in before:
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        training._batches, training._recipe, trial._evaluate = batches, recipe, evaluate


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Hide what the profiler's library prints when it starts and stops."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _called_for_ever(function: Callable[[], Any]) -> Iterator[Any]:
    while True:
        yield function()


def _profiled_share(trial: Any) -> float:
    """Return the share of the backward pass that the LSTM kernels take."""
    with _without_stderr(), profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        trial.next_measurement()
    totals: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        if event.key == f"aten::{_LSTM_BACKWARD}":
            totals["lstm"] += event.cpu_time_total
        elif event.key.startswith(_BACKWARD):
            totals["backward"] += event.cpu_time_total
    return totals["lstm"] / totals["backward"] if totals["backward"] else 0.0
