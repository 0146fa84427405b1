"""The time of `tuner --help`, of verbs that read a run or use its model on 500 rows, and until a search takes its first step."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.material import ROOT, run_tuner, shared
from benchmarks.row import Row, at_most
from benchmarks.searches import first_step_s

ROUNDS = 11
VERB_ROUNDS = 5
N_ROWS = 500
SEARCH_ROUNDS = 3
SEARCH_TIMEOUT_S = 600
EARLY_REPORTS = ("search.time=30s", "search.max_epochs=1", "search.reports_per_epoch=32")
SHORT_SEARCH = (
    "search.trials=3",
    "search.time=5m",
    "search.max_epochs=2",
    "search.finalists=1",
    "search.seeds=1",
    "space.hidden=32",
    "space.layers=1",
)
HEAVY = ("torch", "ray", "sklearn", "imblearn", "optuna", "pyarrow", "scipy", "numpy", "pydantic")
_LIST_MODULES = """
import sys
from tuner.__main__ import main
sys.argv = ["tuner", "--help"]
try:
    main()
except SystemExit:
    pass
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@dataclass(frozen=True)
class Taken:
    """Seconds that a command took by the clock, and that it kept a processor busy."""

    wall_s: float
    processor_s: float


def measure() -> list[Row]:
    """Start each command several times, with a warm file cache as a person has it from the second call on."""
    return [*_help_rows(), *_first_step_rows(), *_verb_rows()]


def _first_step_rows() -> list[Row]:
    """Start searches of 43,410 texts that report early, and read from their ledgers when the first trial began to train."""
    from tuner.ledger.run_directory import read_measurements

    data = str(shared("data", "goemotions", "train.parquet"))
    settings = [part for setting in EARLY_REPORTS for part in ("--set", setting)]
    seconds = []
    for _ in range(SEARCH_ROUNDS):
        with tempfile.TemporaryDirectory(prefix="tuner-startup-") as runs:
            run_tuner(
                *("run", "multilabel", "--data", data, "--name", "x", "--runs", runs, *settings),
                timeout_s=SEARCH_TIMEOUT_S,
            )
            seconds.append(min(map(first_step_s, read_measurements(f"{runs}/x").to_pylist())))
    detail = f"{SEARCH_ROUNDS} searches of 43,410 texts, {min(seconds):.1f} to {max(seconds):.1f} s after the command"
    return [at_most("tuner run: first training step, median", 6, statistics.median(seconds), "s", detail)]


def _help_rows() -> list[Row]:
    seconds = [_timed([sys.executable, "-m", "tuner", "--help"], ROOT).wall_s for _ in range(ROUNDS + 1)][1:]
    bare = statistics.median(_timed([sys.executable, "-c", ""], ROOT).wall_s for _ in range(ROUNDS))
    done = subprocess.run([sys.executable, "-c", _LIST_MODULES], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(done.stderr.split())
    heavy = [name for name in HEAVY if name in imported]
    wanted = [name for name in ("torch", "ray") if name in imported]
    return [
        at_most(
            "tuner --help, median",
            0.3,
            statistics.median(seconds),
            "s",
            f"{ROUNDS} starts, {min(seconds):.3f} to {max(seconds):.3f} s; an empty Python takes {bare:.3f} s",
        ),
        at_most(
            "torch and ray imported by it",
            0,
            len(wanted),
            "packages",
            f"heavy packages imported: {', '.join(heavy) or 'none'}",
        ),
    ]


def _verb_rows() -> list[Row]:
    """Search the built-in documents for three trials, then time what people do with such a run."""
    folder = Path(tempfile.mkdtemp(prefix="tuner-startup-"))
    try:
        settings = [part for setting in SHORT_SEARCH for part in ("--set", setting)]
        runs = ("--name", "x", "--runs", str(folder / "runs"))
        run_tuner("run", "multilabel", *settings, *runs, timeout_s=SEARCH_TIMEOUT_S)
        _write_rows(folder / "rows.jsonl")
        tuner = (sys.executable, "-m", "tuner")
        commands: dict[str, tuple[float, Sequence[str]]] = {
            "tuner ls": (0.5, (*tuner, "ls")),
            "tuner show x": (0.5, (*tuner, "show", "x")),
            "tuner verify x": (1.0, (*tuner, "verify", "x")),
            'tuner.load("runs/x")': (1.5, (sys.executable, "-c", "import tuner; tuner.load('runs/x')")),
            f"tuner predict x, {N_ROWS} rows": (2.5, (*tuner, "predict", "x", "rows.jsonl")),
            f"tuner evaluate x, {N_ROWS} rows": (2.5, (*tuner, "evaluate", "x", "rows.jsonl")),
        }
        return [_verb_row(name, asked, command, folder) for name, (asked, command) in commands.items()]
    finally:
        shutil.rmtree(folder)


def _verb_row(name: str, asked: float, command: Sequence[str], folder: Path) -> Row:
    taken = [_timed(command, folder) for _ in range(VERB_ROUNDS + 1)][1:]
    wall = statistics.median(each.wall_s for each in taken)
    processor = statistics.median(each.processor_s for each in taken)
    return at_most(f"{name}, median", asked, wall, "s", f"{VERB_ROUNDS} starts; {processor:.2f} s of processor time")


def _write_rows(path: Path) -> None:
    """Write labelled rows of the built-in documents as JSON Lines."""
    from tuner.data.load import load_data
    from tuner.space.settings import DataSettings

    dataset = load_data(DataSettings(train="builtin:docstrings", labels="labels"), "multilabel", seed=0)
    rows = zip(dataset.train.inputs, dataset.train.targets, strict=True)
    lines = [
        json.dumps({"text": text, "labels": [dataset.labels[place] for place in targets.nonzero()[0]]})
        for text, targets in list(rows)[:N_ROWS]
    ]
    path.write_text("\n".join(lines))


def _timed(command: Sequence[str], folder: Path) -> Taken:
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
