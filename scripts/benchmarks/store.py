"""Runs in an object store that answers after 40 ms: requests of a write and of a flush, and the time of 40 short trials."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.material import run_tuner
from benchmarks.row import Row, at_most, explains
from faults.object_store import ObjectStore, object_store
from faults.search import SPACE, sets

DELAY_S = 0.04
TIMES_LOCAL = 1.3
_SETTINGS = ("search.trials=40", "resources.concurrent=2")
_MOST_S = 600


def measure() -> list[Row]:
    """Count requests, then run the same search with its run directory on the local disk and in the store."""
    with object_store() as store:
        write, flush = _count_write(store), _count_flush(store)
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        space = Path(folder, "space.yaml")
        space.write_text(SPACE)
        local_s = _search(space, f"{folder}/runs")
        with object_store(DELAY_S) as store:
            store_s = _search(space, store.location("runs"))
            requests = store.requests
    by_method = ", ".join(f"{count} {method}" for method, count in Counter(method for method, _ in requests).items())
    return [
        at_most("requests of a write", 1, write, "requests"),
        at_most("requests of a flush", 3, flush, "requests", "a trial that started, its measurement, its end"),
        explains("40 short trials on the local disk", local_s, "s"),
        explains(
            "the same in the store", store_s, "s", f"{DELAY_S:g} s a request; {len(requests)} requests: {by_method}"
        ),
        at_most("against the local disk", TIMES_LOCAL, store_s / local_s, "times"),
    ]


def _count_write(store: ObjectStore) -> int:
    from tuner.storage import Folder

    folder = Folder.at(store.location("runs/counted"))
    folder.write("first", b"")  # a client's first request of all is one more
    store.requests.clear()
    folder.write("deep/er/name", b"content")
    return len(store.requests)


def _count_flush(store: ObjectStore) -> int:
    from tuner.ledger.run_directory import Ledger

    ledger = Ledger.create(store.location("runs/flushed"), space="", environment={})
    for trial in range(2):  # what a first flush does more than others is not counted
        store.requests.clear()
        common = {"trial": trial, "phase": "search", "configuration": "{}"}
        ledger.add("trials", {**common, "ending": None})
        ledger.add("reports", {"trial": trial, "start": 1, "examples": 1, "score": 0.5})
        ledger.add("trials", {**common, "ending": "completed"})
        ledger.settle()
    requests = len(store.requests)
    ledger.release()
    return requests


def _search(space: Path, runs: str) -> float:
    """Run the search and return the seconds that the command took."""
    start = time.monotonic()
    run_tuner("run", str(space), "--name", "bench", "--runs", runs, *sets(_SETTINGS), timeout_s=_MOST_S)
    return time.monotonic() - start
