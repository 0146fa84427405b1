"""Settle what a space leaves to the search as `auto`: the size of a full run, its rungs, finalists and batches. Pure functions.

A full run is sized so that several fit one after the other in each slot. Once it is long enough to train well, further time
goes to more trials and more finalists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.search.time_budget import BETWEEN_TRIALS_S, SAFETY
from tuner.search.trial_cost import TrialCost
from tuner.space.auto import least_reports, report_before
from tuner.space.search_settings import SearchSettings

Number = int | float

# Epochs after which more training hardly helps: docs/measurements.md. More rows need fewer epochs but more steps.
_MOST_EPOCHS = 40.0
_FEW_ROWS = 300
_ROWS_EXPONENT = 0.43  # 12 epochs on 5,000 rows, 5 on 40,000, 1.2 on a million
_LEAST_EXAMPLES = 640  # in a full run: 20 batches of 32
_TEACHING_EXAMPLES = 5_000  # after fewer, many good models still give one answer for every input
# Full runs, one after the other, in the time of a slot.
_FULL_RUNS = 11.0  # with one slot
_FULL_RUNS_OF_SLOT = 4.5  # at least, with many slots
_FEW_RUNS, _FEW_RUNS_OF_SLOT = 9.0, 4.0  # so that a run can teach a model something
_DEAR = 0.75  # the quantile of costs to plan with: finalists may be among the dearer configurations
_SHORT = 0.4  # of a run that trains well; from this length on, more time also gives more trials
_MOST_MORE_RUNS = 3.0  # times as many when a run trains well; further time gives only trials
# Measurements.
_REPORTS = 12  # of a full run
_FEW_REPORTS = 3
_HALVINGS = 30
_EVALUATING, _MOST_EVALUATING = 0.1, 0.5  # of the training time, at most; the latter for the first few
_PER_EPOCH = (1, 2, 4, 5, 10, 20, 50, 100, 200, 500, 1000)  # so that rungs have few digits
# The first rung, as a share of a full run.
_RUNG, _LATEST_RUNG = 1 / 6, 1 / 3
_RUNG_EXAMPLES = 3_000  # after fewer, scores say little
_RUNG_REPORTS = 2  # the first one shows the speed, before any rung decides
# Finalists and seeds, from few to many.
_FINALISTS = ((1, 1), (1, 2), (2, 2), (3, 2), (3, 3), (4, 3), (4, 4))
_MUST_FIT = (1, 2)
_FINALISTS_SHARE = 0.45  # of the time, at most
_MORE_FINALISTS_SHARE = 0.3
# Batches: few examples need small ones for enough steps, many examples are faster in large ones.
_BATCHES = ((12_000, 16), (30_000, 32), (100_000, 64))  # vowels: 16 is 0.01 ahead of 32 (docs/REMEDIES.md)
_LARGE_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Work:
    """What there is to size: rows, slots, and the seconds that each slot has for trials and finalists, None without limit.

    `trials` is the most search trials that there may be, None without a limit. `costs_at` returns what trials cost with
    batches of a size, None for the sizes that the space has.
    """

    rows: int
    validation_rows: int
    slots: int
    seconds: float | None
    trials: int | None
    costs_at: Callable[[int | None], Sequence[TrialCost]]


def settle(search: SearchSettings, auto: Collection[str], work: Work) -> dict[str, Number]:
    """Return a number for each setting of `auto`, by its dotted name, around the settings of `search` that are fixed."""
    batch_size = None
    if "space.batch_size" in auto:
        rough = _length(search, auto, work, _Speed.of(work, _BATCHES[-1][1]))
        batch_size = next((size for most, size in _BATCHES if rough * work.rows < most), _LARGE_BATCH)
    speed = _Speed.of(work, batch_size)
    epochs, reports, grace = _rungs(search, auto, work, speed)
    finalists, seeds = _finalists(search, auto, work, speed.run_s(epochs, reports))
    numbers: Mapping[str, Number | None] = {
        "search.max_epochs": epochs,
        "search.grace_epochs": grace,
        "search.reports_per_epoch": reports,
        "search.finalists": finalists,
        "search.seeds": seeds,
        "space.batch_size": batch_size,
    }
    return {name: number for name, number in numbers.items() if name in auto and number is not None}


@dataclass(frozen=True, kw_only=True)
class _Speed:
    """Seconds that a trial needs to train an epoch, and to evaluate the validation rows once."""

    epoch_s: float
    evaluate_s: float

    @classmethod
    def of(cls, work: Work, batch_size: int | None) -> _Speed:
        costs = work.costs_at(batch_size)
        return cls(
            epoch_s=work.rows * float(np.quantile([cost.example_s for cost in costs], _DEAR)),
            evaluate_s=work.validation_rows * float(np.quantile([cost.row_s for cost in costs], _DEAR)),
        )

    def run_s(self, epochs: float, reports: float) -> float:
        """Return the seconds of a run with so many reports per epoch."""
        return epochs * self.epoch_s + math.ceil(epochs * reports * (1 - 1e-9)) * self.evaluate_s

    def whole_run_s(self, epochs: float) -> float:
        """Return the seconds of a run that is measured as often as is cheap."""
        return self.run_s(epochs, self.reports_of(epochs) / epochs)

    def epochs_within(self, seconds: float, most: float) -> float:
        """Return the epochs of the longest run that takes no more than `seconds`, at most `most`; 0 if none is so short."""
        low, high = 0.0, most
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.whole_run_s(middle) <= seconds else (low, middle)
        return low

    def reports_of(self, epochs: float) -> int:
        """Return how often to measure a run of so many epochs, so that evaluating costs little."""
        trained = epochs * self.epoch_s / max(self.evaluate_s, 1e-9)  # in evaluations
        return int(min(_REPORTS, max(_EVALUATING * trained, min(_FEW_REPORTS, _MOST_EVALUATING * trained), 1)))


def most_epochs(rows: int) -> float:
    """Return the epochs after which more training hardly helps."""
    return min(_MOST_EPOCHS, _MOST_EPOCHS * float((_FEW_ROWS / rows) ** _ROWS_EXPONENT))


def _length(search: SearchSettings, auto: Collection[str], work: Work, speed: _Speed) -> float:
    """Return the epochs of a full run, not yet rounded."""
    if "search.max_epochs" not in auto:
        return search.max_epochs
    most = most_epochs(work.rows)
    least = min(most, _LEAST_EXAMPLES / work.rows)
    if work.seconds is None:
        return most
    waves = _waves(search, auto, work.slots)
    runs = max(_FULL_RUNS_OF_SLOT, _FULL_RUNS / work.slots, waves / _FINALISTS_SHARE)
    if work.trials is not None:
        runs = min(runs, math.ceil(work.trials / work.slots) + waves)
    share = work.seconds / runs / speed.whole_run_s(most)
    if share > _SHORT:
        share = min(1.0, _SHORT * (share / _SHORT) ** (math.log(1 / _SHORT) / math.log(_MOST_MORE_RUNS / _SHORT)))
    few_runs = max(_FEW_RUNS_OF_SLOT, _FEW_RUNS / work.slots, waves / _FINALISTS_SHARE)
    teaching = speed.epochs_within(work.seconds / few_runs, min(most, _TEACHING_EXAMPLES / work.rows))
    return max(least, teaching, speed.epochs_within(share * speed.whole_run_s(most), most))


def _waves(search: SearchSettings, auto: Collection[str], slots: int) -> float:
    """Return how many full runs one after the other the finalists take at least."""
    finalists = _MUST_FIT[0] if "search.finalists" in auto else search.finalists
    seeds = _MUST_FIT[1] if "search.seeds" in auto else search.seeds
    return SAFETY * math.ceil(finalists * seeds / slots)


def _rungs(search: SearchSettings, auto: Collection[str], work: Work, speed: _Speed) -> tuple[float, int, float]:
    """Return the epochs of a full run, the reports per epoch, and the epochs of the first rung."""
    is_free = {name: f"search.{name}" in auto for name in ("max_epochs", "grace_epochs", "reports_per_epoch")}
    epochs, grace, reports = _length(search, auto, work, speed), search.grace_epochs, search.reports_per_epoch
    if is_free["max_epochs"]:
        epochs = _rounded_down(epochs)
        epochs = epochs if is_free["grace_epochs"] else max(epochs, grace)
    if is_free["reports_per_epoch"]:
        wanted = speed.reports_of(epochs) / epochs
        fewest = min(_FEW_REPORTS, math.ceil(wanted * epochs))
        enough = [each for each in _PER_EPOCH if math.ceil(each * epochs) >= fewest] or _PER_EPOCH[-1:]
        reports = max((each for each in enough if each <= wanted), default=enough[0])
        if not is_free["grace_epochs"]:
            reports = least_reports(grace, at_least=reports)
    if is_free["grace_epochs"]:
        soon = max(_RUNG_EXAMPLES / work.rows, _RUNG_REPORTS / reports)
        rung = max(_RUNG * epochs, min(_LATEST_RUNG * epochs, soon))
        nearest = max(1, round(rung * reports)) / reports
        grace = min(nearest, report_before(epochs, reports_per_epoch=reports))
    return max(epochs, grace) if is_free["max_epochs"] else epochs, reports, grace


def _rounded_down(epochs: float) -> float:
    """Return a number with two digits."""
    unit = 10.0 ** (math.floor(math.log10(epochs)) - 1)
    return round(math.floor(epochs / unit * (1 + 1e-9)) * unit, 9)


def _finalists(search: SearchSettings, auto: Collection[str], work: Work, run_s: float) -> tuple[int, int]:
    """Return how many finalists to train with how many seeds: as many as take a modest share of the time."""
    fixed = [None if f"search.{name}" in auto else getattr(search, name) for name in ("finalists", "seeds")]
    options = [(fixed[0] or finalists, fixed[1] or seeds) for finalists, seeds in _FINALISTS]
    best = options[0]
    for finalists, seeds in options:
        needed_s = math.ceil(finalists * seeds / work.slots) * (SAFETY * run_s + BETWEEN_TRIALS_S)
        share = _FINALISTS_SHARE if finalists * seeds <= math.prod(_MUST_FIT) else _MORE_FINALISTS_SHARE
        is_in_time = work.seconds is None or needed_s <= share * work.seconds
        if is_in_time and (work.trials is None or finalists * seeds <= work.trials):
            best = finalists, seeds
    return best
