"""The ledger: the directory of a run. It is the only record of a run, and every other part reads it.

runs/NAME/
  space.yaml            the space as it ran, including overrides
  environment.json      ledger format, versions, seed, data fingerprints, git revision, command; its presence makes the
                        directory a run
  plan.json             what was settled for each `auto` of the space, and how far it was expected to get
  data.json             the profile of the data: counts, lengths, duplicates, overlap
  baselines.json        validation results of the baselines and of a control
  trials/*.parquet      one row when a trial starts and one when it ends; the later one counts
  reports/*.parquet     one row per measurement
  checkpoints/          where trials continue after a worker dies or the run is resumed; deleted when the run finishes
  finalists/            the best weights of each finalist's run and of the best few search trials
  champion/             the bundle
  predictions/          validation.parquet and test.parquet: truth, decisions and probabilities of each row
  champion.json         how the champion was chosen, and its results
  distilled/            a smaller model with the champion's answers, if one was made, and distilled.json (tuner.ledger.distilled)
  manifest.json         status, verdict and a checksum of every file that no longer changes; written last. While a finished
                        run is given more, it holds only the extensions

Each flush writes its rows as a new part file. From time to time, all parts are merged into one file. If a crash during the
merge leaves a row in two parts, it is read once. Every page of a Parquet file carries a checksum. If a part was cut short,
or a byte in it has changed, it is reported and the rest of the run is read without it. Resuming the run moves such a part
to damaged/.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from tuner.errors import Fault, InputError, LedgerError, StorageError, did_you_mean
from tuner.ledger.distilled import DISTILLED, OUTSIDE_MANIFEST, read_distilled
from tuner.ledger.lock import LOCK, RunLock, is_held
from tuner.ledger.run_files import (
    FORMAT,
    changed_files,
    read_json_file,
    read_space_text,
    refuse_odd,
    refuse_other_formats,
)
from tuner.ledger.tables import SCHEMAS, TableWriter, read_parts, to_parquet
from tuner.ledger.write_queue import WriteQueue
from tuner.storage import Folder, join, split, trim
from tuner.trial.ending import Ending

CHECKPOINTS = "checkpoints"
_FLUSH_EVERY_S = 1.0
_DELETED_AT_ONCE = 4
_FILES = (
    *(f"{name}.json" for name in ("environment", "plan", "data", "baselines", "champion", "manifest", DISTILLED)),
    "space.yaml",
)
"""What a run is read from, besides its tables."""


class Ledger:
    """A run's directory, open for writing."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.folder = Folder.at(location)
        self._waiting: dict[str, list[Mapping[str, Any]]] = {table: [] for table in SCHEMAS}
        self._unneeded: list[str] = []
        self._deleting = ThreadPoolExecutor(_DELETED_AT_ONCE, "deletions")
        self._deletions: list[Future[None]] = []
        self._queue = WriteQueue(is_threaded=not self.folder.is_local)
        self._writers = {table: TableWriter(self.folder, table) for table in SCHEMAS}
        self._flushed_at, self._is_due = time.monotonic(), False
        self._lock = RunLock(self.folder)

    @property
    def address(self) -> str:
        """The location of the run, in a form that every process understands alike."""
        return self.folder.path if self.folder.is_local else self.location

    @classmethod
    def create(cls, location: str | Path, *, space: str, environment: Mapping[str, Any]) -> Ledger:
        """Create a run's directory. Raises LedgerError if the name is taken."""
        ledger = cls(str(location))
        ledger.begin(space=space, environment=environment)
        return ledger

    @classmethod
    def reopen(cls, location: str | Path) -> Ledger:
        """Take the directory of a run that another process left unfinished. Nothing changes until `go_on` is called.

        Raises LedgerError if there is no run, or if another process is working on it.
        """
        ledger = cls(str(location))
        refuse_absent(ledger.folder, location)  # before the lock, which is a file, is created
        ledger._lock.take()
        return ledger

    def go_on(
        self, *, space: str, environment: Mapping[str, Any], extensions: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Make the run unfinished again: move damaged parts away, and write the current space and environment.

        `extensions` are what the run was given more of, after it had finished.
        """
        for writer in self._writers.values():
            writer.go_on()
        self.folder.delete_drafts()
        if extensions:  # from here on, the run is being extended
            self.write_json("manifest", {"format": FORMAT, "status": "unfinished", "extensions": list(extensions)})
        else:
            self.folder.delete("manifest.json")
        self.folder.write("space.yaml", space.encode())
        self.rewrite_environment(environment)

    def rewrite_space(self, space: str) -> None:
        """Replace the space of a run that has only begun."""
        self._write("space.yaml", space.encode())

    def rewrite_environment(self, environment: Mapping[str, Any]) -> None:
        """Replace the environment of a run that goes on."""
        self.write_json("environment", {"format": FORMAT, **environment})

    def release(self) -> None:
        """Release the directory for other processes."""
        self._lock.release()

    def begin(self, *, space: str, environment: Mapping[str, Any]) -> None:
        """Take the folder and make it a run. Raises LedgerError if it is not empty or another process holds it."""
        refuse_existing(self.folder)
        self._lock.take()
        try:
            _refuse_files(self.folder)  # another run may have begun and ended in the meantime
            # This file comes first: from here on, there is a run to resume.
            self.folder.write("environment.json", _to_json({"format": FORMAT, **environment}))
            self.folder.write("space.yaml", space.encode())
        except InputError:
            self._lock.release()
            raise

    def write_json(self, name: str, content: Mapping[str, Any] | Sequence[Any]) -> None:
        """Write NAME.json."""
        self._write(f"{name}.json", _to_json(content))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write NAME.parquet; the name may contain folders: "predictions/test"."""
        self._write(f"{name}.parquet", to_parquet(table))

    def _write(self, name: str, content: bytes | pa.Buffer) -> None:
        self.flush(is_due=False, is_awaited=True)
        check_there(self.folder, self.location)
        self.folder.write(name, content)

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Add a row to `trials` or `reports`; the next flush writes it."""
        self._waiting[table].append(row)

    def discard(self, name: str) -> None:
        """Delete a file that is not needed any more, after the next flush has written its rows."""
        self._unneeded.append(name)

    def flush(self, *, is_due: bool = True, is_awaited: bool = False) -> None:
        """Write the waiting rows; with `is_due` false, only if the last flush was at least a second ago.

        A thread writes to a store, and this waits for it only if it `is_awaited`. While earlier rows are not written yet, the
        waiting ones wait for a later flush. Raises StorageError after three failures in a row, at least a second apart, and
        LedgerError if another process has taken the directory.
        """
        self._is_due |= is_due or time.monotonic() - self._flushed_at >= _FLUSH_EVERY_S
        if is_awaited:
            self._queue.catch_up()
        if self._is_due and self._queue.is_empty:
            self._queue_waiting()
        self._queue.advance()
        if is_awaited:
            self._queue.catch_up()

    def settle(self) -> None:
        """Write everything that waits, and return when it is written. Raises as `flush` does."""
        self._queue_waiting()
        self._queue.wait()
        while self._deletions:
            self._deletions.pop().result()

    def _queue_waiting(self) -> None:
        self._flushed_at, self._is_due = time.monotonic(), False
        self._queue.add(self._lock.renew)
        # In this order, wherever a crash cuts it off, no measurement lacks its trial and no ended trial lacks a measurement.
        trials, measurements = self._waiting["trials"], self._waiting["reports"]
        measured = {row["trial"] for row in measurements}
        first = [row for row in trials if row.get("ending") is None and row["trial"] in measured]
        last = [row for row in trials if row.get("ending") is not None or row["trial"] not in measured]
        for table, rows in (("trials", first), ("reports", measurements), ("trials", last)):
            if rows:
                self._queue.add(partial(self._write_rows, table, rows))
                self._queue.add(self._writers[table].merge_if_many)
        for name in self._unneeded:
            self._queue.add(partial(self._discard, name))
        self._waiting, self._unneeded = {table: [] for table in SCHEMAS}, []

    def _write_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        check_there(self.folder, self.location)
        self._writers[table].write(rows)

    def _discard(self, name: str) -> None:
        """Delete a file; in a store beside the writes, because it takes three requests there."""
        if self.folder.is_local:
            self._delete(name)
        else:
            self._deletions.append(self._deleting.submit(self._delete, name))

    def _delete(self, name: str) -> None:
        with suppress(StorageError):  # it only takes room
            self.folder.delete(name)

    def finish(self, manifest: Mapping[str, Any], *, unfinished: Sequence[str] = ()) -> None:
        """Merge the tables, then write the manifest with a checksum of every file.

        The manifest leaves out the files in `unfinished`, and every file in a folder there (a name that ends in "/").
        Workers that are still running, or a resumed run, may still write them. The distilled model is not listed either, because
        it can be made again. Raises StorageError.
        """
        self.settle()
        for writer in self._writers.values():
            writer.merge()
        self.folder.delete_drafts()
        names = [
            name
            for name in self.folder.all_files()
            if name not in ("manifest.json", LOCK) and not name.startswith((*unfinished, *OUTSIDE_MANIFEST))
        ]
        files = dict(zip(names, self.folder.map(self._describe_file, names), strict=True))
        listed = {"files": files, "unfinished_files": list(unfinished)}
        self.write_json("manifest", {"format": FORMAT, **manifest, **listed})
        self._lock.release()

    def _describe_file(self, name: str) -> Mapping[str, Any]:
        content = self.folder.read(name)
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@dataclass(frozen=True)
class Run:
    """A run as read from its ledger. A field is empty if the run has not come that far.

    `profile` describes the data, `distilled` the distilled model. `damaged` names the parts of tables that cannot be read; their
    rows are missing here. `plan` is empty if the space left nothing to the search.
    """

    name: str
    location: str
    space: str
    environment: Mapping[str, Any]
    profile: Mapping[str, Any]
    baselines: Sequence[Mapping[str, Any]]
    trials: Sequence[Mapping[str, Any]]
    champion: Mapping[str, Any]
    manifest: Mapping[str, Any]
    damaged: Sequence[Fault] = ()
    distilled: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """One of "finished", "interrupted", "failed", or "unfinished" while it runs or after a crash."""
        return str(self.manifest.get("status", "unfinished"))

    @property
    def is_being_extended(self) -> bool:
        """Whether the run had finished and was given more, which has not ended yet. Its champion is the earlier one."""
        return self.status != "finished" and bool(self.manifest.get("extensions"))


def read_run(location: str | Path, *, is_lenient: bool = False) -> Run:
    """Read a run's directory. Raises LedgerError if there is no run, or if its format is not FORMAT.

    With `is_lenient`, a file that is missing or cannot be read leaves its field empty, and its fault is in `damaged`.
    """
    folder = Folder.at(location)
    faults: list[Fault] = []

    def attempt(read: Callable[[], Any], empty: Any) -> Any:
        try:
            return read()
        except InputError as error:
            if not is_lenient:
                raise
            faults.extend(error.faults)
            return empty

    if not is_lenient or not is_run(folder):
        refuse_absent(folder, location)
    folder = folder.read_ahead(_FILES)
    environment = attempt(lambda: read_json_file(folder, "environment", {}), {})
    if not is_lenient or {"format", "versions"}.intersection(environment):
        refuse_other_formats(folder, environment)
    elif not faults:
        environment = attempt(lambda: refuse_odd(folder, "environment"), {})
    space = attempt(lambda: read_space_text(folder, environment), "")
    trials, damaged = attempt(lambda: read_parts(folder, "trials"), None) or (SCHEMAS["trials"].empty_table(), [])
    run = Run(
        name=folder.path.rsplit("/", 1)[-1],
        location=str(location),
        space=space,
        environment=environment,
        plan=attempt(lambda: read_json_file(folder, "plan", {}), {}),
        profile=attempt(lambda: read_json_file(folder, "data", {}), {}),
        baselines=attempt(lambda: read_json_file(folder, "baselines", []), []),
        trials=[_with_ending_of_today(row) for row in trials.to_pylist()],
        champion=attempt(lambda: read_json_file(folder, "champion", {}), {}),
        manifest=attempt(lambda: read_json_file(folder, "manifest", {}), {}),
        distilled=attempt(lambda: read_distilled(folder), {}),
    )
    if run.manifest and "status" not in run.manifest:
        attempt(lambda: refuse_odd(folder, "manifest"), None)
    faults += damaged
    named = {fault.where for fault in faults}
    changed = changed_files(folder, run.manifest) if is_lenient else ()
    return replace(run, damaged=(*faults, *(fault for fault in changed if fault.where not in named)))


def current_status(run: Run) -> str:
    """Return the status of a run now: "running" if it is unfinished and a process works on it."""
    return "running" if run.status == "unfinished" and is_held(Folder.at(run.location)) else run.status


def _with_ending_of_today(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trial's row. Tuner up to 0.1 called a trial that the budget cut short interrupted."""
    is_old_name = row["ending"] == Ending.INTERRUPTED and str(row["reason"]).startswith("the budget was over")
    return {**row, "ending": Ending.CUT_SHORT.value} if is_old_name else row


def read_measurements(location: str | Path) -> pa.Table:
    """Read the measurements of a run in the order they came. Skip damaged parts (see `read_parts`)."""
    return read_parts(Folder.at(location), "reports")[0]


def checkpoint_name(index: int) -> str:
    """Return the name, within the run directory, of the checkpoint that a trial continues from."""
    return f"{CHECKPOINTS}/trial-{index}.safetensors"


def weights_name(index: int) -> str:
    """Return the name, within the run directory, of the best weights of a finalist's run or of one of the best search trials."""
    return f"finalists/trial-{index}.safetensors"


def held_out_name(weights: str) -> str:
    """Return the name, or the location, of the file with the probabilities of held-out rows that belong to a weights file."""
    folder, name = split(weights)
    return join(folder, f"{name.removesuffix('.safetensors')}-held-out.safetensors")


def list_runs(location: str | Path) -> list[str]:
    """Return the names of the runs in a folder, sorted."""
    folder = Folder.at(location)
    names = folder.names()
    are_runs = folder.map(lambda name: is_run(folder.below(name)), names)
    return [name for name, is_one in zip(names, are_runs, strict=True) if is_one]


def is_run(folder: Folder) -> bool:
    """Return whether a folder is a run's directory, or what is left of one that lost its environment.json."""
    others = ("manifest.json", "space.yaml", "champion.json", "trials")
    return folder.exists("environment.json") or sum(map(folder.exists, others)) > 1


def check_there(folder: Folder, location: str) -> None:
    """Raise StorageError if a run's directory, `folder` at `location`, was moved away. Writing would create another one.

    In an object store nothing is moved as a whole, and the lease is looked at from time to time.
    """
    if not folder.is_store and not folder.exists("environment.json"):
        remedy = f"move it back, then continue with `{shlex.join(['tuner', 'resume', location])}`"
        raise StorageError([Fault(str(folder), "the run's directory is no longer there", remedy)])


def refuse_absent(folder: Folder, location: str | Path) -> None:
    """Raise LedgerError if there is no run in `folder`, which is at `location`."""
    if folder.exists("environment.json"):
        return
    if is_run(folder):
        remedy = "restore it from a copy; `tuner show` prints the rest of the run"
        raise LedgerError([Fault(f"{folder}/environment.json", "the file is missing", remedy)])
    runs: list[str] = []
    with suppress(OSError):  # a path through a file: the message below is clearer
        runs = list_runs(split(trim(str(location)))[0])
    name = folder.path.rsplit("/", 1)[-1]
    remedy = did_you_mean(name, runs) if runs else "`tuner ls --runs FOLDER` lists the runs in a folder"
    raise LedgerError([Fault(str(folder), "there is no run here (no environment.json)", remedy)])


def refuse_existing(folder: Folder) -> None:
    """Raise LedgerError if the folder is not empty. If a process is working on a run there, the error names the process."""
    if folder.exists(LOCK):
        lock = RunLock(folder)
        lock.take()
        lock.release()
    _refuse_files(folder)


def _refuse_files(folder: Folder) -> None:
    if any(name != LOCK for name in folder.names()):
        remedy = "choose another --name, or move the old run away"
        raise LedgerError(
            [Fault(str(folder), "there is a run of this name already, and tuner does not overwrite it", remedy)]
        )


def _to_json(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode()
