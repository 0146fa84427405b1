"""A run directory in an object store: `kill -9` of the search, errors and slow answers in between, and no answer at all."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.object_store import ACCESS, ObjectStore, no_fault, object_store
from faults.search import SPACE, FaultOutcome, SearchProcess, compare, require, searching, sets

_DELAY_S = 0.04
_FAULTY = 0.1  # of the requests
_MOST_S = 120.0  # three failures in a row, and each is the last of some thirty tries of the client


class StoredSearch(SearchProcess):
    """A search whose run directory is in a store."""

    runs = ""

    def run(self, *overrides: str) -> None:
        self.start("run", self.space, "--name", "night", "--runs", self.runs, *sets(overrides))

    def has_begun(self) -> bool:
        from tuner.storage import Folder

        return Folder.at(self.location).exists("environment.json")


def killed(folder: Path, *, seed: int) -> FaultOutcome:
    """Kill the search, resume it at once and again when its lease is over, with errors and slow answers in between."""
    with _searching(folder) as (search, store):
        search.run("search.trials=6", f"search.seed={seed}", "resources.concurrent=2")
        search.wait_until(lambda: len(search.finished()) >= 2)
        before = search.finished()
        search.kill_driver()
        search.wait_until_alone(besides_agents=True)
        after_kill = search.finished()
        require(before.keys() <= after_kill.keys(), f"what was written is there: {before.keys()}, {after_kill.keys()}")
        refused = search.call("resume", search.location)
        require(refused.code == 2, f"the lease is not over, so the code is 2: {refused}")
        require("if that process was killed, try again in " in refused.stderr, refused.stderr)
        _age_lease(search, seconds=60)
        dice = random.Random(seed)
        store.fault = lambda *_: dice.choice(["500", "slow", "cut"]) if dice.random() < _FAULTY else None
        start = time.monotonic()
        search.resume()
        search.wait_until(lambda: "resumed" in search.log.read_text())
        seconds = time.monotonic() - start
        search.finish_well()
        store.fault = no_fault
        lost, repeated = compare(after_kill, search.trials())
        require(not search.faults(), str(search.faults()))
        counts = store.count()
    return FaultOutcome(
        fault="kill -9 in a store", times=1, lost=lost, repeated=repeated, seconds=[seconds], notes={"requests": counts}
    )


def away(folder: Path, *, seed: int) -> FaultOutcome:
    """Let the store answer nothing but errors: the search ends with one message, and goes on when the store is back."""
    with _searching(folder) as (search, store):
        search.run("search.trials=200", f"search.seed={seed}", "resources.concurrent=2")
        search.wait_until(lambda: len(search.finished()) >= 2)
        before = search.finished()
        start = time.monotonic()
        store.fault = lambda *_: "500"
        ended = search.finish(timeout_s=2 * _MOST_S)
        stopped_s = time.monotonic() - start
        errors = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
        require(ended.code == 1 and len(errors) == 1, f"ends with 1 and one message: {ended.code}, {ended.stderr}")
        require("Traceback" not in ended.stderr, ended.stderr[-2000:])
        require(stopped_s < _MOST_S, f"it stops within {_MOST_S:g} s, not {stopped_s:.1f}")
        store.fault = no_fault
        _age_lease(search, seconds=60)
        search.resume("search.trials=4")
        search.finish_well()
        lost, repeated = compare(before, search.trials())
        require(not search.faults(), str(search.faults()))
    notes = {"stopped_s": stopped_s, "said": errors}
    return FaultOutcome(fault="store away", times=1, lost=lost, repeated=repeated, notes=notes)


@contextmanager
def _searching(folder: Path) -> Iterator[tuple[StoredSearch, ObjectStore]]:
    with (
        object_store(_DELAY_S) as store,
        searching(folder, space=SPACE, environment=ACCESS, kind=StoredSearch) as search,
    ):
        assert isinstance(search, StoredSearch)
        search.runs = store.location("runs")
        search.location = store.location("runs/night")
        yield search, store


def _age_lease(search: SearchProcess, *, seconds: float) -> None:
    """Make the lease of a search that was killed older, instead of waiting."""
    from tuner.ledger.lock import LOCK
    from tuner.storage import Folder

    folder = Folder.at(search.location)
    if folder.exists(LOCK):
        lease = json.loads(folder.read(LOCK))
        folder.write(LOCK, json.dumps({**lease, "renewed_at": lease["renewed_at"] - seconds}).encode())


FAULTS = (killed, away)
