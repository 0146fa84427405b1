"""One trial: a configuration and data to a stream of reports. No Ray, no files."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tuner.data.embeddings import EmbeddingTable
from tuner.data.preparation import embedding_setting, preparation_setting
from tuner.data.prepare import PreparedSplits, TrialData, make_rows, vocabulary_size
from tuner.imbalance.loss import LOSSES, make_loss
from tuner.imbalance.resample import RESAMPLINGS
from tuner.imbalance.weights import LOSS_WEIGHTS
from tuner.model.build import make_model, to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.reporting import Report, TrialSettings
from tuner.scoring.gate import logit_spread
from tuner.scoring.measures import Measures, measure
from tuner.scoring.thresholds import FOLDS_SEED, cross_fitted_decisions, decisions_by_fold
from tuner.space.sampler import Configuration
from tuner.training.augment import make_augment
from tuner.training.averaging import AVERAGINGS
from tuner.training.batches import Rows
from tuner.training.clipping import CLIPPINGS
from tuner.training.loop import Progress, Training, predict_logits
from tuner.training.optimisers import OPTIMISERS
from tuner.training.precision import choose_precision
from tuner.training.schedules import SCHEDULES

_AUGMENTATIONS = {
    "text": ("token_dropout", "token_swap", "token_replacement"),
    "sequence": ("noise", "scaling", "smoothing", "time_masking"),
}
_MEASURED = ("score", "macro_f1", "constant_penalty", "skill", "auc", "average_precision", "logit_spread")


@dataclass(frozen=True)
class _Member:
    """One model in training, on `size` rows; `judged` are the positions in validation that it is judged on."""

    model: SequenceClassifier
    training: Training
    size: int
    validation: Rows
    judged: NDArray[np.int64]


class Trial:
    """A configuration in training. Each `next_report` trains to the next reporting point and evaluates.

    Without folds there is one model. With folds there is one for each fold, trained on the others, and a report tells of
    their mean; `is_final` adds one that trains on every row and is judged on none: the one to keep.
    """

    def __init__(
        self,
        configuration: Configuration,
        data: TrialData,
        settings: TrialSettings,
        *,
        seed: int,
        is_final: bool = False,
    ) -> None:
        torch.set_num_threads(settings.threads)
        self._data, self._settings = data, settings
        self._reporting_points = 0
        self._best, self._reports_since_best = -math.inf, 0
        self._rows = len(data.train_targets)
        self._budget = round(settings.max_epochs * self._rows)
        self.precision = _precision(configuration, settings.device)
        setting, embedding = preparation_setting(configuration), embedding_setting(configuration)
        parts = data.prepared[setting]
        tables = [None] * len(parts) if embedding is None else data.tables[setting, embedding]
        numbers = range(len(parts) if is_final or data.folds is None else len(parts) - 1)
        members = [
            _make_member(
                configuration, data, settings, parts[n], tables[n], number=n, precision=self.precision, seed=seed
            )
            for n in numbers
        ]
        self._judged = [member for member in members if len(member.judged)]
        self._kept = members[-1]
        self._all = members
        kept, table = parts[numbers[-1]], tables[numbers[-1]]
        self.vocabulary_found = (
            math.nan
            if table is None or kept.counts is None
            else table.found_among(vocabulary_size(kept.counts, configuration))
        )
        self._probabilities: NDArray[np.float64] | None = None

    @property
    def model(self) -> SequenceClassifier:
        """The model to keep: the only one, or with folds, where the trial is final, the one on every row. See `averaged`."""
        return self._kept.model

    @property
    def parameters(self) -> int:
        """The number of trained parameters of one model."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    @property
    def out_of_fold(self) -> NDArray[np.float64] | None:
        """With folds, the latest report's probabilities (training rows, labels), each by the model that did not see it."""
        return None if self._data.folds is None else self._probabilities

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let every model hold the weights that it is judged by, where the configuration averages them."""
        with ExitStack() as stack:
            for member in self._all:
                stack.enter_context(member.training.averaged())
            yield

    def next_report(self) -> Report:
        """Train to the next reporting point and evaluate on the validation rows."""
        target = self._next_target()
        while target <= self._examples < self._budget:  # a batch may be larger than a reporting interval
            target = self._next_target()
        progress = [member.training.train_until(math.ceil(target * member.size / self._rows)) for member in self._all]
        start = time.perf_counter()
        measures = self._evaluate(progress)
        evaluate_seconds = time.perf_counter() - start
        for member in self._all:
            member.training.observe(measures["score"])
        self._note_best(measures["score"])
        return Report(
            examples=self._examples,
            epochs=self._examples / self._rows,
            **measures,
            train_loss=_mean(each.loss for each in progress if each.steps),
            gradient_norm=_mean(each.gradient_norm for each in progress if each.steps),
            steps=sum(each.steps for each in progress),
            train_seconds=sum(each.seconds for each in progress),
            evaluate_seconds=evaluate_seconds,
            is_last=self._is_last(measures["diverged_at_step"]),
            parameters=self.parameters,
            precision=self.precision,
            vocabulary_found=self.vocabulary_found,
        )

    @property
    def _examples(self) -> int:
        """Examples seen, in those of an epoch over every row: with folds each model sees as large a share of its own."""
        return round(float(np.mean([member.training.examples / member.size for member in self._all])) * self._rows)

    def _next_target(self) -> int:
        self._reporting_points += 1
        return min(round(self._reporting_points * self._rows / self._settings.reports_per_epoch), self._budget)

    def _note_best(self, score: float) -> None:
        self._reports_since_best += 1
        if score > self._best:
            self._best, self._reports_since_best = score, 0

    def _is_last(self, diverged_at_step: int | None) -> bool:
        patience = self._settings.patience
        is_stuck = patience is not None and self._reports_since_best >= patience
        return self._examples >= self._budget or is_stuck or diverged_at_step is not None

    def _evaluate(self, progress: Sequence[Progress]) -> dict[str, Any]:
        broken = next((each.non_finite_step for each in progress if each.non_finite_step), None)
        self._probabilities = self._predict() if broken is None else None
        if self._probabilities is None:
            steps = broken or max(member.training.steps for member in self._all)
            return {**dict.fromkeys(_MEASURED, math.nan), "score_spread": math.nan, "diverged_at_step": steps}
        decisions = self._decide(self._probabilities)
        each = [self._measure(self._probabilities, decisions, member.judged) for member in self._judged]
        means = {name: float(np.mean([measured[name] for measured in each])) for name in _MEASURED}
        spread = float(np.std([measured["score"] for measured in each], ddof=1)) if len(each) > 1 else math.nan
        return {**means, "score_spread": spread, "diverged_at_step": None}

    def _predict(self) -> NDArray[np.float64] | None:
        """Probabilities (validation rows, labels), or None if a number is not finite."""
        data = self._data
        probabilities = np.zeros(data.validation_truth.shape)
        with self.averaged():
            for member in self._judged:
                logits = predict_logits(member.model, member.validation)
                if not np.isfinite(logits).all():
                    return None
                probabilities[member.judged] = to_probabilities(logits, data.task, seen=data.seen)
            if not all(torch.isfinite(parameter).all() for parameter in self._kept.model.parameters()):
                return None  # with folds no row judges the model to keep
        return probabilities

    def _decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Decisions by cross-fitted thresholds; with folds, those of a fold are fitted on all the others."""
        data = self._data
        if data.folds is None:
            return cross_fitted_decisions(
                probabilities, data.validation_truth, data.task, seed=FOLDS_SEED, seen=data.seen
            )
        return decisions_by_fold(probabilities, data.validation_truth, data.task, fold=data.folds, seen=data.seen)

    def _measure(
        self, probabilities: NDArray[np.float64], decisions: NDArray[np.bool_], rows: NDArray[np.int64]
    ) -> dict[str, float]:
        data = self._data
        measures: Measures = measure(
            decisions[rows],
            data.validation_truth[rows],
            data.task,
            penalty_weight=self._settings.penalty_weight,
            probabilities=probabilities[rows],
            is_detailed=False,
        )
        spread = logit_spread(probabilities[rows][:, data.seen])
        return {name: getattr(measures, name) for name in _MEASURED if name != "logit_spread"} | {
            "logit_spread": spread
        }


def _make_member(
    configuration: Configuration,
    data: TrialData,
    settings: TrialSettings,
    part: PreparedSplits,
    table: EmbeddingTable | None,
    *,
    number: int,
    precision: str,
    seed: int,
) -> _Member:
    """Build the model of one part of the data, `number`, and what trains it.

    Each random stream has the trial's seed and a number of its own; with folds every part has another seed.
    """
    seed = seed if data.folds is None else int(np.random.SeedSequence((seed, number, 1)).generate_state(1)[0])
    trained, judged = _positions(data, number)
    targets = data.train_targets[trained]
    is_text = data.inputs == "text"
    tokens = vocabulary_size(part.counts, configuration) if part.counts is not None else None
    cut = partial(
        make_rows,
        vocabulary=tokens,
        max_length=int(configuration["max_length"]),
        truncation=str(configuration["truncation"]),
    )
    rows = cut(part.train, targets)
    model = make_model(
        configuration,
        tokens=tokens,
        channels=None if is_text else part.train.steps.shape[1],
        labels=data.n_labels,
        precision=precision,
        seed=seed,
        embedding=None if table is None else table.vectors,
    ).to(settings.device)
    training = Training(
        model,
        rows,
        task=data.task,
        loss=make_loss(
            targets,
            labels=data.labels,
            task=data.task,
            loss=_option(LOSSES, configuration, "loss"),
            weights=_option(LOSS_WEIGHTS, configuration, "loss_weights"),
            soft_f1=float(configuration["soft_f1"]),
            logit_adjustment=float(configuration["logit_adjustment"]),
        ),
        resample=_option(RESAMPLINGS, configuration, "resampling"),
        vectors=None if data.vectors is None else data.vectors[number],
        augment=make_augment(
            data.inputs,
            vocabulary=tokens or 0,
            generator=np.random.default_rng((seed, 1)),
            **{name: float(configuration[name]) for name in _AUGMENTATIONS[data.inputs]},
        ),
        mixup=float(configuration["mixup"]),
        make_optimiser=_option(OPTIMISERS, configuration, "optimiser"),
        learning_rate=float(configuration["learning_rate"]),
        schedule=_option(SCHEDULES, configuration, "schedule"),
        clip=_option(CLIPPINGS, configuration, "clipping"),
        batch_size=int(configuration["batch_size"]),
        accumulation=int(configuration["accumulation"]),
        l1=float(configuration["l1"]),
        averaging=_option(AVERAGINGS, configuration, "averaging"),
        budget=round(settings.max_epochs * len(rows)),
        generator=np.random.default_rng((seed, 2)),
    )
    no_targets = np.zeros(len(part.validation), np.int64)
    return _Member(model, training, len(rows), cut(part.validation, no_targets), judged)


def _mean(values: Iterable[float]) -> float:
    """The mean, NaN of none: with folds a model that has seen its share already takes no step."""
    known = list(values)
    return float(np.mean(known)) if known else math.nan


def _positions(data: TrialData, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which training rows part `number` is trained on, and which validation rows it is judged on."""
    if data.folds is None:
        return np.arange(len(data.train_targets)), np.arange(len(data.validation_truth))
    return np.flatnonzero(data.folds != number), np.flatnonzero(data.folds == number)


def _option(registry: Mapping[str, Any], configuration: Configuration, parameter: str) -> Any:
    """Build what a configuration chose from a registry, with the option's own parameters by keyword."""
    chosen = str(configuration[parameter])
    prefix = f"{parameter}.{chosen}."
    own = {name.removeprefix(prefix): value for name, value in configuration.items() if name.startswith(prefix)}
    return registry[chosen](**own)


def _precision(configuration: Configuration, device: str) -> str:
    wanted = str(configuration["precision"])
    return choose_precision(int(configuration["hidden"]), device) if wanted == "auto" else wanted
