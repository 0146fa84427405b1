"""`kill -9` of a trial's worker, and of the driver at random moments of a search."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faults.search import FaultOutcome, Row, SearchProcess, compare, require, results, searching

ONE_AT_A_TIME = "resources.concurrent=1"
"""With these settings nothing depends on a clock, so a killed search must end like an undisturbed one."""
KILLS = 50
_RUNG = 4  # epochs
_LONG = (
    "search.trials=1",
    "search.max_epochs=150",
    f"search.grace_epochs={_RUNG}",
    "search.reduction_factor=100",
    "search.finalists=1",
    "search.seeds=2",
    "space.learning_rate=0.01",
)
"""Two finalist runs side by side. They write their only checkpoint after 4 of 150 epochs, and no rung stops them."""
_LATEST_KILL = 1.1  # times the duration of an undisturbed search
_LOOK_EVERY_S = 0.2


def worker(folder: Path, *, seed: int) -> FaultOutcome:
    """Kill the worker of one of two finalist runs after its checkpoint."""
    with searching(folder) as search:
        search.run(*_LONG, f"search.seed={seed}", "resources.concurrent=2")
        search.wait_until(lambda: len(search.workers()) == 2 and _are_past_their_checkpoints(search))
        killed_at = time.monotonic()
        os.kill(search.workers()[seed % 2], signal.SIGKILL)
        search.wait_until(lambda: any(measurement["start"] == 2 for measurement in search.measurements()))
        seconds = time.monotonic() - killed_at
        search.finish_well()
        trials, measurements = search.trials(), search.measurements()
        require(not search.faults(), str(search.faults()))
        require(not search.litter(), str(search.litter()))
    starts = {number: row["starts"] for number, row in trials.items()}
    hit = [number for number, count in starts.items() if count == 2]
    require(len(hit) == 1 and set(starts.values()) == {1, 2}, f"one trial starts twice, no other: {starts}")
    gone_on_at = min(
        measurement["epochs"]
        for measurement in measurements
        if (measurement["trial"], measurement["start"]) == (hit[0], 2)
    )
    require(
        _RUNG < gone_on_at < _RUNG + 1, f"the first measurement follows the checkpoint at {_RUNG} epochs: {gone_on_at}"
    )
    return FaultOutcome(fault="kill -9 of a worker", times=1, seconds=[seconds], notes={"starts": starts})


def _are_past_their_checkpoints(search: SearchProcess) -> bool:
    if not search.has_begun():
        return False
    furthest = {measurement["trial"]: measurement["epochs"] for measurement in search.measurements()}
    return min(furthest.get(1, 0), furthest.get(2, 0)) > _RUNG + 1


# --- the driver ---------------------------------------------------------------------------------------------------------


@dataclass
class Chain:
    """One search and the number of times it was killed."""

    kills: int = 0
    lost: int = 0
    repeated: int = 0
    seconds: list[float] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)


def driver(folder: Path, *, seed: int) -> FaultOutcome:
    """Kill the driver at 50 random moments between the first second and the end, one to four times in a row."""
    random = np.random.default_rng(seed)
    began = time.monotonic()
    expected = undisturbed(folder / "undisturbed", seed=seed)
    whole_s = time.monotonic() - began
    chains: list[Chain] = []
    while (left := KILLS - sum(chain.kills for chain in chains)) > 0:
        after_s = random.uniform(0.5, _LATEST_KILL * whole_s, size=min(left, int(random.integers(1, 5)))).tolist()
        whens = [_after(seconds) for seconds in after_s]
        chains.append(kill_again_and_again(folder / f"search-{len(chains)}", whens, expected, seed=seed))
    return FaultOutcome(
        fault="kill -9 of the driver",
        times=sum(chain.kills for chain in chains),
        lost=sum(chain.lost for chain in chains),
        repeated=sum(chain.repeated for chain in chains),
        seconds=[each for chain in chains for each in chain.seconds],
        notes={"searches": len(chains), "undisturbed_s": whole_s, "moments": [chain.moments for chain in chains]},
    )


def undisturbed(folder: Path, *, seed: int, overrides: Sequence[str] = ()) -> Mapping[int, tuple[Any, ...]]:
    """Run the undisturbed search and return its result."""
    with searching(folder) as search:
        search.run(ONE_AT_A_TIME, f"search.seed={seed}", *overrides)
        search.finish_well()
        require(not search.faults(), str(search.faults()))
        return results(search.trials())


When = Callable[[SearchProcess], bool]
"""Return whether it is time to kill the process."""


def kill_again_and_again(
    folder: Path,
    whens: Sequence[When],
    expected: Mapping[int, tuple[Any, ...]],
    *,
    seed: int,
    overrides: Sequence[str] = (),
) -> Chain:
    """Kill a search at each of some moments, resume it each time, and compare its result with the expected one.

    A moment after the end of the search does nothing. Raises NotAsAskedError if the ledger is not whole after a kill, if
    processes are left over, or if the result differs.
    """
    chain, settings = Chain(), (ONE_AT_A_TIME, f"search.seed={seed}", *overrides)
    before: Mapping[int, Row] = {}
    with searching(folder) as search:
        search.run(*settings)
        for when in whens:
            if not _reaches(search, when):
                break
            search.kill_driver()
            killed_at = time.monotonic()
            chain.kills += 1
            chain.moments.append(_where(search))
            search.wait_until_alone(besides_agents=True)
            before = _check(search, before, chain)
            _go_on(search, settings)
            chain.seconds += _seconds_until_again(search, killed_at)
        search.finish_well()
        _check(search, before, chain)
        outcome = results(search.trials())
        different = {
            number: (outcome.get(number), row) for number, row in expected.items() if outcome.get(number) != row
        }
        require(
            outcome == expected,
            f"the result differs from that of the undisturbed search: {different or outcome.keys()}",
        )
        require(not search.litter(), str(search.litter()))
        require(search.status() == "finished", search.status())
    return chain


def _after(seconds: float) -> When:
    began: list[float] = []

    def has_come(_search: SearchProcess) -> bool:
        began.append(time.monotonic())
        return began[-1] - began[0] >= seconds

    return has_come


def _reaches(search: SearchProcess, when: When) -> bool:
    """Wait for a moment. Return False if the process ends first."""
    while search.process.poll() is None:
        if when(search):
            return search.process.poll() is None
        time.sleep(0.05)
    return False


def _check(search: SearchProcess, before: Mapping[int, Row], chain: Chain) -> Mapping[int, Row]:
    if not search.has_begun():
        return before
    require(not search.faults(), f"tuner verify after a kill: {search.faults()}")
    now = search.finished()
    lost, repeated = compare(before, search.trials())
    chain.lost, chain.repeated = chain.lost + lost, chain.repeated + repeated
    return now


def _go_on(search: SearchProcess, settings: Sequence[str]) -> None:
    if search.has_begun():
        search.resume()
    else:
        search.run(*settings)  # nothing to resume yet


def _seconds_until_again(search: SearchProcess, killed_at: float) -> list[float]:
    """Wait for the next measurement or the end. Return the seconds since the kill, or nothing if the search was over."""
    count = len(search.measurements()) if search.has_begun() else 0
    while search.process.poll() is None:
        if search.has_begun() and len(search.measurements()) > count:
            return [time.monotonic() - killed_at]
        time.sleep(_LOOK_EVERY_S)
    return []


def _where(search: SearchProcess) -> str:
    """Describe how far a search had come."""
    if not search.has_begun():
        return "no ledger yet"
    trials = search.trials()
    if (search.location / "champion").exists():
        return "closing"
    ended = len(search.finished())
    has_finalists = any(row["phase"] == "finalist" for row in trials.values())
    return f"{'finalists' if has_finalists else 'search'}, {ended} of {len(trials)} trials ended"


FAULTS: tuple[Callable[..., FaultOutcome], ...] = (worker, driver)
