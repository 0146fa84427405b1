"""The command line of `scripts/bench remedies`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.material import count_cores
from experiments.material import SETS, find_material
from experiments.remedies.plan import BASE_TRAININGS, orders_for
from experiments.remedies.training import RemedyJob
from experiments.results import Line, ResultsError, by_key, drop_cut_line, exit_code, read_results, write_parquet

DESCRIPTION = """\
Measure what each remedy does to the score. A remedy is one change to a base configuration.

examples:
  scripts/bench remedies run nlupp uea_japanesevowels goemotions davidson_hate --limit-rows 10000 --out results.jsonl
  scripts/bench remedies run my_space.yaml --only 'dropout*' --only 'resampling*' --out mine.jsonl
  scripts/bench remedies convert results.jsonl docs/remedies.parquet
  scripts/bench remedies table docs/remedies.parquet > docs/REMEDIES.md
"""
EPILOG = f"""\
DATA is one of the comparison sets ({", ".join(SETS)}) or a space file. Comparison sets are read from ../shared beside
the repository, or from $TUNER_SHARED. A space file gives its data section, its max_epochs and those of its parameters that
have one value; all other parameters keep their defaults. You can stop a run at any time: the same command continues it.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name. Return the exit code."""
    parsed = _parser().parse_args(arguments)
    return exit_code({"run": _run, "list": _list, "table": _table, "convert": _convert}[parsed.command], parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench remedies",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train, and append to a file of results")
    list_ = commands.add_parser("list", help="print what would be trained, and train nothing")
    for command in (run, list_):
        command.add_argument("data", nargs="+", metavar="DATA")
        command.add_argument("--seeds", type=_count, default=3, metavar="N", help="default: 3")
        command.add_argument("--only", action="append", metavar="PATTERN", help="remedies by name, such as 'dropout*'")
        command.add_argument(
            "--limit-rows", type=_count, metavar="N", help="use at most N training rows, drawn anew for each seed"
        )
        command.add_argument("--epochs", type=float, metavar="N", help="length of each trial; default: the set's own")
        command.add_argument(
            "--vectors", metavar="FILE", help="GloVe, word2vec or fastText vectors for embedding: file"
        )
    run.add_argument("--out", type=Path, required=True, metavar="FILE", help="results, one JSON line per training")
    run.add_argument("--processes", type=_count, metavar="N", help="default: one per core")
    table = commands.add_parser("table", help="print the results as a Markdown page")
    table.add_argument("results", type=Path, nargs="+", metavar="FILE", help=".jsonl or .parquet")
    convert = commands.add_parser("convert", help="write the results as one Parquet file with the same rows")
    convert.add_argument("results", type=Path)
    convert.add_argument("parquet", type=Path)
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _orders(arguments: argparse.Namespace) -> list[RemedyJob]:
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
    sets_of: dict[tuple[str, str], set[str]] = {}
    for order in orders:
        sets_of.setdefault((order.remedy.group, order.remedy.name), set()).add(order.set_name)
    for (group, name), sets in sets_of.items():
        print(f"{group:<52} {name}" + ("" if len(sets) == len(arguments.data) else f"  ({', '.join(sorted(sets))})"))
    print(
        f"{len(orders)} trainings, {BASE_TRAININGS} of them for each base and seed; "
        "tuner will refuse those that make no sense on the data"
    )
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from experiments.remedies.training import failed, run_order
    from experiments.runner import record

    out: Path = arguments.out
    orders = _orders(arguments)
    cut = drop_cut_line(out)
    if cut:
        print(f"{out}: dropped a last line that was cut short ({cut} bytes)", file=sys.stderr)
    left = unfinished(orders, read_results(out), out)
    print(f"{len(orders) - len(left)} of {len(orders)} trainings are there, {len(left)} to go", file=sys.stderr)
    if not left:
        return 0
    processes = arguments.processes or count_cores()
    broken = record(left, out, processes=processes, run=run_order, fail=failed, describe=_describe)
    if broken:
        print(f"{broken} trainings failed; run the same command to try them again", file=sys.stderr)
    return 1 if broken else 0


def _describe(line: Line) -> str:
    outcome = f"{line['outcome']}: {line['reason']}" if line.get("reason") else str(line["outcome"])
    score = f"{line['score']:.3f}" if line.get("score") is not None else outcome
    return f"{line['set']}, seed {line['seed']}, {line['remedy']}: {score}"


def unfinished(orders: Iterable[RemedyJob], lines: Sequence[Line], out: Path) -> list[RemedyJob]:
    """Return the orders without a result. Raises ResultsError if the results come from other settings."""
    done = {key: line for key, line in by_key(lines).items() if line["outcome"] != "failed"}
    left = []
    last_line_of = {line["set"]: line for line in lines}
    for order in orders:
        former = last_line_of.get(order.set_name)
        for name in ("epochs", "limit_rows", "base"):
            if former is not None and former.get(name) != getattr(order, name):
                difference = f"{former.get(name)}, but this run has {getattr(order, name)}"
                raise ResultsError(
                    f"{out}: {order.set_name} was run with {name} {difference}; name another file with --out"
                )
        line = done.get(order.key)
        if line is None or line["change"] != order.remedy.change or line.get("vectors") != order.vectors_read:
            left.append(order)
    return left


def _table(arguments: argparse.Namespace) -> int:
    from experiments.remedies.table import render

    lines: list[Line] = []
    for path in arguments.results:
        lines += _existing_results(path)
    print(render(lines), end="")
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    lines = _existing_results(arguments.results)
    write_parquet(lines, arguments.parquet)
    print(f"{arguments.parquet}: {len(lines)} trainings, {arguments.parquet.stat().st_size:,} bytes")
    return 0


def _existing_results(path: Path) -> list[Line]:
    if not path.is_file():
        raise ResultsError(f"{path}: is not a file; make it with scripts/bench remedies run")
    return read_results(path)
