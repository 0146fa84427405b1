"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.catalogue import NAMES, ONLY_BY_NAME, first_line, measure
from benchmarks.material import ROOT, count_cores
from benchmarks.row import Row, SkippedError

BUSY_LOAD = 0.5  # a load average above this before a benchmark begins means that somebody else is at work

DESCRIPTION = """\
Measure what is asked of tuner. Prints a table, asked beside measured, and writes FOLDER/NAME.json.
Without a NAME all benchmarks run but those that take ten minutes and more: see --list.

example:
  scripts/bench throughput gate --out bench-out
"""
EPILOG = """\
Comparison material (bench/ and data/) is looked for in ../shared beside the repository, or in $TUNER_SHARED;
benchmarks that need it are skipped without it. Searches on goemotions begin with the word vectors in the file that
$TUNER_VECTORS names, if it names one, as scripts/vectors fetches it. $TUNER_PYTHON names another interpreter than .venv's.
Ends with 0, 1 where something asked does not hold or a benchmark broke, 2 for bad usage.
"""


def main() -> int:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--out", type=Path, default=ROOT / "bench-out", metavar="FOLDER", help="default: bench-out/")
    parser.add_argument("--list", action="store_true", help="say what each benchmark measures, and run none")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if arguments.list:
        for name in NAMES:
            print(f"{name:<12}{first_line(name)}{' (only when named)' if name in ONLY_BY_NAME else ''}")
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.names or [name for name in NAMES if name not in ONLY_BY_NAME]
    outcomes = [run(name, arguments.out) for name in names]
    return 0 if all(outcomes) else 1


def run(name: str, out: Path) -> bool:
    """Run one benchmark in a process of its own, print and write its rows; return whether all that is asked holds."""
    print(f"\n{name}: {first_line(name)}", flush=True)
    machine = describe_machine()
    start = time.monotonic()
    rows: list[Row] = []
    problem = None
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            rows = process.submit(measure, name).result()
    except SkippedError as reason:
        problem = f"skipped: {reason}"
    except Exception as error:  # noqa: BLE001 - told, written, and counted as a failure; the other benchmarks go on
        problem = f"broken: {type(error).__name__}: {error}"
    print_rows(rows)
    if problem:
        print(f"  {problem}")
    load = machine["load_average_before"]
    if load > BUSY_LOAD:
        said = f"load average {load:.1f} before it began, so others were at work"
        print(f"  {said}")
        rows = [replace(row, detail=f"{row.detail}; {said}" if row.detail else said) for row in rows]
    seconds = time.monotonic() - start
    written = {"name": name, "problem": problem, "seconds": round(seconds, 1), "machine": machine}
    content = {**written, "rows": [asdict(row) for row in rows]}
    (out / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print(f"  {seconds:.0f} s", flush=True)
    is_broken = problem is not None and problem.startswith("broken")
    return not is_broken and all(row.holds is not False for row in rows)


def print_rows(rows: Sequence[Row]) -> None:
    """Print rows as a table, the detail of each below it."""
    if not rows:
        return
    width = max(len(row.name) for row in rows)
    print(f"  {'':<{width}}  {'asked':>9}  {'measured':>10}  {'unit':<12} holds")
    for row in rows:
        measured = (
            "" if row.measured is None else f"{row.measured:.3g}" if abs(row.measured) < 100 else f"{row.measured:,.0f}"
        )
        holds = "" if row.holds is None else "yes" if row.holds else "NO"
        print(f"  {row.name:<{width}}  {row.asked:>9}  {measured:>10}  {row.unit:<12} {holds}".rstrip())
        for line in textwrap.wrap(row.detail, 112):
            print(f"      {line}")


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on; no paths."""
    return {
        "processor": processor(),
        "cores": count_cores(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("torch", "ray", "numpy", "optuna", "scikit-learn")},
        "revision": revision(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def revision() -> str | None:
    """The git revision, with a + where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main())
