"""One trial: a configuration and data to a stream of reports. No Ray, no files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tuner.data.prepare import TrialData, make_rows, token_setting, vocabulary_size
from tuner.imbalance.loss import make_loss
from tuner.imbalance.resample import RESAMPLINGS
from tuner.model.build import make_model, to_probabilities
from tuner.reporting import Report, TrialSettings
from tuner.scoring.gate import logit_spread
from tuner.scoring.measures import measure
from tuner.scoring.thresholds import FOLDS_SEED, cross_fitted_decisions
from tuner.space.sampler import Configuration
from tuner.training.clipping import CLIPPINGS
from tuner.training.loop import Progress, Training, predict_logits
from tuner.training.optimisers import OPTIMISERS
from tuner.training.precision import choose_precision
from tuner.training.schedules import SCHEDULES


class Trial:
    """A configuration in training. Each `next_report` trains to the next reporting point and evaluates."""

    def __init__(self, configuration: Configuration, data: TrialData, settings: TrialSettings, *, seed: int) -> None:
        torch.set_num_threads(settings.threads)
        self._data, self._settings = data, settings
        self._reports = 0
        splits = data.encoded[token_setting(configuration)]
        vocabulary = vocabulary_size(splits.counts, configuration)
        max_length = int(configuration["max_length"])
        no_targets = np.zeros(len(splits.validation), np.int64)
        train = make_rows(splits.train, data.train_targets, vocabulary=vocabulary, max_length=max_length)
        self._validation = make_rows(splits.validation, no_targets, vocabulary=vocabulary, max_length=max_length)
        self.precision = _precision(configuration, settings.device)
        self.model = make_model(
            configuration, vocabulary=vocabulary, labels=data.n_labels, precision=self.precision, seed=seed
        ).to(settings.device)
        self._rows = len(train)
        self._budget = round(settings.max_epochs * len(train))
        self._training = Training(
            self.model,
            train,
            task=data.task,
            loss=make_loss(data.train_targets, data.n_labels, data.task, weights=str(configuration["loss_weights"])),
            resample=_option(RESAMPLINGS, configuration, "resampling"),
            make_optimiser=_option(OPTIMISERS, configuration, "optimiser"),
            learning_rate=float(configuration["learning_rate"]),
            schedule=_option(SCHEDULES, configuration, "schedule"),
            clip=_option(CLIPPINGS, configuration, "clipping"),
            batch_size=int(configuration["batch_size"]),
            budget=self._budget,
            generator=np.random.default_rng(seed),
        )

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def next_report(self) -> Report:
        """Train to the next reporting point and evaluate on the validation split."""
        target = self._next_target()
        while target <= self._training.examples < self._budget:  # a batch may be larger than a reporting interval
            target = self._next_target()
        progress = self._training.train_until(target)
        start = time.perf_counter()
        measures = self._evaluate(progress)
        return Report(
            examples=self._training.examples,
            epochs=self._training.examples / self._rows,
            **measures,
            train_loss=progress.loss,
            gradient_norm=progress.gradient_norm,
            steps=progress.steps,
            train_seconds=progress.seconds,
            evaluate_seconds=time.perf_counter() - start,
            is_last=self._training.examples >= self._budget or measures["diverged_at_step"] is not None,
            parameters=self.parameters,
            precision=self.precision,
        )

    def _next_target(self) -> int:
        self._reports += 1
        return min(round(self._reports * self._rows / self._settings.reports_per_epoch), self._budget)

    def _evaluate(self, progress: Progress) -> dict[str, Any]:
        logits = None if progress.non_finite_step else predict_logits(self.model, self._validation)
        if logits is None or not np.isfinite(logits).all():
            nothing = dict.fromkeys(
                ("score", "macro_f1", "constant_penalty", "skill", "auc", "average_precision", "logit_spread"), np.nan
            )
            return {**nothing, "diverged_at_step": progress.non_finite_step or self._training.steps}
        data = self._data
        probabilities = to_probabilities(logits, data.task, seen=data.seen)
        decisions = cross_fitted_decisions(
            probabilities, data.validation_truth, data.task, seed=FOLDS_SEED, seen=data.seen
        )
        measures = measure(
            decisions,
            data.validation_truth,
            data.task,
            penalty_weight=self._settings.penalty_weight,
            probabilities=probabilities,
            is_detailed=False,
        )
        return {
            "score": measures.score,
            "macro_f1": measures.macro_f1,
            "constant_penalty": measures.constant_penalty,
            "skill": measures.skill,
            "auc": measures.auc,
            "average_precision": measures.average_precision,
            "logit_spread": logit_spread(probabilities[:, data.seen]),
            "diverged_at_step": None,
        }


def _option(registry: Mapping[str, Any], configuration: Configuration, parameter: str) -> Any:
    """Build what a configuration chose from a registry, with the option's own parameters by keyword."""
    chosen = str(configuration[parameter])
    prefix = f"{parameter}.{chosen}."
    own = {name.removeprefix(prefix): value for name, value in configuration.items() if name.startswith(prefix)}
    return registry[chosen](**own)


def _precision(configuration: Configuration, device: str) -> str:
    wanted = str(configuration["precision"])
    return choose_precision(int(configuration["hidden"]), device) if wanted == "auto" else wanted
