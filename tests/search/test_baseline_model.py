"""`tuner predict --baseline` and `tuner evaluate --baseline`: the linear baseline of a run, fitted again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.fixtures import Call
from tuner.baselines.run import run_baselines
from tuner.data.load import load_data
from tuner.ledger.predictions import predictions_table
from tuner.ledger.run_directory import Ledger
from tuner.scoring.measures import measure
from tuner.search.champion_test import describe_baselines
from tuner.space.load import read_space

SPACE = """
task: {task}
data: {{train: rows.csv, text: text, {columns}}}
search: {{time: 1m}}
space: {{}}
"""
WORDS = ("rain", "sun", "snow", "wind", "fog")


@pytest.fixture
def run(call: Call) -> Callable[..., None]:
    """Return a function that writes rows.csv, and a run "first" with the baselines of a search on it."""

    def write(task: str = "multiclass", columns: str = "label: label", *, has_champion: bool = True) -> None:
        generator = np.random.default_rng(0)
        rows = [
            (f"{WORDS[n % 5]} and {WORDS[generator.integers(5)]} today {n}", "abcde"[n % 5], n % 2) for n in range(120)
        ]
        lines = [f"{text},{label},{flag}" for text, label, flag in rows]
        Path("rows.csv").write_text("text,label,flag\n" + "\n".join(lines) + "\n")
        text = SPACE.format(task=task, columns=columns)
        space = read_space(text)
        dataset = load_data(space.data, space.task, space.search.seed)
        baselines = run_baselines(dataset, seed=0)
        environment = {"data": {"fingerprints": dict(dataset.fingerprints)}}
        ledger = Ledger.create("runs/first", space=text, environment=environment)
        ledger.write_json("baselines", describe_baselines(baselines, dataset, penalty_weight=1.0, seed=0))
        if has_champion:
            truth = dataset.truth("test")
            (model,) = (each for each in baselines if each.kind == "model")
            score = measure(model.test, truth, dataset.task, penalty_weight=1.0, is_detailed=False).macro_f1
            ledger.write_json("champion", {"test_baselines": [{"name": model.name, "macro_f1": score}]})
            table = predictions_table({model.name: model.on_test}, truth, dataset.test)
            ledger.write_table("predictions/test", table)

    return write


@pytest.mark.parametrize(
    ("task", "columns"),
    [("multiclass", "label: label"), ("multilabel", "label_columns: [flag]"), ("binary", "label: flag")],
)
def test_the_baseline_of_a_run_predicts_as_the_run_recorded(
    task: str, columns: str, run: Callable[..., None], call: Call
) -> None:
    run(task, columns)
    code, _, err = call("predict", "first", "rows.csv", "--baseline", "tfidf", "--out", "out.parquet", "--keep", "none")
    assert code == 0, err
    assert "tfidf + logistic regression of run first: fitted again in " in err
    assert "the same model that scored macro-F1 " in err
    assert "test rows as recorded" in err
    assert "rows.csv: 120 rows read, 120 predicted, 0 left out\n" in err
    predicted = pq.read_table("out.parquet").to_pydict()
    assert len(predicted["prediction"]) == 120
    assert isinstance(predicted["prediction"][0], list) == (task == "multilabel")


@pytest.mark.parametrize(("task", "columns"), [("multiclass", "label: label"), ("multilabel", "label_columns: [flag]")])
def test_the_baseline_of_a_run_is_judged_on_the_rows_that_it_was_not_fitted_to(
    task: str, columns: str, run: Callable[..., None], call: Call
) -> None:
    run(task, columns)
    code, out, err = call("evaluate", "first", "rows.csv", "--baseline", "tfidf", "--format", "json")
    assert code == 0, err
    measures = json.loads(out)
    recorded = json.loads(Path("runs/first/champion.json").read_text())["test_baselines"][0]["macro_f1"]
    assert measures["seen_rows"]["new"] == 0
    assert measures["rows"] == measures["seen_rows"]["tested"]
    assert measures["macro_f1"] == pytest.approx(recorded)


def test_a_run_without_a_champion_says_what_the_baseline_scored_on_validation(
    run: Callable[..., None], call: Call
) -> None:
    run(has_champion=False)
    code, out, err = call("predict", "first", "rows.csv", "--baseline", "TFIDF +", "--keep", "none")
    assert code == 0, err
    assert "on validation, and no test is recorded" in err
    assert len(out.splitlines()) == 120


def test_another_decision_than_the_run_recorded_is_counted(run: Callable[..., None], call: Call) -> None:
    run()
    path = Path("runs/first/predictions/test.parquet")
    table = pq.read_table(path)
    decided = [[(each[0] + 1) % 5] if n < 2 else each for n, each in enumerate(table["decided"].to_pylist())]
    place = table.schema.get_field_index("decided")
    field = table.schema.field(place)
    pq.write_table(table.set_column(place, field, pa.array(decided, field.type)), path)
    code, _, err = call("predict", "first", "rows.csv", "--baseline", "tfidf")
    assert code == 0
    assert "but it decides 2 of 17 test rows in another way" in err


def test_files_that_moved_are_found_where_they_are_said_to_be_and_changed_ones_are_refused(
    run: Callable[..., None], call: Call
) -> None:
    run()
    Path("new.csv").write_text("text\nrain today\n")
    Path("rows.csv").rename("moved.csv")
    arguments = ("predict", "first", "new.csv", "--baseline", "tfidf")
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert "rows.csv: data.train of run first is no longer there; put it back, or say where it is now: --set" in err
    code, out, err = call(*arguments, "--set", "data.train=moved.csv")
    assert code == 0, err
    assert json.loads(out)["prediction"] == "a"
    with Path("moved.csv").open("a") as file:
        file.write("sun,b,0\n")
    code, out, err = call(*arguments, "--set", "data.train=moved.csv")
    assert (code, out) == (2, "")
    assert "moved.csv: its content is that of no file that the run began with (rows.csv)" in err


def test_an_unknown_baseline_lists_the_one_of_the_run(run: Callable[..., None], call: Call) -> None:
    run()
    code, _, err = call("predict", "first", "rows.csv", "--baseline", "forest")
    assert code == 2
    assert "run first has no such linear baseline; there is 'tfidf + logistic regression': --baseline tfidf" in err
