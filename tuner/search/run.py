"""One search from space to champion: plan, launch, collect, finalists, verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.data.dataset import Dataset
from tuner.data.trial_data import TrialData
from tuner.errors import Fault, SearchFailed, SearchInterrupted, SpaceError, StorageError, TunerError
from tuner.ledger.rows import Past, read_past
from tuner.ledger.run_directory import CHECKPOINTS, Ledger, Run, read_run, refuse_existing
from tuner.ledger.tables import read_parts
from tuner.machine import available_bytes
from tuner.pruners.asha import rung_examples
from tuner.pruners.base import Pruner
from tuner.pruners.gate import GateSettings
from tuner.pruners.registry import PRUNERS
from tuner.ray_backend.start import Job, Machines, start_ray, stop_ray
from tuner.samplers.sampler import make_sampler
from tuner.search.choice import Choice, choose
from tuner.search.environment import describe_environment, describe_resumption
from tuner.search.memory_estimate import refuse_large_data, refuse_large_files
from tuner.search.no_champion import NoChampion, without_measurement, without_model
from tuner.search.reading import read_data, sizes_of
from tuner.search.resume import check_data, check_versions, resumed_space
from tuner.search.snapshot import Snapshot
from tuner.search.trial_queue import ENDINGS, SearchQueue
from tuner.signals import die_on_abort, raise_if_interrupted, sigterm_as_interrupt
from tuner.space.load import Space
from tuner.storage import Folder
from tuner.trial.order import TrialSettings

if TYPE_CHECKING:
    from tuner.baselines.baseline import Baseline

# What needs torch, scikit-learn or Ray Tune is imported where it is used: each takes a second, and the first trial need
# not wait for it.
_FAULTS_SHOW_S = 0.1  # most faults in data show within this, and need not wait for Ray


@dataclass(frozen=True)
class Watcher:
    """Who is told: `say` a sentence for a person, `watch` the search as it stands, a few times a second."""

    say: Callable[[str], None]
    watch: Callable[[Snapshot], None]


def run_search(space: Space, location: str, *, address: str | None, watcher: Watcher, started: float) -> dict[str, Any]:
    """Run a space and write its ledger at `location`; return the manifest.

    `started` is when the run began, by time.monotonic(): the time budget counts from there. Raises InputError before
    anything is written, and KeyboardInterrupt on SIGINT or SIGTERM until then. After that it raises SearchFailed where
    there is no champion, and SearchInterrupted on a signal; both leave a ledger that says so.
    """

    def clock() -> float:
        return time.monotonic() - started

    refuse_existing(Folder.at(location))
    with _read_beside_ray(space, address, watcher) as (machines, dataset, data):
        search = _Search(space, dataset, data, Ledger(location), machines=machines, clock=clock, watcher=watcher)
        return search.run(is_cluster=address is not None)


def resume_search(location: str, overrides: Sequence[str], *, address: str | None, watcher: Watcher) -> dict[str, Any]:
    """Go on with a run that was interrupted, failed or died; return its manifest, and do nothing if it is finished.

    Everything is read from its ledger: trials that ended stay as they are, those that were running go on from their
    checkpoints. Of the time budget only what the run had spent counts. Raises as `run_search` does, and InputError where
    the space, the data or tuner's version are not those that the run began with, or another process is at work on it.
    """
    ledger = Ledger.reopen(location)
    try:
        run = read_run(location)
        if run.status == "finished":
            return dict(run.manifest)
        check_versions(run, watcher.say)
        space = resumed_space(run, overrides, watcher.say)
        measurements, damaged = read_parts(ledger.folder, "reports")
        past = read_past(run, measurements)
        for fault in (*run.damaged, *damaged):
            watcher.say(f"warning: {fault}")
        with _read_beside_ray(space, address, watcher) as (machines, dataset, data):
            check_data(run, dataset)
            begun = time.monotonic()

            def clock() -> float:
                return time.monotonic() - begun + past.seconds

            search = _Search(
                space,
                dataset,
                data,
                ledger,
                machines=machines,
                clock=clock,
                watcher=watcher,
                before=_Before(run, past),
            )
            return search.run(is_cluster=address is not None)
    finally:
        ledger.give_back()


@contextmanager
def _read_beside_ray(
    space: Space, address: str | None, watcher: Watcher
) -> Iterator[tuple[Machines, Dataset, TrialData]]:
    """Read the data and start Ray, which stops when the block ends; SIGTERM is an interrupt meanwhile."""
    available = available_bytes()

    def read() -> tuple[Dataset, TrialData]:
        refuse_large_files(space, available, is_local=address is None)
        return read_data(space, watcher.say)

    with sigterm_as_interrupt():
        try:
            # Ray takes seconds to start and reading data does too; side by side they take as long as one of them. Ray stays
            # in this thread: its daemons end with the thread that started them.
            with ThreadPoolExecutor(1) as background:
                reading = background.submit(read)
                with suppress(TimeoutError):
                    reading.result(timeout=_FAULTS_SHOW_S)
                machines = start_ray(address, space.resources)
                dataset, data = reading.result()
            slots = _slots(space, machines) if address is None else 0
            refuse_large_data(space, dataset, data, available, slots=slots, say=watcher.say)
            raise_if_interrupted()
            yield machines, dataset, data
        finally:
            stop_ray()


@dataclass(frozen=True)
class _Before:
    """A run as another process has left it."""

    run: Run
    past: Past


class _Search:
    def __init__(
        self,
        space: Space,
        dataset: Dataset,
        data: TrialData,
        ledger: Ledger,
        *,
        machines: Machines,
        clock: Callable[[], float],
        watcher: Watcher,
        before: _Before | None = None,
    ) -> None:
        self._space, self._dataset, self._data, self._ledger, self._before = space, dataset, data, ledger, before
        self._clock, self._watcher, self._machines = clock, watcher, machines
        self._slots = _slots(space, machines)
        self._told: dict[str, Any] = {}
        self._budget_examples = round(space.search.max_epochs * len(dataset.train))
        self._queue = SearchQueue(
            space,
            make_sampler(space),
            ledger,
            clock=clock,
            slots=self._slots,
            budget_examples=self._budget_examples,
            sizes=sizes_of(dataset, space),
            say=watcher.say,
            watch=self._watch,
        )
        self._baselines: tuple[Baseline, ...] | None = None
        self._has_ledger = False

    def run(self, *, is_cluster: bool) -> dict[str, Any]:
        try:
            self._begin()
            baselines = self._run_trials(is_cluster=is_cluster)
            if not any(trial.best for trial in self._queue.trials.values()):
                raise without_measurement(list(self._queue.trials.values()), self._space, **self._spent())
            from tuner.search.champion import crown
            from tuner.search.kept_models import read_models

            raise_if_interrupted()
            runs = self._queue.finalist_runs()
            models = read_models(
                [*runs, *self._queue.kept_trials()],
                penalty_weight=self._space.score.penalty_weight,
                dataset=self._dataset,
                ledger=self._ledger,
            )
            choice = choose([model.candidate for model in models])
            if choice is None:
                raise without_model(runs, self._space, collapsed=len(models), **self._spent())
            if choice.champion.repeats is None:
                self._watcher.say(f"champion: trial {choice.champion.trial} of the search itself, as {_why(choice)}")
            champion = crown(
                choice,
                models,
                baselines,
                asked=Counter(run.parent for run in runs if run.parent is not None),
                told=self._told,
                space=self._space,
                dataset=self._dataset,
                ledger=self._ledger,
            )
            self._ledger.folder.delete_folder(CHECKPOINTS)
            return self._finish("finished", verdict=champion["verdict"], ended_by=self._queue.ended_by)
        except KeyboardInterrupt:
            if not self._has_ledger:
                raise
            with suppress(StorageError):
                self._queue.interrupt()
                self._finish("interrupted")
            raise SearchInterrupted("interrupted") from None
        except Exception as error:
            if not self._has_ledger:  # another run may have taken the name meanwhile
                raise
            with suppress(StorageError):  # it may be the cause
                self._queue.interrupt()
                more = {"resume_with": error.setting} if isinstance(error, NoChampion) else {}
                self._finish("failed", error=str(error) if isinstance(error, TunerError) else repr(error), **more)
            if isinstance(error, StorageError):  # not an error of what a person gave, for the search had begun
                raise SearchFailed(str(error)) from error
            raise

    def _spent(self) -> dict[str, Any]:
        """What a search without a champion is told by."""
        queue = self._queue
        return {"failures": queue.describe_failures(), "ended_by": queue.ended_by, "spent_s": self._clock()}

    def _begin(self) -> None:
        dataset, say = self._dataset, self._watcher.say
        if self._before is None:
            environment = describe_environment(self._space, dataset, self._machines)
            self._ledger.begin(space=self._space.text, environment=environment)
        else:
            self._ledger.go_on(space=self._space.text, environment=describe_resumption(self._before.run.environment))
            self._queue.replay(self._before.past, is_to_search_on="resume_with" in self._before.run.manifest)
            unfinished = sum(trial.ending is None for trial in self._before.past.trials)
            ended = len(self._before.past.trials) - unfinished
            told = "1 trial has ended" if ended == 1 else f"{ended} trials have ended"
            say(f"resumed: {told}, {unfinished} {'goes' if unfinished == 1 else 'go'} on")
        self._has_ledger = True
        for note in (*dataset.notes, *self._machines.notes):
            say(f"note: {note}")
        nodes = len(self._machines.nodes)
        if nodes > 1 and self._ledger.folder.is_local:
            say(f"note: {nodes} nodes; every one has to reach {self._ledger.folder}, so let it be a shared folder")

    def _run_trials(self, *, is_cluster: bool) -> tuple[Baseline, ...]:
        """Run trials and, on another worker beside the first of them, the baselines and the profile of the data."""
        from tuner.ray_backend.trials import run_trials

        seed, weight = self._space.search.seed, self._space.score.penalty_weight
        self._job = Job("baselines", _describe_on_worker, self._dataset, weight, seed)
        if not self._queue.is_done():
            run_trials(
                self._queue,
                self._data,
                self._trial_settings(),
                pruner=self._make_pruner(),
                resources=self._space.resources,
                slots=self._slots,
                is_cluster=is_cluster,
            )
        return self._collect_baselines()

    def _trial_settings(self) -> TrialSettings:
        search, rows = self._space.search, len(self._dataset.train)
        rungs = rung_examples(
            grace_epochs=search.grace_epochs,
            reduction_factor=search.reduction_factor,
            max_epochs=search.max_epochs,
            rows=rows,
        )
        return TrialSettings(
            max_epochs=search.max_epochs,
            reports_per_epoch=search.reports_per_epoch,
            penalty_weight=self._space.score.penalty_weight,
            patience=search.patience,
            threads=max(1, int(self._space.resources.cpus)),
            device="cuda" if self._space.resources.gpus else "cpu",
            rungs=rungs,
        )

    def _make_pruner(self) -> Pruner:
        search = self._space.search
        pruner = PRUNERS["gated_asha"](
            grace_epochs=search.grace_epochs,
            rows=len(self._dataset.train),
            budget_examples=self._budget_examples,
            reduction_factor=search.reduction_factor,
            gate=GateSettings(),
        )
        if self._before is not None:
            past = self._before.past
            running = {trial.index for trial in past.trials if trial.ending is None}
            searched = {trial.index for trial in past.trials if trial.phase == "search"}
            pruner.replay([each for each in past.measurements if each[0] in searched], running=running)
        return pruner

    def _watch(self, snapshot: Snapshot) -> None:
        if self._baselines is None and self._job.is_done():
            self._collect_baselines()
        self._watcher.watch(snapshot)

    def _collect_baselines(self) -> tuple[Baseline, ...]:
        if self._baselines is None:
            self._baselines, self._told = self._job.result()
            for name, content in self._told.items():
                self._ledger.write_json(name, content)
            for row in self._told["baselines"]:
                validation = row["validation"]
                self._watcher.say(
                    f"{row['kind'] if row['kind'] in ('control', 'probe') else 'baseline'} {row['name']}: "
                    f"score {validation['score']:.3f}, macro-F1 {validation['macro_f1']:.3f}"
                )
        return self._baselines

    def _finish(self, status: str, **more: Any) -> dict[str, Any]:
        endings = self._queue.snapshot().endings
        manifest = {
            "status": status,
            "seconds": self._clock(),
            "trials": {ending: endings.get(ending, 0) for ending in ENDINGS},
            **more,
        }
        self._ledger.finish(manifest, unfinished=() if status == "finished" else self._queue.unfinished_files())
        return manifest


def _describe_on_worker(
    dataset: Dataset, penalty_weight: float, seed: int
) -> tuple[tuple[Baseline, ...], dict[str, Any]]:
    """Return the baselines, and as JSON values what there is to tell of the data and of them, by file of the ledger."""
    from tuner.baselines.run import run_baselines
    from tuner.data.profile import profile
    from tuner.search.champion_test import describe_baselines

    die_on_abort()
    profiled = profile(dataset)
    baselines = run_baselines(dataset, seed=seed)
    described = describe_baselines(baselines, dataset, penalty_weight=penalty_weight, seed=seed)
    return baselines, {"data": profiled, "baselines": described}


def _why(choice: Choice) -> str:
    return "no finalist's run scored as high" if choice.bounds else "no finalist's run gave a model"


def _slots(space: Space, machines: Machines) -> int:
    slots = machines.slots(space.resources)
    if slots:
        return slots
    wanted = f"cpus {space.resources.cpus:g} and gpus {space.resources.gpus:g} a trial"
    what = f"{wanted}, but no node has as many: {machines}"
    raise SpaceError(
        [Fault(f"{space.source}: resources", what, "ask for less, or join a larger cluster with --address")]
    )
