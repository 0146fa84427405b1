"""Whether a run's directory is whole: every checksum, every file, and tables that say the same."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from tuner.bundle.model_bundle import load
from tuner.errors import Fault, InputError, MissingFileError
from tuner.ledger.lock import LOCK
from tuner.ledger.run_directory import (
    CHECKPOINTS,
    Run,
    held_out_name,
    read_predictions,
    read_run,
    refuse_absent,
    weights_name,
)
from tuner.ledger.tables import counted, read_parts
from tuner.storage import Folder

_RESTORE = "restore it from a copy"
_CLOSE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a look at a run's directory found; `status` is that of `Run`, "unreadable" where a file keeps it from being read."""

    name: str
    status: str
    has_manifest: bool
    faults: tuple[Fault, ...]

    def describe(self) -> dict[str, Any]:
        """Return what `tuner verify --format json` prints."""
        return {**asdict(self), "is_whole": not self.faults}


def verify(location: str | Path) -> Verification:
    """Check a run's directory whole.

    Looked at are the files against the manifest's sizes and checksums, the parts of tables and checkpoints against their own,
    trials against their reports, predictions against the splits, and the champion's bundle. A run without a manifest is still
    going on or was cut off: what it has so far is checked. Raises LedgerError if there is no run.
    """
    folder = Folder.at(location)
    refuse_absent(folder, location)
    faults = list(_files(folder, _read_manifest(folder)))
    status = "unreadable"
    try:
        run = read_run(location)
        status = run.status
        measurements, damaged = read_parts(folder, "reports")
        faults += [*run.damaged, *damaged]
        if not faults:  # else what follows would only repeat them
            faults += [*_trials(folder, run.trials, measurements.to_pylist()), *_predictions(run)]
        faults.extend(_unfinished(folder, run))
    except InputError as error:  # a folder where a file must be is a StorageError
        faults += error.faults
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        told = f"some file has not what tuner writes there ({type(error).__name__}: {error})"
        faults.append(Fault(str(folder), told, _RESTORE))
    if folder.exists("champion") and folder.exists("champion.json"):  # without the latter it was cut off in between
        faults += _bundle(location)
    return Verification(
        name=folder.path.rsplit("/", 1)[-1],
        status=status,
        has_manifest=folder.exists("manifest.json"),
        faults=tuple(dict.fromkeys(faults)),
    )


def _read_manifest(folder: Folder) -> Mapping[str, Any]:
    with suppress(ValueError, MissingFileError):  # what is wrong with it is told where the run is read
        manifest = json.loads(folder.read("manifest.json"))
        if isinstance(manifest, dict):
            return manifest
    return {}


def _files(folder: Folder, manifest: Mapping[str, Any]) -> Iterator[Fault]:
    listed = manifest.get("files")
    if listed is None:
        return
    unfinished = manifest.get("unfinished_files", [])
    are_entries = isinstance(listed, dict) and all(map(_is_entry, listed.values()))
    if not are_entries or not isinstance(unfinished, list) or not all(isinstance(name, str) for name in unfinished):
        yield Fault(f"{folder}/manifest.json", "its list of files is not as it was written", _RESTORE)
        return
    there = {name for name in folder.all_files() if not name.startswith(tuple(unfinished))} - {"manifest.json", LOCK}
    for name in sorted(there | set(listed)):
        if name not in there:
            yield Fault(f"{folder}/{name}", "the manifest lists this file, but it is not there", _RESTORE)
        elif name not in listed:
            yield Fault(f"{folder}/{name}", "no part of the run: the manifest does not list it", "move it elsewhere")
        else:
            yield from _checksum(folder, name, listed[name])


def _unfinished(folder: Folder, run: Run) -> Iterator[Fault]:
    """What the manifest does not list: checkpoints have sums of their own, weights of interrupted trials have to be whole.

    A finalist's have to be there too; of search trials only the best keep theirs.
    """
    from tuner.training.state import from_bytes

    scored = [row for row in run.trials if row["score"] is not None]
    kept = {weights_name(row["trial"]): row["phase"] == "finalist" for row in scored}
    kept |= {held_out_name(name): is_needed for name, is_needed in kept.items()}
    for name in set(kept).intersection(run.manifest.get("unfinished_files", ())):
        try:
            safetensors.numpy.load(folder.read(name))
        except MissingFileError:
            if kept[name]:
                yield Fault(f"{folder}/{name}", "its trial has a score, but this file is not there", _RESTORE)
        except safetensors.SafetensorError as error:
            yield Fault(f"{folder}/{name}", f"this is no safetensors file, or not all of one ({error})", _RESTORE)
    checkpoints = folder.below(CHECKPOINTS)
    for name in checkpoints.names():
        try:
            from_bytes(checkpoints.read(name))
        except MissingFileError:  # its trial has ended meanwhile
            continue
        except ValueError as error:
            yield Fault(f"{checkpoints}/{name}", str(error), "delete it; its trial begins anew when the run is resumed")


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("bytes"), int) and isinstance(value.get("sha256"), str)


def _checksum(folder: Folder, name: str, wanted: Mapping[str, Any]) -> Iterator[Fault]:
    content = folder.read(name)
    if len(content) != wanted["bytes"]:
        yield Fault(f"{folder}/{name}", f"{len(content):,} bytes, but {wanted['bytes']:,} were written", _RESTORE)
    elif hashlib.sha256(content).hexdigest() != wanted["sha256"]:
        yield Fault(f"{folder}/{name}", "its checksum (SHA-256) is not the one that was written", _RESTORE)


def _trials(
    folder: Folder, trials: Sequence[Mapping[str, Any]], measurements: Sequence[Mapping[str, Any]]
) -> Iterator[Fault]:
    """A trial's row has to have the best score of those of its reports that count."""
    by_trial: dict[int, list[Mapping[str, Any]]] = {}
    for measurement in measurements:
        by_trial.setdefault(measurement["trial"], []).append(measurement)
    for number in sorted(by_trial.keys() - {row["trial"] for row in trials}):
        yield Fault(f"{folder}/reports", f"reports of trial {number}, which the table of trials has not", _RESTORE)
    for row in trials:
        if row["ending"] is None:
            continue  # it was running when its row was written
        scores = [measurement["score"] for measurement in counted(by_trial.get(row["trial"], []))]
        best = max((score for score in scores if score is not None and math.isfinite(score)), default=None)
        if (best is None) != (row["score"] is None) or (best is not None and abs(best - row["score"]) > _CLOSE):
            what = f"trial {row['trial']} has score {row['score']}, but the best of its reports is {best}"
            yield Fault(f"{folder}/trials", what, _RESTORE)


def _predictions(run: Run) -> Iterator[Fault]:
    """Predictions have a row for every row that the champion was judged on."""
    for split in ("validation", "test"):
        if split not in run.champion:
            continue
        wanted, found = run.champion[split]["rows"], None
        try:
            found = read_predictions(run.location, split)["model"].to_pylist().count("champion")
        except InputError as error:
            yield from error.faults
        if found is not None and found != wanted:
            what = f"{found:,} rows of the champion, which was judged on {wanted:,}"
            yield Fault(f"{run.location}/predictions/{split}.parquet", what, _RESTORE)


def _bundle(location: str | Path) -> Iterator[Fault]:
    try:
        load(location)
    except InputError as error:
        yield from error.faults
