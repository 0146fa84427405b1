"""A search that sizes itself: once before its first trial, and once more if its first trials show another speed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tuner.data.dataset import Dataset
from tuner.data.trial_data import TrialData
from tuner.search.scene import WORKERS_S
from tuner.search.simulation import foresee
from tuner.search.size_plan import SizePlan, plan_sizes, refuse_no_trial
from tuner.search.trial_cost import CostGuess, TrialCost, sample_configurations, scale
from tuner.space.auto import left_to_search
from tuner.space.load import Space
from tuner.trial.record import TrialRecord

ABOUT = 1.25
"""A speed within this factor of the one that a plan was made with is no reason for another plan."""

_ENOUGH_S = 2.0  # of training, to tell the speed from
_ENOUGH_SHARE = 0.02  # of the time, if that is more: a busy moment must not decide how long a long search trains
_ENOUGH_WITH_REPORT_S = 0.5  # after the first measurement, as a rung may be near
_AGAIN_S = 1.0  # from the end of the first trials to the next ones
_BESIDE_BASELINES = 4 / 3  # as many times as long, at most, as on a core that no baselines share


class Pace:
    """Compares the seconds that trials take with those that were guessed, from what their workers send.

    The first news of a trial does not count, because its first steps also build kernels.
    """

    def __init__(self, guess: CostGuess, validation_rows: int, *, limit_s: float) -> None:
        self._guess, self._validation_rows = guess, validation_rows
        self._enough_s = max(_ENOUGH_S, _ENOUGH_SHARE * limit_s)
        self._first: dict[int, tuple[int, float]] = {}
        self._costs: dict[int, TrialCost] = {}
        self._latest: dict[int, float] = {}  # seconds of training at the latest news
        self._seconds = self._idle_seconds = 0.0  # of training since then, as it was and on cores of its own

    def ratios(self, records: Collection[TrialRecord], *, has_baselines: bool) -> tuple[float, float] | None:
        """Return how many times as long as guessed an example and a validation row take; None if it is too early to tell.

        Until the search `has_baselines`, their job slows trials down. What it may explain does not count: it ends soon.
        """
        trained_s = guessed_s = evaluated_s = guessed_evaluated_s = 0.0
        for record in records:
            examples, seconds = _progress(record)
            if not examples:
                continue
            index = record.order.index
            first_examples, first_s = self._first.setdefault(index, (examples, seconds))
            cost = self._costs.setdefault(index, self._guess.of(record.order.configuration))
            self._note_load(record, seconds)
            trained_s += seconds - first_s
            guessed_s += (examples - first_examples) * cost.example_s
            if record.last is not None:
                evaluated_s += record.last.evaluate_seconds
                guessed_evaluated_s += self._validation_rows * cost.row_s
        enough_s = _ENOUGH_WITH_REPORT_S if evaluated_s else self._enough_s
        if trained_s < enough_s or not guessed_s:
            return None
        slowed = 1.0
        if not has_baselines and self._idle_seconds:
            slowed = min(self._seconds / self._idle_seconds, _BESIDE_BASELINES)
        example = trained_s / guessed_s / slowed
        return example, evaluated_s / guessed_evaluated_s / slowed if guessed_evaluated_s else example

    def _note_load(self, record: TrialRecord, seconds: float) -> None:
        since_s = seconds - self._latest.get(record.order.index, seconds)
        self._latest[record.order.index] = seconds
        if since_s > 0 and record.stretch is not None:
            self._seconds += since_s
            self._idle_seconds += since_s / record.stretch.load


class SelfSizing:
    """Plans the search of a space that leaves settings to it."""

    def __init__(self, space: Space, dataset: Dataset, data: TrialData, *, slots: int, spent_s: float) -> None:
        """Make the first plan, after `spent_s`, from guessed costs.

        Raises SpaceError if no trial would be measured even on a machine that is twice as fast as the guess.
        """
        self._dataset, self.slots = dataset, slots
        self._guess = CostGuess(configurations=sample_configurations(space), data=data)
        self.plan: SizePlan = plan_sizes(space, dataset, self._guess.at, starting_s=spent_s + WORKERS_S, slots=slots)
        scene = self.plan.scene
        fast = replace(scene, costs=scale(scene.costs, example=0.5, row=0.5))
        refuse_no_trial(self.plan.space, fast, foresee(fast, scene.search.seconds, games=1))
        limit_s = scene.search.seconds
        self._pace = Pace(self._guess, scene.validation_rows, limit_s=limit_s or 0.0)
        self._is_settled = limit_s is None  # without a time limit the speed plays no part

    def revise(
        self, records: Collection[TrialRecord], *, spent_s: float, first_rung: int, has_baselines: bool
    ) -> SizePlan | None:
        """Return a plan from measured costs, once, if they are far from the guess and no trial has reached the first rung."""
        if self._is_settled:
            return None
        if any(record.last is not None and record.last.examples >= first_rung for record in records):
            self._is_settled = True
            return None
        ratios = self._pace.ratios(records, has_baselines=has_baselines)
        if ratios is None:
            return None
        self._is_settled = True
        example, row = ratios
        if max(example, 1 / example) <= ABOUT:
            return None
        costs = scale(self._guess.at(self.plan.batch_size), example=example, row=row)
        plan = plan_sizes(
            self.plan.space,
            self._dataset,
            lambda _: costs,
            starting_s=spent_s + _AGAIN_S,
            slots=self.slots,
            known=self.plan.settings,
            has_baselines=has_baselines,
        )
        if not plan.course.trials:  # no trial that began now would be measured; those under way may be
            return None
        self.plan = plan
        return plan


def make_sizing(space: Space, dataset: Dataset, data: TrialData, *, slots: int, spent_s: float) -> SelfSizing | None:
    """Return the sizing of a space that leaves something to the search, None for another."""
    is_needed = bool(left_to_search(space.document))
    return SelfSizing(space, dataset, data, slots=slots, spent_s=spent_s) if is_needed else None


def _progress(record: TrialRecord) -> tuple[int, float]:
    """Return the examples that a trial has seen, and the seconds of training."""
    if record.stretch is not None:
        return record.stretch.examples, record.train_seconds + record.stretch.seconds
    return (record.last.examples if record.last else 0), record.train_seconds
