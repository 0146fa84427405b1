"""How searches size themselves, simulated: budgets of a minute to a night, 200 to a million rows, 1 to 64 slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from benchmarks.row import Row, at_most, explains

if TYPE_CHECKING:
    from tuner.search.simulation import Course
    from tuner.search.trial_cost import TrialCost

FULL_RUNS = 6
CUT = 1 / 3
LATE_S = 1.0
BUDGETS_S = (60, 120, 300, 1_800, 28_800)
ROWS = (200, 1_000, 5_000, 40_000, 200_000, 1_000_000)
SLOTS = (1, 2, 8, 64)
STEPS = 20  # in time, of a row
LABELS = 10
BASELINES_S, BASELINE_ROW_S = 2.5, 2e-5
GAMES = 3
_RAY_S, _ROW_S = 6.0, 2.5e-5  # to the first trial: Ray and the workers, or reading and preparing rows
_SIZES = ((48, 1), (96, 1), (160, 1), (96, 2), (160, 2))  # hidden, layers
_AUTO = ("max_epochs", "grace_epochs", "reports_per_epoch", "finalists", "seeds")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was settled for a budget, rows and slots, and the course of the search. The course is None if it is refused."""

    budget_s: int
    rows: int
    slots: int
    settings: dict[str, Any]
    course: Course | None

    def __str__(self) -> str:
        return f"{self.budget_s:,} s, {self.rows:,} rows, {self.slots} {'slot' if self.slots == 1 else 'slots'}"

    @property
    def full_runs(self) -> int:
        """The runs that reach the full budget, of search trials and of finalists."""
        return 0 if self.course is None else self.course.full_runs + self.course.finalists * self.course.seeds

    def describe(self) -> str:
        """Return the plan in words."""
        if self.course is None:
            return "no report, or no time to close"
        sizes, course = self.settings, self.course
        return (
            f"{sizes['search.max_epochs']:g} epochs, first rung {sizes['search.grace_epochs']:g}, "
            f"{sizes['search.reports_per_epoch']} reports an epoch, batches of {sizes['space.batch_size']}: {course.trials:,} "
            f"trials, {course.full_runs:,} of them full, {course.finalists} × {course.seeds} finalists, "
            f"{course.share_cut:.0%} cut off, over after {course.total_s:,.0f} s"
        )


def measure() -> list[Row]:
    """Simulate each combination, and check what is asked of each plan."""
    outcomes = list(simulate())
    played = [(each, each.course) for each in outcomes if each.course is not None]
    few = [each for each, _ in played if each.full_runs < FULL_RUNS]
    cut = [each for each, course in played if course.share_cut > CUT]
    late = [each for each, course in played if course.total_s > each.budget_s + LATE_S]
    refused = [each for each in outcomes if each.course is None]
    rows = [
        at_most("fewer than six full runs", 0, len(few), "plans", _list(few)),
        at_most("more than a third of the time cut off", 0, len(cut), "plans", _list(cut)),
        at_most("over more than a second late", 0, len(late), "plans", _list(late)),
        at_most("fewer full runs with more time", 0, len(_falls(outcomes)), "plans", _list(_falls(outcomes))),
        explains("no report, or closing takes half of the time", len(refused), "plans", _list(refused)),
    ]
    return rows + [explains(str(each), each.full_runs, "full runs", each.describe()) for each in outcomes]


def simulate() -> Iterator[Outcome]:
    """Yield the outcome for each budget, number of rows and slots."""
    for budget_s, rows, slots in product(BUDGETS_S, ROWS, SLOTS):
        yield play(budget_s, rows, slots)


def play(budget_s: int, rows: int, slots: int) -> Outcome:
    """Settle a search with 70 % of the rows to train on and 15 % to validate on, and play it through."""
    from tuner.search.simulation import Scene, foresee
    from tuner.search.size_plan import seconds_of_slot
    from tuner.search.sizing import Work, settle
    from tuner.search.time_budget import ClosingWork, closing_seconds
    from tuner.space.search_settings import SearchSettings

    search = SearchSettings.model_validate({"time": budget_s, **dict.fromkeys(_AUTO, "auto")})
    held_out = round(0.15 * rows)
    starting_s = max(_RAY_S, rows * _ROW_S + _RAY_S / 2)
    predict_s = costs_at(64)[len(_SIZES) // 2].row_s
    work = ClosingWork(validation=held_out, test=held_out, labels=LABELS)

    def scene_of(search: SearchSettings, batch_size: int | None) -> Scene:
        finalists, seeds = search.finalists, search.seeds
        return Scene(
            search=search,
            costs=costs_at(batch_size),
            rows=rows - 2 * held_out,
            validation_rows=held_out,
            slots=slots,
            starting_s=starting_s,
            baselines_s=starting_s + BASELINES_S + rows * BASELINE_ROW_S,
            closing_s=closing_seconds(work, finalists=finalists, seeds=seeds, predict_s=predict_s),
            trials=None,
            finalists=finalists,
        )

    before = scene_of(search, None)
    sized = Work(
        rows=before.rows,
        validation_rows=held_out,
        slots=slots,
        seconds=seconds_of_slot(before, budget_s),
        trials=None,
        costs_at=costs_at,
    )
    settings = settle(search, {*(f"search.{name}" for name in _AUTO), "space.batch_size"}, sized)
    own = {name.removeprefix("search."): value for name, value in settings.items() if name.startswith("search.")}
    settled = SearchSettings.model_validate({"time": budget_s, **own})  # checks the rules of the section
    scene = scene_of(settled, int(settings["space.batch_size"]))
    course = foresee(scene, budget_s, games=GAMES)
    is_late = scene.closing_s > budget_s / 2
    return Outcome(
        budget_s=budget_s,
        rows=rows,
        slots=slots,
        settings=settings,
        course=course if course.trials and not is_late else None,
    )


def costs_at(batch_size: int | None) -> Sequence[TrialCost]:
    """Return the guessed costs of a few networks."""
    from tuner.search.trial_cost import cost_of_example

    return [
        cost_of_example(
            {
                "hidden": hidden,
                "layers": layers,
                "directions": 2,
                "embedding": "random",
                "embedding.random.size": 128,
                "batch_size": batch_size or 64,
            },
            STEPS,
        )
        for hidden, layers in _SIZES
    ]


def _falls(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the plans that have fewer full runs than one with less time, although the runs are no longer."""
    return [
        each
        for each in outcomes
        if any(
            (other.rows, other.slots) == (each.rows, each.slots)
            and other.budget_s < each.budget_s
            and other.full_runs > each.full_runs
            and other.settings["search.max_epochs"] >= each.settings["search.max_epochs"]
            for other in outcomes
        )
    ]


def _list(outcomes: Sequence[Outcome]) -> str:
    return "; ".join(f"{each}: {each.describe()}" if each.course else str(each) for each in outcomes)
