"""Are the test intervals right? Forty small searches on resampled halves; each champion is also judged on the other half.

An interval claims to hold the champion's macro-F1 over all rows like those of its test split. The untouched half stands for
these rows. It is six to seven times as large as the test split, but has sampling noise of its own. With u untouched and t
test rows, the difference of the two scores has sqrt(1 + t / u) times the standard deviation of the test score. So intervals
that are right in 95 of 100 cases should hold the score on the untouched half in 93 of 100, which is 37 of 40.

Rows of the untouched half are left out if their text is also in the searched half, because tuner keeps such copies out of its
test split as well. Each search leaves a line in bench-out/coverage.jsonl (or in the file that $TUNER_COVERAGE names), with every
decision on its test rows. A benchmark that was cut off continues there. The intervals are always computed by the present code.
To search again, delete the file.
"""

from __future__ import annotations

import base64
import json
import math
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.material import ROOT, run_tuner, shared
from benchmarks.row import Row, at_least, explains

SPACE = Path(__file__).with_name("coverage.yaml")
SEARCHES = 20  # of each data set
HELD_AT_LEAST = 36
TIME_LIMIT_S = 900  # of one search, on a machine that is busy with other work
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Source:
    """A data set: its files, its column of labels, and the settings that the space needs for it."""

    task: str
    files: tuple[str, ...]
    overrides: tuple[str, ...]


SOURCES = {
    "davidson_hate": Source("multiclass", ("all",), ("task=multiclass", "data.labels=null", "data.label=label")),
    "goemotions": Source("multilabel", ("train", "validation"), ()),
}


def measure() -> list[Row]:
    """Run the searches that have no line yet, one at a time, and count the intervals that hold."""
    done = Path(os.environ.get("TUNER_COVERAGE") or ROOT / "bench-out" / "coverage.jsonl")
    done.parent.mkdir(parents=True, exist_ok=True)
    lines = _read(done)
    for index in range(SEARCHES):
        for name in SOURCES:
            if (name, index) not in lines:
                lines[name, index] = line = search(name, index)
                with done.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(
                    f"  {name} {index}: {line['seconds']:.0f} s, macro-F1 {line['untouched']['macro_f1']:.3f}",
                    flush=True,
                )
    return rows_of(list(lines.values()))


def search(name: str, index: int) -> dict[str, Any]:
    """Search one half of a data set. Judge the champion on its test split and on the other half."""
    from tuner.data.stratification import text_key
    from tuner.ledger.run_directory import read_run

    table = _table(name)
    order = np.random.default_rng((list(SOURCES).index(name), index)).permutation(len(table))
    half, rest = (table.take(np.sort(part)) for part in np.array_split(order, 2))
    keys = {text_key(text) for text in half["text"].to_pylist()}
    kept = rest.filter(pa.array([text_key(text) not in keys for text in rest["text"].to_pylist()]))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tuner-coverage-") as folder:
        pq.write_table(half, f"{folder}/half.parquet")
        pq.write_table(kept, f"{folder}/rest.parquet")
        sets = (f"data.train={folder}/half.parquet", f"search.seed={index}", *SOURCES[name].overrides)
        arguments = [argument for override in sets for argument in ("--set", override)]
        run_tuner("run", str(SPACE), "--name", "half", "--runs", folder, *arguments, timeout_s=TIME_LIMIT_S)
        seconds = time.monotonic() - start
        champion = read_run(f"{folder}/half").champion
        test, untouched = _judge(f"{folder}/half", f"{folder}/rest.parquet")
    return {
        "data": name,
        "index": index,
        "seconds": round(seconds, 1),
        "verdict": champion["verdict"],
        "test": {"macro_f1": champion["test"]["macro_f1"], "interval": champion["test"]["macro_f1_ci"], **test},
        "untouched": {**untouched, "copies_left_out": len(rest) - len(kept)},
    }


def rows_of(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Count the intervals that hold, over all lines and for each data set."""
    rows = []
    for name in SOURCES:
        of_set = [line for line in lines if line["data"] == name]
        held, expected, detail = _describe(of_set)
        rows.append(
            explains(f"{name}: intervals that hold", held, f"of {len(of_set)}", f"expected {expected:.1f}; {detail}")
        )
    held, expected, detail = _describe(lines)
    return [
        at_least(
            "intervals that hold the untouched half's macro-F1",
            HELD_AT_LEAST,
            held,
            f"of {len(lines)}",
            f"expected {expected:.1f} if intervals are right in {CONFIDENCE:.0%} of cases, because the untouched half is a "
            f"sample too; {detail}",
        ),
        *rows,
    ]


def _describe(lines: Sequence[Mapping[str, Any]]) -> tuple[int, float, str]:
    """Return how many intervals hold, how many should, and a description of them."""
    intervals = [_interval(line) for line in lines]
    scores = [line["untouched"]["macro_f1"] for line in lines]
    below = sum(score < low for score, (low, _) in zip(scores, intervals, strict=True))
    above = sum(score > high for score, (_, high) in zip(scores, intervals, strict=True))
    expected = sum(_expected_share(line["test"]["rows"], line["untouched"]["rows"]) for line in lines)
    detail = (
        f"{below} untouched scores below and {above} above; macro-F1 {fmean(line['test']['macro_f1'] for line in lines):.3f} "
        f"on test and {fmean(scores):.3f} untouched; width {fmean(high - low for low, high in intervals):.3f}; "
        f"{fmean(line['seconds'] for line in lines):.0f} s a search, {max(line['seconds'] for line in lines):.0f} at most"
    )
    return len(lines) - below - above, expected, detail


def _expected_share(test_rows: int, untouched_rows: int) -> float:
    normal = NormalDist()
    reach = normal.inv_cdf((1 + CONFIDENCE) / 2) / math.sqrt(1 + test_rows / untouched_rows)
    return 2 * normal.cdf(reach) - 1


def _interval(line: Mapping[str, Any]) -> tuple[float, float]:
    """Return the interval that the present code computes for the decisions on the test split."""
    from tuner.scoring.blocks import single_rows
    from tuner.scoring.bootstrap import intervals

    test = line["test"]
    shape = test["rows"], test["labels"]
    decisions, truth = (_unpack(test[name], shape) for name in ("decisions", "truth"))
    task: Any = SOURCES[line["data"]].task
    interval = intervals(decisions, truth, task, blocks=single_rows(len(truth)), seed=line["index"]).macro_f1
    return interval.low, interval.high


def _judge(run: str, untouched: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the champion's decisions on its test split, and its macro-F1 on a file that the search never saw."""
    from tuner.bundle.model_bundle import load
    from tuner.data.dataset import Columns
    from tuner.data.load import load_data, read_labelled
    from tuner.scoring.f1 import macro_f1
    from tuner.scoring.indicator import as_indicator
    from tuner.space.load import load_space

    bundle = load(run)
    space = load_space(f"{run}/space.yaml")
    test = load_data(space.data, space.task, space.search.seed).test
    labels = len(bundle.labels)
    decisions = bundle.decide(bundle.predict_proba(test.inputs))
    packed = {"decisions": _pack(decisions), "truth": _pack(as_indicator(test.targets, labels))}
    rest, _ = read_labelled(untouched, Columns.of(space.data), task=bundle.task, labels=bundle.labels)
    score = macro_f1(bundle.decide(bundle.predict_proba(rest.inputs)), as_indicator(rest.targets, labels))
    return {"rows": len(test), "labels": labels, **packed}, {"rows": len(rest), "macro_f1": score}


def _table(name: str) -> pa.Table:
    column = "label" if SOURCES[name].task == "multiclass" else "labels"
    files = [shared("data", name, f"{file}.parquet") for file in SOURCES[name].files]
    return pa.concat_tables([pq.read_table(file, columns=["text", column]) for file in files])


def _pack(indicator: Any) -> str:
    return base64.b64encode(np.packbits(indicator).tobytes()).decode()


def _unpack(packed: str, shape: tuple[int, int]) -> Any:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(packed), np.uint8), count=shape[0] * shape[1])
    return bits.reshape(shape).astype(bool)


def _read(path: Path) -> dict[tuple[str, int], Any]:
    """Read the existing lines. A search whose line was cut off is run again."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole, _, torn = text.rpartition("\n")
    if torn:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    lines = [json.loads(line) for line in whole.splitlines()]
    return {(line["data"], line["index"]): line for line in lines}
