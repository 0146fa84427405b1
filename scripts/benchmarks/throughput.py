"""Examples per second on one core, a trial's loop beside the plain script's, and where the time of a step goes."""

from __future__ import annotations

import importlib
import math
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.breakdown import breakdown
from benchmarks.material import configuration, goemotions_data, listed, shared
from benchmarks.operations import StepShape, least_seconds, operations
from benchmarks.row import Row, at_least, explains

MODELS = ((64, 1), (128, 1), (128, 2))  # hidden, layers; both directions
STEPS_PER_ROUND = 64  # a trial sorts chunks of this size by length, so every round has batches of every length
ROUNDS = 7
BATCH = 64
EMBEDDING = 128
TRAIN_ROWS = BATCH * STEPS_PER_ROUND * (ROUNDS + 2)  # one pass: a warm-up, the rounds, and one to spare
VALIDATION_ROWS = 500  # evaluation is not timed here
DROPOUT, CLIP, POSITIVE_WEIGHT, LEARNING_RATE = 0.3, 1.0, 0.5, 0.002
FLOORS = {"auto": 4.2, "float32": 2.0}


def measure() -> list[Row]:
    """Interleave both loops on the same rows and vocabulary. Return ratios of medians and their geometric mean."""
    torch.set_num_threads(1)
    data = goemotions_data(train_rows=TRAIN_ROWS, validation_rows=VALIDATION_ROWS)
    ratios: dict[str, list[float]] = {precision: [] for precision in FLOORS}
    rows = []
    chosen = ""
    for hidden, layers in MODELS:
        trials = {precision: make_trial(data, hidden, layers, precision) for precision in FLOORS}
        chosen = trials["auto"].precision
        speeds = _interleaved(trials, plain_rounds(data, hidden, layers))
        plain = statistics.median(speeds["plain"])
        for precision in FLOORS:
            ours = statistics.median(speeds[precision])
            ratios[precision].append(ours / plain)
            by_round = [a / b for a, b in zip(speeds[precision], speeds["plain"], strict=True)]
            detail = (
                f"{ours:,.0f} examples/s ({1000 * BATCH / ours:.1f} ms a step) over {plain:,.0f} "
                f"({1000 * BATCH / plain:.1f} ms); rounds {min(by_round):.2f} to {max(by_round):.2f}"
            )
            shown = precision if precision != "auto" else f"auto = {chosen}"
            rows.append(explains(f"{hidden}/{layers}, {shown}", ours / plain, "times", detail))
    means = [_judge(precision, ratios[precision], chosen) for precision in FLOORS]
    parts = [row for hidden, layers in MODELS for row in _parts(data, hidden, layers)]
    return [*means, *rows, *parts]


def _parts(data: Any, hidden: int, layers: int) -> list[Row]:
    """Return where the time of a step goes, and how near its matrix products come to this processor's best."""
    trial = make_trial(data, hidden, layers, "auto")
    total, parts = breakdown(trial)
    batches = trial._kept.training._batches
    positions = statistics.mean(next(batches).steps.size for _ in range(STEPS_PER_ROUND))
    shape = StepShape(
        rows=BATCH,
        positions=positions,
        features=EMBEDDING,
        hidden=hidden,
        layers=layers,
        directions=2,
        labels=data.n_labels,
    )
    least = {
        name: 1000 * least_seconds(shape, dtype)
        for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32))
    }
    kernels = parts["LSTM forward"] + parts["LSTM backward"]
    done = operations(shape) / 1e9
    detail = (
        f"{done:.2f} billion operations in matrix products, {done / total * 1000:.0f} billion a second; the products alone, at "
        f"the best speed of a product of their shape, take {listed(least, '.1f')} ms; the LSTM takes {kernels:.1f} ms of "
        f"{total:.1f} ms"
    )
    return [
        explains(f"{hidden}/{layers}, step by part", total, "ms", listed(parts, ".1f")),
        explains(f"{hidden}/{layers}, share of the best possible", least[trial.precision] / total, "share", detail),
    ]


def make_trial(data: Any, hidden: int, layers: int, precision: str) -> Any:
    """Return a trial with the plain script's model and settings. One measurement is one round."""
    from tuner.trial.order import TrialSettings
    from tuner.trial.trial import Trial

    chosen = configuration(
        tokens={"word": {"vocabulary": 20_000, "min_count": 2}},
        max_length=64,
        embedding={"random": {"size": EMBEDDING}},
        embedding_dropout=DROPOUT,
        hidden=hidden,
        layers=layers,
        directions=2,
        pooling="max",
        dropout=DROPOUT,
        optimiser={"adamw": {"weight_decay": 0.01}},
        learning_rate=LEARNING_RATE,
        clipping={"norm": {"threshold": CLIP}},
        loss_weights="root",
        batch_size=BATCH,
        precision=precision,
    )
    settings = TrialSettings(max_epochs=1, reports_per_epoch=ROUNDS + 2, penalty_weight=1.0, threads=1)
    return Trial(chosen, data, settings, seed=0)


def plain_rounds(data: Any, hidden: int, layers: int) -> Iterator[float]:
    """Yield the plain script's examples per second, round by round. The loop is that of `textlstm.train`."""
    folder = str(shared("bench", "common"))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    textlstm = importlib.import_module("textlstm")
    from torch import nn
    from torch.utils.data import DataLoader

    from tuner.data.model_rows import make_rows
    from tuner.data.trial_data import vocabulary_size

    ((splits,),) = data.prepared.values()
    vocabulary = vocabulary_size(
        splits.counts, {"tokens": "word", "tokens.word.min_count": 2, "tokens.word.vocabulary": textlstm.MAX_VOCAB}
    )
    encoded = make_rows(
        splits.train, data.train_targets, vocabulary=vocabulary, max_length=textlstm.MAX_LEN, truncation="end"
    )
    ids = [
        encoded.steps[start : start + length].astype(np.int64)
        for start, length in zip(encoded.starts, encoded.lengths, strict=True)
    ]
    targets = data.train_targets.astype(np.float32)
    torch.manual_seed(0)
    frequency = np.clip(targets.mean(0), 1e-6, 1 - 1e-6)
    weight = torch.tensor(((1 - frequency) / frequency) ** POSITIVE_WEIGHT, dtype=torch.float32)
    model = textlstm.LSTMClassifier(vocabulary, data.n_labels, hidden, layers, DROPOUT)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    loader = DataLoader(
        textlstm.Rows((ids, targets)), batch_size=textlstm.BATCH, shuffle=True, collate_fn=textlstm.collate
    )
    batches = iter(loader)
    while True:
        model.train()
        start, examples = time.perf_counter(), 0
        for _ in range(STEPS_PER_ROUND):
            x, lengths, target = next(batches)
            optimiser.zero_grad()
            logits = model(x, lengths)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            examples += len(x)
        yield examples / (time.perf_counter() - start)


def _interleaved(trials: dict[str, Any], plain: Iterator[float]) -> dict[str, list[float]]:
    speeds: dict[str, list[float]] = {name: [] for name in (*trials, "plain")}
    for number in range(ROUNDS + 1):
        measured = {"plain": next(plain)} | {name: _round(trial) for name, trial in trials.items()}
        if number:  # the first round builds kernels
            for name, speed in measured.items():
                speeds[name].append(speed)
    return speeds


def _round(trial: Any) -> float:
    measurement = trial.next_measurement()
    return float(measurement.steps * BATCH / measurement.train_seconds)


def _judge(precision: str, ratios: list[float], chosen: str) -> Row:
    mean = math.exp(statistics.mean(math.log(ratio) for ratio in ratios))
    name = f"times the plain loop, precision {precision}"
    models = listed(
        {f"{hidden}/{layers}": ratio for (hidden, layers), ratio in zip(MODELS, ratios, strict=True)}, ".2f"
    )
    detail = f"geometric mean over hidden/layers: {models}; {ROUNDS} rounds of {STEPS_PER_ROUND} steps, interleaved"
    if precision == "auto" and chosen != "bfloat16":
        return explains(
            name,
            mean,
            "times",
            f"{detail}; this processor is no faster with bfloat16, so {FLOORS['auto']:g} is not required",
        )
    return at_least(name, FLOORS[precision], mean, "times", detail)
