"""The ledger: a run's directory, and the only truth about it.

runs/NAME/
  space.yaml            the space as it was run, overrides included
  environment.json      format of the ledger, versions, seed, data fingerprints, git revision, command; what makes it a run
  data.json             what is known of the data before a search: counts, lengths, duplicates, overlap
  baselines.json        what the baselines reach on validation, and a control that is no baseline
  trials/*.parquet      one row when a trial starts and one when it ends; the later row of a trial counts
  reports/*.parquet     one row per report
  checkpoints/          where running trials go on from, if their worker dies or the run is resumed; gone when it is finished
  finalists/            the best weights of each finalist run, and of the best few search trials
  champion/             the bundle
  predictions/          validation.parquet and test.parquet: truth, decisions and probabilities, row by row
  champion.json         how the champion was chosen and what it reaches
  manifest.json         status, verdict and a checksum of every file that will not change any more; written last

Rows go into part files, each written whole, and are merged into one file now and then. A row that stands in two parts after a
crash between the two steps is read once. Every page of a Parquet file carries a checksum: a part that was cut short, or of
which a byte has changed, is named, and the rest of the run is read without it; a run that is resumed puts it away in damaged/.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tuner.errors import Fault, LedgerError, StorageError, did_you_mean
from tuner.ledger.lock import LOCK, RunLock
from tuner.ledger.tables import PREDICTIONS, SCHEMAS, read_parquet, read_parts, to_parquet
from tuner.storage import Folder, split

FORMAT = 2
CHECKPOINTS = "checkpoints"
_PARTS_BEFORE_MERGE = 64
_FLUSH_EVERY_S = 1.0
_MOST_FAILURES = 3  # in a row, a second or more apart: a disk that is full stays so, one on a network may come back


class Ledger:
    """A run's directory, open for writing."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.folder = Folder.at(location)
        self._waiting: dict[str, list[Mapping[str, Any]]] = {table: [] for table in SCHEMAS}
        self._parts = dict.fromkeys(SCHEMAS, 0)
        self._flushed_at = time.monotonic()
        self._failures = 0
        self._lock = RunLock(self.folder)

    @property
    def address(self) -> str:
        """Where the run lies, in a form that means the same to every process."""
        return self.folder.path if self.folder.is_local else self.location

    @classmethod
    def create(cls, location: str | Path, *, space: str, environment: Mapping[str, Any]) -> Ledger:
        """Begin a run's directory. Raises LedgerError if there already is one of that name."""
        ledger = cls(str(location))
        ledger.begin(space=space, environment=environment)
        return ledger

    @classmethod
    def reopen(cls, location: str | Path) -> Ledger:
        """Take a run's directory that another process has left unfinished, and go on after the parts that there are.

        Nothing is changed until `go_on`. Raises LedgerError where there is no run, or another process is at work on it.
        """
        ledger = cls(str(location))
        refuse_absent(ledger.folder, location)  # before anything is made there: the lock is a file
        ledger._lock.take()
        return ledger

    def go_on(self, *, space: str, environment: Mapping[str, Any]) -> None:
        """Make the run unfinished again: put damaged parts away, and write the space and the environment as they are now."""
        for table in SCHEMAS:
            parts = self.folder.below(table)
            for fault in read_parts(self.folder, table)[1]:
                name = fault.where.rsplit("/", 1)[-1]
                self.folder.write(f"damaged/{table}-{name}", parts.read(name))
                parts.delete(name)
            self._parts[table] = max((_number_of(name) for name in parts.names()), default=0)
        self.folder.delete_drafts()
        self.folder.delete("manifest.json")
        self.folder.write("space.yaml", space.encode())
        self.write_json("environment", {"format": FORMAT, **environment})

    def give_back(self) -> None:
        """Let another process have the directory."""
        self._lock.give_back()

    def begin(self, *, space: str, environment: Mapping[str, Any]) -> None:
        """Take the folder and write what makes it a run's. Raises LedgerError if there is anything in it, or another has it."""
        refuse_existing(self.folder)
        self._lock.take()
        try:
            _refuse_files(self.folder)  # another run may have begun and ended since
        except LedgerError:
            self._lock.give_back()
            raise
        # First: from here on there is a run to resume.
        self.folder.write("environment.json", _to_json({"format": FORMAT, **environment}))
        self.folder.write("space.yaml", space.encode())

    def write_json(self, name: str, content: Mapping[str, Any] | Sequence[Any]) -> None:
        """Write NAME.json."""
        check_there(self.folder, self.location)
        self.folder.write(f"{name}.json", _to_json(content))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write NAME.parquet; a name may have folders in it, as "predictions/test"."""
        check_there(self.folder, self.location)
        self.folder.write(f"{name}.parquet", to_parquet(table))

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Add a row to `trials` or `reports`; it is on disk after the next flush."""
        self._waiting[table].append(row)

    def flush(self, *, is_due: bool = True) -> None:
        """Write the waiting rows; with `is_due` false only if the last flush is a second or more ago.

        Rows that cannot be written wait for the next flush, at least a second later. Raises StorageError the third time in
        a row, and LedgerError if another process has taken the directory.
        """
        waited = time.monotonic() - self._flushed_at
        if waited < _FLUSH_EVERY_S and (self._failures or not is_due):
            return
        self._flushed_at = time.monotonic()
        try:
            self._lock.renew()
            self._write_waiting()
        except StorageError:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise
        else:
            self._failures = 0

    def _write_waiting(self) -> None:
        if any(self._waiting.values()):
            check_there(self.folder, self.location)
        # A trial has a row before it has reports, and an ending when it has them all, whichever of these a crash cuts off.
        trials, measurements = self._waiting["trials"], self._waiting["reports"]
        ended = [row for row in trials if row.get("ending") is not None]
        self._write_rows("trials", [row for row in trials if row.get("ending") is None], still_waiting=ended)
        self._write_rows("reports", measurements, still_waiting=[])
        self._write_rows("trials", ended, still_waiting=[])

    def _write_rows(
        self, table: str, rows: Sequence[Mapping[str, Any]], *, still_waiting: list[Mapping[str, Any]]
    ) -> None:
        if rows:
            self._write_part(table, pa.Table.from_pylist(list(rows), schema=SCHEMAS[table]))
            self._waiting[table] = still_waiting
            if self._parts[table] % _PARTS_BEFORE_MERGE == 0:
                self._merge(table)

    def finish(self, manifest: Mapping[str, Any], *, unfinished: Sequence[str] = ()) -> None:
        """Merge the tables and write the manifest with a checksum of every file, last of all.

        Left out are the files `unfinished`, and those in folders there, which end in "/": workers that are not gone yet may
        still write them, and a resumed run will. Raises StorageError.
        """
        self._write_waiting()
        for table in SCHEMAS:
            if self._parts[table]:
                self._merge(table)
        self.folder.delete_drafts()
        files = {}
        for name in self.folder.all_files():
            if name not in ("manifest.json", LOCK) and not name.startswith(tuple(unfinished)):
                content = self.folder.read(name)
                files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        whole = {"format": FORMAT, **manifest, "files": files, "unfinished_files": list(unfinished)}
        self.write_json("manifest", whole)
        self._lock.give_back()

    def _write_part(self, table: str, rows: pa.Table) -> None:
        self._parts[table] += 1
        self.folder.write(f"{table}/part-{self._parts[table]:06d}.parquet", to_parquet(rows))

    def _merge(self, table: str) -> None:
        folder = self.folder.below(table)
        names = folder.names()
        rows, damaged = read_parts(self.folder, table)
        if damaged:
            return  # nothing of a table is thrown away that is not whole in its successor
        self._write_part(table, rows)
        for name in reversed(names):  # were this cut short, the rows left would still come in their order
            folder.delete(name)


@dataclass(frozen=True)
class Run:
    """A run as its ledger tells it. What a run has not come to yet is empty. `profile` is that of its data.

    `damaged` names the parts of tables that cannot be read: the rows that they had are missing here.
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

    @property
    def status(self) -> str:
        """One of "finished", "interrupted", "failed", or "unfinished" while it runs or after a crash."""
        return str(self.manifest.get("status", "unfinished"))


def read_run(location: str | Path) -> Run:
    """Read a run's directory. Raises LedgerError if it is none, or one in another format than FORMAT."""
    folder = Folder.at(location)
    refuse_absent(folder, location)
    environment = _read_json(folder, "environment", {})
    _refuse_other_formats(folder, environment)
    space = _read_space(folder) if folder.exists("space.yaml") else environment.get("space_text")
    if space is None:
        remedy = "restore it from a copy; an empty file will do to read the rest"
        raise LedgerError([Fault(f"{folder}/space.yaml", "the file is missing", remedy)])
    trials, damaged = read_parts(folder, "trials")
    return Run(
        name=folder.path.rsplit("/", 1)[-1],
        location=str(location),
        space=space,
        environment=environment,
        profile=_read_json(folder, "data", {}),
        baselines=_read_json(folder, "baselines", []),
        trials=trials.to_pylist(),
        champion=_read_json(folder, "champion", {}),
        manifest=_read_json(folder, "manifest", {}),
        damaged=damaged,
    )


def read_measurements(location: str | Path) -> pa.Table:
    """Read all reports of a run, in the order they came, but for those in damaged parts: see `read_parts`."""
    return read_parts(Folder.at(location), "reports")[0]


def read_predictions(location: str | Path, split: str) -> pa.Table:
    """Read a run's predictions on `split`, validation or test: columns as in PREDICTIONS, one row for each model and row.

    Raises LedgerError where there are none, or where they cannot be read.
    """
    folder, name = Folder.at(location), f"predictions/{split}.parquet"
    if not folder.exists(name):
        remedy = "they are written when a run has its champion; `tuner show` tells how far this one came"
        raise LedgerError([Fault(f"{folder}/{name}", "the run has no predictions on this split", remedy)])
    return read_parquet(
        folder, name, PREDICTIONS, remedy="restore it from a copy; the rest of the run can still be read"
    )


def checkpoint_name(index: int) -> str:
    """Return where in the run directory a trial keeps what it can go on from."""
    return f"{CHECKPOINTS}/trial-{index}.safetensors"


def weights_name(index: int) -> str:
    """Return where in the run directory a trial keeps its best weights: a finalist's run, or one of the best search trials."""
    return f"finalists/trial-{index}.safetensors"


def held_out_name(weights: str) -> str:
    """Return where the probabilities of held-out rows stand that go with the weights in a file of this name."""
    return f"{weights.removesuffix('.safetensors')}-held-out.safetensors"


def list_runs(location: str | Path) -> list[str]:
    """Names of the runs in a folder, sorted."""
    folder = Folder.at(location)
    return [name for name in folder.names() if folder.exists(f"{name}/environment.json")]


def check_there(folder: Folder, location: str) -> None:
    """Raise StorageError where a run's directory, `folder` at `location`, was moved away: writing would make another."""
    if not folder.exists("environment.json"):
        remedy = f"bring it back, and go on with `tuner resume {location}`"
        raise StorageError([Fault(str(folder), "the run's directory is no longer there", remedy)])


def refuse_absent(folder: Folder, location: str | Path) -> None:
    """Raise LedgerError where no run lies in `folder`, which is at `location`."""
    if folder.exists("environment.json"):
        return
    runs: list[str] = []
    with suppress(OSError):  # a path through a file; that there is no run here is the better message
        runs = list_runs(split(str(location).rstrip("/"))[0])
    name = folder.path.rsplit("/", 1)[-1]
    remedy = did_you_mean(name, runs) if runs else "`tuner ls` lists the runs of a folder, see --runs"
    raise LedgerError([Fault(str(folder), "there is no run here (no environment.json)", remedy)])


def refuse_existing(folder: Folder) -> None:
    """Raise LedgerError if a run lies there already; where a process is at work on it, naming that."""
    if folder.exists(LOCK):
        lock = RunLock(folder)
        lock.take()
        lock.give_back()
    _refuse_files(folder)


def _refuse_files(folder: Folder) -> None:
    if any(name != LOCK for name in folder.names()):
        remedy = "choose another --name, or move the old run away"
        raise LedgerError([Fault(str(folder), "there is a run of this name already, and runs are never mixed", remedy)])


def _number_of(part: str) -> int:
    """The number of a part by its name, 0 of what is named otherwise."""
    digits = part.removeprefix("part-").removesuffix(".parquet")
    return int(digits) if digits.isdecimal() else 0


def _to_json(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def _refuse_other_formats(folder: Folder, environment: Any) -> None:
    """Raise LedgerError for a run of another version of tuner. Format 1 did not say so in the environment."""
    is_object = isinstance(environment, Mapping)
    found = environment.get("format", 1) if is_object else None
    if found == FORMAT:
        return
    versions = environment.get("versions") if is_object else None
    version = versions.get("tuner") if isinstance(versions, Mapping) else None
    remedy = f"read it with tuner {version or 'of the version that wrote it'}, or search again"
    raise LedgerError(
        [Fault(f"{folder}/environment.json", f"ledger format {found}, but this tuner reads {FORMAT}", remedy)]
    )


def _read_json(folder: Folder, name: str, absent: Any) -> Any:
    if not folder.exists(f"{name}.json"):
        return absent
    remedy = "the rest of the run can still be read; restore this file from a copy"
    try:
        found = json.loads(folder.read(f"{name}.json"))
    except (ValueError, RecursionError) as error:
        raise LedgerError([Fault(f"{folder}/{name}.json", f"not valid JSON ({error})", remedy)]) from error
    if not isinstance(found, type(absent)):
        kind = "a list" if isinstance(absent, list) else "an object"
        raise LedgerError([Fault(f"{folder}/{name}.json", f"not {kind}, as tuner writes it", remedy)])
    return found


def _read_space(folder: Folder) -> str:
    try:
        return folder.read("space.yaml").decode()
    except UnicodeDecodeError as error:
        what = f"damaged: byte {error.object[error.start]:#04x} is not UTF-8 text"
        remedy = "restore it from a copy; an empty file will do to read the rest"
        raise LedgerError([Fault(f"{folder}/space.yaml", what, remedy)]) from error
