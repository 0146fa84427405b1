"""Search by tree-structured Parzen estimators, which learn from the scores of earlier trials."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tuner.samplers.draw import PURPOSE, choose_all, round_within, sample
from tuner.space.configuration import Configuration, Value
from tuner.space.counting import count_values
from tuner.space.domains import Choice, Domain, Fixed, IntRange, Single
from tuner.trial.ending import Ending

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


class _OptunaDraw:
    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def category(self, path: str, n: int) -> int:
        return int(self._trial.suggest_categorical(path, range(n)))

    def integer(self, path: str, low: int, high: int, *, is_log: bool) -> int:
        # A rounded real number. For whole numbers, Optuna integrates its estimators over each number. Over 1,000 trials
        # that took three times as long (30 against 11 ms of processor time per proposal, 16 parameters) and gained nothing.
        return round_within(self.real(path, low - 0.5, high + 0.5, is_log=is_log), low, high)

    def real(self, path: str, low: float, high: float, *, is_log: bool) -> float:
        return float(self._trial.suggest_float(path, low, high, log=is_log))


class TpeSampler:
    """Optuna's multivariate tree-structured Parzen estimator (TPE), maximising the score.

    A trial counts with its best score, as in the ranking, however long it ran. Optuna ranks pruned trials below all
    complete ones, and ranks pruned trials that ran longer above those that ran shorter. If all were reported as pruned, a
    useless trial that `search.patience` ended would look better than any trial that a rung stopped earlier. So only
    collapsed and diverged trials are reported as pruned. They rank below all others, and those without any score come last.
    Failed trials are left out. Running trials count as poor, so that they are not repeated.

    Parameters of an option are estimated one by one, and all others jointly. Optuna's `group` would estimate the former
    jointly too, but doubles the time of an ask.

    A proposal depends only on the seed, its index, and the configurations and results of earlier trials. It does not depend
    on how often this process has asked. So a resumed search goes on exactly as an uninterrupted one.

    Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; Falkner et al. 2018 for the joint estimator.
    """

    def __init__(self, parameters: Mapping[str, Domain], *, seed: int) -> None:
        import optuna  # takes 0.1 s; workers only read configurations and need not wait for it

        self._parameters, self._seed = parameters, seed
        self._states = optuna.trial.TrialState
        self._trials: dict[int, Trial] = {}
        self._storage = optuna.storages.InMemoryStorage()
        with quiet_optuna():
            self._sampler = optuna.samplers.TPESampler(
                multivariate=True, constant_liar=True, n_startup_trials=10, seed=0
            )
            self._study = optuna.create_study(direction="maximize", sampler=self._sampler, storage=self._storage)

    def ask(self, index: int, attempt: int = 0) -> Configuration:
        again = (attempt,) if attempt else ()
        random = np.random.SeedSequence((PURPOSE, self._seed, index, *again)).generate_state(2)
        self._sampler._rng.rng.seed(random[0])
        self._sampler._random_sampler._rng.rng.seed(random[1])
        trial = self._begin(index)
        configuration = sample(self._parameters, _OptunaDraw(trial))
        self._record(index, trial, configuration)
        return configuration

    def replay(self, index: int, configuration: Configuration) -> None:
        self._record(index, self._begin(index), configuration)

    def _begin(self, index: int) -> Trial:
        """Begin a trial in the study. If the trial was proposed before, Optuna leaves the earlier proposal out."""
        if index in self._trials:
            self._study.tell(self._trials.pop(index), state=self._states.FAIL)
        return self._study.ask()

    def _record(self, index: int, trial: Trial, configuration: Configuration) -> None:
        """Record in the study the values of the configuration, not the numbers they were rounded from."""

        def record(path: str, domain: Single) -> Value:
            value = configuration[path]
            parameter = _to_optuna(domain, value)
            if parameter is not None:
                self._storage.set_trial_param(trial._trial_id, path, *parameter)
            return value

        choose_all(self._parameters, record, {}, prefix="")
        self._trials[index] = trial

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: Ending) -> None:
        """Take in a trial's result. Raises KeyError if the trial was never proposed, or if its result is already in."""
        trial = self._trials.pop(index)
        scores = {examples: score for examples, score in sorted(measurements) if math.isfinite(score)}
        if ending == Ending.FAILED:
            self._study.tell(trial, state=self._states.FAIL)
        elif scores and ending.is_fit:
            self._study.tell(trial, max(scores.values()))
        else:
            if scores:  # TPE reads the last step of a pruned trial and its value
                trial.report(max(scores.values()), step=max(scores))
            self._study.tell(trial, state=self._states.PRUNED)


def _to_optuna(domain: Single, value: Value) -> tuple[float, BaseDistribution] | None:
    """Return the number that stands for a value in Optuna, and its distribution. Return None if the value was fixed."""
    if isinstance(domain, Fixed):
        return None
    if isinstance(domain, Choice):
        # Compare as JSON, because 1 == True.
        place = [json.dumps(each) for each in domain.values].index(json.dumps(value))
        return None if len(domain.values) == 1 else (float(place), _categories(len(domain.values)))
    number = float(value)
    count = count_values(domain)
    if count == 1:
        return None
    if count is None:
        return number, _numbers(domain.low, domain.high, is_log=domain.is_log)
    if isinstance(domain, IntRange) and domain.step == 1:
        return number, _numbers(domain.low - 0.5, domain.high + 0.5, is_log=domain.is_log)
    return float(round((number - domain.low) / (domain.step or 1))), _numbers(-0.5, count - 0.5)


# Cached, because thousands of trials share the same distributions.


@cache
def _categories(n: int) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution

    return CategoricalDistribution(range(n))


@cache
def _numbers(low: float, high: float, *, is_log: bool = False) -> BaseDistribution:
    from optuna.distributions import FloatDistribution

    return FloatDistribution(low, high, log=is_log)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log inside the block. It announces each new study."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
