"""From domains to configurations: at random, or by tree-structured Parzen estimators (TPE) that learn from reports.

A configuration is flat: {"hidden": 64, "clipping": "norm", "clipping.norm.threshold": 1.0}. It has every parameter in
force, fixed ones too, and no other.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from tuner.space.configuration import Configuration, Value
from tuner.space.domains import Choice, Conditional, Domain, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

Single: TypeAlias = Fixed | Choice | IntRange | FloatRange
Choose: TypeAlias = Callable[[str, Single], Value]
"""From a parameter's path, as "clipping.norm.threshold", and its domain to its value."""

_UNFIT = ("collapsed", "diverged")
_PURPOSE = 0x5350_4143  # keeps these random streams apart from others that are derived from the same seed


class Draw(Protocol):
    """A source of values; `path` names the parameter that a value is for, as "clipping.norm.threshold"."""

    def category(self, path: str, n: int) -> int:
        """Return one of 0 … n - 1."""

    def integer(self, path: str, low: int, high: int, *, is_log: bool) -> int:
        """Return a whole number from low to high, both included."""

    def real(self, path: str, low: float, high: float, *, is_log: bool) -> float:
        """Return a real number from low to high."""


class Sampler(Protocol):
    """Proposes the configuration of trial `index`, and is told how the trial went."""

    def ask(self, index: int) -> Configuration:
        """Return the configuration of trial `index`, which is asked for once."""

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: str) -> None:
        """Take in a trial's reports, pairs of examples seen and score, and how it ended."""

    def replay(self, index: int, configuration: Configuration) -> None:
        """Take in that trial `index` was proposed with `configuration`: afterwards all is as if it had been asked for.

        Trials are replayed in the order in which they were asked for.
        """


def sample(parameters: Mapping[str, Domain], draw: Draw) -> dict[str, Value]:
    """Return one configuration of the domains, with its values taken from `draw`."""
    configuration: dict[str, Value] = {}
    _choose_all(parameters, partial(_sample_one, draw=draw), configuration, prefix="")
    return configuration


def _choose_all(
    parameters: Mapping[str, Domain], choose: Choose, configuration: dict[str, Value], *, prefix: str
) -> None:
    """Fill a configuration: `choose` is asked for the value of every parameter that those before it put in force."""
    for name, domain in parameters.items():
        path = sys.intern(prefix + name)  # one text for all trials of a search, of which there may be thousands
        if isinstance(domain, Conditional):
            if float(configuration[prefix + domain.need.name]) >= domain.need.least:
                configuration[path] = choose(path, domain.domain)
        elif isinstance(domain, OptionChoice):
            options = dict(domain.options)
            option = str(choose(path, Choice(tuple(options))))
            configuration[path] = option
            _choose_all(options[option], choose, configuration, prefix=f"{path}.{option}.")
        else:
            configuration[path] = choose(path, domain)


def _sample_one(path: str, domain: Single, *, draw: Draw) -> Value:
    if isinstance(domain, Fixed):
        return domain.value
    if isinstance(domain, Choice):
        return domain.values[0 if len(domain.values) == 1 else draw.category(path, len(domain.values))]
    if domain.low == domain.high:
        return domain.low
    if isinstance(domain, IntRange):
        if domain.step == 1:
            return draw.integer(path, domain.low, domain.high, is_log=domain.is_log)
        return domain.low + domain.step * draw.integer(path, 0, _steps(domain), is_log=False)
    if domain.step is None:
        return draw.real(path, domain.low, domain.high, is_log=domain.is_log)
    # In decimal, so that the third step of 0.1 is 0.3 and not 0.30000000000000004.
    low, step = Decimal(str(domain.low)), Decimal(str(domain.step))
    return float(low + step * draw.integer(path, 0, _steps(domain), is_log=False))


def _steps(domain: IntRange | FloatRange) -> int:
    """Return how many steps a domain with steps has."""
    low, high, step = (Decimal(str(number)) for number in (domain.low, domain.high, domain.step))
    return int((high - low) / step)


def _round_within(number: float, low: int, high: int) -> int:
    return min(max(round(number), low), high)


class _RandomDraw:
    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def category(self, path: str, n: int) -> int:  # noqa: ARG002 - the protocol's; a random draw needs no name
        return int(self._generator.integers(n))

    def integer(self, path: str, low: int, high: int, *, is_log: bool) -> int:
        # Half a step wider at both ends, so that the ends are as likely as their neighbours.
        return _round_within(self.real(path, low - 0.5, high + 0.5, is_log=is_log), low, high)

    def real(self, path: str, low: float, high: float, *, is_log: bool) -> float:  # noqa: ARG002
        if not is_log:
            return float(self._generator.uniform(low, high))
        return min(max(math.exp(self._generator.uniform(math.log(low), math.log(high))), low), high)


class RandomSampler:
    """Independent draws: the configuration of a trial depends on the seed and its index only."""

    def __init__(self, parameters: Mapping[str, Domain], *, seed: int) -> None:
        self._parameters = parameters
        self._seed = seed

    def ask(self, index: int) -> Configuration:
        return sample(self._parameters, _RandomDraw(np.random.default_rng((_PURPOSE, self._seed, index))))

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: str) -> None:
        """Nothing is learned."""

    def replay(self, index: int, configuration: Configuration) -> None:
        """Nothing is remembered."""


class _OptunaDraw:
    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def category(self, path: str, n: int) -> int:
        return int(self._trial.suggest_categorical(path, range(n)))

    def integer(self, path: str, low: int, high: int, *, is_log: bool) -> int:
        # A rounded real: Optuna integrates its estimators over every whole number, which took three times as long
        # over 1,000 trials (30 against 11 ms of processor an ask, 16 parameters) and tells it nothing more.
        return _round_within(self.real(path, low - 0.5, high + 0.5, is_log=is_log), low, high)

    def real(self, path: str, low: float, high: float, *, is_log: bool) -> float:
        return float(self._trial.suggest_float(path, low, high, log=is_log))


class TpeSampler:
    """Optuna's multivariate TPE, maximising the score; running trials count as poor, so that they are not repeated.

    A trial counts with its best score, as in the ranking, however far it came. Optuna ranks pruned trials below all complete
    ones, and by how far they came, which says of a dud that `search.patience` ended that it is better than whatever a rung
    stopped. So only a trial that collapsed or diverged is told as pruned: below all others, and the further it came the
    higher; one without any score is the lowest of all. A failed one is left out. Parameters of an option are estimated one
    by one and all others jointly: Optuna's `group`, which would take them jointly too, doubles the time of an ask.

    An ask depends on the seed, its index, the configurations of the trials before it and what was told of them, and on
    nothing else: not on how often this process has asked. So a search that is resumed goes on as it would have.

    Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; Falkner et al. 2018 for the joint estimator.
    """

    def __init__(self, parameters: Mapping[str, Domain], *, seed: int) -> None:
        import optuna  # a tenth of a second, which no worker that only reads configurations should pay

        self._parameters, self._seed = parameters, seed
        self._states = optuna.trial.TrialState
        self._trials: dict[int, Trial] = {}
        self._storage = optuna.storages.InMemoryStorage()
        with quiet_optuna():
            self._sampler = optuna.samplers.TPESampler(
                multivariate=True, constant_liar=True, n_startup_trials=10, seed=0
            )
            self._study = optuna.create_study(direction="maximize", sampler=self._sampler, storage=self._storage)

    def ask(self, index: int) -> Configuration:
        random = np.random.SeedSequence((_PURPOSE, self._seed, index)).generate_state(2)
        self._sampler._rng.rng.seed(random[0])
        self._sampler._random_sampler._rng.rng.seed(random[1])
        trial = self._study.ask()
        configuration = sample(self._parameters, _OptunaDraw(trial))
        self._note(index, trial, configuration)
        return configuration

    def replay(self, index: int, configuration: Configuration) -> None:
        self._note(index, self._study.ask(), configuration)

    def _note(self, index: int, trial: Trial, configuration: Configuration) -> None:
        """Let the study hold the values of the configuration, not the numbers that they were rounded from."""

        def note(path: str, domain: Single) -> Value:
            value = configuration[path]
            noted = _as_optuna_holds(domain, value)
            if noted is not None:
                self._storage.set_trial_param(trial._trial_id, path, *noted)
            return value

        _choose_all(self._parameters, note, {}, prefix="")
        self._trials[index] = trial

    def tell(self, index: int, *, measurements: Sequence[tuple[int, float]], ending: str) -> None:
        """Take in a trial; raises KeyError for one that was not asked for, or was told before."""
        trial = self._trials.pop(index)
        scores = {examples: score for examples, score in sorted(measurements) if math.isfinite(score)}
        if ending == "failed":
            self._study.tell(trial, state=self._states.FAIL)
        elif scores and ending not in _UNFIT:
            self._study.tell(trial, max(scores.values()))
        else:
            if scores:  # of a pruned trial TPE reads the latest step and its value
                trial.report(max(scores.values()), step=max(scores))
            self._study.tell(trial, state=self._states.PRUNED)


def _as_optuna_holds(domain: Single, value: Value) -> tuple[float, BaseDistribution] | None:
    """Return the number that stands for a value, and Optuna's distribution of such numbers; None where none was drawn."""
    if isinstance(domain, Fixed):
        return None
    if isinstance(domain, Choice):
        # By their JSON, for 1 is equal to True.
        place = [json.dumps(each) for each in domain.values].index(json.dumps(value))
        return None if len(domain.values) == 1 else (float(place), _of_places(len(domain.values)))
    number = float(value)
    if domain.low == domain.high:
        return None
    if domain.step is None:
        return number, _of_numbers(domain.low, domain.high, is_log=domain.is_log)
    if isinstance(domain, IntRange) and domain.step == 1:
        return number, _of_numbers(domain.low - 0.5, domain.high + 0.5, is_log=domain.is_log)
    return float(round((number - domain.low) / domain.step)), _of_numbers(-0.5, _steps(domain) + 0.5)


# One object for all trials, of which there may be thousands.


@cache
def _of_places(n: int) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution

    return CategoricalDistribution(range(n))


@cache
def _of_numbers(low: float, high: float, *, is_log: bool = False) -> BaseDistribution:
    from optuna.distributions import FloatDistribution

    return FloatDistribution(low, high, log=is_log)


def make_sampler(space: Space) -> Sampler:
    """Return the sampler that the space's search section asks for."""
    kinds: dict[str, type[RandomSampler] | type[TpeSampler]] = {"random": RandomSampler, "tpe": TpeSampler}
    return kinds[space.search.algorithm](space.parameters, seed=space.search.seed)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's log lines away for as long as this lasts: it announces each new study."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
