"""The trials that TPE learns from: so few that a proposal takes no longer after ten thousand trials than after some hundred."""

from __future__ import annotations

from bisect import insort
from collections.abc import Container, Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

BEST = 25
"""Ended trials that show where good settings are. Optuna's TPE never takes more."""
DRAWN = 300
"""Ended trials that show, with the best ones, where poor settings are: drawn at random, so that they are spread as all are."""
RUNNING = 100
"""Running trials that count as poor, so that they are not repeated."""


class History:
    """The trials of a search, of which Optuna's TPE sees the best, some that are drawn at random, and the latest that run.

    Which trials it sees depends on all of them alike, not on the order in which they ended. `scripts/bench history` compares what
    it finds with what it finds if it sees all.
    """

    def __init__(self) -> None:
        self._storage = _ShownTrials()
        self._study_name = self._storage.get_study_name_from_id(
            self._storage.create_new_study([StudyDirection.MAXIMIZE])
        )
        self._running: dict[int, FrozenTrial] = {}  # by index, in the order of their proposals
        self._best: list[tuple[tuple[float, ...], FrozenTrial]] = []  # the best first
        self._drawn: list[tuple[int, FrozenTrial]] = []  # those with the lowest lots
        self._proposals = 0
        self._joint: dict[str, BaseDistribution] | None = None

    def begin(self, index: int, values: Mapping[str, float], distributions: Mapping[str, BaseDistribution]) -> None:
        """Add the proposal for trial `index`, in place of an earlier one. `values` are numbers, as Optuna stores them."""
        self.withdraw(index)
        params = {name: distributions[name].to_external_repr(value) for name, value in values.items()}
        self._running[index] = _trial(self._proposals, params, dict(distributions))
        self._proposals += 1

    def withdraw(self, index: int) -> None:
        """Drop the proposal for trial `index`, if there is one."""
        self._running.pop(index, None)

    def end(self, index: int, state: TrialState, *, score: float | None, step: int) -> None:
        """Note how trial `index` ended. A pruned trial has the `step` of its latest score; it has none without a score."""
        trial = self._running.pop(index)
        if state is TrialState.FAIL:
            return
        trial.state = state
        if state is TrialState.COMPLETE:
            trial.value = score
        elif score is not None:
            trial.intermediate_values = {step: score}
        shared = trial.distributions if self._joint is None else self._joint
        self._joint = {name: each for name, each in sorted(shared.items()) if name in trial.distributions}
        insort(self._best, (_place(trial), trial))
        insort(self._drawn, (_lot(index), trial))
        del self._best[BEST:], self._drawn[DRAWN:]

    def study(self) -> Study:
        """Return a study of the trials that TPE sees."""
        ended = {trial.number: trial for _, trial in (*self._best, *self._drawn)}
        running = list(self._running.values())[-RUNNING:]
        self._storage.shown = sorted((*ended.values(), *running))
        return Study(self._study_name, self._storage)

    def proposal(self) -> FrozenTrial:
        """Return the trial that comes next, without any settings yet."""
        return _trial(self._proposals, {}, {})

    def joint_distributions(self) -> dict[str, BaseDistribution]:
        """Return the parameters that every ended trial had, which are estimated jointly."""
        return dict(self._joint or {})


class _ShownTrials(InMemoryStorage):
    """Answers with the trials in `shown`, in the order of their numbers."""

    shown: list[FrozenTrial]

    def get_all_trials(
        self,
        study_id: int,  # noqa: ARG002 - there is one study
        deepcopy: bool = True,  # noqa: ARG002 - the sampler changes nothing
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        return [trial for trial in self.shown if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Drop it: it is how samplers of several processes know of each other's proposals."""


def _trial(number: int, params: dict[str, Any], distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params=params,
        distributions=distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=number,
    )


def _lot(index: int) -> int:
    """Return a number that is different for each index, and looks drawn at random (Knuth 1973, multiplicative hashing)."""
    return index * 2654435761 % 2**32


def _place(trial: FrozenTrial) -> tuple[float, ...]:
    """Return a sort key by which Optuna's TPE ranks ended trials, the best first; of equal ones, the earlier is first."""
    if trial.state is TrialState.COMPLETE:
        return 0, -(trial.value or 0.0), trial.number
    for step, score in trial.intermediate_values.items():
        return 1, -step, -score, trial.number
    return 2, trial.number
