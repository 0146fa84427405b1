"""One search from space to champion: plan, launch, collect, finalists, verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.data.dataset import Dataset
from tuner.data.prepare import TrialData
from tuner.errors import Fault, SearchFailed, SearchInterrupted, SpaceError, TunerError
from tuner.ledger import Ledger, refuse_existing
from tuner.ray_backend.start import Job, Machines, start_ray, stop_ray
from tuner.reporting import TrialSettings
from tuner.scoring.gate import GateSettings
from tuner.search.desk import ENDINGS, SearchDesk, Snapshot
from tuner.search.environment import describe_environment
from tuner.search.reading import read_data
from tuner.space.load import Space
from tuner.space.sampler import make_sampler
from tuner.storage import Folder

if TYPE_CHECKING:
    from tuner.baselines import Baseline

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
    anything is written, SearchFailed where there is no champion, and SearchInterrupted on SIGINT or SIGTERM; the last two
    leave a ledger that says so.
    """

    def clock() -> float:
        return time.monotonic() - started

    refuse_existing(Folder.at(location))
    try:
        # Ray takes seconds to start and reading data does too; side by side they take as long as one of them. Ray stays in
        # this thread: its daemons end with the thread that started them.
        with ThreadPoolExecutor(1) as background:
            reading = background.submit(read_data, space, watcher.say)
            with suppress(TimeoutError):
                reading.result(timeout=_FAULTS_SHOW_S)
            machines = start_ray(address, space.resources)
            dataset, data = reading.result()
        environment = describe_environment(space, dataset, machines)
        ledger = Ledger.create(location, space=space.text, environment=environment)
        for note in dataset.notes:
            watcher.say(f"note: {note}")
        if machines.nodes > 1 and ledger.folder.is_local:
            watcher.say(
                f"note: {machines.nodes} nodes; every one has to reach {ledger.folder}, so let it be a shared folder"
            )
        slots = _slots(space, machines)
        search = _Search(space, dataset, data, ledger, slots=slots, clock=clock, watcher=watcher)
        return search.run(is_cluster=address is not None)
    finally:
        stop_ray()


class _Search:
    def __init__(
        self,
        space: Space,
        dataset: Dataset,
        data: TrialData,
        ledger: Ledger,
        *,
        slots: int,
        clock: Callable[[], float],
        watcher: Watcher,
    ) -> None:
        self._space, self._dataset, self._data, self._ledger = space, dataset, data, ledger
        self._clock, self._watcher, self._slots = clock, watcher, slots
        self._budget_examples = round(space.search.max_epochs * len(dataset.train))
        self._desk = SearchDesk(
            space,
            make_sampler(space),
            ledger,
            clock=clock,
            slots=slots,
            budget_examples=self._budget_examples,
            say=watcher.say,
            watch=self._watch,
        )
        self._baselines: tuple[Baseline, ...] | None = None

    def run(self, *, is_cluster: bool) -> dict[str, Any]:
        try:
            baselines = self._run_trials(is_cluster=is_cluster)
            runs = self._desk.finalist_runs()
            if not runs:
                raise SearchFailed(
                    f"no trial came to a report, so there is no champion: {self._desk.describe_failures()}"
                )
            from tuner.search.closing import crown

            champion = crown(
                runs,
                baselines,
                space=self._space,
                dataset=self._dataset,
                ledger=self._ledger,
            )
        except KeyboardInterrupt:
            self._desk.interrupt()
            self._finish("interrupted")
            raise SearchInterrupted("interrupted") from None
        except Exception as error:
            self._desk.interrupt()
            self._finish("failed", error=str(error) if isinstance(error, TunerError) else repr(error))
            raise
        return self._finish("finished", verdict=champion["verdict"], ended_by=self._desk.ended_by)

    def _run_trials(self, *, is_cluster: bool) -> tuple[Baseline, ...]:
        """Run trials and, on another worker beside the first of them, the baselines."""
        from tuner.ray_backend.scheduler import GatedASHA
        from tuner.ray_backend.trials import run_trials

        search, dataset = self._space.search, self._dataset
        self._job = Job("baselines", _baselines_on_worker, dataset, search.seed)
        rows = len(dataset.train)
        scheduler = GatedASHA(
            self._desk,
            grace_epochs=search.grace_epochs,
            grace_examples=round(search.grace_epochs * rows),
            budget_examples=self._budget_examples,
            reduction_factor=search.reduction_factor,
            gate=GateSettings(),
        )
        settings = TrialSettings(
            max_epochs=search.max_epochs,
            reports_per_epoch=search.reports_per_epoch,
            penalty_weight=self._space.score.penalty_weight,
            patience=search.patience,
            threads=max(1, int(self._space.resources.cpus)),
            device="cuda" if self._space.resources.gpus else "cpu",
        )
        run_trials(
            self._desk,
            self._data,
            settings,
            scheduler=scheduler,
            resources=self._space.resources,
            slots=self._slots,
            is_cluster=is_cluster,
        )
        return self._collect_baselines()

    def _watch(self, snapshot: Snapshot) -> None:
        if self._baselines is None and self._job.is_done():
            self._collect_baselines()
        self._watcher.watch(snapshot)

    def _collect_baselines(self) -> tuple[Baseline, ...]:
        if self._baselines is None:
            from tuner.search.closing import describe_baselines

            self._baselines = self._job.result()
            described = describe_baselines(self._baselines, self._dataset, self._space.score.penalty_weight)
            self._ledger.write_json("baselines", described)
            for row in described:
                validation = row["validation"]
                self._watcher.say(
                    f"baseline {row['name']}: score {validation['score']:.3f}, macro-F1 {validation['macro_f1']:.3f}"
                )
        return self._baselines

    def _finish(self, status: str, **more: Any) -> dict[str, Any]:
        endings = self._desk.snapshot().endings
        manifest = {
            "status": status,
            "seconds": self._clock(),
            "trials": {ending: endings.get(ending, 0) for ending in ENDINGS},
            **more,
        }
        self._ledger.finish(manifest)
        return manifest


def _baselines_on_worker(dataset: Dataset, seed: int) -> tuple[Baseline, ...]:
    from tuner.baselines import run_baselines

    return run_baselines(dataset, seed=seed)


def _slots(space: Space, machines: Machines) -> int:
    slots = machines.slots(space.resources)
    if slots:
        return slots
    wanted = f"cpus {space.resources.cpus:g} and gpus {space.resources.gpus:g} a trial"
    what = f"{wanted}, but there are {machines.cpus:g} CPUs and {machines.gpus:g} GPUs in all"
    raise SpaceError(
        [Fault(f"{space.source}: resources", what, "ask for less, or join a larger cluster with --address")]
    )
