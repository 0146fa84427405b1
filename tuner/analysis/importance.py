"""How much of the variance of the score each hyperparameter explains, by functional ANOVA on a study rebuilt from trials.

Hutter, Hoos and Leyton-Brown 2014, "An Efficient Approach for Assessing Hyperparameter Importance", in Optuna's
implementation. A parameter that only some trials use is assessed on those trials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.trials import TrialFacts, thin
from tuner.analysis.tried_settings import condition, is_numeric, varied
from tuner.samplers.tpe import quiet_optuna

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST_TRIALS = 16
"""With fewer trials, a random forest fits noise."""
MOST_TRIALS = 400
_TREES = 12
_TREES_OF_RESAMPLES = 6
_DEPTH = 6
_RESAMPLES = 3
_PART = 0.8  # share of the trials in a resample, drawn without replacement: no left-out trial has a copy in it
_FOREST = 50


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The share of the score's variance that one parameter explains by itself, measured on left-out trials.

    `low` and `high` are the range over subsets of the trials. `condition` says when the parameter is in force; `trials`
    counts the trials that used it.
    """

    name: str
    condition: str
    trials: int
    value: float
    low: float
    high: float


def importances(
    trials: Sequence[TrialFacts], *, logarithmic: frozenset[str] = frozenset(), seed: int = 0
) -> tuple[Importance, ...]:
    """Return the importance of every parameter that varied, in descending order; parameters in force in all trials come first.

    Leaves out trials without a score, and parameters that are in force in fewer than FEWEST_TRIALS. If there are more than
    MOST_TRIALS trials, it uses an even selection of them.
    """
    scored = thin([trial for trial in trials if trial.score is not None], MOST_TRIALS)
    weighed: list[Importance] = []
    for names, members in _groups(scored):
        if len(members) >= FEWEST_TRIALS:
            ranked = _weigh(names, members, logarithmic=logarithmic, seed=seed)
            weighed += [replace(importance, condition=condition(importance.name, scored)) for importance in ranked]
    return tuple(sorted(weighed, key=lambda importance: (importance.condition != "", -importance.value)))


def _groups(trials: Sequence[TrialFacts]) -> Iterator[tuple[tuple[str, ...], list[TrialFacts]]]:
    """Yield each group of parameters that are in force in the same trials, with those trials."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in varied(trials):
        members = tuple(place for place, trial in enumerate(trials) if name in trial.configuration)
        groups.setdefault(members, []).append(name)
    for places, names in groups.items():
        yield tuple(names), [trials[place] for place in places]


def _weigh(
    names: Sequence[str], members: Sequence[TrialFacts], *, logarithmic: frozenset[str], seed: int
) -> list[Importance]:
    """Weigh `names` on the trials `members`, together with all other parameters that are in force in every one of them."""
    shared = [name for name in varied(members) if all(name in trial.configuration for trial in members)]
    weighable = [name for name in names if name in shared]
    if not weighable:
        return []
    distributions = {name: _distribution(name, members, name in logarithmic) for name in shared}
    generator = np.random.default_rng(seed)
    whole = _explained(members, distributions, seed=seed, trees=_TREES)
    drawn = []
    for _ in range(_RESAMPLES):
        places = generator.choice(len(members), round(_PART * len(members)), replace=False)
        drawn.append(
            _explained([members[place] for place in places], distributions, seed=seed, trees=_TREES_OF_RESAMPLES)
        )
    return [
        Importance(
            name=name,
            condition="",
            trials=len(members),
            value=whole[name],
            low=min(whole[name], *(shares[name] for shares in drawn)),
            high=max(whole[name], *(shares[name] for shares in drawn)),
        )
        for name in weighable
    ]


def _explained(
    members: Sequence[TrialFacts], distributions: Mapping[str, BaseDistribution], *, seed: int, trees: int
) -> dict[str, float]:
    """Return the share of the scores' variance that each parameter explains by itself, on left-out trials."""
    scores = np.array([trial.score for trial in members], np.float64)
    predictable = _predictable_share(members, scores, distributions, seed=seed)
    if predictable <= 0:
        return dict.fromkeys(distributions, 0.0)
    import optuna

    with quiet_optuna():
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={name: trial.configuration[name] for name in distributions},
                    distributions=dict(distributions),
                    value=float(score),
                )
                for trial, score in zip(members, scores, strict=True)
            ]
        )
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=trees, max_depth=_DEPTH, seed=seed)
        shares = evaluator.evaluate(study, params=list(distributions))
    return {name: predictable * float(shares[name]) for name in distributions}


def _predictable_share(
    members: Sequence[TrialFacts],
    scores: NDArray[np.float64],
    distributions: Mapping[str, BaseDistribution],
    *,
    seed: int,
) -> float:
    """Return the share of the scores' variance that a random forest predicts for trials that its trees were not fitted on.

    Functional ANOVA divides all of the forest's variance among the parameters, noise included. Multiplying by this share
    removes the noise.
    """
    if np.ptp(scores) < 1e-9:
        return 0.0
    from sklearn.ensemble import RandomForestRegressor

    columns = [column for name in distributions for column in _encoded(name, members, distributions[name])]
    forest = RandomForestRegressor(_FOREST, min_samples_leaf=2, random_state=seed).set_params(oob_score=True)
    forest.fit(np.column_stack(columns), scores)
    return float(forest.oob_score_)


def _encoded(name: str, members: Sequence[TrialFacts], distribution: Any) -> list[NDArray[np.float64]]:
    """Return a parameter's values as columns of numbers: one column for each choice, or one for a number."""
    values = [trial.configuration[name] for trial in members]
    if hasattr(distribution, "choices"):
        return [np.array([value == choice for value in values], np.float64) for choice in distribution.choices]
    return [np.asarray(values, np.float64)]  # a tree uses only the order of numbers, so their scale does not matter


def _distribution(name: str, members: Sequence[TrialFacts], is_log: bool) -> BaseDistribution:
    """Return the Optuna distribution that covers a parameter's values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = list(dict.fromkeys(trial.configuration[name] for trial in members))
    if not is_numeric(values):
        return CategoricalDistribution(values)
    low, high = min(values), max(values)
    is_log = is_log and low > 0
    if all(isinstance(value, int) for value in values):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(float(low), float(high), log=is_log)
