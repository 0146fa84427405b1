"""Speed of a trial's loop divided by that of a bare PyTorch loop with the same model and ready-made batches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.material import configuration, goemotions_dataset, parameters, shared
from benchmarks.row import Row, at_least, explains

if TYPE_CHECKING:
    from tuner.space.task import Inputs, Task

FLOOR = 0.9
ROUNDS = 9
LEARNING_RATE, CLIP = 0.002, 1.0
LONG_TOKENS = 256
TEXTS_A_LONG_ROW = 20  # a text has 16 tokens on average, so nearly every joined text is cut at 256


@dataclass(frozen=True, kw_only=True)
class LoopCase:
    """Rows and a model. One round of timing is `steps` batches."""

    name: str
    data: Any
    task: Task
    inputs: Inputs
    batch: int
    steps: int
    chosen: dict[str, Any]


def measure() -> list[Row]:
    """Alternate rounds of both loops and compare the medians, for short text, long text and numeric sequences."""
    torch.set_num_threads(1)
    return [row for case in _cases() for row in _measure(case)]


def _cases() -> Iterator[LoopCase]:
    from tuner.data.trial_data import prepare

    network = {"hidden": 128, "optimiser": "adam", "learning_rate": LEARNING_RATE}
    text: dict[str, Any] = {"task": "multilabel", "inputs": "text", "batch": 64}
    embedding = {"embedding": {"random": {"size": 128}}}
    short = goemotions_dataset(validation_rows=64)
    yield LoopCase(
        name="short text",
        data=prepare(short, parameters()),
        steps=48,
        chosen={**network, **embedding, "max_length": 64},
        **text,
    )
    yield LoopCase(
        name=f"long text, {LONG_TOKENS} tokens",
        data=prepare(replace(short, train=_joined(short.train)), parameters()),
        steps=6,
        chosen={**network, **embedding, "max_length": LONG_TOKENS},
        **text,
    )
    yield LoopCase(
        name="numeric sequences",
        data=prepare(_vowels(), parameters(task="multiclass", inputs="sequence")),
        task="multiclass",
        inputs="sequence",
        batch=32,
        steps=60,
        chosen=network,
    )


def _joined(split: Any) -> Any:
    """Return rows of several joined texts, with the labels of the first text."""
    starts = range(0, len(split) - TEXTS_A_LONG_ROW, TEXTS_A_LONG_ROW)
    texts = tuple(" ".join(split.inputs[start : start + TEXTS_A_LONG_ROW]) for start in starts)
    return replace(split.take(np.array(starts)), inputs=texts)


def _vowels() -> Any:
    from tuner.data.load import load_data
    from tuner.space.settings import DataSettings

    folder = shared("data", "uea_japanesevowels")
    settings = DataSettings(
        train=str(folder / "train.parquet"),
        test=str(folder / "test.parquet"),
        validation=0.1,
        sequence="sequence",
        label="label",
    )
    return load_data(settings, "multiclass", seed=0)


def _measure(case: LoopCase) -> list[Row]:
    loops = {"trial": _trial_rounds(case), "bare": _bare_rounds(case, is_embedding_tuned=True)}
    if case.inputs == "text":
        loops["frozen"] = _bare_rounds(case, is_embedding_tuned=False)
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(ROUNDS + 1):
        measured = {name: next(rounds) for name, rounds in loops.items()}
        if number:  # the first round builds kernels
            for name, speed in measured.items():
                speeds[name].append(speed)
    middle = {name: statistics.median(each) for name, each in speeds.items()}
    by_round = [ours / bare for ours, bare in zip(speeds["trial"], speeds["bare"], strict=True)]
    detail = (
        f"{middle['trial']:,.0f} over {middle['bare']:,.0f} examples/s, batches of {case.batch}; {ROUNDS} rounds of "
        f"{case.steps} alternating steps, {min(by_round):.2f} to {max(by_round):.2f}"
    )
    if case.inputs == "text":
        detail += "; the bare loop updates the whole embedding with fused Adam, the trial only the rows in use"
    rows = [at_least(f"times the bare loop, {case.name}", FLOOR, middle["trial"] / middle["bare"], "times", detail)]
    if "frozen" in middle:
        detail = "a bare loop that does not train the embedding, and so has less to do than the trial"
        rows.append(explains(f"{case.name}, embedding frozen", middle["trial"] / middle["frozen"], "times", detail))
    return rows


def _configuration(case: LoopCase) -> dict[str, Any]:
    chosen = {"clipping": {"norm": {"threshold": CLIP}}, "batch_size": case.batch, **case.chosen}
    return configuration(task=case.task, inputs=case.inputs, **chosen)


def _trial_rounds(case: LoopCase) -> Iterator[float]:
    """Yield the trial's examples per second. It measures after every few steps; a round covers `steps` steps."""
    from tuner.trial.order import TrialSettings
    from tuner.trial.trial import Trial

    rows = len(case.data.train_targets)
    settings = TrialSettings(
        max_epochs=10_000, reports_per_epoch=max(1, rows // (case.batch * case.steps)), penalty_weight=1.0, threads=1
    )
    trial = Trial(_configuration(case), case.data, settings, seed=0)
    seen = 0
    while True:
        seconds, steps, before = 0.0, 0, seen
        while steps < case.steps:
            measurement = trial.next_measurement()
            seconds, steps, seen = seconds + measurement.train_seconds, steps + measurement.steps, measurement.examples
        yield (seen - before) / seconds


def _bare_rounds(case: LoopCase, *, is_embedding_tuned: bool) -> Iterator[float]:
    """Yield the examples a second of the loop that people write, on the trial's own batches as ready tensors."""
    from tuner.imbalance.resample import every_row
    from tuner.training.batches import EndlessBatches

    model, rows = _model_and_rows(case)
    if not is_embedding_tuned:
        model.embedding.requires_grad_(False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=LEARNING_RATE, fused=True)
    batches = EndlessBatches(
        rows,
        task=case.task,
        resample=every_row(),
        vectors=None,
        augment=None,
        batch_size=case.batch,
        generator=np.random.default_rng(0),
    )
    model.train()
    while True:
        ready = [_tensors(next(batches), case.task) for _ in range(case.steps)]
        start, examples = time.perf_counter(), 0
        for steps, lengths, targets in ready:
            optimiser.zero_grad()
            logits = model(steps, lengths)
            if case.task == "multilabel":
                loss = F.binary_cross_entropy_with_logits(logits, targets)
            else:
                loss = F.cross_entropy(logits, targets)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(trained, CLIP)
            optimiser.step()
            examples += len(targets)
        yield examples / (time.perf_counter() - start)


def _tensors(batch: Any, task: Task) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    targets = torch.from_numpy(batch.targets)
    return (
        torch.from_numpy(batch.steps),
        torch.from_numpy(batch.lengths),
        targets.float() if task == "multilabel" else targets,
    )


def _model_and_rows(case: LoopCase) -> tuple[Any, Any]:
    """Return a model and rows, both made as a trial makes them."""
    from tuner.data.model_rows import make_rows
    from tuner.data.trial_data import vocabulary_size
    from tuner.model.build import make_model
    from tuner.training.precision import choose_precision

    chosen = _configuration(case)
    ((splits,),) = case.data.prepared.values()
    is_text = case.inputs == "text"
    tokens = vocabulary_size(splits.counts, chosen) if is_text else None
    rows = make_rows(
        splits.train,
        case.data.train_targets,
        vocabulary=tokens,
        max_length=int(chosen["max_length"]),
        truncation="end",
    )
    model = make_model(
        chosen,
        tokens=tokens,
        channels=None if is_text else splits.train.steps.shape[1],
        labels=case.data.n_labels,
        precision=choose_precision(int(chosen["hidden"]), "cpu"),
        seed=0,
    )
    return model, rows
