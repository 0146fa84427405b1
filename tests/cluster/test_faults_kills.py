"""Some of the faults that a night brings, caused in real searches. `scripts/bench faults` causes all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import changes, interrupts, kills
from faults.search import SPACE, SearchProcess, compare, searching

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SHORT = ("search.trials=20", "search.max_epochs=2", "search.finalists=1")  # TPE learns from the first ten


def is_learning(search: SearchProcess) -> bool:
    """Whether TPE has enough trials to learn from. A trial takes a tenth of a second, so none is seen running."""
    return len(search.finished()) >= 10


def is_closing(search: SearchProcess) -> bool:
    rows = search.trials().values()
    return any(row["phase"] == "finalist" for row in rows) and all(row["ending"] for row in rows)


def test_a_search_that_is_killed_twice_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    expected = kills.undisturbed(tmp_path / "undisturbed", seed=1, overrides=SHORT)
    chain = kills.kill_again_and_again(
        tmp_path / "killed", [is_learning, is_closing], expected, seed=1, overrides=SHORT
    )
    assert (chain.kills, chain.lost, chain.repeated) == (2, 0, 0)
    assert len(expected) == 21


def test_a_run_that_is_interrupted_in_any_phase_can_be_resumed(tmp_path: Path) -> None:
    sends = {"reading data": interrupts.stop_job, "trials": interrupts.interrupt_twice}
    few = ("search.trials=3", "search.finalists=1")
    outcome = interrupts.signalled(tmp_path, sends, fault="interrupts", seed=1, overrides=few)
    assert (outcome.times, outcome.lost, outcome.repeated) == (2, 0, 0)


def test_the_second_of_two_runs_with_one_name_is_refused_and_names_the_first(tmp_path: Path) -> None:
    assert "(process " in interrupts.two_runs(tmp_path, seed=1).notes["refused"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchProcess]:
    """A search on its own data file, whose driver was killed."""
    folder = tmp_path_factory.mktemp("killed")
    changes.write_digits(folder / "digits.parquet")
    with searching(folder, space=SPACE.replace("builtin:digits", str(folder / "digits.parquet"))) as search:
        search.run("search.trials=5", "search.max_epochs=1", "resources.concurrent=1")
        search.wait_until(lambda: len(search.finished()) >= 2)
        search.kill_driver()
        yield search


def test_another_space_another_version_and_other_data_are_refused_and_change_nothing(killed: SearchProcess) -> None:
    assert len(changes.refused_changes(killed)) == 3


def test_a_resume_names_damaged_parts_and_goes_on_while_a_second_resume_is_refused(killed: SearchProcess) -> None:
    spoilt = changes.spoil(killed)
    assert all(any(part.name in fault for fault in killed.faults()) for part in spoilt)
    before = killed.finished()
    killed.resume()
    assert "(process " in interrupts.refuse_one(killed, "resume", killed.location)
    assert all(f"warning: {part}" in "".join(log.read_text() for log in killed.folder.glob("*.err")) for part in spoilt)
    trials = killed.trials()
    assert compare(before, trials) == (0, 0)
    assert sorted(trials) == list(range(len(trials)))
    assert all(row["ending"] for row in trials.values())
    assert len(list((killed.location / "damaged").iterdir())) == len(spoilt)
