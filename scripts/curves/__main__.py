"""The command line of `scripts/record_curves`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from ablation.results import Line, append, drop_cut_line, exit_code, read_results
from benchmarks.material import count_cores
from curves.sets import SETS, TO_CHOOSE_ON, find_set
from curves.training import Order

DESCRIPTION = """\
Train mixed trials to the end of their budget, without gate or rungs, and keep their curves.

examples:
  scripts/record_curves run --trials 110 --out curves.jsonl
  scripts/record_curves convert curves.jsonl tests/curves/gate_curves.parquet
  scripts/record_curves bounds tests/curves/gate_curves.parquet

A recording can be stopped at any time, and goes on where it was when it is started again.
"""


def main() -> int:
    """Run what the command line says."""
    arguments = _read_arguments()
    return exit_code({"run": _run, "convert": _convert, "bounds": _bounds}[arguments.command], arguments)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/record_curves", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train, and append to a file of results")
    run.add_argument("--out", type=Path, required=True, metavar="FILE", help="results, a JSON line a trial")
    run.add_argument("--trials", type=int, default=110, metavar="N", help="of each set; default: 110")
    run.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET", help=f"of {', '.join(SETS)}")
    run.add_argument("--processes", type=int, metavar="N", help="default: one a core")
    convert = commands.add_parser(
        "convert", help="put the sets of the results in place of those of the small Parquet file that the tests read"
    )
    convert.add_argument("results", type=Path)
    convert.add_argument("parquet", type=Path)
    bounds = commands.add_parser(
        "bounds", help="choose the gate's bounds on half of the sets and judge them on the others"
    )
    bounds.add_argument("parquet", type=Path)
    return parser.parse_args()


def _orders(arguments: argparse.Namespace) -> list[Order]:
    """Set by set in turns, so that an early end leaves as many of each. Made sets are written beside the results."""
    sets = [find_set(name, arguments.out.parent / "made") for name in arguments.sets]
    return [
        Order(
            material=material,
            index=index,
            epochs=each.max_epochs,
            reports_per_epoch=each.reports_per_epoch,
            limit_rows=each.limit_rows,
            validation_rows=each.validation_rows,
        )
        for index in range(arguments.trials)
        for each, material in sets
    ]


def _run(arguments: argparse.Namespace) -> int:
    from ablation.crew import run_orders
    from curves.training import failed, run_order

    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes' torch
    out: Path = arguments.out
    orders = _orders(arguments)
    drop_cut_line(out)
    done = {(line["set"], line["index"]) for line in read_results(out) if line["outcome"] != "failed"}
    left = [order for order in orders if order.key not in done]
    print(f"{len(orders) - len(left)} of {len(orders)} trials are there, {len(left)} to go", file=sys.stderr)
    if not left:
        return 0
    start, count = time.monotonic(), 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a") as file:

        def take(line: Line) -> None:
            nonlocal count
            append(file, line)
            count += 1
            left_s = (time.monotonic() - start) / count * (len(left) - count)
            print(f"[{count}/{len(left)}, {left_s / 60:.0f} min left] {_told(line)}", file=sys.stderr, flush=True)

        run_orders(left, arguments.processes or count_cores(), take, run=run_order, fail=failed)
    return 0


def _told(line: Line) -> str:
    who = f"{line['set']} {line['index']} ({line['kind']})"
    if line["outcome"] != "trained":
        return f"{who}: {line['outcome']}: {line['reason']}"
    scores = ["-" if measurement["score"] is None else f"{measurement['score']:.2f}" for measurement in line["reports"]]
    return f"{who}: {' '.join(scores)} in {line['processor_seconds']:.0f} s"


def _convert(arguments: argparse.Namespace) -> int:
    import pyarrow.parquet as pq

    from curves.table import write_table

    path: Path = arguments.parquet
    count = write_table(read_results(arguments.results), path, kept=pq.read_table(path) if path.exists() else None)
    print(f"{arguments.parquet}: {count} trials, {arguments.parquet.stat().st_size:,} bytes")
    return 0


def _bounds(arguments: argparse.Namespace) -> int:
    from curves.bounds import candidates, holding, holds, middle, outcomes
    from curves.table import read_curves
    from tuner.pruners.gate import GateSettings

    curves = read_curves(arguments.parquet)
    chosen_on = [curve for curve in curves if curve.set_name in TO_CHOOSE_ON]
    others = [curve for curve in curves if curve.set_name not in TO_CHOOSE_ON]

    def tell(settings: GateSettings) -> None:
        print(f"  {settings}")
        for of_set in (chosen_on, others):
            for each in outcomes(of_set, settings):
                told = f"{len(each.killed)} of {len(each.best)} best killed"
                print(f"  {each.set_name}: {told}, {len(each.stopped)} of {len(each.collapsed)} collapsed stopped")
            print("  --")

    print(f"as shipped; bounds are chosen on {', '.join(TO_CHOOSE_ON)}")
    tell(GateSettings())
    good = holding(chosen_on)
    both = sum(all(map(holds, outcomes(others, each))) for each in good)
    print(f"{len(good)} of {sum(1 for _ in candidates())} bounds hold on these; {both} of them on the other sets")
    if good:
        print("the middle of what holds")
        tell(middle(good))
    return 0


if __name__ == "__main__":
    sys.exit(main())
