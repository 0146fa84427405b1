"""What the gate saves, in simulated searches in which four of five trials collapse, and on recorded curves of real trials."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.material import ROOT
from benchmarks.row import Row, at_least, explains

if TYPE_CHECKING:
    from experiments.curves.table import TrialCurve
    from tuner.pruners.gate import Signs

COLLAPSED_SHARE = 0.8
SLOTS = 2
ROWS = 8000  # examples in an epoch; the gate waits longer if they are few
EPOCHS_IN_ALL = 30_000
CONSTANT_SCORE = 0.0748 - 1.0  # goemotions, every label on, minus the penalty: the score at which collapsed trials tie


@dataclass(frozen=True)
class Shape:
    """The rungs of a search."""

    max_epochs: float
    grace_epochs: float
    reduction_factor: float
    reports_per_epoch: int
    rows: int = ROWS


RAYS_OWN = Shape(max_epochs=100, grace_epochs=1, reduction_factor=4, reports_per_epoch=1)
SHIPPED = Shape(max_epochs=6, grace_epochs=1, reduction_factor=3, reports_per_epoch=2)


def measure() -> list[Row]:
    """Run tuner's scheduler and Ray's on the same stub trials until both have spent the same number of epochs."""
    stock, gated = (_search(is_gated, RAYS_OWN) for is_gated in (False, True))
    detail = (
        f"{gated.healthy:,} healthy configurations tried over {stock.healthy:,} in {EPOCHS_IN_ALL:,} epochs, Ray's default "
        f"rungs (max 100, grace 1, reduction 4); share of epochs spent on collapsed trials: "
        f"{gated.share_collapsed:.2f} over {stock.share_collapsed:.2f}; healthy ones ended as collapsed: {gated.killed}"
    )
    rows = [at_least("healthy configurations, gated / stock", 30, gated.healthy / stock.healthy, "times", detail)]
    stock, gated = (_search(is_gated, SHIPPED) for is_gated in (False, True))
    ceiling = SHIPPED.max_epochs / SHIPPED.grace_epochs
    detail = (
        f"{gated.healthy:,} over {stock.healthy:,}: max 6, grace 1, reduction 3. Stock ASHA spends the full budget on every "
        f"trial and none can spend less than the grace, so no gate can reach more than {ceiling:g} here"
    )
    rows.append(
        explains("the same with the rungs of the shipped spaces", gated.healthy / stock.healthy, "times", detail)
    )
    return rows + _recorded_rows()


def _recorded_rows() -> list[Row]:
    """Run both schedulers on recorded trials, each set in the order in which its trials were drawn."""
    from experiments.curves.sets import SETS
    from experiments.curves.table import read_curves

    curves = read_curves(ROOT / "tests" / "curves" / "gate_curves.parquet")
    rows = []
    for name in dict.fromkeys(curve.set_name for curve in curves):
        of_set = [curve for curve in curves if curve.set_name == name]
        grace = SETS[name].grace_epochs
        shape = replace(SHIPPED, max_epochs=of_set[0].max_epochs, grace_epochs=grace, rows=of_set[0].rows)
        stock, gated = (_replay(of_set, is_gated, shape) for is_gated in (False, True))
        detail = (
            f"{len(of_set)} recorded trials under the rungs of grace {grace:g}, reduction 3: {gated.epochs:.0f} epochs, of them "
            f"{gated.epochs_collapsed:.0f} on collapsed trials; stock ASHA {stock.epochs:.0f} and "
            f"{stock.epochs_collapsed:.0f}, a share of {stock.share_collapsed:.2f}"
        )
        rows.append(explains(f"{name}: share of epochs on collapsed trials", gated.share_collapsed, "of 1", detail))
    return rows


@dataclass
class Tally:
    """The epochs that a search spent, the trials it tried, and the healthy trials that its gate killed."""

    epochs: float = 0.0
    epochs_collapsed: float = 0.0
    healthy: int = 0
    killed: int = 0

    @property
    def share_collapsed(self) -> float:
        return self.epochs_collapsed / self.epochs


@dataclass
class GateTrial:
    """The part of a Ray trial that a scheduler reads, and the curve that the trial would follow."""

    trial_id: str
    config: dict[str, Any]
    is_healthy: bool
    quality: float
    pace: float
    measurements: int = 0
    status: str = "RUNNING"

    def score(self, epochs: float, noise: float) -> float:
        return self.quality * (1 - math.exp(-epochs / self.pace)) + noise if self.is_healthy else CONSTANT_SCORE


@dataclass
class GateQueue:
    """Records endings and nothing else."""

    endings: dict[int, str] = field(default_factory=dict)

    def measured(self, order: Any, measurement: Any, *, is_to_be_kept: bool = False) -> None: ...

    def ended(self, order: Any, ending: str, reason: str) -> None:  # noqa: ARG002 - the protocol's
        self.endings[order.index] = ending

    def has_ended(self, order: Any) -> bool:
        return order.index in self.endings

    def is_over(self, order: Any) -> bool:  # noqa: ARG002 - the protocol's
        return False


def _search(is_gated: bool, shape: Shape) -> Tally:
    np.random.seed(0)  # Ray's scheduler draws brackets from the global generator
    generator = np.random.default_rng(0)
    queue = GateQueue()
    scheduler = _make_scheduler(is_gated, shape, queue)
    tally = Tally()
    running: list[GateTrial] = []
    started = 0
    while tally.epochs < EPOCHS_IN_ALL:
        while len(running) < SLOTS:
            running.append(_start(started, generator))
            scheduler.on_trial_add(None, running[-1])
            tally.healthy += running[-1].is_healthy
            started += 1
        trial = running.pop(0)
        spent = 1 / shape.reports_per_epoch
        tally.epochs += spent
        tally.epochs_collapsed += 0.0 if trial.is_healthy else spent
        if _go_on(scheduler, trial, shape, generator):
            running.append(trial)
        elif is_gated and trial.is_healthy:
            tally.killed += queue.endings[int(trial.trial_id)] == "collapsed"
    return tally


@dataclass
class CurveTrial:
    """The part of a Ray trial that a scheduler reads, and the recorded curve."""

    trial_id: str
    config: dict[str, Any]
    curve: TrialCurve
    measurements: int = 0
    status: str = "RUNNING"


def _replay(curves: list[TrialCurve], is_gated: bool, shape: Shape) -> Tally:
    """Train every trial, two at a time, for as long as the scheduler lets it."""
    from experiments.curves.replay import has_collapsed

    np.random.seed(0)  # Ray's scheduler draws brackets from the global generator
    scheduler = _make_scheduler(is_gated, shape, GateQueue())
    tally, running, waiting = Tally(), [], deque(curves)
    while waiting or running:
        while waiting and len(running) < SLOTS:
            curve = waiting.popleft()
            running.append(CurveTrial(str(curve.index), _config(curve.index), curve))
            scheduler.on_trial_add(None, running[-1])
        trial = running.pop(0)
        before = trial.curve.signs[trial.measurements - 1].epochs if trial.measurements else 0.0
        signs = trial.curve.signs[trial.measurements]
        trial.measurements += 1
        tally.epochs += signs.epochs - before
        tally.epochs_collapsed += signs.epochs - before if has_collapsed(trial.curve) else 0.0
        is_last = trial.measurements == len(trial.curve.signs)
        result = {
            "examples": round(signs.epochs * shape.rows),
            "score": signs.score,
            "measurement": _report_of(signs, shape.rows, is_last=is_last),
        }
        if scheduler.on_trial_result(None, trial, result) == scheduler.CONTINUE and not is_last:
            running.append(trial)
        else:
            scheduler.on_trial_complete(None, trial, result)
    return tally


def _report_of(signs: Signs, rows: int, *, is_last: bool) -> str:
    """Return a measurement with these signs. Nothing else about it is known."""
    from tuner.trial.measurement import Measurement

    unknown = dict.fromkeys((each.name for each in fields(Measurement)), math.nan)
    known = {name: value for name, value in asdict(signs).items() if name != "is_finite"}
    diverged = None if signs.is_finite else 1
    more = {"examples": round(signs.epochs * rows), "diverged_at_step": diverged, "is_last": is_last}
    return json.dumps({**unknown, **known, **more})


def _make_scheduler(is_gated: bool, shape: Shape, queue: GateQueue) -> Any:
    from ray.tune.schedulers import AsyncHyperBandScheduler

    from tuner.pruners.gate import GateSettings
    from tuner.pruners.gated_asha import GatedASHA
    from tuner.ray_backend.scheduler import PruningScheduler

    grace, budget = round(shape.grace_epochs * shape.rows), round(shape.max_epochs * shape.rows)
    if is_gated:
        pruner = GatedASHA(
            grace_epochs=shape.grace_epochs,
            rows=shape.rows,
            budget_examples=budget,
            reduction_factor=shape.reduction_factor,
            gate=GateSettings(),
        )
        return PruningScheduler(queue, pruner)  # type: ignore[arg-type]
    return AsyncHyperBandScheduler(
        time_attr="examples",
        metric="score",
        mode="max",
        grace_period=grace,
        max_t=budget,
        reduction_factor=shape.reduction_factor,
    )


def _start(index: int, generator: np.random.Generator) -> GateTrial:
    return GateTrial(
        trial_id=str(index),
        config=_config(index),
        is_healthy=bool(generator.random() >= COLLAPSED_SHARE),
        quality=float(generator.uniform(0.2, 0.5)),
        pace=float(generator.uniform(0.5, 3.0)),
    )


def _config(index: int) -> dict[str, Any]:
    from tuner.trial.order import Order

    return {"order": asdict(Order(index=index, phase="search", configuration={}, seed=index))}


def _go_on(scheduler: Any, trial: GateTrial, shape: Shape, generator: np.random.Generator) -> bool:
    """Give the scheduler the trial's next measurement. Return whether the trial continues."""
    trial.measurements += 1
    epochs = trial.measurements / shape.reports_per_epoch
    score = trial.score(epochs, noise=float(generator.normal(0, 0.005)))
    is_last = epochs >= shape.max_epochs
    result = {
        "examples": round(epochs * ROWS),
        "score": score,
        "measurement": _measurement(trial, epochs, score, is_last=is_last),
    }
    if scheduler.on_trial_result(None, trial, result) == scheduler.CONTINUE:
        return True
    scheduler.on_trial_complete(None, trial, result)
    return False


def _measurement(trial: GateTrial, epochs: float, score: float, *, is_last: bool) -> str:
    from tuner.trial.measurement import Measurement

    measurement = Measurement(
        examples=round(epochs * ROWS),
        epochs=epochs,
        score=score,
        score_spread=math.nan,
        macro_f1=score if trial.is_healthy else CONSTANT_SCORE + 1,
        constant_penalty=0.0 if trial.is_healthy else 1.0,
        skill=score if trial.is_healthy else 0.0,
        auc=0.8 if trial.is_healthy else 0.5,
        average_precision=0.4 if trial.is_healthy else 0.05,
        logit_spread=1.0 if trial.is_healthy else 0.0,
        train_loss=0.1,
        gradient_norm=1.0,
        steps=1,
        train_seconds=1.0,
        evaluate_seconds=0.0,
        diverged_at_step=None,
        is_last=is_last,
        parameters=1,
        precision="float32",
        vocabulary_found=math.nan,
    )
    return json.dumps(asdict(measurement))
