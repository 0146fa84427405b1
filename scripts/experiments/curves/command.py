"""The command line of `scripts/bench curves`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.material import count_cores
from experiments.curves.sets import SETS, TO_CHOOSE_ON, find_set
from experiments.curves.training import CurveJob
from experiments.results import Line, drop_cut_line, exit_code, read_results

DESCRIPTION = """\
Train mixed trials to the end of their budget, without gate or rungs, and keep their learning curves.

examples:
  scripts/bench curves run --trials 110 --out curves.jsonl
  scripts/bench curves convert curves.jsonl tests/curves/gate_curves.parquet
  scripts/bench curves bounds tests/curves/gate_curves.parquet

You can stop a recording at any time: the same command continues it.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name. Return the exit code."""
    parsed = _parser().parse_args(arguments)
    return exit_code({"run": _run, "convert": _convert, "bounds": _bounds}[parsed.command], parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench curves", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train, and append to a file of results")
    run.add_argument("--out", type=Path, required=True, metavar="FILE", help="results, one JSON line per trial")
    run.add_argument("--trials", type=int, default=110, metavar="N", help="trials of each set; default: 110")
    run.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET", help=f"of {', '.join(SETS)}")
    run.add_argument("--processes", type=int, metavar="N", help="default: one per core")
    convert = commands.add_parser(
        "convert", help="replace the sets of the results in the small Parquet file that the tests read"
    )
    convert.add_argument("results", type=Path)
    convert.add_argument("parquet", type=Path)
    bounds = commands.add_parser(
        "bounds", help="choose the gate's bounds on half of the sets and judge them on the other half"
    )
    bounds.add_argument("parquet", type=Path)
    return parser


def _orders(arguments: argparse.Namespace) -> list[CurveJob]:
    """Return the orders, the sets by turns, so that an early stop leaves equally many of each.

    Generated sets are written beside the results.
    """
    sets = [find_set(name, arguments.out.parent / "made") for name in arguments.sets]
    return [
        CurveJob(
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
    from experiments.curves.training import failed, run_order
    from experiments.runner import record

    out: Path = arguments.out
    orders = _orders(arguments)
    drop_cut_line(out)
    done = {(line["set"], line["index"]) for line in read_results(out) if line["outcome"] != "failed"}
    left = [order for order in orders if order.key not in done]
    print(f"{len(orders) - len(left)} of {len(orders)} trials are there, {len(left)} to go", file=sys.stderr)
    if left:
        processes = arguments.processes or count_cores()
        record(left, out, processes=processes, run=run_order, fail=failed, describe=_describe)
    return 0


def _describe(line: Line) -> str:
    trial = f"{line['set']} {line['index']} ({line['kind']})"
    if line["outcome"] != "trained":
        return f"{trial}: {line['outcome']}: {line['reason']}"
    scores = ["-" if measurement["score"] is None else f"{measurement['score']:.2f}" for measurement in line["reports"]]
    return f"{trial}: {' '.join(scores)} in {line['processor_seconds']:.0f} s"


def _convert(arguments: argparse.Namespace) -> int:
    import pyarrow.parquet as pq

    from experiments.curves.table import write_table

    path: Path = arguments.parquet
    count = write_table(read_results(arguments.results), path, kept=pq.read_table(path) if path.exists() else None)
    print(f"{arguments.parquet}: {count} trials, {arguments.parquet.stat().st_size:,} bytes")
    return 0


def _bounds(arguments: argparse.Namespace) -> int:
    from experiments.curves.bounds import candidates, holding, holds, middle, outcomes
    from experiments.curves.table import read_curves
    from tuner.pruners.gate import GateSettings

    curves = read_curves(arguments.parquet)
    chosen_on = [curve for curve in curves if curve.set_name in TO_CHOOSE_ON]
    others = [curve for curve in curves if curve.set_name not in TO_CHOOSE_ON]

    def show(settings: GateSettings) -> None:
        print(f"  {settings}")
        for of_set in (chosen_on, others):
            for each in outcomes(of_set, settings):
                killed = f"{len(each.killed)} of {len(each.best)} best killed"
                print(f"  {each.set_name}: {killed}, {len(each.stopped)} of {len(each.collapsed)} collapsed stopped")
            print("  --")

    print(f"as shipped; bounds are chosen on {', '.join(TO_CHOOSE_ON)}")
    show(GateSettings())
    good = holding(chosen_on)
    both = sum(all(map(holds, outcomes(others, each))) for each in good)
    print(f"{len(good)} of {sum(1 for _ in candidates())} bounds hold on these sets; {both} also hold on the others")
    if good:
        print("the middle of the bounds that hold")
        show(middle(good))
    return 0
