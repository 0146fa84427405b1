"""A dozen searches that size themselves, for real: trials said by a plan and tried, full runs, time cut off, time left over."""

from __future__ import annotations

from benchmarks.row import Row, at_least, at_most, explains
from benchmarks.timed_runs import Case, arguments_of, plan_case, run_case

FULL_RUNS = 6
A_THIRD = 1 / 3
PLAN_S = 15
LATE_S = 1.0
_AUTO = ("max_epochs", "grace_epochs", "reports_per_epoch", "finalists", "seeds")
CASES = (
    Case(data=("sms_spam", "all"), rows=200, time_s=60),
    Case(data=("uea_japanesevowels", "train"), time_s=60),
    Case(data=("sms_spam", "all"), rows=1_000, time_s=60),
    Case(data=("sms_spam", "all"), time_s=90),
    Case(data=("nlupp", "all"), time_s=90),
    Case(data=("davidson_hate", "all"), time_s=60),
    Case(data=("davidson_hate", "all"), time_s=120),
    Case(data=("goemotions", "train"), time_s=120),
    Case(data=("goemotions", "train"), time_s=300),
    Case(data=("goemotions", "train"), rows=200_000, time_s=300),
    Case(data=("goemotions", "train"), rows=1_000_000, time_s=900),
    Case(data=("nlupp", "all"), rows=300, time_s=600),
)


def measure() -> list[Row]:
    """Plan and run each case with the shipped space for its data, every setting that may be `auto` being so."""
    sized = [f"search.{name}=auto" for name in _AUTO] + ["space.batch_size=auto"]
    options = [word for each in sized for word in ("--set", each)]
    rows: list[Row] = []
    for case in CASES:
        with arguments_of(case) as arguments:
            said, seconds = plan_case([*arguments, *options])
            search = run_case(case, [*arguments, *options])
        difference = abs(said / search.tried - 1) if search.tried else float("inf")
        detail = f"{search.plan}; {search.tried} tried, {search.full_runs} full runs"
        rows += [
            at_most(
                f"{case}: difference in trials", A_THIRD, difference, "of trials", f"{said} said by the plan; {detail}"
            ),
            at_least(f"{case}: full runs", FULL_RUNS, search.full_runs, "runs"),
            at_most(f"{case}: trials cut off", A_THIRD, search.share_cut, "of time"),
            at_most(f"{case}: over the budget", LATE_S, search.command_s - case.time_s, "s"),
            at_most(f"{case}: plan", PLAN_S, seconds, "s"),
            explains(f"{case}: first score", search.first_score_s, "s"),
        ]
    return rows
