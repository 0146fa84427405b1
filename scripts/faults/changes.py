"""Changes to a run between two processes: an edited space, other data, other versions, damaged files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faults.search import SPACE, Ended, FaultOutcome, Row, SearchProcess, compare, require, searching
from tuner.ledger.run_directory import CHECKPOINTS


def changed_inputs(folder: Path, *, seed: int) -> FaultOutcome:
    """Resume a run with another space, other data and another tuner, which is refused. Then resume it with more time and
    another Ray, which works."""
    with searching(folder, space=SPACE.replace("builtin:digits", str(folder / "digits.parquet"))) as search:
        write_digits(folder / "digits.parquet")
        search.run("search.trials=4", f"search.seed={seed}")
        search.wait_until(search.finished)
        before = search.finished()
        search.kill_driver()
        refusals = refused_changes(search)
        _edit_environment(search, "ray", "2.0.0")
        search.resume("search.time=20m")
        messages = search.finish_well().stderr
        for note in ("search.time is", "ray is"):
            require(f"note: {note}" in messages, messages)
        require(not search.faults(), str(search.faults()))
        lost, repeated = compare(before, search.trials())
    return FaultOutcome(
        fault="resume with what is not the run's own",
        times=3,
        lost=lost,
        repeated=repeated,
        notes={"refused": refusals},
    )


def refused_changes(search: SearchProcess) -> list[str]:
    """Change each thing that a run depends on. Return what `tuner resume` says; it must not change any file."""
    data = search.folder / "digits.parquet"
    space, environment = search.location / "space.yaml", search.location / "environment.json"
    return [
        _refused(search, space, lambda: _replace(space, "high: 32", "high: 48"), "space.hidden is 8 to 48"),
        _refused(search, data, lambda: _exchange_label(data), "its content has changed since the run began"),
        _refused(
            search, environment, lambda: _edit_environment(search, "tuner", "0.0.9"), "the run began with tuner 0.0.9"
        ),
    ]


def write_digits(path: Path) -> None:
    """Write the built-in digits to a file that can be replaced."""
    from tuner.data.builtin import builtin_table

    pq.write_table(builtin_table("builtin:digits"), path)


def _refused(search: SearchProcess, file: Path, change: Callable[[], None], message: str) -> str:
    kept = search.folder / "kept"
    shutil.copy(file, kept)
    change()
    before = _fingerprint(search.location)
    ended = search.call("resume", search.location)
    after = _fingerprint(search.location)
    shutil.copy(kept, file)
    require(
        ended.code == 2 and message in ended.stderr,
        f"{message!r} is expected, code {ended.code}: {ended.stderr[-1500:]}",
    )
    changed = sorted({name for name, _ in set(before.items()) ^ set(after.items())})
    require(not changed, f"a resume that was refused has changed the run's directory: {', '.join(changed)}")
    return _told(ended)


def _told(ended: Ended) -> str:
    return next(line for line in ended.stderr.splitlines() if line.startswith("error: "))


def _replace(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    require(before in text, f"{before!r} is not in {path}")
    path.write_text(text.replace(before, after))


def _exchange_label(path: Path) -> None:
    table = pq.read_table(path)
    labels = table["label"].to_pylist()
    labels[0] = labels[1] if labels[1] != labels[0] else labels[-1]
    pq.write_table(table.set_column(table.schema.get_field_index("label"), "label", pa.array(labels)), path)


def _edit_environment(search: SearchProcess, package: str, version: str) -> None:
    path = search.location / "environment.json"
    environment: dict[str, Any] = json.loads(path.read_text())
    environment["versions"][package] = version
    path.write_text(json.dumps(environment))


def _fingerprint(folder: Path) -> Mapping[str, str]:
    """Return each file's content, without checkpoints and weights: workers of a killed driver may still write those."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name != ".lock"  # it belongs to a dead process and is not part of the run
        and path.relative_to(folder).parts[0] not in (CHECKPOINTS, "finalists")
    }


# --- damaged files ------------------------------------------------------------------------------------------------------


def damaged_parts(folder: Path, *, seed: int) -> FaultOutcome:
    """Cut one part of the table of trials short, flip a byte in one part of the reports, then resume."""
    with searching(folder) as search:
        search.run("search.trials=8", "resources.concurrent=1", f"search.seed={seed}")
        search.wait_until(lambda: len(search.finished()) >= 4)
        search.kill_driver()
        spoilt = spoil(search)
        named = search.faults()
        require(
            all(any(str(part) in fault for fault in named) for part in spoilt), f"{spoilt} have to be named: {named}"
        )
        kept = search.finished()
        search.resume()
        messages = search.finish_well().stderr
        require(all(part.name in messages for part in spoilt), f"{spoilt} must be named: {messages[-1500:]}")
        trials = search.trials()
        lost, repeated = compare(kept, trials)
        _check_all_there(trials)
        damaged = sorted(path.name for path in (search.location / "damaged").iterdir())
        require(len(damaged) == len(spoilt), str(damaged))
        faults = search.faults()
    notes = {"damaged": damaged, "kept": len(kept), "verify after": faults}
    return FaultOutcome(fault="a part cut short, a byte flipped", times=2, lost=lost, repeated=repeated, notes=notes)


def spoil(search: SearchProcess) -> list[Path]:
    """Damage the part with the second ending, and the first part of the reports. Return both.

    The flipped byte belongs to a value: a tenth of a part's bytes are statistics that no reader uses.
    """
    ended = [part for part in sorted((search.location / "trials").iterdir()) if _has_ending(part)]
    cut, flipped = ended[1], sorted((search.location / "reports").iterdir())[0]
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    content = bytearray(flipped.read_bytes())
    column = pq.read_metadata(flipped).row_group(0).column(0)
    begin = column.dictionary_page_offset or column.data_page_offset  # small parts have no dictionary
    content[begin + column.total_compressed_size - 1] ^= 0xFF
    flipped.write_bytes(content)
    return [cut, flipped]


def _has_ending(part: Path) -> bool:
    rows: list[Row] = pq.read_table(part).to_pylist()
    return any(row["ending"] is not None for row in rows)


def _check_all_there(trials: Mapping[int, Row]) -> None:
    open_ = [number for number, row in trials.items() if row["ending"] is None]
    require(not open_, f"trials without an ending: {open_}")
    require(sorted(trials) == list(range(len(trials))), f"numbers that are missing: {sorted(trials)}")


FAULTS: tuple[Callable[..., FaultOutcome], ...] = (changed_inputs, damaged_parts)
