"""The only module that knows Ray: the trainable, the scheduler, the searcher, and how Ray is started and kept quiet."""

from __future__ import annotations

import json
import logging
import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

# Read by Ray when it is imported or started, so they stand before the import. None of them changes what Ray computes.
os.environ.update(
    {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # Ray's own snapshots are not read: the ledger is
        "TUNE_WARN_THRESHOLD_S": "10",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    }
)

import ray
import ray.exceptions
from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.schedulers.trial_scheduler import TrialScheduler
from ray.tune.search import Searcher

from tuner.data.prepare import TrialData
from tuner.errors import Fault, SearchFailed, UsageError
from tuner.reporting import Report, TrialSettings
from tuner.scoring.gate import GateSettings, Signs, judge
from tuner.space.sampler import Configuration
from tuner.space.settings import ResourceSettings

if TYPE_CHECKING:
    from tuner.trial import Trial

Phase = Literal["search", "finalist"]

_KEPT_ENDED = 50  # ended trials that Ray may still be putting away
RETRIES = 2  # a trial whose worker died starts again, this often


@dataclass(frozen=True, kw_only=True)
class Order:
    """One trial to run. `weights` is where a finalist keeps its best weights; a search trial keeps none.

    A search trial does not start after `start_before` (seconds since the epoch): Ray asks for trials before there are
    free workers for them, and those may come too late.
    """

    index: int
    phase: Phase
    configuration: Configuration
    seed: int
    weights: str | None = None
    start_before: float | None = None


class Desk(Protocol):
    """Where orders come from and what becomes of them goes to; `tuner.search` has the one that runs a search."""

    def next_order(self) -> Order | None:
        """Return a trial to run, or None if there is none yet."""

    def is_done(self) -> bool:
        """Return whether no order will come any more."""

    def started(self, order: Order) -> None:
        """Note that a worker has begun a trial, for the first time or again after its worker died."""

    def reported(self, order: Order, report: Report) -> None:
        """Note a report, before anything acts on it."""

    def ended(self, order: Order, ending: str, reason: str) -> None:
        """Note how a trial ended."""

    def has_ended(self, order: Order) -> bool:
        """Return whether this trial's ending has been noted."""

    def is_over(self, order: Order) -> bool:
        """Return whether the time of this order's phase is over."""

    def tick(self) -> None:
        """Run a few times a second for what has to happen now and then; may raise to end the search."""


# --- Ray's start and stop -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machines:
    """What Ray found: CPUs and GPUs in all, and nodes."""

    cpus: float
    gpus: float
    nodes: int

    def slots(self, resources: ResourceSettings) -> int:
        """Return how many trials run side by side, 0 if not even one fits."""
        fit = int(self.cpus // resources.cpus)
        if resources.gpus:
            fit = min(fit, int(self.gpus / resources.gpus + 1e-9))
        return fit if resources.concurrent is None else min(fit, resources.concurrent)


def start_ray(address: str | None, resources: ResourceSettings) -> Machines:
    """Join the cluster at `address`, or start Ray on this machine without a dashboard and without output.

    On this machine Ray is given as many CPUs as the trials that may run side by side need, and no more. Raises
    `UsageError` where no cluster answers at the address.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of its own coming defaults, which are not the user's to change
        try:
            if address is None:
                cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
                if resources.concurrent is not None:
                    cpus = min(cpus, resources.concurrent * resources.cpus)
                ray.init(address="local", include_dashboard=False, num_cpus=cpus, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            if address is None:
                raise SearchFailed(f"Ray did not start on this machine: {error}") from error
            what = f"no Ray cluster answers at {address!r} ({str(error).splitlines()[0]})"
            remedy = "check the address with `ray status`, or leave --address out to run on this machine"
            raise UsageError([Fault("--address", what, remedy)]) from error
    found = ray.cluster_resources()
    return Machines(cpus=found.get("CPU", 0.0), gpus=found.get("GPU", 0.0), nodes=len(ray.nodes()))


def stop_ray() -> None:
    """Leave the cluster, or end the Ray that `start_ray` began. Does nothing where there is none."""
    if ray.is_initialized():
        ray.shutdown()


class Job:
    """A function that runs on a worker, on one CPU, beside the trials; `name` is what a person calls it."""

    def __init__(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        self._name = name
        self._reference = ray.remote(num_cpus=1, max_retries=1)(function).remote(*arguments)

    def is_done(self) -> bool:
        """Return whether the result is there."""
        ready, _ = ray.wait([self._reference], timeout=0)
        return bool(ready)

    def result(self) -> Any:
        """Wait for the function's result and return it. Raises SearchFailed if the function failed or its worker died."""
        try:
            return ray.get(self._reference)
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise SearchFailed(f"the {self._name} failed on their worker: {cause!r}") from error


# --- the worker's side --------------------------------------------------------------------------------------------------


class TrialOnWorker(tune.Trainable):  # type: ignore[misc]
    """Runs one order after the other in one process; each step is one report."""

    def setup(self, config: dict[str, Any], data: TrialData, settings: TrialSettings) -> None:
        self._data, self._settings = data, settings
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        # Only stores: what raises here would end the search, so the model is built in the first step.
        self._order = Order(**new_config["order"])
        self._trial: Trial | None = None
        self._best = float("-inf")
        return True

    def step(self) -> dict[str, Any]:
        order = self._order
        if self._trial is None and order.start_before is not None and time.time() > order.start_before:
            return {"examples": 0, "too_late": True, tune.result.DONE: True}
        from tuner.bundle import save_weights
        from tuner.trial import Trial  # with torch, which only workers need to import

        try:
            if self._trial is None:
                self._trial = Trial(order.configuration, self._data, self._settings, seed=order.seed)
            report = self._trial.next_report()
            if order.weights is not None and report.score > self._best:
                self._best = report.score
                save_weights(order.weights, self._trial.model)
        except Exception as error:  # noqa: BLE001 - recorded as the trial's ending, which keeps the worker for the next
            return {"examples": 0, "failure": f"{type(error).__name__}: {error}", tune.result.DONE: True}
        # As one text, because Ray keeps a running analysis of every number that it is given.
        return {"examples": report.examples, "score": report.score, "report": json.dumps(asdict(report))}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing: a finalist's best weights lie in the run directory under its own name."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Restore nothing, see `save_checkpoint`."""


# --- the driver's side --------------------------------------------------------------------------------------------------


class _LeftOut:
    """Pickles as an empty shell. Ray pickles all that it is given, for a restore that is never asked for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class GatedASHA(_LeftOut, AsyncHyperBandScheduler):  # type: ignore[misc]
    """Ray's ASHA with a gate in front of its rungs.

    Stock ASHA stops only what is strictly below a rung's quantile, so collapsed trials, which tie exactly, survive. Here
    a collapsed or diverged trial is stopped and its value never enters a rung; a single sign of collapse, or one within
    the grace, leaves the trial alive and its value out. Finalists run to their end without rungs.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        grace_epochs: float,
        grace_examples: int,
        budget_examples: int,
        reduction_factor: float,
        gate: GateSettings,
    ) -> None:
        super().__init__(
            time_attr="examples",
            metric="score",
            mode="max",
            grace_period=grace_examples,
            max_t=budget_examples,
            reduction_factor=reduction_factor,
        )
        self._desk, self._gate, self._grace_epochs = desk, gate, grace_epochs
        self._signs: dict[str, list[Signs]] = {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, trial)
        _forget_ended(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        order = order_of(trial)
        if self._desk.has_ended(order):
            return str(TrialScheduler.STOP)  # its worker died between its end and Ray's taking note: Ray ran it again
        if "report" not in result:
            return self._end(trial, *_ending_without_report(result))
        report = read_report(result["report"])
        self._desk.reported(order, report)
        history = self._signs.setdefault(trial.trial_id, [])
        if history and report.epochs <= history[-1].epochs:
            history.clear()  # the worker died and the trial began anew
        history.append(report.signs)
        judgement = judge(history, grace_epochs=self._grace_epochs, settings=self._gate)
        if judgement == "diverged":
            return self._end(trial, "diverged", f"a number was not finite at step {report.diverged_at_step}")
        if order.phase == "search":
            if judgement == "collapsed":
                return self._end(trial, "collapsed", _describe_collapse(report))
            decision = self._ask_rungs(tune_controller, trial, result) if judgement == "healthy" else None
            if decision == TrialScheduler.STOP and not report.is_last:
                return self._end(trial, "stopped", f"below its rung at {report.epochs:.3g} epochs")
        if report.is_last:
            return self._end(trial, "completed", "")
        if self._desk.is_over(order):
            return self._end(trial, "interrupted", "the time budget was over")
        return str(TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Forget the trial. Ray's own method would enter its last value into the rungs, gate or no gate."""
        if "report" not in result:
            self._end(trial, *_ending_without_report(result))
        self._forget(trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._forget(trial)

    def _ask_rungs(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return str(super().on_trial_result(tune_controller, trial, result))

    def _end(self, trial: Any, ending: str, reason: str) -> str:
        if not self._desk.has_ended(order_of(trial)):
            self._desk.ended(order_of(trial), ending, reason)
        self._forget(trial)
        return str(TrialScheduler.STOP)

    def _forget(self, trial: Any) -> None:
        self._trial_info.pop(trial.trial_id, None)
        self._signs.pop(trial.trial_id, None)


class OrderSearcher(_LeftOut, Searcher):  # type: ignore[misc]
    """Hands the desk's orders to Ray; what becomes of them goes back through the scheduler."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(metric="score", mode="max")
        self._desk = desk

    def suggest(self, trial_id: str) -> Any:
        order = self._desk.next_order()
        if order is not None:
            return {"order": asdict(order)}
        return Searcher.FINISHED if self._desk.is_done() else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the scheduler has told the desk."""

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the ledger rebuilds the sampler."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing, see `save`."""


class _Listener(_LeftOut, TrialProgressCallback):  # type: ignore[misc]
    """Tells the desk. Of the class that Ray would otherwise add, print with, and keep every trial by."""

    def __init__(self, desk: Desk, interrupt: threading.Event) -> None:
        self._desk, self._interrupt = desk, interrupt

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        if not self._desk.has_ended(order_of(trial)):
            self._desk.started(order_of(trial))

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        """Print nothing."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Print nothing."""

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        # The scheduler's method of this name is also called when a trial is only about to be tried again.
        order = order_of(trial)
        if not self._desk.has_ended(order):
            error = str(trial.get_error() or "").strip()
            reason = error.splitlines()[-1] if error else "no message"
            self._desk.ended(order, "failed", f"its worker died {RETRIES + 1} times: {reason}")

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._interrupt.is_set():
            raise KeyboardInterrupt
        self._desk.tick()


def _forget_ended(tune_controller: Any) -> None:
    """Drop trials that ended long ago from Ray's controller, which would keep some 40 KB of each until the search is over.

    Ray has no way to ask for that; the attributes are its own, and a test notices if they change. Without them nothing is
    dropped.
    """
    controller = getattr(tune_controller, "_tune_controller", None)
    trials = getattr(controller, "_trials", [])
    old = {trial for trial in trials[:-_KEPT_ENDED] if trial.is_finished()}
    if len(old) < _KEPT_ENDED:
        return
    trials[:] = [trial for trial in trials if trial not in old]
    for name in ("_stopped_trials", "_failed_trials", "_trials_to_cache"):
        getattr(controller, name, set()).difference_update(old)
    metadata = getattr(controller, "_trial_metadata", {})
    for trial in old:
        metadata.pop(trial.trial_id, None)


def run_trials(
    desk: Desk,
    data: TrialData,
    settings: TrialSettings,
    *,
    scheduler: GatedASHA,
    resources: ResourceSettings,
    slots: int,
    is_cluster: bool,
) -> None:
    """Run the desk's orders until it is done, `slots` at a time.

    Raises KeyboardInterrupt on the first SIGINT or SIGTERM, at a moment when the desk has been told everything.
    """
    # As many trials wait as run. With fewer, workers start one after the other, and a second worker may never come: Ray
    # gives up one that is starting as soon as another falls free, which short trials do all the time.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
    trainable = tune.with_resources(
        tune.with_parameters(TrialOnWorker, data=data, settings=settings),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    with tempfile.TemporaryDirectory(prefix="tuner-ray-") as folder, _signals_as_event() as interrupt:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=OrderSearcher(desk),
                scheduler=scheduler,
                num_samples=-1,
                # Ray on this machine has no more CPUs than that; a limit of its own would end workers between trials.
                max_concurrent_trials=resources.concurrent if is_cluster else None,
                reuse_actors=True,
                trial_name_creator=lambda trial: f"trial-{order_of(trial).index}",
                trial_dirname_creator=lambda trial: f"trial-{order_of(trial).index}",
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=folder,
                verbose=0,
                callbacks=[_Listener(desk, interrupt)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
            ),
        )
        tuner.fit()


def order_of(trial: Any) -> Order:
    """Return the order that a Ray trial carries out."""
    return Order(**trial.config["order"])


def read_report(text: str) -> Report:
    """Read a report as a worker sent it."""
    fields: Mapping[str, Any] = json.loads(text)
    return Report(**fields)


def _ending_without_report(result: Mapping[str, Any]) -> tuple[str, str]:
    if result.get("too_late"):
        return "interrupted", "the time budget was over before it began"
    return "failed", str(result.get("failure", "the trial ended without a report"))


def _describe_collapse(report: Report) -> str:
    return (
        f"constant penalty {report.constant_penalty:.2f}, skill {report.skill:+.3f}, "
        f"logits move by {report.logit_spread:.3f} from row to row"
    )


@contextmanager
def _signals_as_event() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an event; a second SIGINT interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # signals reach the main thread only
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}

    def note(_number: int, _frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
