"""A finished run is given more: nothing is tried twice, nothing is lost, and a budget that gives nothing is refused.

Queue, ledger, sampler and scheduler are real. A worker's measurements are computed from the configuration.
"""

from __future__ import annotations

import functools
import shlex
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.processes import SPACE, Driver, Killed, measurement_of
from builders.runs import write_run
from tuner.errors import LedgerError, SearchFailed, SpaceError
from tuner.ledger.extensions import extensions_of
from tuner.ledger.longer_search import command_to_search_longer
from tuner.ledger.run_directory import Run, read_run
from tuner.ledger.verify import verify
from tuner.search.extension import note_on_seen_test, refuse_missing_weights, refuse_too_little
from tuner.space.load import read_space


def outcome(location: Path) -> dict[int, tuple[Any, ...]]:
    """Return the ledger's row of each trial, without times and starts."""
    names = ("phase", "parent", "seed", "configuration", "ending", "reason", "score", "best_epochs", "examples")
    return {row["trial"]: tuple(row[name] for name in names) for row in read_run(location).trials}


def write_space(folder: Path, limits: str) -> None:
    (folder / "space.yaml").write_text(SPACE.replace("trials: 14", limits))


def finish(folder: Path, limits: str = "trials: 8") -> Path:
    """Search to the end and finish the ledger."""
    write_space(folder, limits)
    process = Driver(folder / "run", is_first=True, events=None)
    process.finish()
    return folder / "run"


def extended(folder: Path, limits: str = "trials: 14", events: int | None = None) -> Driver:
    """Give a finished run more, or go on with that."""
    write_space(folder, limits)
    return Driver(folder / "run", is_first=False, events=events)


def fail_all(process: Driver) -> None:
    """Let every trial of a search fail."""
    while (order := process.queue.next_order()) is not None:
        process.queue.started(order)
        process.queue.ended(order, "failed", "no torch")
        process.queue.tick()


def test_an_extended_search_has_the_trials_and_rungs_of_one_that_was_as_long_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    location, at_once = finish(tmp_path), finish(tmp_path / "long", "trials: 14")
    before = outcome(location)
    process = extended(tmp_path)
    process.finish()
    after = outcome(location)
    assert {trial: after[trial] for trial in before} == before
    searched = [row[3] for row in after.values() if row[0] == "search"]
    assert len(searched) == len(set(searched)) == 14
    first = [row[3] for row in outcome(at_once).values() if row[0] == "search"][:8]
    assert searched[:8] == first
    sizes = {level: len(scores) for level, scores in process.pruner.rungs.scores.items()}
    endings = [row[4] for row in after.values() if row[0] == "search"]
    assert sizes[100] == sum(ending not in ("collapsed", "diverged") for ending in endings)


def test_finalists_of_the_earlier_search_keep_their_runs_and_no_seed_is_used_twice(tmp_path: Path) -> None:
    location = finish(tmp_path)
    runs_before = {trial for trial, row in outcome(location).items() if row[0] == "finalist"}
    extended(tmp_path).finish()
    rows = {trial: row for trial, row in outcome(location).items() if row[0] == "finalist"}
    assert runs_before < set(rows) or runs_before == set(rows)
    assert max(Counter((row[1], row[2]) for row in rows.values()).values()) == 1
    assert max(Counter(row[1] for row in rows.values()).values()) == 2  # as many as search.seeds, and no more


def test_a_finalists_run_that_the_budget_cut_short_gets_another_one_with_another_seed(tmp_path: Path) -> None:
    write_space(tmp_path, "trials: 8")
    process = Driver(tmp_path / "run", is_first=True, events=None)
    while (order := process.queue.next_order()) is not None:
        process.queue.started(order)
        if order.phase == "search":
            process.train(order, {})
        else:
            process.queue.measured(order, measurement_of(order, 1))
            process.queue.ended(order, "cut short", "the budget was over")
    process.ledger.finish({"status": "finished", "seconds": process.clock})
    parents = {row[1] for row in outcome(tmp_path / "run").values() if row[0] == "finalist"}
    extended(tmp_path, "trials: 9").finish()
    rows = [row for row in outcome(tmp_path / "run").values() if row[0] == "finalist"]
    again = [parent for parent, ending in ((row[1], row[4]) for row in rows) if ending != "cut short"]
    assert parents & set(again)
    assert len({row[2] for row in rows}) == len(rows)


def test_a_search_trial_that_the_budget_cut_short_stays_so_and_is_in_no_rung_twice(tmp_path: Path) -> None:
    write_space(tmp_path, "trials: 8")
    process = Driver(tmp_path / "run", is_first=True, events=None)
    order = process.queue.next_order()
    assert order is not None
    process.queue.started(order)
    result = replace(measurement_of(order, 1), score=0.5, constant_penalty=0.0, diverged_at_step=None)
    process.queue.measured(order, result)
    process.pruner.judge(order, result)
    process.queue.ended(order, "cut short", "the budget was over")
    process.finish()
    kept = {level: list(scores) for level, scores in process.pruner.rungs.scores.items()}
    again = extended(tmp_path)
    assert {level: list(scores) for level, scores in again.pruner.rungs.scores.items()} == kept
    again.finish()
    assert outcome(tmp_path / "run")[0][4] == "cut short"


def test_a_trial_that_the_budget_ended_before_its_first_measurement_does_not_count(tmp_path: Path) -> None:
    write_space(tmp_path, "trials: 8")
    process = Driver(tmp_path / "run", is_first=True, events=None)
    order = process.queue.next_order()
    assert order is not None
    process.queue.started(order)
    process.queue.ended(order, "cut short", "the budget was over")
    process.finish()
    endings = [row[4] for row in outcome(tmp_path / "run").values() if row[0] == "search"]
    assert (len(endings), endings.count("cut short")) == (9, 1)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=3))
def test_an_extension_that_is_killed_anywhere_ends_the_same(kills: list[int]) -> None:
    assert _outcome_of_extension(*kills) == _outcome_of_extension()


@functools.cache
def _outcome_of_extension(*kills: int) -> tuple[Any, Any]:
    """Return how an extension ends that is killed after so many events, once for each of `kills`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        location, checkpoints = finish(folder), dict[int, int]()
        for left in (*kills, None):
            process = extended(folder, events=left)
            with suppress(Killed):
                process.run(checkpoints)
            process.die()
            run = read_run(location)
            assert run.is_being_extended
            assert len(extensions_of(run)) == 1
            assert verify(location).faults == ()
        return outcome(location), process.pruner.rungs.scores


def test_an_extension_whose_trials_all_fail_stops_and_tries_them_again_when_it_is_resumed(tmp_path: Path) -> None:
    finish(tmp_path)
    process = extended(tmp_path, "trials: 30")
    with pytest.raises(SearchFailed, match="every trial fails, so the search has stopped: 10 failed"):
        fail_all(process)
    process.die()
    first = read_run(tmp_path / "run").manifest["extensions"][0]["first_trial"]
    again = extended(tmp_path, "trials: 30").queue.next_order()
    assert again is not None
    assert again.index == first


def test_a_second_extension_keeps_the_first(tmp_path: Path) -> None:
    location = finish(tmp_path)
    process = extended(tmp_path)
    extensions = read_run(location).manifest["extensions"]
    process.run({})
    process.ledger.finish({"status": "finished", "seconds": process.clock, "extensions": extensions})
    extended(tmp_path, "trials: 16")
    first, second = extensions_of(read_run(location))
    assert first.first_trial < second.first_trial
    assert (first.earlier["trials"], second.earlier["trials"]) == (8, 14)


# --- what gives nothing more --------------------------------------------------------------------------------------------


@pytest.fixture
def made_up(tmp_path: Path) -> Callable[..., Run]:
    """Return a function that writes a finished run with its manifest changed; it has 90 trials and took 601.5 s of 10 min."""

    def make(limits: str = "time: 10m", **manifest: Any) -> Run:
        run = read_run(write_run(tmp_path))
        return replace(run, space=run.space.replace("time: 10m", limits), manifest={**run.manifest, **manifest})

    return make


@pytest.mark.parametrize(
    ("limits", "overrides", "reason", "least"),
    [
        ("time: 10m", ["search.time=10m"], "search.time allows 10 min for the whole run", ["search.time=11m"]),
        ("trials: 90", [], "search.trials is 90, and the run has tried 90", ["search.trials=91"]),
        ("trials: 90", ["search.trials=50"], "search.trials is 50", ["search.trials=91"]),
        ("trials: 90, time: 10m", ["search.trials=200"], "search.time allows", ["search.trials=200", "search.time=11m"]),
        ("trials: 90, time: 10m", ["search.time=1h"], "search.trials is 90", ["search.time=1h", "search.trials=91"]),
        ("cost: 1, cost_per_hour: 6", ["search.cost=0.5"], "search.cost allows 5 min", ["search.cost=1.05"]),
        ("time: 10m", ["data.train=moved.csv"], "nothing more", ["data.train=moved.csv", "search.time=11m"]),
    ],
)  # fmt: skip
def test_a_budget_that_gives_nothing_more_is_refused_with_the_least_that_works(
    limits: str, overrides: list[str], reason: str, least: list[str], made_up: Callable[..., Run]
) -> None:
    run = made_up(limits)
    with pytest.raises(SpaceError) as refused:
        refuse_too_little(run, read_space(run.space, overrides), overrides)
    (fault,) = refused.value.faults
    assert reason in fault.what
    *_, command, _ = fault.remedy.split("`")
    assert shlex.split(command)[4::2] == least
    refuse_too_little(run, read_space(run.space, least), least)  # the remedy works


def test_a_run_that_has_tried_all_settings_is_refused_any_budget(made_up: Callable[..., Run]) -> None:
    run = made_up(ended_by="settings")
    with pytest.raises(SpaceError, match=r"has tried all settings of its space.*begin a new run with a wider space"):
        refuse_too_little(run, read_space(run.space, ["search.time=9h"]), ["search.time=9h"])


@given(
    spent_s=st.floats(1, 90_000),
    tried_s=st.floats(0.1, 9_000),
    ended_by=st.sampled_from(["time", "trials", "cost", "time after all trials"]),
    examples=st.sampled_from([0, 100]),
)
@settings(max_examples=60, deadline=None)
def test_the_command_that_searches_longer_is_never_refused(
    spent_s: float, tried_s: float, ended_by: str, examples: int
) -> None:
    limits = {
        "time": f"time: {spent_s:.3f}",
        "time after all trials": f"trials: 1, time: {spent_s:.3f}",
        "trials": "trials: 1, time: 1h",
        "cost": f"cost: {spent_s / 3600:.6f}, cost_per_hour: 1",
    }
    row = {
        "phase": "search",
        "ending": "cut short",
        "examples": examples,
        "started_s": 1.0,
        "ended_s": 1.0 + tried_s,
    }
    run = Run(
        name="run",
        location="runs/run",
        space=SPACE.replace("trials: 14", limits[ended_by]),
        environment={},
        profile={},
        baselines=[],
        trials=[row],
        champion={},
        manifest={
            "status": "finished",
            "seconds": min(spent_s, 3599.0) if ended_by == "trials" else spent_s,
            "ended_by": ended_by.split()[0],
        },
    )
    command = command_to_search_longer(run)
    assert command is not None
    overrides = shlex.split(command)[4::2]
    refuse_too_little(run, read_space(run.space, overrides), overrides)


def test_a_finished_run_that_has_lost_a_finalists_weights_cannot_go_on(made_up: Callable[..., Run]) -> None:
    with pytest.raises(LedgerError, match=r"finalists/trial-90\.safetensors: a finalist's weights.*are not there"):
        refuse_missing_weights(made_up())


@pytest.mark.parametrize("damaged", [["x"], [{"at": "today"}], 5])
def test_extensions_that_tuner_did_not_write_are_named(damaged: object, made_up: Callable[..., Run]) -> None:
    with pytest.raises(LedgerError, match=r"manifest\.json: its list of extensions was not written by tuner"):
        extensions_of(made_up(extensions=damaged))


def test_the_note_on_a_seen_test_split_names_the_remedy(made_up: Callable[..., Run]) -> None:
    run = made_up()
    note = note_on_seen_test(run, read_space(run.space))
    assert "the test split has been seen: it gave the verdict beats_baselines" in note
    assert f"`tuner evaluate {run.location} NEW_ROWS` or with --set data.judge=NEW_ROWS" in note
    judged = read_space(run.space, ["data.judge=march.csv"])
    assert "march.csv (data.judge) judges the new champion too" in note_on_seen_test(run, judged)
    seen = replace(run, champion={**run.champion, "judge": {"source": "march.csv"}})
    assert "so has march.csv: judge the new champion on fresh rows" in note_on_seen_test(seen, judged)
