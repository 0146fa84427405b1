"""The gate, replayed on recorded trials that trained to the end of their budget, even the collapsed ones.

tests/curves/README.md says where the curves come from. The gate must stop at least 90 % of the trials that collapse by the
first rung, and kill at most 1 % of those that end in the best quarter.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from experiments.curves.replay import best_quarter, first_rung, has_collapsed, replay, thinned
from experiments.curves.sets import SETS, TO_CHOOSE_ON
from experiments.curves.table import TrialCurve, read_curves, write_table
from tuner.pruners.gate import GateSettings, Grace, Signs
from tuner.space.load import load_space

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "curves" / "gate_curves.parquet"
CURVES = read_curves(DATA)
LARGE = ("davidson_hate", "goemotions")  # with two measurements an epoch, so that every second one can be left out
GATE = GateSettings()
HEALTHY = Signs(epochs=1.0, score=0.4, constant_penalty=0.0, skill=0.2, auc=0.8, logit_spread=1.0, is_finite=True)
DEAD = replace(HEALTHY, score=-0.7, constant_penalty=1.0, skill=0.0, auc=0.5, logit_spread=0.0)


def recorded(set_name: str, *, every: int = 1) -> list[TrialCurve]:
    return [thinned(curve, every) for curve in CURVES if curve.set_name == set_name]


def made(index: int, *signs: Signs) -> TrialCurve:
    """A curve with measurements half an epoch apart, on so many rows that one epoch is enough."""
    dated = tuple(replace(each, epochs=(place + 1) / 2) for place, each in enumerate(signs))
    return TrialCurve(
        set_name="made",
        index=index,
        kind="usual",
        signs=dated,
        configuration={},
        rows=10_000,
        max_epochs=len(signs) / 2,
    )


@pytest.mark.parametrize("set_name", SETS)
def test_the_recorded_trials_are_many_and_mixed(set_name: str) -> None:
    curves = recorded(set_name)
    assert len(curves) >= 40
    assert any(has_collapsed(curve) for curve in curves)
    assert not any(has_collapsed(curve) for curve in best_quarter(curves))


def test_the_bounds_were_chosen_on_half_of_the_sets() -> None:
    assert len(TO_CHOOSE_ON) == len(SETS) / 2
    assert set(TO_CHOOSE_ON) < set(SETS)


@pytest.mark.parametrize("set_name", SETS)
def test_at_most_one_in_a_hundred_of_the_best_quarter_is_killed(set_name: str) -> None:
    (outcome,) = replay(recorded(set_name), grace_epochs=SETS[set_name].grace_epochs, settings=GATE)
    assert outcome.killed_share <= 0.01, f"killed: {outcome.killed}"


@pytest.mark.parametrize("set_name", SETS)
def test_nine_of_ten_collapsed_trials_are_stopped_by_the_first_rung(set_name: str) -> None:
    (outcome,) = replay(recorded(set_name), grace_epochs=SETS[set_name].grace_epochs, settings=GATE)
    assert outcome.stopped_share >= 0.9, f"not stopped: {sorted({*outcome.collapsed} - {*outcome.stopped})}"


@pytest.mark.parametrize("set_name", LARGE)
def test_both_also_hold_with_one_measurement_an_epoch(set_name: str) -> None:
    (outcome,) = replay(recorded(set_name, every=2), grace_epochs=1.0, settings=GATE)
    assert outcome.killed_share <= 0.01, f"killed: {outcome.killed}"
    assert outcome.stopped_share >= 0.9, f"not stopped: {sorted({*outcome.collapsed} - {*outcome.stopped})}"


def test_a_grace_in_epochs_alone_kills_good_trials_if_rows_are_few() -> None:
    by_epochs = replace(GATE, least_examples=0)
    killed = {
        name: len(replay(recorded(name), grace_epochs=each.grace_epochs, settings=by_epochs)[0].killed)
        for name, each in SETS.items()
        if name not in LARGE
    }
    assert sum(killed.values()) >= 5, killed


@pytest.mark.parametrize("set_name", LARGE)
def test_a_grace_of_half_an_epoch_of_8000_rows_kills_no_good_trial(set_name: str) -> None:
    """After 4,000 rows a trial with a long warm-up looks like a dead one, and no bounds can separate them."""
    by_epochs, shipped = (
        replay(recorded(set_name), grace_epochs=0.5, settings=settings)[0]
        for settings in (replace(GATE, least_examples=0), GATE)
    )
    assert len(by_epochs.killed) >= 3
    assert shipped.killed_share <= 0.01


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({}, False),
        ({"skill": 0.0}, True),
        ({"constant_penalty": 0.5}, True),
        ({"is_finite": False}, True),
        ({"score": float("nan")}, True),
    ],
)
def test_a_trial_that_ends_no_better_than_a_constant_has_collapsed(last: dict[str, float], expected: bool) -> None:
    assert has_collapsed(made(0, HEALTHY, replace(HEALTHY, **last))) is expected  # type: ignore[arg-type]
    assert not has_collapsed(made(0, replace(HEALTHY, **last), HEALTHY))  # type: ignore[arg-type]


def test_the_best_quarter_is_chosen_by_the_best_measurement() -> None:
    curves = [made(index, replace(HEALTHY, score=index / 10), HEALTHY) for index in range(8)]
    assert [curve.index for curve in best_quarter(curves)] == [7, 6]


def test_a_replay_counts_what_was_killed_and_what_it_cost() -> None:
    late = made(0, DEAD, *[replace(HEALTHY, score=0.9)] * 3)
    curves = [late, made(1, *[HEALTHY] * 4), made(2, *[DEAD] * 4), made(3, HEALTHY, *[DEAD] * 3)]
    (outcome,) = replay(curves, grace_epochs=0.5, settings=GATE)
    assert (outcome.best, outcome.killed, outcome.killed_share) == ((0,), (0,), 1.0)
    assert (outcome.collapsed, outcome.stopped, outcome.stopped_share) == ((2, 3), (2,), 0.5)
    assert (outcome.epochs, outcome.epochs_collapsed) == (0.5 + 2 + 0.5 + 1.5, 2.0)


def test_the_first_rung_is_the_first_measurement_that_reaches_the_grace() -> None:
    curve = made(0, *[HEALTHY] * 4)
    graces = [Grace(epochs=epochs, alone_epochs=epochs) for epochs in (0.4, 0.5, 0.6, 2.0, 9.0)]
    assert [first_rung(curve, grace) for grace in graces] == [0, 0, 1, 3, 3]
    assert first_rung(curve, Grace(epochs=0.5, alone_epochs=2.0)) == 1


def test_a_thinned_curve_keeps_its_last_measurement() -> None:
    assert [signs.epochs for signs in thinned(made(0, *[HEALTHY] * 5), 2).signs] == [1.0, 2.0, 2.5]


def test_a_table_of_curves_is_read_as_it_was_written(tmp_path: Path) -> None:
    measurement = {"macro_f1": 0.5, "average_precision": 0.5, "train_loss": 0.1, "gradient_norm": 1.0, "steps": 3}
    signs = {"epochs": 1.5, "score": 0.5, "constant_penalty": 0.25, "skill": 0.125, "auc": 0.75, "logit_spread": 2.0}
    broken = {**measurement, **dict.fromkeys(signs), "epochs": 2.0, "diverged_at_step": 3}
    line = {
        "outcome": "trained",
        "set": "made",
        "index": 4,
        "kind": "late",
        "rows": [8, 2],
        "max_epochs": 2,
        "reports_per_epoch": 2,
        "configuration": {"hidden": 16},
        "reports": [{**measurement, **signs, "diverged_at_step": None}, broken],
    }
    path = tmp_path / "curves.parquet"
    assert write_table([line, {**line, "index": 5, "outcome": "left out"}], path) == 1
    (curve,) = read_curves(path)
    assert (curve.set_name, curve.index, curve.kind, curve.configuration) == ("made", 4, "late", {"hidden": 16})
    assert curve.signs[0] == Signs(**signs, is_finite=True)
    assert not curve.signs[1].is_finite
    assert (curve.rows, curve.max_epochs) == (8, 2)


def test_a_set_that_is_recorded_again_replaces_its_old_curves_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "curves.parquet"
    old = {"outcome": "trained", "kind": "any", "rows": [8, 2], "max_epochs": 2, "reports_per_epoch": 2}
    old |= {"configuration": {}, "reports": [dict.fromkeys(pq.read_table(DATA).column_names, 0.5)]}
    old["reports"][0] |= {"steps": 3, "diverged_at_step": None}
    assert write_table([{**old, "set": name, "index": index} for name in "ab" for index in (0, 1)], path) == 4
    assert write_table([{**old, "set": "b", "index": 7, "rows": [9, 2]}], path, kept=pq.read_table(path)) == 3
    assert [(curve.set_name, curve.index, curve.rows) for curve in read_curves(path)] == [
        ("a", 0, 8),
        ("a", 1, 8),
        ("b", 7, 9),
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_shipped_space_lets_the_gate_judge_before_a_whole_epoch(path: Path) -> None:
    assert load_space(str(path)).search.grace_epochs >= 1
