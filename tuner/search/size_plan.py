"""The plan of a search that sizes itself: what was settled for each `auto`, and what the search will come to with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from tuner.data.dataset import Dataset
from tuner.errors import Fault, SpaceError
from tuner.search.scene import set_scene
from tuner.search.simulation import Course, Scene, foresee, least_seconds
from tuner.search.sizing import Number, Work, settle
from tuner.search.time_budget import making_way_s
from tuner.search.trial_cost import TrialCost
from tuner.show_value import show_count, show_duration
from tuner.space.assignment import assignment, set_option
from tuner.space.auto import left_to_search
from tuner.space.load import Space, changed

CostsAt = Callable[[int | None], Sequence[TrialCost]]
"""Returns what trials cost with batches of a size, None for the sizes of the space."""

_GAMES = 3  # are enough for a line
_ROUNDED_TO_S = 15  # a suggested budget


@dataclass(frozen=True, kw_only=True)
class SizePlan:
    """The numbers that were settled, by dotted names; the space with them; the scene of its search, and its likely course."""

    settings: Mapping[str, Number]
    space: Space
    scene: Scene
    course: Course

    @property
    def batch_size(self) -> int | None:
        """The size of batches, None if the space had it."""
        size = self.settings.get("space.batch_size")
        return None if size is None else int(size)

    @property
    def sentence(self) -> str:
        """The plan in one line."""
        course, epochs = self.course, show_count(self.space.search.max_epochs, "epoch")
        if not course.trials:
            return (
                f"plan: the {self.space.search.tightest} may be too short to measure even one trial; runs of {epochs}"
            )
        parts = [
            f"about {show_count(course.trials, 'trial')}",
            f"{course.full_runs:,} {'reaches' if course.full_runs == 1 else 'reach'} {epochs}",
            f"{course.finalists} × {course.seeds} finalists",
        ]
        if self.batch_size is not None:
            parts.append(f"batches of {self.batch_size}")
        return f"plan: {'; '.join(parts)}"

    def entry(self, *, is_measured: bool) -> dict[str, Any]:
        """Return the plan as JSON values for the ledger. It `is_measured` if the costs are those of trials of the search."""
        course, scene = self.course, self.scene
        return {
            "sentence": self.sentence,
            "settings": dict(self.settings),
            "trials": course.trials,
            "full_runs": course.full_runs,
            "finalists": course.finalists,
            "seeds": course.seeds,
            "share_cut": course.share_cut,
            "from": {
                "rows": scene.rows,
                "validation_rows": scene.validation_rows,
                "slots": scene.slots,
                "starting_s": scene.starting_s,
                "closing_s": scene.closing_s,
                "example_s": fmean(cost.example_s for cost in scene.costs),
                "row_s": fmean(cost.row_s for cost in scene.costs),
                "is_measured": is_measured,
            },
        }


def plan_sizes(
    space: Space,
    dataset: Dataset,
    costs_at: CostsAt,
    *,
    starting_s: float,
    slots: int,
    known: Mapping[str, Number] | None = None,
    has_baselines: bool = False,
) -> SizePlan:
    """Settle every `auto` of a space for a search whose first trial starts after `starting_s`.

    With the `known` settings of an earlier plan, settle those again, but not the size of batches: the sampler has it already.
    """
    known = known or {}
    auto = known.keys() - {"space.batch_size"} if known else left_to_search(space.document)
    before = set_scene(space, dataset, costs_at(None), starting_s=starting_s, slots=slots)
    limit_s = space.search.seconds
    work = Work(
        rows=before.rows,
        validation_rows=before.validation_rows,
        slots=slots,
        seconds=None if limit_s is None else seconds_of_slot(before, limit_s),
        trials=before.trials,
        costs_at=costs_at,
    )
    settings = settle(space.search, auto, work)
    settled = changed(space, [assignment(name, number) for name, number in settings.items()])
    size = settings.get("space.batch_size")
    costs = costs_at(None if size is None else int(size))
    scene = set_scene(settled, dataset, costs, starting_s=starting_s, slots=slots, has_baselines=has_baselines)
    course = foresee(scene, limit_s, games=_GAMES)
    return SizePlan(settings={**known, **settings}, space=settled, scene=scene, course=course)


def seconds_of_slot(scene: Scene, limit_s: float) -> float:
    """Return the seconds that a slot has for trials and finalists. One of them begins with the baselines."""
    baselines_s = (scene.baselines_s - scene.starting_s) / scene.slots
    return max(1.0, limit_s - scene.starting_s - baselines_s - scene.closing_s - 2 * making_way_s(scene.slots))


def settle_more_finalists(space: Space, entry: Mapping[str, Any], *, spent_s: float) -> dict[str, Number]:
    """Return more finalists and seeds, by dotted names, for a run that is given more, if its search had settled their number.

    `entry` is the plan in its ledger. The rest of the plan stays, so that scores stay comparable.
    """
    now = {"search.finalists": space.search.finalists, "search.seeds": space.search.seeds}
    auto = now.keys() & set(entry.get("settings", ()))
    if not auto:
        return {}
    known = entry["from"]
    cost = TrialCost(build_s=0.0, example_s=known["example_s"], row_s=known["row_s"], load=1.0)
    limit_s, begun_s = space.search.seconds, spent_s + known["starting_s"] + known["closing_s"]
    work = Work(
        rows=known["rows"],
        validation_rows=known["validation_rows"],
        slots=known["slots"],
        seconds=None if limit_s is None else max(1.0, limit_s - begun_s),
        trials=space.search.trials,
        costs_at=lambda _: [cost],
    )
    settled = settle(space.search, auto, work)
    return {name: number for name, number in settled.items() if number > now[name]}


def refuse_no_trial(space: Space, scene: Scene, course: Course) -> None:
    """Raise SpaceError if the course of a search has no measured trial. The error names a budget that would do."""
    search = space.search
    if course.trials or search.seconds is None:  # without a time limit every search has a trial
        return
    needed_s = _ROUNDED_TO_S * math.ceil(1.3 * least_seconds(scene) / _ROUNDED_TO_S)
    what = (
        f"search.{search.tightest} allows {show_duration(search.seconds)}, in which no trial would be measured: the first one "
        f"starts after about {show_duration(scene.starting_s)}, and finalists and closing need the last part of the time"
    )
    if search.tightest == "time":
        remedy = f"allow at least {show_duration(needed_s)}: {set_option('search.time', f'{needed_s}s')}"
    else:
        cost = math.ceil(100 * needed_s / 3600 * (search.cost_per_hour or 0.0)) / 100
        remedy = f"allow at least {show_duration(needed_s)}: {set_option('search.cost', cost)}"
    place = space.document.place(("search", search.tightest))
    raise SpaceError([Fault(place.text, what, remedy)])
