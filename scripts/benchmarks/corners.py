"""The trials that `tuner plan` says beside those that `tuner run` tries, and how long a plan takes."""

from __future__ import annotations

from benchmarks.row import Row, at_most
from benchmarks.timed_runs import Case, arguments_of, plan_case, run_case

A_THIRD = 1 / 3
PLAN_S = 15
CASES = (
    Case(data=("sms_spam", "all"), rows=1_000, time_s=60),
    Case(data=("sms_spam", "all"), time_s=90),
    Case(data=("davidson_hate", "all"), time_s=120),
    Case(data=("nlupp", "all"), time_s=90),
    Case(data=("goemotions", "train"), time_s=120),
    Case(data=("uea_japanesevowels", "train"), time_s=60),
)


def measure() -> list[Row]:
    """Plan and run binary, multiclass and multilabel texts and sequences, with shipped spaces."""
    rows: list[Row] = []
    for case in CASES:
        with arguments_of(case) as arguments:
            said, seconds = plan_case(arguments)
            search = run_case(case, arguments)
        difference = abs(said / search.tried - 1) if search.tried else float("inf")
        detail = f"{said} said, {search.tried} tried"
        rows.append(at_most(f"{case}: difference in trials", A_THIRD, difference, "of trials", detail))
        rows.append(at_most(f"{case}: plan", PLAN_S, seconds, "s"))
    return rows
