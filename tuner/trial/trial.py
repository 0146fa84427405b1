"""One trial: a configuration and data become a stream of measurements. No Ray, no files."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tuner.data.preparation import embedding_setting, preparation_setting
from tuner.data.trial_data import TrialData, vocabulary_size
from tuner.model.classifier import SequenceClassifier
from tuner.pruners.gate import GateSettings, is_collapsed
from tuner.space.configuration import Configuration
from tuner.training.device import is_gpu, prepare_gpu, random_state, set_random_state
from tuner.training.health import HealthCheckSchedule
from tuner.training.precision import choose_precision
from tuner.training.progress import Progress
from tuner.training.state import State, from_bytes, to_bytes
from tuner.trial.best import BestSoFar
from tuner.trial.fold_model import FoldModel, make_fold_model
from tuner.trial.measurement import OF_STEPS, Measurement
from tuner.trial.order import TrialSettings
from tuner.trial.validation import MEASURES, Validation, mean, mean_of_known

_STATE_VERSION = 2


class Trial:
    """A configuration in training. Each call of `next_measurement` trains for a while and then evaluates.

    Without folds there is one model. With folds there is one for each fold, trained on the other folds, and a measurement
    is the mean over them. `is_final` adds the model to keep, which trains on every row and is judged on none.
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
        self._settings, self._is_on_gpu = settings, is_gpu(settings.device)
        if self._is_on_gpu:
            prepare_gpu(settings.device, settings.gpu_share)
        self._rows = len(data.train_targets)
        self._budget = round(settings.max_epochs * self._rows)
        self._identity = {
            "version": _STATE_VERSION,
            "configuration": dict(configuration),
            "seed": seed,
            "rows": self._rows,
            "budget": self._budget,
        }
        self.precision = _precision(configuration, settings.device)
        setting, embedding = preparation_setting(configuration), embedding_setting(configuration)
        parts = data.prepared[setting]
        tables = [None] * len(parts) if embedding is None else data.tables[setting, embedding]
        count = len(parts) if is_final or data.folds is None else len(parts) - 1
        self._fold_models: Sequence[FoldModel] = [
            make_fold_model(
                configuration, data, settings, parts[n], tables[n], number=n, precision=self.precision, seed=seed
            )
            for n in range(count)
        ]
        self._kept = self._fold_models[-1]
        self._validation = Validation(self._fold_models, data, penalty_weight=settings.penalty_weight)
        self._reporting_points = 0
        self._target: int | None = None  # examples at the measurement that is due next
        self._progress: list[Progress] = []  # of the models that have trained until then
        self._best, self._health_checks = BestSoFar(), HealthCheckSchedule()
        part, table = parts[count - 1], tables[count - 1]
        self.vocabulary_found = (
            math.nan
            if table is None or part.counts is None
            else table.share_found_among(vocabulary_size(part.counts, configuration))
        )
        self._of_trial: dict[str, Any] = {
            "parameters": self.parameters,
            "vocabulary_found": self.vocabulary_found,
            **self._validation.reading(),
        }

    @property
    def model(self) -> SequenceClassifier:
        """The model to keep: the only one, or the one on every row if a trial with folds is final. See `averaged`."""
        return self._kept.model

    @property
    def parameters(self) -> int:
        """The number of trained parameters of one model."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    @property
    def probabilities(self) -> NDArray[np.float64] | None:
        """The latest measurement's probabilities, (validation rows, labels). With folds each row's model did not see it.

        None before a measurement, and if a number was not finite.
        """
        return self._validation.probabilities

    @property
    def best_merit(self) -> tuple[int, float]:
        """The best merit so far, including measurements before a loaded state. It decides which model is kept."""
        return self._best.merit

    @property
    def steps(self) -> int:
        """Steps taken, of all models."""
        return sum(fold_model.training.steps for fold_model in self._fold_models)

    @property
    def examples(self) -> int:
        """Examples seen, scaled to all rows: with folds each model has seen the same share of its fewer rows."""
        shares = [fold_model.training.examples / fold_model.size for fold_model in self._fold_models]
        return round(float(np.mean(shares)) * self._rows)

    def averaged(self) -> AbstractContextManager[None]:
        """Give every model the weights that it is judged by, if the configuration averages weights."""
        return self._validation.averaged()

    def next_measurement(self) -> Measurement:
        """Train until the next measurement is due, and evaluate on the validation rows."""
        self.advance()
        return self.measure()

    def advance(self, *, pause_at: float = math.inf) -> bool:
        """Train until the next measurement is due, but pause once time.perf_counter() reaches `pause_at`.

        Return whether there is more to train.
        """
        if self._target is None:
            self._target = self._next_target()
            while self._target <= self.examples < self._budget:  # a batch may be larger than the interval
                self._target = self._next_target()
        for fold_model in self._fold_models[len(self._progress) :]:
            if fold_model.training.advance(math.ceil(self._target * fold_model.size / self._rows), pause_at=pause_at):
                return True
            self._progress.append(fold_model.training.take_progress())
        return False

    def measure(self) -> Measurement:
        """Evaluate on the validation rows, even if no measurement is due yet."""
        if self._target is not None and self.examples < self._target:
            self._reporting_points -= 1  # it is still due
        unfinished = self._fold_models[len(self._progress) :]
        progress = [*self._progress, *(fold_model.training.take_progress() for fold_model in unfinished)]
        self._target, self._progress = None, []
        start = time.perf_counter()
        measures = self._evaluate(progress)
        for fold_model in self._fold_models:
            fold_model.training.observe(measures["score"])
        self._best.take_score(measures["score"])
        measurement = self._make_measurement(progress, measures)
        self._best.take_merit(measurement)
        checked: dict[str, Any] = self._check_health(measurement)
        return replace(measurement, **checked, evaluate_seconds=time.perf_counter() - start)

    def save_state(self) -> bytes:
        """Return everything that the next measurements depend on, as safetensors. Call it between two steps.

        The state holds a model's trained weights, and every number that the optimiser keeps for each weight. With Adam that
        is three times the size of the weights, with averaging four times, and as much again for each fold. On a CPU, a
        trial that loads the state measures the same, except for seconds, as one that was never interrupted. If it was saved
        on the way to a measurement, that measurement's figures about steps are of those that came later.
        """
        state: State = {
            "trial": self._identity,
            "precision": self.precision,
            "reporting_points": self._reporting_points - (self._target is not None),  # the measurement is still due
            **self._best.state(),
            "looks": self._health_checks.state(),
            "members": {str(number): each.training.state() for number, each in enumerate(self._fold_models)},
        }
        if self._is_on_gpu:
            state["dropout_on_gpu"] = random_state(self._settings.device)
        return to_bytes(state)

    def load_state(self, content: bytes) -> None:
        """Continue from a state that an equal trial saved. This trial must be new.

        `probabilities` are None until the next measurement. The recurrent layers keep the saved precision, even if "auto"
        would choose another one on this machine. Raises ValueError if the content is damaged, or is the state of another
        trial or another version of tuner. Then discard this trial and make a new one.
        """
        try:
            self._restore(from_bytes(content))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            cause = f"{type(error).__name__}: {error}"
            raise ValueError(f"this is not a state of this trial ({cause}); start the trial again") from error

    def _restore(self, state: State) -> None:
        differences = [name for name, value in self._identity.items() if state["trial"].get(name) != value]
        if differences or len(state["members"]) != len(self._fold_models):
            raise ValueError(f"it belongs to another {' and '.join(differences) or 'number of models'}")
        for number, fold_model in enumerate(self._fold_models):
            fold_model.training.restore(state["members"][str(number)])
            fold_model.model.precision = state["precision"]
        self._health_checks.restore(state["looks"])
        self._best.restore(state)
        self._reporting_points, self.precision = state["reporting_points"], state["precision"]
        if self._is_on_gpu:
            set_random_state(self._settings.device, state["dropout_on_gpu"])

    @property
    def examples_to_measurement(self) -> int:
        """The examples that are left to train until the next measurement is due; 0 before training towards it."""
        return 0 if self._target is None else max(0, self._target - self.examples)

    def _next_target(self) -> int:
        self._reporting_points += 1
        return min(round(self._reporting_points * self._rows / self._settings.reports_per_epoch), self._budget)

    def _evaluate(self, progress: Sequence[Progress]) -> dict[str, Any]:
        step = next((each.non_finite_step for each in progress if each.non_finite_step), None)
        measures = self._validation.evaluate(has_diverged=step is not None)
        if measures is not None:
            return {**measures, "diverged_at_step": None}
        last_step = max(fold_model.training.steps for fold_model in self._fold_models)
        return {**dict.fromkeys(MEASURES, math.nan), "diverged_at_step": step or last_step}

    def _make_measurement(self, progress: Sequence[Progress], measures: dict[str, Any]) -> Measurement:
        health: dict[str, Any] = {name: mean_of_known(getattr(each, name) for each in progress) for name in OF_STEPS}
        examples = self.examples
        is_stuck = self._best.is_stuck(self._settings.patience)
        return Measurement(
            examples=examples,
            epochs=examples / self._rows,
            **measures,
            train_loss=mean(each.loss for each in progress if each.steps),
            gradient_norm=mean(each.gradient_norm for each in progress if each.steps),
            steps=sum(each.steps for each in progress),
            train_seconds=sum(each.seconds for each in progress),
            evaluate_seconds=math.nan,
            is_last=examples >= self._budget or is_stuck or measures["diverged_at_step"] is not None,
            precision=self.precision,
            **health,
            **self._of_trial,
        )

    def _check_health(self, measurement: Measurement) -> dict[str, float]:
        """Check the health of the models if a check is due."""
        has_sign = is_collapsed(measurement.signs, GateSettings())
        is_due = self._health_checks.is_due(measurement.examples, is_collapsed=has_sign, is_last=measurement.is_last)
        return self._validation.check_health() if is_due else {}


def _precision(configuration: Configuration, device: str) -> str:
    wanted = str(configuration["precision"])
    if wanted != "auto":
        return wanted
    return choose_precision(int(configuration["hidden"]), device, cell=str(configuration["cell"]))
