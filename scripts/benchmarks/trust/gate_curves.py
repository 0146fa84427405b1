"""The gate on every kind of data: does it spare the best trials and stop the collapsed ones by the first rung?"""

from __future__ import annotations

from benchmarks.material import ROOT
from benchmarks.row import Row, at_least, at_most, explains


def measure() -> list[Row]:
    """Replay the gate, set by set, on recorded trials that were all trained to the end of their budget."""
    from experiments.curves.bounds import LEAST_STOPPED, MOST_KILLED, outcomes
    from experiments.curves.replay import first_rung, grace
    from experiments.curves.sets import SETS, TO_CHOOSE_ON
    from experiments.curves.table import read_curves
    from tuner.pruners.gate import GateSettings

    curves, settings = read_curves(ROOT / "tests" / "curves" / "gate_curves.parquet"), GateSettings()
    by_epochs = {each.set_name: each for each in outcomes(curves, GateSettings(least_examples=0))}
    rows = []
    for each in outcomes(curves, settings):
        name, part = each.set_name, "chosen on" if each.set_name in TO_CHOOSE_ON else "not chosen on"
        of_set = [curve for curve in curves if curve.set_name == name]
        graces = [grace(curve, grace_epochs=SETS[name].grace_epochs, settings=settings) for curve in of_set]
        rungs = sorted(
            curve.signs[first_rung(curve, left_alone)].epochs for curve, left_alone in zip(of_set, graces, strict=True)
        )
        before = by_epochs[name]
        killed = (
            f"{part}; {len(each.killed)} of {len(each.best)}; with a grace that counts epochs alone {len(before.killed)} of "
            f"{len(before.best)}"
        )
        stopped = (
            f"{part}; {len(each.stopped)} of {len(each.collapsed)}, of {len(of_set)} trials on {of_set[0].rows} rows; first rung "
            f"at {rungs[len(rungs) // 2]:.3g} of {of_set[0].max_epochs:g} epochs in the median trial"
        )
        wasted = f"of {each.epochs:.0f} epochs in all"
        rows += [
            at_most(f"{name}: best quarter killed", MOST_KILLED, each.killed_share, "of 1", killed),
            at_least(
                f"{name}: collapsed stopped by the first rung", LEAST_STOPPED, each.stopped_share, "of 1", stopped
            ),
            explains(f"{name}: epochs spent on collapsed trials", each.epochs_collapsed, "epochs", wasted),
        ]
    return rows
