"""How well `tuner run` keeps a time budget, from the start of the process to its end, and when the first score comes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.row import Row, at_most, explains
from benchmarks.timed_runs import Case, Search, arguments_of, run_case

OVER_S = 3
DATA = (("sms_spam", "all"), ("nlupp", "all"), ("goemotions", "train"), ("uea_japanesevowels", "train"))
TIMES_S = (45, 60, 90)


def measure() -> list[Row]:
    """Run each data set with each budget, and the shortest budget once more beside a process that keeps a core busy."""
    rows: list[Row] = []
    for data in DATA:
        for time_s in TIMES_S:
            case = Case(data=data, time_s=time_s)
            rows += _rows(str(case), case, _search(case))
        case = Case(data=data, time_s=TIMES_S[0])
        with _busy_core():
            rows += _rows(f"{case}, beside other work", case, _search(case))
    return rows


def _search(case: Case) -> Search:
    with arguments_of(case) as arguments:
        return run_case(case, arguments)


def _rows(name: str, case: Case, search: Search) -> list[Row]:
    detail = f"{search.command_s:.1f} s; {search.tried} trials and {search.finalists} finalists' runs"
    return [
        at_most(f"{name}: over the budget", OVER_S, search.command_s - case.time_s, "s", detail),
        explains(f"{name}: first score", search.first_score_s, "s"),
    ]


@contextmanager
def _busy_core() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
