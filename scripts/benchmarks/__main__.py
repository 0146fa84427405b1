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

BUSY_LOAD = 0.5  # a higher load average before a benchmark starts means that other work is running

DESCRIPTION = """\
Measure what is asked of tuner. Prints each figure beside what was asked, and writes FOLDER/NAME.json.
Without a NAME, all benchmarks run except those that take ten minutes or more: see --list.

examples:
  scripts/bench throughput gate --out bench-out
  scripts/bench strength --help     a benchmark with options: what champions of shipped spaces score on test
  scripts/bench remedies --help     an experiment: what each setting does to the score
  scripts/bench curves --help       an experiment: learning curves on which the gate is replayed
"""
EPILOG = """\
Comparison material (bench/ and data/) is read from ../shared beside the repository, or from $TUNER_SHARED. Benchmarks that
need it are skipped if it is absent. $TUNER_VECTORS names a file of word vectors for the searches on goemotions, as
scripts/vectors fetches it. $TUNER_PYTHON names an interpreter to use instead of .venv's.
Exit codes: 0 if all holds, 1 if something asked does not hold or a benchmark broke, 2 for bad usage.
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
    parser.add_argument("--dry-run", action="store_true", help="gpu only: try on CPUs, for moments, what needs no GPU")
    parser.add_argument("--list", action="store_true", help="print what each benchmark measures, and run none")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; choose from {', '.join(NAMES)}")
    if arguments.list:
        for name in NAMES:
            print(f"{name:<12}{first_line(name)}{' (only when named)' if name in ONLY_BY_NAME else ''}")
        return 0
    if arguments.dry_run:
        os.environ["TUNER_BENCH_DRY_RUN"] = "1"  # benchmarks run in processes of their own
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.names or [name for name in NAMES if name not in ONLY_BY_NAME]
    outcomes = [run(name, arguments.out) for name in names]
    return 0 if all(outcomes) else 1


def run(name: str, out: Path) -> bool:
    """Run one benchmark in a process of its own. Print and write its rows. Return whether everything asked holds."""
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
    except Exception as error:  # noqa: BLE001 - printed, written, and counted as a failure; the other benchmarks go on
        problem = f"broken: {type(error).__name__}: {error}"
    print_rows(rows)
    if problem:
        print(f"  {problem}")
    load = machine["load_average_before"]
    if load > BUSY_LOAD:
        warning = f"load average {load:.1f} before it started, so other work was running"
        print(f"  {warning}")
        rows = [replace(row, detail=f"{row.detail}; {warning}" if row.detail else warning) for row in rows]
    seconds = time.monotonic() - start
    written = {"name": name, "problem": problem, "seconds": round(seconds, 1), "machine": machine}
    content = {**written, "rows": [asdict(row) for row in rows]}
    (out / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print(f"  {seconds:.0f} s", flush=True)
    is_broken = problem is not None and problem.startswith("broken")
    return not is_broken and all(row.holds is not False for row in rows)


def print_rows(rows: Sequence[Row]) -> None:
    """Print rows as a table, each with its detail below it."""
    if not rows:
        return
    width = max(len(row.name) for row in rows)
    print(f"  {'':<{width}}  {'target':>9}  {'measured':>10}  {'unit':<12} holds")
    for row in rows:
        measured = (
            "" if row.measured is None else f"{row.measured:.3g}" if abs(row.measured) < 100 else f"{row.measured:,.0f}"
        )
        holds = "" if row.holds is None else "yes" if row.holds else "NO"
        print(f"  {row.name:<{width}}  {row.asked:>9}  {measured:>10}  {row.unit:<12} {holds}".rstrip())
        for line in textwrap.wrap(row.detail, 112):
            print(f"      {line}")


def describe_machine() -> dict[str, Any]:
    """Return a description of the machine, without paths."""
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
    """Return the processor's name if the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def revision() -> str | None:
    """Return the git revision, with a + if files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main())
