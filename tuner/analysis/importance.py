"""How much of the score's variance each hyperparameter explains, by functional ANOVA over a study rebuilt from trials.

Hutter, Hoos and Leyton-Brown 2014, "An Efficient Approach for Assessing Hyperparameter Importance", as Optuna has it. A
parameter that is in force only in some trials is weighed among those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.analysis.settings import condition, is_numeric, varied
from tuner.analysis.trials import TrialFacts, thin
from tuner.samplers.tpe import quiet_optuna

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST_TRIALS = 16
"""With fewer a forest finds whatever it likes."""
MOST_TRIALS = 400
_TREES = 12
_TREES_OF_RESAMPLES = 6
_DEPTH = 6
_RESAMPLES = 3
_PART = 0.8  # of the trials is in each resample, drawn without replacement: a copy would not be left out
_FOREST = 50


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Share of the score's variance that a parameter explains by itself, of trials that were left out.

    `low` and `high` are the range over parts of the trials. `condition` says when it is in force, `trials` counts those.
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
    """Return the importance of every parameter that varied, those in force in all trials first, each group falling.

    Trials without a score are left out. Where a parameter is in force in fewer than FEWEST_TRIALS it is left out too, and
    beyond MOST_TRIALS trials are thinned out evenly.
    """
    scored = thin([trial for trial in trials if trial.score is not None], MOST_TRIALS)
    found: list[Importance] = []
    for names, members in _groups(scored):
        if len(members) >= FEWEST_TRIALS:
            ranked = _weigh(names, members, logarithmic=logarithmic, seed=seed)
            found += [replace(each, condition=condition(each.name, scored)) for each in ranked]
    return tuple(sorted(found, key=lambda each: (each.condition != "", -each.value)))


def _groups(trials: Sequence[TrialFacts]) -> Iterator[tuple[tuple[str, ...], list[TrialFacts]]]:
    """Yield parameters that are in force in the same trials, with those trials."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in varied(trials):
        members = tuple(place for place, trial in enumerate(trials) if name in trial.configuration)
        groups.setdefault(members, []).append(name)
    for places, names in groups.items():
        yield tuple(names), [trials[place] for place in places]


def _weigh(
    names: Sequence[str], members: Sequence[TrialFacts], *, logarithmic: frozenset[str], seed: int
) -> list[Importance]:
    """Weigh `names` among `members`, beside all others that are in force in every one of them."""
    shared = [name for name in varied(members) if all(name in trial.configuration for trial in members)]
    own = [name for name in names if name in shared]
    if not own:
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
            low=min(whole[name], *(each[name] for each in drawn)),
            high=max(whole[name], *(each[name] for each in drawn)),
        )
        for name in own
    ]


def _explained(
    members: Sequence[TrialFacts], distributions: Mapping[str, BaseDistribution], *, seed: int, trees: int
) -> dict[str, float]:
    """Return how much of the scores' variance each parameter explains by itself, on trials that were left out."""
    scores = np.array([trial.score for trial in members], np.float64)
    reached = _foreseen(members, scores, distributions, seed=seed)
    if reached <= 0:
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
        found = evaluator.evaluate(study, params=list(distributions))
    return {name: reached * float(found[name]) for name in distributions}


def _foreseen(
    members: Sequence[TrialFacts],
    scores: NDArray[np.float64],
    distributions: Mapping[str, BaseDistribution],
    *,
    seed: int,
) -> float:
    """Return the share of the scores' variance that a forest foresees of trials that its trees have not seen.

    A forest shares out all of its own variance over the parameters, noise too. Times this share, noise counts as nothing.
    """
    if np.ptp(scores) < 1e-9:
        return 0.0
    from sklearn.ensemble import RandomForestRegressor

    columns = [column for name in distributions for column in _encoded(name, members, distributions[name])]
    forest = RandomForestRegressor(_FOREST, min_samples_leaf=2, random_state=seed).set_params(oob_score=True)
    forest.fit(np.column_stack(columns), scores)
    return float(forest.oob_score_)


def _encoded(name: str, members: Sequence[TrialFacts], distribution: Any) -> list[NDArray[np.float64]]:
    """Return a parameter's values as columns of numbers: one for each of its names, or one of ranks."""
    values = [trial.configuration[name] for trial in members]
    if hasattr(distribution, "choices"):
        return [np.array([value == choice for value in values], np.float64) for choice in distribution.choices]
    return [np.asarray(values, np.float64)]  # a tree sees only the order of numbers, so that their scale is all one


def _distribution(name: str, members: Sequence[TrialFacts], is_log: bool) -> BaseDistribution:
    """Return the distribution that holds a parameter's values, as Optuna needs it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = list(dict.fromkeys(trial.configuration[name] for trial in members))
    if not is_numeric(values):
        return CategoricalDistribution(values)
    low, high = min(values), max(values)
    is_log = is_log and low > 0
    if all(isinstance(value, int) for value in values):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(float(low), float(high), log=is_log)
