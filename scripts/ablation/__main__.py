"""The command line of `scripts/remedies`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ablation.material import SETS, find_material
from ablation.plan import BASE_TRAININGS, orders_for
from ablation.results import Line, ResultsError, append, by_key, drop_cut_line, exit_code, read_results
from ablation.training import Order
from benchmarks.material import count_cores

DESCRIPTION = """\
Measure what every remedy does to the score: one change at a time from a base configuration, on any data.

examples:
  scripts/remedies run nlupp uea_japanesevowels goemotions davidson_hate --limit-rows 10000 --out results.jsonl
  scripts/remedies run my_space.yaml --only 'dropout*' --only 'resampling*' --out mine.jsonl
  scripts/remedies table results.jsonl > docs/REMEDIES.md
"""
EPILOG = f"""\
DATA is a set of the comparison material ({", ".join(SETS)}; looked for in ../shared beside the
repository, or in $TUNER_SHARED) or a space file: its data section, its max_epochs, and its parameters where they have one
value, all others at their defaults. A run can be stopped at any time, and goes on where it was when it is started again.
"""


def main() -> int:
    """Run what the command line says."""
    arguments = _read_arguments()
    return exit_code({"run": _run, "list": _list, "table": _table}[arguments.command], arguments)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/remedies",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train, and append to a file of results")
    said = commands.add_parser("list", help="say what would be trained, and train nothing")
    for command in (run, said):
        command.add_argument("data", nargs="+", metavar="DATA")
        command.add_argument("--seeds", type=_count, default=3, metavar="N", help="default: 3")
        command.add_argument("--only", action="append", metavar="PATTERN", help="remedies by name, as 'dropout*'")
        command.add_argument("--limit-rows", type=_count, metavar="N", help="training rows at most, drawn anew by seed")
        command.add_argument("--epochs", type=float, metavar="N", help="of each trial, in place of the set's own")
        command.add_argument(
            "--vectors", metavar="FILE", help="GloVe, word2vec or fastText vectors for embedding: file"
        )
    run.add_argument("--out", type=Path, required=True, metavar="FILE", help="results, a JSON line a training")
    run.add_argument("--processes", type=_count, metavar="N", help="default: one a core")
    table = commands.add_parser("table", help="print the table in Markdown")
    table.add_argument("results", type=Path, nargs="+", metavar="FILE")
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _orders(arguments: argparse.Namespace) -> list[Order]:
    patterns = arguments.only or ["*"]
    materials = {name: find_material(name) for name in arguments.data}
    return [
        order
        for order in orders_for(
            materials,
            seeds=arguments.seeds,
            epochs=arguments.epochs,
            limit_rows=arguments.limit_rows,
            vectors=arguments.vectors,
        )
        if order.is_base or any(fnmatchcase(order.remedy.name, pattern) for pattern in patterns)
    ]


def _list(arguments: argparse.Namespace) -> int:
    orders = _orders(arguments)
    by_remedy: dict[tuple[str, str], set[str]] = {}
    for order in orders:
        by_remedy.setdefault((order.remedy.group, order.remedy.name), set()).add(order.set_name)
    for (group, name), sets in by_remedy.items():
        print(f"{group:<52} {name}" + ("" if len(sets) == len(arguments.data) else f"  ({', '.join(sorted(sets))})"))
    print(
        f"{len(orders)} trainings, of them {BASE_TRAININGS} of each base and seed; some will be refused as meaningless"
    )
    return 0


def _run(arguments: argparse.Namespace) -> int:
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes' torch: a second thread makes small models slower
    out: Path = arguments.out
    orders = _orders(arguments)
    cut = drop_cut_line(out)
    if cut:
        print(f"{out}: dropped a last line that was cut short ({cut} bytes)", file=sys.stderr)
    lines = read_results(out)
    left = unfinished(orders, lines, out)
    print(f"{len(orders) - len(left)} of {len(orders)} trainings are there, {len(left)} to go", file=sys.stderr)
    if not left:
        return 0
    out.parent.mkdir(parents=True, exist_ok=True)
    return _train(left, out, arguments.processes or count_cores())


def _train(orders: Sequence[Order], out: Path, processes: int) -> int:
    from ablation.crew import run_orders

    start, done, broken = time.monotonic(), 0, 0
    with out.open("a") as file:

        def take(line: Line) -> None:
            nonlocal done, broken
            append(file, line)
            done += 1
            broken += line["outcome"] == "failed"
            left_s = (time.monotonic() - start) / done * (len(orders) - done)
            what = f"{line['score']:.3f}" if line.get("score") is not None else _told(line)
            who = f"{line['set']}, seed {line['seed']}, {line['remedy']}"
            print(f"[{done}/{len(orders)}, {left_s / 60:.0f} min left] {who}: {what}", file=sys.stderr, flush=True)

        run_orders(orders, processes, take)
    if broken:
        print(f"{broken} trainings failed; the same command tries them again", file=sys.stderr)
    return 1 if broken else 0


def _told(line: Line) -> str:
    return f"{line['outcome']}: {line['reason']}" if line.get("reason") else str(line["outcome"])


def unfinished(orders: Iterable[Order], lines: Sequence[Line], out: Path) -> list[Order]:
    """Return the orders that the lines have no result of. Raises ResultsError where they were made otherwise."""
    done = {key: line for key, line in by_key(lines).items() if line["outcome"] != "failed"}
    left = []
    made = {line["set"]: line for line in lines}
    for order in orders:
        former = made.get(order.set_name)
        for name in ("epochs", "limit_rows", "base"):
            if former is not None and former.get(name) != getattr(order, name):
                told = f"{former.get(name)}, but this run has {getattr(order, name)}"
                raise ResultsError(f"{out}: {order.set_name} was run with {name} {told}; name another file with --out")
        line = done.get(order.key)
        if line is None or line["change"] != order.remedy.change or line.get("vectors") != order.vectors_read:
            left.append(order)
    return left


def _table(arguments: argparse.Namespace) -> int:
    from ablation.table import render

    lines: list[Line] = []
    for path in arguments.results:
        if not path.is_file():
            raise ResultsError(f"{path}: is no file; make it with scripts/remedies run")
        lines += read_results(path)
    print(render(lines), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
