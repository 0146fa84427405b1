"""One search from space to champion: read the data, run trials and finalists, test the champion."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from tuner.analysis.committee import describe_committee, is_committee
from tuner.errors import SearchFailed, SearchInterrupted, StorageError, TunerError
from tuner.ledger.extensions import Extension, as_entries
from tuner.ledger.longer_search import longer_search
from tuner.ledger.rows import RecordedRun
from tuner.ledger.run_directory import CHECKPOINTS, Ledger, Run, refuse_existing
from tuner.pruners.asha import rung_examples
from tuner.pruners.base import Pruner
from tuner.pruners.gate import GateSettings
from tuner.pruners.registry import PRUNERS
from tuner.ray_backend.start import Job
from tuner.samplers.base import make_sampler
from tuner.search.baselines_job import start_baselines
from tuner.search.best_trials import kept_trials
from tuner.search.choice import choose
from tuner.search.environment import add_node, describe_environment, describe_resumption, now
from tuner.search.extension import describe_start, earlier_results
from tuner.search.failures import NoChampion, explain_no_measurement, explain_no_model
from tuner.search.finalists import finalist_runs
from tuner.search.gpu_packing import Packing
from tuner.search.gpus import settle_gpus
from tuner.search.reading import measure_closing_work
from tuner.search.search_data import SearchData, count_slots, read_beside_ray
from tuner.search.self_sizing import SelfSizing, make_sizing
from tuner.search.size_plan import SizePlan
from tuner.search.time_budget import TimeBudget, refuse_spent_time
from tuner.search.trial_queue import SearchQueue
from tuner.search.watcher import Snapshot, Watcher, note_late_score
from tuner.show_value import show_count
from tuner.signals import raise_if_interrupted
from tuner.space.counting import describe_limit
from tuner.space.load import Space
from tuner.storage import Folder
from tuner.training.device import device_of
from tuner.trial.ending import PLANNED_AGAIN, Ending
from tuner.trial.order import TrialSettings, pause_s

if TYPE_CHECKING:
    from tuner.baselines.baseline import Baseline
    from tuner.ray_backend.node_watch import NodeWatch
    from tuner.ray_backend.start import Node

_LOADS_AVERAGED = 20  # about as many as the trials report in ten seconds; a moment tells little

# Functions here import torch, scikit-learn and Ray Tune late. Each takes a second, and the first trial should not wait for
# it.


@dataclass(frozen=True)
class EarlierRun:
    """A run of an earlier process, its trials so far, and what it was given more of after it had finished."""

    run: Run
    recorded: RecordedRun
    extensions: Sequence[Extension] = ()


def run_search(space: Space, location: str, *, address: str | None, watcher: Watcher, started: float) -> dict[str, Any]:
    """Run a space, write its ledger at `location`, and return the manifest.

    `started` is when the run began, by time.monotonic(); the time budget counts from there.

    Raises InputError before anything is written, and KeyboardInterrupt on SIGINT or SIGTERM until then. Later it raises
    SearchFailed if there is no champion, and SearchInterrupted on a signal. The ledger then says which of them happened.
    """

    def clock() -> float:
        return time.monotonic() - started

    refuse_existing(Folder.at(location))
    with read_beside_ray(space, location, address, watcher) as (adapted, data):
        started += data.waited_s
        refuse_spent_time(adapted, clock())
        adapted, packing = settle_gpus(adapted, data.prepared, data.machines, watcher.say)
        slots = count_slots(adapted, data.machines)
        sizing = make_sizing(adapted, data.dataset, data.prepared, slots=slots, spent_s=clock())
        space = sizing.plan.space if sizing else adapted
        search = SearchRun(space, data, Ledger(location), clock=clock, watcher=watcher, sizing=sizing, packing=packing)
        return search.run(is_cluster=address is not None)


class SearchRun:
    """One search with its queue, ledger and baselines; `run` takes it to its champion."""

    def __init__(
        self,
        space: Space,
        data: SearchData,
        ledger: Ledger,
        *,
        clock: Callable[[], float],
        watcher: Watcher,
        earlier: EarlierRun | None = None,
        sizing: SelfSizing | None = None,
        packing: Packing | None = None,
    ) -> None:
        self._space, self._data, self._dataset, self._ledger = space, data, data.dataset, ledger
        self._earlier, self._watcher, self._sizing, self._packing = earlier, watcher, sizing, packing
        self._extensions = earlier.extensions if earlier else ()
        self._budget = TimeBudget(
            space=space,
            clock=clock,
            slots=count_slots(space, data.machines),
            budget_examples=self._budget_examples,
            closing_work=measure_closing_work(data.dataset, space),
            begun_s=earlier.recorded.begun_s if earlier else 0.0,
        )
        self._queue = SearchQueue(make_sampler(space), ledger, self._budget, Watcher(watcher.say, self._watch))
        self._environment: dict[str, Any] = {}
        self._job: Job | None = None
        self._baselines: tuple[Baseline, ...] | None = None
        self._descriptions: dict[str, Any] = {}  # of the data and the baselines, by file of the ledger
        self._pruner = self._make_pruner()
        self._has_ledger = self._has_prepared_closing = self._has_warned = False

    def run(self, *, is_cluster: bool) -> dict[str, Any]:
        """Run the search to its end and return the manifest; if it fails, leave a manifest with the reason."""
        try:
            self._begin()
            baselines = self._run_trials(is_cluster=is_cluster)
            champion = self._crown_champion(baselines)
            self._ledger.folder.delete_folder(CHECKPOINTS)
            self._say_champion(champion)
            return self._finish(
                "finished", finished_at=now(), verdict=champion["verdict"], ended_by=self._queue.ended_by
            )
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
            self._record_failure(error)
            if isinstance(error, StorageError):  # not an input error: the search had begun
                raise SearchFailed(str(error)) from error
            raise

    def _begin(self) -> None:
        """Begin the ledger, or continue the earlier run's, and show notes."""
        say = self._watcher.say
        if self._earlier is None:
            self._environment = describe_environment(self._space, self._dataset, self._data.machines)
            if self._packing is not None:
                self._environment["packing"] = self._packing.entry()
            self._ledger.begin(space=self._space.text_for_anywhere, environment=self._environment)
        else:
            self._take_over(self._earlier)
        self._has_ledger = True
        if self._sizing is not None:
            self._record_plan(self._sizing.plan, is_measured=False)
        limit = describe_limit(self._space.parameters, self._space.search)
        for note in (*self._dataset.notes, *self._data.machines.notes, *([limit] if limit else [])):
            say(f"note: {note}")

    def _take_over(self, earlier: EarlierRun) -> None:
        self._environment = describe_resumption(earlier.run.environment, self._data.machines)
        self._ledger.go_on(
            space=self._space.text_for_anywhere,
            environment=self._environment,
            extensions=as_entries(earlier.extensions),
        )
        self._queue.replay(earlier.recorded, is_to_search_on="resume_with" in earlier.run.manifest)
        if earlier.run.status == "finished":
            self._watcher.say(describe_start(earlier.recorded))
            return
        unfinished = sum(trial.ending is None for trial in earlier.recorded.trials)
        ended = len(earlier.recorded.trials) - unfinished
        has_ended, continues = (
            "has ended" if ended == 1 else "have ended",
            "continues" if unfinished == 1 else "continue",
        )
        self._watcher.say(f"resumed: {show_count(ended, 'trial')} {has_ended}, {unfinished} {continues}")

    # --- trials ---

    def _run_trials(self, *, is_cluster: bool) -> tuple[Baseline, ...]:
        """Run all trials and return the baselines, which run on a worker of their own beside the first trials.

        Without a measurement nobody waits for the baselines, because there is no champion to compare with them.
        """
        from tuner.ray_backend.trials import run_trials

        if not self._queue.is_done():
            self._watcher.say(f"starting the workers, {self._budget.slots} side by side")
            run_trials(
                self._queue,
                self._data.prepared,
                self._trial_settings(),
                pruner=self._pruner,
                resources=self._space.resources,
                slots=self._budget.slots,
                watch=self._watch_nodes() if is_cluster else None,
            )
        is_done = self._job is not None and self._job.is_done()
        if not is_done and not any(record.best for record in self._queue.trials.values()):
            return ()
        return self._collect_baselines()

    def _watch_nodes(self) -> NodeWatch:
        from tuner.ray_backend.node_watch import NodeWatch

        return NodeWatch(
            self._data.machines,
            self._space.resources,
            self._ledger.location,
            say=self._watcher.say,
            on_join=self._record_node,
            on_slots=self._set_slots,
        )

    def _record_node(self, node: Node) -> None:
        """Add a node that has joined to the environment."""
        add_node(self._environment, node)
        with suppress(StorageError):  # the search goes on without; the ledger's rows matter more
            self._ledger.rewrite_environment(self._environment)

    def _set_slots(self, slots: int) -> None:
        """Plan with another number of trials side by side, because nodes came or went."""
        self._budget.slots = slots
        if self._sizing is not None:
            self._sizing.slots = slots
        self._watcher.say(f"{show_count(slots, 'trial')} can run side by side now")

    @property
    def _budget_examples(self) -> int:
        return round(self._space.search.max_epochs * len(self._dataset.train))

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
            device=device_of(self._space.resources.gpus),
            gpu_share=self._space.resources.gpus,
            rungs=rungs,
            pause_s=pause_s(self._budget.slots),
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
        if self._earlier is not None:
            recorded = self._earlier.recorded
            running = {trial.index for trial in recorded.trials if trial.ending is None}
            searched = {
                trial.index for trial in recorded.trials if trial.phase == "search" and trial.reason != PLANNED_AGAIN
            }
            pruner.replay([item for item in recorded.measurements if item[0] in searched], running=running)
        return pruner

    # --- sizing ---

    def _record_plan(self, plan: SizePlan, *, is_measured: bool) -> None:
        """Say a plan and write it to the ledger."""
        self._watcher.say(f"{plan.sentence}{', by the speed of the first trials' if is_measured else ''}")
        self._ledger.write_json("plan", plan.entry(is_measured=is_measured))

    def _size_again(self, sizing: SelfSizing) -> None:
        """Take another plan if the first trials show another speed. Trials of another length begin again."""
        before = self._trial_settings()
        plan = sizing.revise(
            self._queue.trials.values(),
            spent_s=self._budget.clock(),
            first_rung=before.rungs[0] if before.rungs else self._budget_examples,
            has_baselines=self._baselines is not None,
        )
        if plan is None:
            return
        self._space = self._budget.space = plan.space
        self._budget.budget_examples = self._budget_examples
        self._ledger.rewrite_space(self._space.text_for_anywhere)  # first: a resumed run goes by the space
        self._record_plan(plan, is_measured=True)
        after = self._trial_settings()
        if after != before:
            self._pruner.begin_again(
                grace_epochs=self._space.search.grace_epochs, budget_examples=self._budget_examples
            )
            sizes = ("max_epochs", "reports_per_epoch", "rungs")
            self._queue.begin_again({name: getattr(after, name) for name in sizes})

    def _watch(self, snapshot: Snapshot) -> None:
        if self._sizing is not None and snapshot.phase == "search":
            self._size_again(self._sizing)
        if not self._has_warned and (note := note_late_score(snapshot, self._space.search)) is not None:
            self._has_warned = True
            self._watcher.say(f"note: {note}")
        if snapshot.best is not None and not self._has_prepared_closing:
            self._has_prepared_closing = True
            threading.Thread(target=_import_closing, daemon=True).start()
        if loads := [record.stretch.load for record in snapshot.running if record.stretch]:
            self._budget.load += (median(loads) - self._budget.load) / _LOADS_AVERAGED
        if self._job is None and (loads or snapshot.best or snapshot.endings):  # the workers have started by now
            self._job = self._start_baselines()
        if self._baselines is None and self._job is not None and self._job.is_done():
            self._collect_baselines()
        self._watcher.watch(snapshot)

    def _start_baselines(self) -> Job:
        search, weight = self._space.search, self._space.score.penalty_weight
        return start_baselines(self._dataset, penalty_weight=weight, seed=search.seed, limit_s=search.seconds)

    def _collect_baselines(self) -> tuple[Baseline, ...]:
        """Return the baselines; the first time, write them to the ledger and show their scores."""
        if self._baselines is None:
            job = self._job or self._start_baselines()
            if not job.is_done():
                self._watcher.say("waiting for the baselines, which take longer than the search")
            self._baselines, self._descriptions = job.result()
            for name, content in self._descriptions.items():
                self._ledger.write_json(name, content)
            for row in self._descriptions["baselines"]:
                validation = row["validation"]
                self._watcher.say(
                    f"{row['kind'] if row['kind'] in ('control', 'probe') else 'baseline'} {row['name']}: "
                    f"score {validation['score']:.3f}, macro-F1 {validation['macro_f1']:.3f}"
                )
        return self._baselines

    # --- the end ---

    def _crown_champion(self, baselines: Sequence[Baseline]) -> dict[str, Any]:
        """Choose the champion among the kept models, test it, and return its description. Raises SearchFailed without one."""
        records = self._queue.trials.values()
        if not any(record.best for record in records):
            spent_s = self._budget.clock()
            raise explain_no_measurement(records, self._space, ended_by=self._queue.ended_by, spent_s=spent_s)
        from tuner.search.champion import Closing, publish_champion
        from tuner.search.kept_models import read_models

        raise_if_interrupted()
        self._ledger.settle()
        models = read_models(
            [*finalist_runs(records), *kept_trials(records)],
            penalty_weight=self._space.score.penalty_weight,
            dataset=self._dataset,
            ledger=self._ledger,
        )
        choice = choose([model.candidate for model in models])
        if choice is None:
            spent_s = self._budget.clock()
            raise explain_no_model(
                records, self._space, collapsed=len(models), ended_by=self._queue.ended_by, spent_s=spent_s
            )
        return publish_champion(
            Closing(
                choice=choice,
                models=models,
                records=records,
                baselines=baselines,
                descriptions=self._descriptions,
                space=self._space,
                dataset=self._dataset,
                ledger=self._ledger,
                earlier=earlier_results(self._extensions),
                longer_search=longer_search(
                    self._ledger.location,
                    self._space.search,
                    ended_by=self._queue.ended_by,
                    spent_s=self._budget.clock(),
                    tried=self._queue.snapshot().asked,
                )
                or "",
            )
        )

    def _say_champion(self, champion: Mapping[str, Any]) -> None:
        if champion.get("is_as_before"):
            what = describe_committee(champion) if is_committee(champion) else f"trial {champion['parent']}"
            self._watcher.say(f"the champion is as before: nothing better than {what} was found")
        elif is_committee(champion):
            self._watcher.say(f"champion: {describe_committee(champion)}")
        elif champion["kind"] == "search trial":
            why = "no finalist's run scored as high" if champion["finalists"] else "no finalist's run gave a model"
            self._watcher.say(f"champion: trial {champion['trial']} of the search itself, because {why}")

    def _record_failure(self, error: Exception) -> None:
        with suppress(StorageError):  # the storage may be the cause
            self._queue.interrupt()
            more = {"resume_with": list(error.settings)} if isinstance(error, NoChampion) else {}
            self._finish("failed", error=str(error) if isinstance(error, TunerError) else repr(error), **more)

    def _finish(self, status: str, **more: Any) -> dict[str, Any]:
        """Write the manifest and return it."""
        endings = self._queue.snapshot().endings
        manifest = {
            "status": status,
            "seconds": self._budget.clock(),
            "trials": {ending.value: endings.get(ending, 0) for ending in Ending},
            **more,
            **({"extensions": as_entries(self._extensions)} if self._extensions else {}),
        }
        self._ledger.finish(manifest, unfinished=() if status == "finished" else self._queue.unfinished_files())
        return manifest


def _import_closing() -> None:
    """Import what closing needs. This takes seconds, and is better done while trials run than after the last of them."""
    importlib.import_module("tuner.search.champion")
