"""Memory of the driver, the workers and Ray by number of rows: 10,000, 100,000 and a million short texts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.material import ROOT, listed
from benchmarks.processes import descendants
from benchmarks.row import Row, SkippedError, at_most, explains

ROWS = (10_000, 100_000, 1_000_000)
WORDS_A_ROW = 20
LABELS = 5
EXAMPLES = 20_000  # a trial trains on about this many rows in every case, because the cost of a step does not grow with the rows
KINDS = ("driver", "driver beside trials", "trial worker", "baselines worker", "Ray and idle workers", "shared", "all")
TIMEOUT_S = 1500
_TOTALS = ("shared", "all")
_VOCABULARY = 30_000
_BLOCK = 50_000  # rows written at once
_EVERY_S = 0.2
_PREDICT_MB = 1500
_MB = 2**20
_SPACE = """
task: multilabel
data: {{train: {data}, labels: labels, validation: 0.05, test: 0.05, group: null}}
search:
  {{algorithm: random, trials: 2, max_epochs: {epochs}, grace_epochs: {epochs}, reports_per_epoch: {reports},
   finalists: 1, seeds: 1}}
resources: {{concurrent: 2}}
space:
  embedding: {{random: {{size: 16}}}}
  hidden: 16
  batch_size: 256
  learning_rate: {{low: 0.0009, high: 0.0011}}
"""


def measure() -> list[Row]:
    """Run `tuner run` on each size and sample all its processes several times a second."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise SkippedError("memory is read from /proc/PID/smaps_rollup, which does not exist here")
    with tempfile.TemporaryDirectory(prefix="tuner-bench-") as folder:
        peaks = {rows: _peaks_of_run(Path(folder), rows) for rows in ROWS}
        estimates = {rows: _estimate(Path(folder) / f"{rows}.yaml") for rows in ROWS}
        predicting = predict_csv(Path(folder), model=Path(folder) / "runs" / str(ROWS[0]), rows=ROWS[-1])
    rows = [row for kind in KINDS for row in _rows(kind, peaks)]
    return [*rows, _beside_estimate(peaks, estimates), predicting]


@dataclass
class Peaks:
    """The peaks in bytes of each kind of process: its own memory (USS), and with shared memory (RSS)."""

    own: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    resident: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, kind: str, own: int, resident: int) -> None:
        """Keep the larger values."""
        self.own[kind], self.resident[kind] = max(self.own[kind], own), max(self.resident[kind], resident)


def _rows(kind: str, peaks: Mapping[int, Peaks]) -> list[Row]:
    small, large = ROWS[-2], ROWS[-1]
    own = {f"{rows:,}": each.own[kind] / _MB for rows, each in peaks.items()}
    resident = {f"{rows:,}": each.resident[kind] / _MB for rows, each in peaks.items()}
    a_row = (peaks[large].own[kind] - peaks[small].own[kind]) / (large - small)
    by_rows = f"at {listed(own, ',.0f')} rows"
    with_shared = f"{by_rows}; with what it shares {listed(resident, ',.0f')}"
    return [
        explains(
            f"{kind}, {large:,} rows",
            peaks[large].own[kind] / _MB,
            "MB",
            with_shared if kind not in _TOTALS else by_rows,
        ),
        explains(f"{kind}, each further row", a_row, "bytes"),
    ]


def _estimate(space: Path) -> float:
    """Return the bytes that `tuner run` expects to need before it reads the data."""
    from tuner.search.memory_estimate import estimate_memory, size_of_files
    from tuner.space.load import load_space

    size = size_of_files(load_space(str(space)))
    if size is None:
        raise RuntimeError("the size of a local Parquet file is not known")
    return estimate_memory(size).most(2)


def _beside_estimate(peaks: Mapping[int, Peaks], estimates: Mapping[int, float]) -> Row:
    shares = {f"{rows:,}": estimates[rows] / each.own["all"] for rows, each in peaks.items()}
    return explains(
        f"estimate / memory used, {ROWS[-1]:,} rows",
        list(shares.values())[-1],
        "",
        f"at {listed(shares, '.2f')} rows",
    )


def _peaks_of_run(folder: Path, rows: int) -> Peaks:
    data, space = folder / f"{rows}.parquet", folder / f"{rows}.yaml"
    write_rows(data, rows)
    measurements = max(1, rows // EXAMPLES)
    space.write_text(_SPACE.format(data=data, epochs=1 / measurements, measurements=measurements))
    command = [sys.executable, "-m", "tuner", "run", str(space), "--name", str(rows), "--runs", str(folder / "runs")]
    log = folder / f"{rows}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    peaks, deadline = Peaks(), time.monotonic() + TIMEOUT_S
    try:
        while process.poll() is None and time.monotonic() < deadline:
            _look(process.pid, peaks)
            time.sleep(_EVERY_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode:
        raise RuntimeError(f"tuner run on {rows:,} rows ended with {process.returncode}: {log.read_text()[-2000:]}")
    return peaks


def predict_csv(folder: Path, *, model: Path, rows: int) -> Row:
    """Predict a CSV of so many rows, and return the memory and the processor's time that it takes."""
    import pyarrow.parquet as pq
    from pyarrow import csv

    data = folder / f"{rows}.parquet"
    if not data.exists():
        write_rows(data, rows)
    csv.write_csv(pq.read_table(data, columns=["text"]), folder / "new.csv")
    command = [sys.executable, "-m", "tuner", "predict", str(model), str(folder / "new.csv"), "--force"]
    with (folder / "predict.log").open("w") as output:
        out = str(folder / "predicted.csv")
        process = subprocess.Popen([*command, "--out", out], cwd=ROOT, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"tuner predict ended with {status}: {(folder / 'predict.log').read_text()[-2000:]}")
    size = (folder / "new.csv").stat().st_size / _MB
    detail = f"{usage.ru_utime + usage.ru_stime:,.0f} s of processor time; the file has {size:,.0f} MB"
    return at_most(f"predict, CSV of {rows:,} rows", _PREDICT_MB, usage.ru_maxrss / 1024, "MB", detail)


def _look(root: int, peaks: Peaks) -> None:
    own: dict[str, int] = defaultdict(int)
    resident: dict[str, int] = defaultdict(int)
    for process in descendants(root):
        try:
            memory = _memory(process.pid)
        except OSError:  # it has ended
            continue
        kind = _kind(process.command, is_root=process.pid == root)
        private = memory.get("Private_Clean", 0) + memory.get("Private_Dirty", 0)
        if kind == "Ray and idle workers":
            own[kind], resident[kind] = own[kind] + private, resident[kind] + memory["Rss"]
        else:
            own[kind], resident[kind] = max(own[kind], private), max(resident[kind], memory["Rss"])
        own["shared"] += memory.get("Pss_Shmem", 0)
        own["all"] += memory["Pss"]
    if "trial worker" in own:
        own["driver beside trials"], resident["driver beside trials"] = own["driver"], resident["driver"]
    for kind, value in own.items():
        peaks.note(kind, value, resident[kind])


def _kind(name: str, *, is_root: bool) -> str:
    if is_root:
        return "driver"
    if "_describe_on_worker" in name:
        return "baselines worker"
    return "trial worker" if "Trainable" in name or "TrialOnWorker" in name else "Ray and idle workers"


def _memory(pid: int) -> dict[str, int]:
    """Return the sums over a process's mappings in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in fields}


def write_rows(path: Path, rows: int) -> None:
    """Write texts of twenty words with frequencies as in a language, and labels that depend on words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = np.random.default_rng(0)
    words = np.array(["".join(generator.choice(list("abcdefghijklmnopqrstuvwxyz"), 6)) for _ in range(_VOCABULARY)])
    frequencies = 1 / np.arange(1, _VOCABULARY + 1)
    frequencies /= frequencies.sum()
    names = [f"label{number}" for number in range(LABELS)]
    schema = pa.schema({"text": pa.string(), "labels": pa.list_(pa.string())})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, _BLOCK):
            drawn = generator.choice(_VOCABULARY, (min(_BLOCK, rows - start), WORDS_A_ROW), p=frequencies)
            texts = [" ".join(row) for row in words[drawn].tolist()]
            has = [(drawn % 50 == number).any(axis=1) for number in range(LABELS)]
            labels = [
                [name for name, is_true in zip(names, row, strict=True) if is_true] for row in zip(*has, strict=True)
            ]
            writer.write_table(pa.table({"text": texts, "labels": labels}, schema=schema))
