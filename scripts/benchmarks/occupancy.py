"""A real search of five minutes: the share of wall time × cores spent in training steps, and the time until the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.material import count_cores, listed
from benchmarks.row import Row, at_least, at_most, explains
from benchmarks.searches import FinishedSearch, first_step_s, search_goemotions

TIME_S = 300


def measure() -> list[Row]:
    """Run a search and read where its time went from the ledger."""
    with search_goemotions(time_s=TIME_S) as search:
        return rows_of(search)


def rows_of(search: FinishedSearch) -> list[Row]:
    """Return the rows that show where the time of a search went."""
    cores = count_cores()
    first_start = min(trial["started_s"] for trial in search.trials)
    last_report = max(measurement["reported_s"] for measurement in search.measurements)
    available = (last_report - first_start) * cores
    shares = {
        "steps": sum(measurement["train_seconds"] for measurement in search.measurements) / available,
        "evaluation": sum(measurement["evaluate_seconds"] for measurement in search.measurements) / available,
    }
    shares["rest"] = 1 - sum(shares.values())
    first_step = min(map(first_step_s, search.measurements))
    baselines_s = sum(baseline["seconds"] for baseline in search.baselines)
    finalists = [trial for trial in search.trials if trial["phase"] == "finalist"]
    detail = (
        f"{listed(shares, '.3f')}, of {last_report - first_start:.0f} s × {cores} cores; {len(search.tried)} settings tried, "
        f"{len(finalists)} finalist runs, {len(search.measurements)} measurements; the baselines took {baselines_s:.0f} s "
        "beside them"
    )
    return [
        at_least("share of wall × cores in training steps", 0.9, shares["steps"], "share", detail),
        at_most(
            "first training step",
            6,
            first_step,
            "s",
            f"after `tuner run` started; the first trial was handed out at {first_start:.1f} s",
        ),
        _gaps(search, cores),
        explains(
            "whole command",
            search.command_s,
            "s",
            f"budget {TIME_S} s; {search.manifest['seconds']:.1f} s by its own clock",
        ),
    ]


def _gaps(search: FinishedSearch, cores: int) -> Row:
    """Return core seconds between the measurements of a trial, before its first, and after its last."""
    measurements_of: dict[int, list[Mapping[str, Any]]] = {}
    for measurement in search.measurements:
        measurements_of.setdefault(measurement["trial"], []).append(measurement)
    before = within = 0.0
    for trial in search.trials:
        measurements = measurements_of.get(trial["trial"], [])
        if measurements:
            before += first_step_s(measurements[0]) - trial["started_s"]
            within += sum(first_step_s(later) - sooner["reported_s"] for sooner, later in pairwise(measurements))
    idle = {
        "from a trial's start to its first step": before,
        "between a trial's measurements": within,
        "no trial on a core": _seconds_without_trial(search.trials, cores),
    }
    return explains("core seconds in neither steps nor evaluation", sum(idle.values()), "s", listed(idle, ".1f"))


def _seconds_without_trial(trials: Sequence[Mapping[str, Any]], cores: int) -> float:
    """Return the core seconds from the first start to the last end in which no trial was on a core."""
    begin = min(trial["started_s"] for trial in trials)
    ended = [trial for trial in trials if trial["ended_s"] is not None]
    end = max(trial["ended_s"] for trial in ended)
    return float((end - begin) * cores - sum(trial["ended_s"] - trial["started_s"] for trial in ended))
