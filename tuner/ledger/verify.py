"""Check that a run's directory is complete: every file, every checksum, and tables that agree with each other."""

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

from tuner.bundle.bundle_files import read_files
from tuner.bundle.bundle_json import FILES
from tuner.bundle.known_rows import read_known_rows
from tuner.errors import Fault, InputError, MissingFileError
from tuner.ledger.distilled import OUTSIDE_MANIFEST, damaged_distilled
from tuner.ledger.extensions import identify_champion
from tuner.ledger.lock import LOCK
from tuner.ledger.predictions import CHAMPION, read_predictions
from tuner.ledger.rows import measurements_by_trial
from tuner.ledger.run_directory import (
    CHECKPOINTS,
    Run,
    held_out_name,
    read_run,
    refuse_absent,
    weights_name,
)
from tuner.ledger.run_files import read_json_file
from tuner.ledger.tables import read_parts
from tuner.storage import Folder

_RESTORE = "restore it from a copy"
_CLOSE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The result of checking a run's directory. `status` is the run's status, or "unreadable" if a file prevents reading it."""

    name: str
    status: str
    has_manifest: bool
    faults: tuple[Fault, ...]

    def describe(self) -> dict[str, Any]:
        """Return what `tuner verify --format json` prints."""
        return {**asdict(self), "is_whole": not self.faults}


def verify(location: str | Path) -> Verification:
    """Check a run's directory.

    Compares the files with the sizes and checksums of the manifest, parts of tables and checkpoints with their own
    checksums, trials with their measurements, and predictions with the splits. Reads the champion's bundle, and loads its
    network unless every file is as the manifest says. A run without a manifest is still running or was cut off; the files
    written so far are checked. Raises LedgerError if there is no run.
    """
    folder = Folder.at(location)
    refuse_absent(folder, location)
    manifest = _read_manifest(folder)
    faults = list(_files(folder, manifest))
    is_as_written = not faults and {f"champion/{name}" for name in FILES} <= set(manifest.get("files") or ())
    status = "unreadable"
    try:
        run = read_run(location)
        status = run.status
        measurements, damaged = read_parts(folder, "reports")
        faults += [*run.damaged, *damaged]
        if not faults:  # otherwise these checks would only repeat the faults
            faults += [*_trials(folder, run.trials, measurements.to_pylist()), *_predictions(folder, run)]
        faults.extend(_unfinished(folder, run))
    except InputError as error:  # includes StorageError: a folder in place of a file
        faults += error.faults
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"a file does not hold what tuner writes there ({type(error).__name__}: {error})"
        faults.append(Fault(str(folder), what, _RESTORE))
    # Without champion.json, the run was cut off while it wrote the bundle.
    if folder.exists("champion") and folder.exists("champion.json"):
        faults += _bundle(folder, location, is_as_written=is_as_written)
    faults += _distilled(folder, location)
    return Verification(
        name=folder.path.rsplit("/", 1)[-1],
        status=status,
        has_manifest=folder.exists("manifest.json"),
        faults=tuple(dict.fromkeys(faults)),
    )


def _read_manifest(folder: Folder) -> Mapping[str, Any]:
    with suppress(ValueError, MissingFileError):  # reading the run reports the fault
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
        yield Fault(f"{folder}/manifest.json", "its list of files was not written by tuner", _RESTORE)
        return
    apart = (*unfinished, *OUTSIDE_MANIFEST)
    present = {name for name in folder.all_files() if not name.startswith(apart)} - {"manifest.json", LOCK}
    both = sorted(present & set(listed))
    checked = dict(zip(both, folder.map(lambda name: tuple(_checksum(folder, name, listed[name])), both), strict=True))
    for name in sorted(present | set(listed)):
        if name not in present:
            yield Fault(f"{folder}/{name}", "the manifest lists this file, but it is not there", _RESTORE)
        elif name not in listed:
            yield Fault(f"{folder}/{name}", "not part of the run: the manifest does not list it", "move it elsewhere")
        else:
            yield from checked[name]


def _unfinished(folder: Folder, run: Run) -> Iterator[Fault]:
    """Check files that the manifest does not list: checkpoints by their own checksums, and weights of interrupted trials.

    A finalist's weights must exist. Only the best search trials keep theirs.
    """
    from tuner.training.state import from_bytes

    scored = [row for row in run.trials if row["score"] is not None]
    is_required = {weights_name(row["trial"]): row["phase"] == "finalist" for row in scored}
    is_required |= {held_out_name(name): is_needed for name, is_needed in is_required.items()}
    for name in set(is_required).intersection(run.manifest.get("unfinished_files", ())):
        try:
            safetensors.numpy.load(folder.read(name))
        except MissingFileError:
            if is_required[name]:
                yield Fault(f"{folder}/{name}", "its trial has a score, but this file is not there", _RESTORE)
        except safetensors.SafetensorError as error:
            yield Fault(f"{folder}/{name}", f"not a complete safetensors file ({error})", _RESTORE)
    checkpoints = folder.below(CHECKPOINTS)
    for name in checkpoints.names():
        try:
            from_bytes(checkpoints.read(name))
        except MissingFileError:  # its trial has ended in the meantime
            continue
        except ValueError as error:
            yield Fault(
                f"{checkpoints}/{name}", str(error), "delete it; its trial starts again when the run is resumed"
            )


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("bytes"), int) and isinstance(value.get("sha256"), str)


def _checksum(folder: Folder, name: str, entry: Mapping[str, Any]) -> Iterator[Fault]:
    content = folder.read(name)
    if len(content) != entry["bytes"]:
        yield Fault(f"{folder}/{name}", f"{len(content):,} bytes, but {entry['bytes']:,} were written", _RESTORE)
    elif hashlib.sha256(content).hexdigest() != entry["sha256"]:
        yield Fault(f"{folder}/{name}", "its checksum (SHA-256) is not the one in the manifest", _RESTORE)


def _trials(
    folder: Folder, trials: Sequence[Mapping[str, Any]], measurements: Sequence[Mapping[str, Any]]
) -> Iterator[Fault]:
    """Check that each trial's score is the best of its measurements that count."""
    by_trial = measurements_by_trial(measurements)
    for number in sorted(by_trial.keys() - {row["trial"] for row in trials}):
        yield Fault(
            f"{folder}/reports", f"measurements of trial {number}, which is missing from the table of trials", _RESTORE
        )
    for row in trials:
        if row["ending"] is None:
            continue  # it is still running
        scores = [measurement["score"] for measurement in by_trial.get(row["trial"], [])]
        best = max((score for score in scores if score is not None and math.isfinite(score)), default=None)
        if (best is None) != (row["score"] is None) or (best is not None and abs(best - row["score"]) > _CLOSE):
            what = f"trial {row['trial']} has score {row['score']}, but the best of its measurements is {best}"
            yield Fault(f"{folder}/trials", what, _RESTORE)


def _predictions(folder: Folder, run: Run) -> Iterator[Fault]:
    """Check that there is a prediction for every row that the champion was evaluated on."""
    for split in ("validation", "test"):
        if split not in run.champion:
            continue
        evaluated = run.champion[split]["rows"]
        try:
            predicted = read_predictions(run.location, split)["model"].to_pylist().count(CHAMPION)
        except InputError as error:
            yield from error.faults
            continue
        if predicted != evaluated:
            what = f"it has {predicted:,} rows of the champion, but the champion was evaluated on {evaluated:,}"
            yield Fault(f"{folder}/predictions/{split}.parquet", what, _RESTORE)


def _distilled(folder: Folder, location: str | Path) -> Iterator[Fault]:
    """Check the files of the distilled model, if there is one, by their own checksums."""
    try:
        yield from damaged_distilled(folder, str(location))
    except InputError as error:
        yield from error.faults


def _bundle(folder: Folder, location: str | Path, *, is_as_written: bool) -> Iterator[Fault]:
    """Load the champion's bundle. If the manifest vouches for its files, check them without the network, which needs torch."""
    try:
        members = read_files(location).described["members"]
        if not is_as_written:
            from tuner.bundle.model_bundle import load

            load(location)
        read_known_rows(location)
        yield from _members(folder, members)
    except InputError as error:
        yield from error.faults


def _members(folder: Folder, members: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """Check that champion.json describes the members of the bundle: the same ones, with the same one as their lead."""
    held = [{**each, "trial": each.get("trial"), "baseline": each.get("name")} for each in members]
    of_bundle = identify_champion({"trial": held[0]["trial"], "committee": {"members": held}})
    try:
        described = identify_champion(read_json_file(folder, "champion", {}))
        if described != of_bundle:
            what = f"it describes {_in_words(*described)}; but the bundle holds {_in_words(*of_bundle)}"
            yield Fault(f"{folder}/champion.json", what, "restore it and champion/ from the same copy")
    except (InputError, AttributeError, LookupError, TypeError):
        return  # reading the run has reported it


def _in_words(lead: object, members: Sequence[tuple[object, object]]) -> str:
    named = (f"{f'trial {name}' if isinstance(name, int) else name} (weight {weight})" for name, weight in members)
    return f"{', '.join(named)}, led by trial {lead}"
