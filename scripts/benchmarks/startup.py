"""The time of `tuner --help`, and a check that it imports neither torch nor ray."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.material import ROOT
from benchmarks.row import Row, at_most

ROUNDS = 11
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


def measure() -> list[Row]:
    """Start `python -m tuner --help` several times, with a warm file cache as a person has it from the second call on."""
    seconds = [_timed([sys.executable, "-m", "tuner", "--help"]) for _ in range(ROUNDS + 1)][1:]
    bare = statistics.median(_timed([sys.executable, "-c", ""]) for _ in range(ROUNDS))
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


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start
