"""One trial: a configuration and data to a stream of reports. No Ray, no files."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tuner.data.preparation import embedding_setting, preparation_setting
from tuner.data.prepare import TrialData, vocabulary_size
from tuner.model.build import to_probabilities
from tuner.model.classifier import SequenceClassifier
from tuner.pruners.candidates import NO_MERIT, merit
from tuner.pruners.gate import GateSettings, is_collapsed, logit_spread
from tuner.scoring.by_fold import AVERAGED, measure_by_fold
from tuner.scoring.thresholds import cross_fitted_decisions, fit_thresholds
from tuner.space.configuration import Configuration
from tuner.training.health import HealthCheckSchedule, check_health, probability_spread
from tuner.training.loop import predict_logits
from tuner.training.precision import choose_precision
from tuner.training.progress import Progress
from tuner.training.state import State, from_bytes, to_bytes
from tuner.trial.fold_model import make_fold_model
from tuner.trial.health_names import OF_STEPS, STATIC
from tuner.trial.measurement import Measurement, TrialSettings

_OF_PROBABILITIES = ("logit_spread", "probability_spread")
_STATE_VERSION = 2


class Trial:
    """A configuration in training. Each `next_report` trains to the next reporting point and evaluates.

    Without folds there is one model. With folds there is one for each fold, trained on the others, and a report tells of
    their mean; `is_final` adds one that trains on every row and is judged on none: the one to keep.

    `probabilities` (validation rows, labels) are those of the latest report, with folds each by the model that did not see
    its row; None before a report and where a number was not finite.
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
        self._best, self._measurements_since_best = -math.inf, 0
        self._best_merit = NO_MERIT
        self._rows = len(data.train_targets)
        self._budget = round(settings.max_epochs * self._rows)
        own = {"configuration": dict(configuration), "seed": seed, "rows": self._rows, "budget": self._budget}
        self._identity = {"version": _STATE_VERSION, **own}
        self.precision = _precision(configuration, settings.device)
        setting, embedding = preparation_setting(configuration), embedding_setting(configuration)
        parts = data.prepared[setting]
        tables = [None] * len(parts) if embedding is None else data.tables[setting, embedding]
        numbers = range(len(parts) if is_final or data.folds is None else len(parts) - 1)
        fold_models = [
            make_fold_model(
                configuration, data, settings, parts[n], tables[n], number=n, precision=self.precision, seed=seed
            )
            for n in numbers
        ]
        self._judged = [fold_model for fold_model in fold_models if len(fold_model.judged)]
        self._kept = fold_models[-1]
        self._all = fold_models
        samples = [fold_model.samples for fold_model in fold_models if fold_model.samples is not None]
        self._reading: dict[str, Any] = {name: _mean(each.reading[name] for each in samples) for name in STATIC}
        self._looks = HealthCheckSchedule()
        kept, table = parts[numbers[-1]], tables[numbers[-1]]
        self.vocabulary_found = (
            math.nan
            if table is None or kept.counts is None
            else table.found_among(vocabulary_size(kept.counts, configuration))
        )
        self.probabilities: NDArray[np.float64] | None = None

    @property
    def model(self) -> SequenceClassifier:
        """The model to keep: the only one, or with folds, where the trial is final, the one on every row. See `averaged`."""
        return self._kept.model

    @property
    def parameters(self) -> int:
        """The number of trained parameters of one model."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    @property
    def best_merit(self) -> tuple[int, float]:
        """The best merit of a report so far, of those before `save_state` too: what decides which model is kept."""
        return self._best_merit

    def save_state(self) -> bytes:
        """Return all that the reports to come depend on, to be taken between two reports: safetensors, nothing pickled.

        It is as large as a model's trained weights, as many times as the optimiser keeps numbers of each and once more:
        three times with Adam, four with averaging; as large for each fold. On a CPU a trial that goes on from here gives
        the same reports, but for seconds, as one that was never interrupted.
        """
        state: State = {
            "trial": self._identity,
            "precision": self.precision,
            "reporting_points": self._reporting_points,
            "best": self._best,
            "best_merit": list(self._best_merit),
            "reports_since_best": self._measurements_since_best,
            "looks": self._looks.state(),
            "members": {str(number): fold_model.training.state() for number, fold_model in enumerate(self._all)},
        }
        if self._is_on_gpu:
            state["dropout_on_gpu"] = torch.cuda.get_rng_state(self._settings.device)
        return to_bytes(state)

    def load_state(self, content: bytes) -> None:
        """Go on where the trial that `save_state` was called on left off; this one is new, and else the same.

        `probabilities` are None until the next report. The recurrent layers compute in what they did before, also where
        "auto" would choose another precision on this machine. Raises ValueError where the content is damaged, or the state
        of another trial or version of tuner; this trial is then of no use, and has to be made anew.
        """
        try:
            self._restore(from_bytes(content))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            told = f"{type(error).__name__}: {error}"
            raise ValueError(f"this is not a state of this trial ({told}); start the trial anew") from error

    def _restore(self, state: State) -> None:
        other = [name for name, value in self._identity.items() if state["trial"].get(name) != value]
        if other or len(state["members"]) != len(self._all):
            raise ValueError(f"it is of another {' and '.join(other) or 'number of models'}")
        for number, fold_model in enumerate(self._all):
            fold_model.training.restore(state["members"][str(number)])
            fold_model.model.precision = state["precision"]
        self._looks.restore(state["looks"])
        self._best, self._measurements_since_best = state["best"], state["reports_since_best"]
        health, score = state["best_merit"]
        self._best_merit = int(health), float(score)
        self._reporting_points, self.precision = state["reporting_points"], state["precision"]
        if self._is_on_gpu:
            torch.cuda.set_rng_state(state["dropout_on_gpu"], self._settings.device)

    @property
    def _is_on_gpu(self) -> bool:
        return self._settings.device.startswith("cuda")

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let every model hold the weights that it is judged by, where the configuration averages them."""
        with ExitStack() as stack:
            for fold_model in self._all:
                stack.enter_context(fold_model.training.averaged())
            yield

    def next_measurement(self) -> Measurement:
        """Train to the next reporting point and evaluate on the validation rows."""
        target = self._next_target()
        while target <= self.examples < self._budget:  # a batch may be larger than a reporting interval
            target = self._next_target()
        progress = [
            fold_model.training.train_until(math.ceil(target * fold_model.size / self._rows))
            for fold_model in self._all
        ]
        start = time.perf_counter()
        measures = self._evaluate(progress)
        for fold_model in self._all:
            fold_model.training.observe(measures["score"])
        self._note_best(measures["score"])
        measurement = self._told(progress, measures)
        if math.isfinite(measurement.score):
            self._best_merit = max(self._best_merit, merit(measurement.signs))
        looks: dict[str, Any] = self._look(measurement)
        return replace(measurement, **looks, evaluate_seconds=time.perf_counter() - start)

    def _told(self, progress: Sequence[Progress], measures: dict[str, Any]) -> Measurement:
        health: dict[str, Any] = {name: _mean_of_known(getattr(each, name) for each in progress) for name in OF_STEPS}
        return Measurement(
            examples=self.examples,
            epochs=self.examples / self._rows,
            **measures,
            train_loss=_mean(each.loss for each in progress if each.steps),
            gradient_norm=_mean(each.gradient_norm for each in progress if each.steps),
            steps=sum(each.steps for each in progress),
            train_seconds=sum(each.seconds for each in progress),
            evaluate_seconds=math.nan,
            is_last=self._is_last(measures["diverged_at_step"]),
            parameters=self.parameters,
            precision=self.precision,
            vocabulary_found=self.vocabulary_found,
            **health,
            **self._reading,
        )

    @property
    def examples(self) -> int:
        """Examples seen, in those of an epoch over every row: with folds each model sees as large a share of its own."""
        return round(
            float(np.mean([fold_model.training.examples / fold_model.size for fold_model in self._all])) * self._rows
        )

    def _next_target(self) -> int:
        self._reporting_points += 1
        return min(round(self._reporting_points * self._rows / self._settings.reports_per_epoch), self._budget)

    def _note_best(self, score: float) -> None:
        self._measurements_since_best += 1
        if score > self._best:
            self._best, self._measurements_since_best = score, 0

    def _is_last(self, diverged_at_step: int | None) -> bool:
        patience = self._settings.patience
        is_stuck = patience is not None and self._measurements_since_best >= patience
        return self.examples >= self._budget or is_stuck or diverged_at_step is not None

    def _evaluate(self, progress: Sequence[Progress]) -> dict[str, Any]:
        broken = next((each.non_finite_step for each in progress if each.non_finite_step), None)
        self.probabilities = self._predict() if broken is None else None
        if self.probabilities is None:
            steps = broken or max(fold_model.training.steps for fold_model in self._all)
            unknown = dict.fromkeys((*AVERAGED, "score_spread", *_OF_PROBABILITIES), math.nan)
            return {**unknown, "diverged_at_step": steps}
        measured = measure_by_fold(
            self._decide(self.probabilities),
            self._data.validation_truth,
            self._data.task,
            self._data.folds,
            penalty_weight=self._settings.penalty_weight,
            probabilities=self.probabilities,
        )
        seen, truth = self._data.seen, self._data.validation_truth[:, self._data.seen]
        judged = [self.probabilities[fold_model.judged][:, seen] for fold_model in self._judged]
        truths = [truth[fold_model.judged] for fold_model in self._judged]
        return {
            **measured.means,
            "score_spread": measured.spread,
            "logit_spread": _mean(logit_spread(each, true) for each, true in zip(judged, truths, strict=True)),
            "probability_spread": _mean(probability_spread(each) for each in judged),
            "diverged_at_step": None,
        }

    def _look(self, measurement: Measurement) -> dict[str, float]:
        """Look into the models and score them on rows that they were trained on, where that is due."""
        is_sign = is_collapsed(measurement.signs, GateSettings())
        is_due = self._looks.is_due(measurement.examples, is_collapsed=is_sign, is_last=measurement.is_last)
        if self.probabilities is None or not is_due:
            return {}
        data, weight = self._data, self._settings.penalty_weight
        thresholds = fit_thresholds(self.probabilities, data.validation_truth, data.task, seen=data.seen)
        with self.averaged():
            looks = [
                check_health(
                    fold_model.model, fold_model.samples, thresholds, data.task, seen=data.seen, penalty_weight=weight
                )
                for fold_model in self._judged
                if fold_model.samples is not None
            ]
        return {name: _mean(each[name] for each in looks) for name in looks[0]}

    def _predict(self) -> NDArray[np.float64] | None:
        """Probabilities (validation rows, labels), or None if a number is not finite."""
        data = self._data
        probabilities = np.zeros(data.validation_truth.shape)
        with self.averaged():
            for fold_model in self._judged:
                logits = predict_logits(fold_model.model, fold_model.validation)
                if not np.isfinite(logits).all():
                    return None
                probabilities[fold_model.judged] = to_probabilities(logits, data.task, seen=data.seen)
            if not all(torch.isfinite(parameter).all() for parameter in self._kept.model.parameters()):
                return None  # with folds no row judges the model to keep
        return probabilities

    def _decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Decisions by cross-fitted thresholds."""
        data = self._data
        return cross_fitted_decisions(probabilities, data.validation_truth, data.task, parts=data.parts, seen=data.seen)


def _mean(values: Iterable[float]) -> float:
    """The mean, NaN of none: with folds a model that has seen its share already takes no step."""
    known = list(values)
    return float(np.mean(known)) if known else math.nan


def _mean_of_known(values: Iterable[float]) -> float:
    return _mean(value for value in values if not math.isnan(value))


def _precision(configuration: Configuration, device: str) -> str:
    wanted = str(configuration["precision"])
    if wanted != "auto":
        return wanted
    return choose_precision(int(configuration["hidden"]), device, cell=str(configuration["cell"]))
