"""A search that is killed at any moment continues from its ledger as if nothing had happened.

Queue, ledger, sampler and scheduler are real. A worker's measurements are computed from the configuration.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.processes import SPACE, Driver, Killed, measurement_of
from tuner.errors import DataError, LedgerError, SearchFailed, SpaceError, StorageError
from tuner.ledger.run_directory import Ledger, checkpoint_name, held_out_name, read_run, weights_name
from tuner.ledger.tables import read_parts
from tuner.ledger.verify import verify
from tuner.search.environment import describe_resumption
from tuner.search.moved_files import refuse_moved_files
from tuner.search.resume import check_data, check_versions, resumed_space
from tuner.storage import Folder
from tuner.training.state import to_bytes


def outcome(location: Path) -> dict[int, tuple[Any, ...]]:
    """Return the ledger's row of each trial, without times and starts."""
    names = ("phase", "parent", "seed", "configuration", "ending", "reason", "score", "best_epochs", "examples")
    return {row["trial"]: tuple(row[name] for name in names) for row in read_run(location).trials}


def rungs_of(process: Driver) -> dict[float, list[float]]:
    return process.pruner.rungs.scores


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[int, tuple[Any, ...]], dict[float, list[float]]]:
    """The outcome and the rungs of a search that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "space.yaml").write_text(SPACE)
    process = Driver(folder / "run", is_first=True, events=None)
    process.run({})
    process.die()
    return outcome(folder / "run"), rungs_of(process)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_a_search_that_is_killed_anywhere_ends_the_same(
    undisturbed: tuple[dict[int, tuple[Any, ...]], dict[float, list[float]]], kills: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, checkpoints = Path(name), {}
        (folder / "space.yaml").write_text(SPACE)
        ended: dict[int, Any] = {}
        for number, events in enumerate([*kills, None]):
            process = Driver(folder / "run", is_first=number == 0, events=events)
            with suppress(Killed):
                process.run(checkpoints)
            process.die()
            rows = {row["trial"]: row for row in read_run(folder / "run").trials if row["ending"]}
            assert {trial: rows[trial] for trial in ended} == ended, "a trial that has ended stays as it is"
            ended = rows
        assert outcome(folder / "run") == undisturbed[0]
        assert rungs_of(process) == undisturbed[1]
        assert verify(folder / "run").faults == ()


def test_the_undisturbed_search_has_trials_with_every_ending(
    undisturbed: tuple[dict[int, tuple[Any, ...]], dict[float, list[float]]],
) -> None:
    endings = {row[4] for row in undisturbed[0].values()}
    assert endings == {"completed", "stopped", "collapsed", "diverged"}


# --- one thing at a time ------------------------------------------------------------------------------------------------


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., Driver]:
    """Return a function that begins a search, or resumes it if there is one."""

    def make(limits: str = "trials: 14") -> Driver:
        (tmp_path / "space.yaml").write_text(SPACE.replace("trials: 14", limits))
        return Driver(tmp_path / "run", is_first=not (tmp_path / "run").exists(), events=None)

    return make


def test_running_trials_come_first_with_the_same_number_configuration_and_seed(begin: Callable[..., Driver]) -> None:
    first = begin()
    orders = [first.queue.next_order() for _ in range(3)]
    for order in orders[:2]:
        assert order is not None
        first.queue.started(order)
    first.ledger.flush()
    first.die()
    second = begin()
    again = [second.queue.next_order() for _ in range(4)]
    assert [replace(order, start_before=None) for order in again[:3] if order] == orders
    assert again[3] is not None
    assert again[3].index == 3


def test_interrupted_trials_continue_and_keep_their_checkpoints(begin: Callable[..., Driver], tmp_path: Path) -> None:
    first = begin()
    order = first.queue.next_order()
    assert order is not None
    first.queue.started(order)
    first.queue.measured(order, measurement_of(order, 1))
    (tmp_path / "run" / "checkpoints").mkdir()
    kept = tmp_path / "run" / checkpoint_name(order.index)
    kept.write_bytes(b"state")
    first.queue.interrupt()
    first.die()
    assert kept.exists()
    second = begin()
    assert second.queue.next_order() == replace(order, is_measured_then=False)  # it has a measurement now
    second.queue.started(order)
    second.queue.ended(order, "stopped", "")
    assert not kept.exists()
    assert read_run(tmp_path / "run").trials[0]["starts"] == 2


def test_files_that_workers_write_after_an_interrupt_do_no_harm(begin: Callable[..., Driver], tmp_path: Path) -> None:
    process, folder = begin(), Folder.at(tmp_path / "run")
    while (order := process.queue.next_order()) is not None:
        process.queue.started(order)
        process.train(order, {})
        if order.phase == "finalist":
            break
    running = process.queue.next_order()
    assert order is not None
    assert running is not None
    process.queue.started(running)
    process.queue.measured(running, measurement_of(running, 1))
    for index in (order.index, running.index):
        for name in (weights_name(index), held_out_name(weights_name(index))):
            folder.write(name, safetensors.torch.save({"tensor": torch.zeros(3)}))
    process.queue.interrupt()
    process.ledger.finish({"status": "interrupted"}, unfinished=process.queue.unfinished_files())
    folder.write(checkpoint_name(running.index), to_bytes({"tensor": torch.zeros(3)}))
    folder.write(weights_name(running.index), safetensors.torch.save({"tensor": torch.ones(3)}))
    assert verify(tmp_path / "run").faults == ()
    folder.write(weights_name(order.index), b"other weights")
    folder.write(checkpoint_name(running.index), b"half a state")
    folder.write(weights_name(running.index), b"half of them")
    folder.delete(held_out_name(weights_name(running.index)))
    spoilt = [weights_name(order.index), checkpoint_name(running.index), weights_name(running.index)]
    spoilt.append(held_out_name(weights_name(running.index)))
    assert {fault.where for fault in verify(tmp_path / "run").faults} == {f"{folder}/{name}" for name in spoilt}


def test_a_trial_that_the_budget_cut_short_stays_as_it_is(begin: Callable[..., Driver]) -> None:
    first = begin()
    order = first.queue.next_order()
    assert order is not None
    first.queue.started(order)
    first.queue.ended(order, "cut short", "the budget was over")
    first.die()
    again = begin().queue.next_order()
    assert again is not None
    assert again.index == 1


def test_measurements_that_a_new_worker_repeats_count_once(begin: Callable[..., Driver]) -> None:
    process = begin()
    order = process.queue.next_order()
    assert order is not None
    process.queue.started(order)
    for epoch in (1, 2, 3):
        process.queue.measured(order, replace(measurement_of(order, epoch), score=epoch / 10))
    process.queue.started(order)  # from its checkpoint after the first
    process.queue.measured(order, replace(measurement_of(order, 2), score=0.15))
    state = process.queue.trials[order.index]
    assert [measurement.score for measurement in state.measurements] == [0.1, 0.15]
    assert (state.score, state.starts, state.train_seconds) == (0.15, 2, pytest.approx(0.2))


def test_a_resumed_run_continues_with_the_missing_finalists(begin: Callable[..., Driver], tmp_path: Path) -> None:
    first = begin()
    finalists = 0
    while finalists < 2:
        order = first.queue.next_order()
        assert order is not None
        finalists += order.phase == "finalist"
        first.queue.started(order)
        if finalists < 2:
            first.train(order, {})
    first.ledger.flush()
    first.die()
    before = outcome(tmp_path / "run")
    second = begin()
    left = []
    while (order := second.queue.next_order()) is not None:
        left.append(order.index)
        assert order.phase == "finalist"
        assert order.weights is not None
    assert left == [trial for trial, row in before.items() if row[0] == "finalist" and row[4] is None]
    assert len(left) == 3


def test_a_finalist_that_failed_is_tried_again_when_the_run_is_resumed(
    begin: Callable[..., Driver], tmp_path: Path
) -> None:
    first = begin("trials: 2")
    while (order := first.queue.next_order()) is not None:
        first.queue.started(order)
        if order.phase == "search":
            first.queue.measured(
                order, replace(measurement_of(order, 8), score=0.5, constant_penalty=0.0, diverged_at_step=None)
            )
        first.queue.ended(order, "completed" if order.phase == "search" else "failed", "")
    first.die()
    second = begin("trials: 2")
    again = []
    while (order := second.queue.next_order()) is not None:
        again.append(order.phase)
    assert again == ["finalist"] * 4


def test_the_time_that_the_run_has_used_counts(begin: Callable[..., Driver], tmp_path: Path) -> None:
    first = begin()
    order = first.queue.next_order()
    assert order is not None
    first.clock = 50.0
    first.queue.started(order)
    first.clock = 81.5
    first.queue.measured(order, measurement_of(order, 1), is_to_be_kept=True)
    first.die()
    assert begin().clock == 81.5


def test_a_resumed_run_may_have_more_trials(begin: Callable[..., Driver]) -> None:
    first = begin("trials: 1")
    order = first.queue.next_order()
    assert order is not None
    first.queue.started(order)
    first.ledger.flush()
    first.die()
    second = begin("trials: 3")
    assert [order.index for order in iter(second.queue.next_order, None) if order] == [0, 1, 2]


# --- faults of the ledger -----------------------------------------------------------------------------------------------


def test_a_damaged_part_is_moved_away_and_its_trials_run_again(begin: Callable[..., Driver], tmp_path: Path) -> None:
    first = begin()
    for _ in range(4):
        order = first.queue.next_order()
        assert order is not None
        first.queue.started(order)
        first.train(order, {})
    first.die()
    parts = sorted((tmp_path / "run" / "trials").iterdir())
    spoilt = [part for part in parts if 2 in {row["trial"] for row in read_parts_of(part)}]
    for part in spoilt:
        part.write_bytes(part.read_bytes()[:-7])
    kept = {row["trial"] for row in read_run(tmp_path / "run").trials}
    second = begin()
    order = second.queue.next_order()
    assert order is not None
    assert 2 not in kept
    assert order.index == min({0, 1, 2, 3} - kept)
    assert sorted(path.name for path in (tmp_path / "run" / "damaged").iterdir()) == sorted(
        f"trials-{part.name}" for part in spoilt
    )
    assert not read_run(tmp_path / "run").damaged


def read_parts_of(part: Path) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "trials").mkdir()
        shutil.copy(part, Path(name) / "trials")
        return list(read_parts(Folder.at(name), "trials")[0].to_pylist())


def test_a_resumed_run_numbers_its_parts_after_the_existing_ones(begin: Callable[..., Driver], tmp_path: Path) -> None:
    for _ in range(3):
        process = begin()
        order = process.queue.next_order()
        assert order is not None
        process.queue.started(order)
        process.ledger.flush()
        process.die()
    assert [path.name for path in sorted((tmp_path / "run" / "trials").iterdir())] == [
        f"part-{number:06d}.parquet" for number in (1, 2, 3)
    ]


def test_a_second_process_cannot_resume_a_run_in_use(begin: Callable[..., Driver], tmp_path: Path) -> None:
    begin()
    with pytest.raises(LedgerError, match="another process is at work on this run"):
        Ledger.reopen(tmp_path / "run")


# --- faults of the storage ----------------------------------------------------------------------------------------------


@pytest.fixture
def flush_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ledger, float], None]:
    """Return a function that flushes at a given second."""
    import tuner.ledger.run_directory

    def flush(ledger: Ledger, second: float) -> None:
        monkeypatch.setattr(tuner.ledger.run_directory.time, "monotonic", lambda: 1e9 + second)
        ledger.flush(is_due=False)

    return flush


def test_unwritable_rows_wait_and_the_third_failure_in_a_row_ends_the_run(
    begin: Callable[..., Driver], tmp_path: Path, flush_at: Callable[[Ledger, float], None]
) -> None:
    process = begin()
    process.queue.next_order()
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    flush_at(process.ledger, 0)
    flush_at(process.ledger, 0.5)  # too soon to count as another try
    flush_at(process.ledger, 2)
    with pytest.raises(
        StorageError, match=r"the run's directory is no longer there; move it back, then continue with `tuner resume"
    ):
        flush_at(process.ledger, 4)
    shutil.move(tmp_path / "elsewhere", tmp_path / "run")
    flush_at(process.ledger, 6)
    assert [row["trial"] for row in read_run(tmp_path / "run").trials] == [0]
    assert verify(tmp_path / "run").faults == ()


def test_a_storage_that_recovers_in_time_does_no_harm(
    begin: Callable[..., Driver], tmp_path: Path, flush_at: Callable[[Ledger, float], None]
) -> None:
    process = begin()
    for second in range(0, 40, 4):
        process.queue.next_order()
        shutil.move(tmp_path / "run", tmp_path / "elsewhere")
        flush_at(process.ledger, second)
        flush_at(process.ledger, second + 1)
        shutil.move(tmp_path / "elsewhere", tmp_path / "run")
        flush_at(process.ledger, second + 2)
    assert len(read_run(tmp_path / "run").trials) == 10


# --- trials that hang or fail -------------------------------------------------------------------------------------------


def test_a_trial_that_sends_nothing_within_the_timeout_has_failed(begin: Callable[..., Driver]) -> None:
    process = begin("trials: 14, trial_timeout: 60s")
    silent, busy = process.queue.next_order(), process.queue.next_order()
    process.queue.next_order()  # it waits for a worker, so it cannot hang
    assert silent is not None
    assert busy is not None
    for order in (silent, busy):
        process.queue.started(order)
    process.clock = 59.0
    process.queue.measured(busy, measurement_of(busy, 1))
    assert process.queue.hung() == []
    process.clock = 61.0
    assert [order.index for order in process.queue.hung()] == [silent.index]
    assert process.queue.trials[silent.index].reason == "no measurement for 60 s, which is search.trial_timeout"
    assert process.queue.hung() == []


def test_waiting_for_a_new_worker_is_not_hanging(begin: Callable[..., Driver]) -> None:
    process = begin("trials: 14, trial_timeout: 60s")
    order = process.queue.next_order()
    assert order is not None
    process.queue.started(order)
    process.queue.waits(order)
    process.clock = 1000.0
    assert process.queue.hung() == []
    process.queue.started(order)
    process.clock = 1061.0
    assert [hung.index for hung in process.queue.hung()] == [order.index]


def test_a_search_stops_if_every_trial_fails_and_names_the_cause(begin: Callable[..., Driver]) -> None:
    process = begin()
    for _ in range(10):
        order = process.queue.next_order()
        assert order is not None
        process.queue.tick()
        process.queue.started(order)
        process.queue.ended(order, "failed", "ValueError: no row is left")
    with pytest.raises(SearchFailed, match=r"every trial fails.*10 failed \(ValueError: no row is left\)"):
        process.queue.tick()


def test_one_trial_that_does_not_fail_keeps_the_search_going(begin: Callable[..., Driver]) -> None:
    process = begin()
    for number in range(13):
        order = process.queue.next_order()
        assert order is not None
        process.queue.started(order)
        process.queue.ended(order, "collapsed" if number == 3 else "failed", "")
        process.queue.tick()


# --- what must not change before a resume --------------------------------------------------------------------------------


@pytest.fixture
def said() -> list[str]:
    """The messages to the person."""
    return []


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that records a run with the given environment."""

    def make(**environment: Any) -> Path:
        ledger = Ledger.create(tmp_path / "run", space=SPACE, environment={"space_text": SPACE, **environment})
        ledger.release()
        return tmp_path / "run"

    return make


def test_settings_that_change_no_result_may_change_with_a_note(recorded: Callable[..., Path], said: list[str]) -> None:
    run = read_run(recorded())
    space = resumed_space(run, ["search.trials=20", "search.time=2h", "resources.concurrent=1"], said.append)
    assert (space.search.trials, space.search.time, space.resources.concurrent) == (20, 7200, 1)
    assert said == [
        "note: search.trials is 20 now; the run began with 14",
        "note: search.time is 2 h 0 min now; the run began with null",
        "note: resources.concurrent is 1 now; the run began with null",
    ]


def test_an_edited_space_is_refused_with_every_difference(recorded: Callable[..., Path], said: list[str]) -> None:
    location = recorded()
    (location / "space.yaml").write_text(
        SPACE.replace("seed: 3", "seed: 4").replace("high: 64", "high: 32") + "# edited\n"
    )
    with pytest.raises(SpaceError) as refused:
        resumed_space(read_run(location), [], said.append)
    assert [fault.what for fault in refused.value.faults] == [
        "search.seed is 4, but the run began with 3",
        "space.hidden is 8 to 32, log, but the run began with 8 to 64, log",
    ]
    assert "change it back, or begin a new run; a resumed run may change search.time" in refused.value.faults[0].remedy


def test_another_share_of_the_rows_is_no_moved_file(recorded: Callable[..., Path], said: list[str]) -> None:
    with pytest.raises(SpaceError, match=r"data\.validation is 0\.3, but the run began with 0\.15; change it back"):
        resumed_space(read_run(recorded()), ["data.validation=0.3"], said.append)


def test_what_the_search_settled_again_is_no_difference_but_an_override_is(
    recorded: Callable[..., Path], said: list[str]
) -> None:
    location = recorded()
    (location / "plan.json").write_text('{"settings": {"search.max_epochs": 5}}')
    (location / "space.yaml").write_text(SPACE.replace("max_epochs: 8", "max_epochs: 5"))
    assert resumed_space(read_run(location), [], said.append).search.max_epochs == 5
    assert resumed_space(read_run(location), ["search.max_epochs=5"], said.append).search.max_epochs == 5
    with pytest.raises(SpaceError, match=r"search.max_epochs is 8, but the run settled on 5"):
        resumed_space(read_run(location), ["search.max_epochs=8"], said.append)


def test_the_same_space_in_other_words_is_no_difference(recorded: Callable[..., Path], said: list[str]) -> None:
    location = recorded()
    (location / "space.yaml").write_text("# a comment\n" + SPACE.replace("max_epochs: 8", "max_epochs: 8.0"))
    assert resumed_space(read_run(location), [], said.append).search.max_epochs == 8
    assert said == []


@dataclass
class SomeData:
    """The parts of a data set that are compared."""

    fingerprints: dict[str, str]


def test_changed_data_are_refused_and_moved_data_are_not(recorded: Callable[..., Path]) -> None:
    run = read_run(recorded(data={"fingerprints": {"a.csv": "1" * 64, "b.csv": "2" * 64}}))
    check_data(run, SomeData({"elsewhere/a.csv": "1" * 64, "b.csv": "2" * 64}))  # type: ignore[arg-type]
    with pytest.raises(
        DataError, match=r"b\.csv: its content has changed since the run began \(SHA-256 333333333333 now, 222"
    ):
        check_data(run, SomeData({"a.csv": "1" * 64, "b.csv": "3" * 64}))  # type: ignore[arg-type]


def test_files_that_have_changed_places_are_refused(recorded: Callable[..., Path]) -> None:
    """A test split that a resumed run trains on would flatter the champion."""
    run = read_run(recorded(data={"fingerprints": {"a.csv": "1" * 64, "b.csv": "2" * 64}}))
    with pytest.raises(DataError, match=r"b\.csv: a\.csv was in its place when the run began"):
        check_data(run, SomeData({"b.csv": "2" * 64, "a.csv": "1" * 64}))  # type: ignore[arg-type]


def test_a_moved_file_may_be_named_anew_and_the_message_says_so(recorded: Callable[..., Path], said: list[str]) -> None:
    run = read_run(recorded(data={"fingerprints": {"builtin:digits": "1" * 64}}))
    assert resumed_space(run, ["data.train=moved.parquet"], said.append).data.train == "moved.parquet"
    with pytest.raises(
        SpaceError, match=r"and name data\.train, data\.validation, data\.test elsewhere if their content is"
    ):
        resumed_space(run, ["search.max_epochs=9"], said.append)
    message = r"moved\.parquet: its content is that of no file that the run began with \(builtin:digits\)"
    with pytest.raises(DataError, match=message):
        check_data(run, SomeData({"moved.parquet": "3" * 64}))  # type: ignore[arg-type]


def test_a_file_that_is_no_longer_there_is_named_with_the_setting_for_its_new_place(
    recorded: Callable[..., Path], said: list[str], tmp_path: Path
) -> None:
    run = read_run(recorded())
    gone = resumed_space(run, [f"data.train={tmp_path}/gone.csv"], said.append)
    message = (
        "gone.csv: data.train of run run is no longer there; put it back, or say where it is now: --set data.train="
    )
    with pytest.raises(DataError, match=message):
        refuse_moved_files(run, gone)
    refuse_moved_files(run, resumed_space(run, ["data.train=s3://bucket/gone.csv"], said.append))


def test_rows_to_judge_on_may_be_named_later(recorded: Callable[..., Path], said: list[str]) -> None:
    assert resumed_space(read_run(recorded()), ["data.judge=fresh.csv"], said.append).data.judge == "fresh.csv"
    assert said == ["note: data.judge is 'fresh.csv' now; the run began with null"]


def test_another_tuner_is_refused_and_another_torch_is_noted(
    recorded: Callable[..., Path], said: list[str], tmp_path: Path
) -> None:
    check_versions(read_run(recorded(versions={"tuner": "0.1.77", "torch": "1.0"})), said.append)
    assert len(said) == 2
    assert "note: tuner is" in said[0]
    assert "note: torch is" in said[1]
    assert said[1].endswith("the run began with 1.0, so results may differ a little")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(
        LedgerError,
        match=r"the run began with tuner 0\.9\.0, and this is .*; run `pip install tuner==0\.9\.0`, then resume",
    ):
        check_versions(read_run(recorded(versions={"tuner": "0.9.0"})), said.append)


def test_every_resumption_is_noted_in_the_environment() -> None:
    once = describe_resumption({"seed": 3})
    twice = describe_resumption(once)
    assert twice["seed"] == 3
    assert [sorted(each) for each in twice["resumed"]] == [["at", "command", "versions"]] * 2
    assert twice["resumed"][0] == once["resumed"][0]
