"""predict and evaluate: which columns they read, and what they say of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.__main__ import main
from tuner.bundle import Bundle, save_bundle
from tuner.data.prepare import fit_preparation, preparation_setting
from tuner.data.sequences import Sequences, Standardiser
from tuner.model.build import make_model
from tuner.space.settings import Inputs
from tuner.storage import Folder

Call = Callable[..., tuple[int, str, str]]
TEXTS = ("alpha one", "beta two", "gamma")
SEQUENCES = ([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]], [[7.0, 8.0], [9.0, 1.0]])


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Call the command line in the folder of the test; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tuner", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def save(configure: Any, tmp_path: Path) -> Callable[[Inputs], Bundle]:
    """Return a function that saves an untrained bundle of texts or of sequences in the folder of the test, as "bundle"."""

    def make(inputs: Inputs) -> Bundle:
        configuration = configure(inputs=inputs)
        if inputs == "text":
            preparation = fit_preparation(preparation_setting(configuration), TEXTS)
        else:
            preparation = Standardiser.fit(Sequences.of(SEQUENCES))
        model = make_model(
            configuration,
            tokens=8 if inputs == "text" else None,
            channels=None if inputs == "text" else 2,
            labels=2,
            precision="float32",
            seed=0,
        )
        bundle = Bundle(
            task="multiclass",
            labels=("a", "b"),
            seen=np.ones(2, bool),
            thresholds=np.zeros(0),
            configuration=configuration,
            columns={"text": None, "sequence": None, "label": "label"} | {inputs: f"my {inputs}"},
            record={"penalty_weight": 1.0},
            model=model,
            preparation=preparation,
        )
        save_bundle(Folder.at(tmp_path / "bundle"), bundle)
        return bundle

    return make


def write(name: str, **columns: Any) -> None:
    pq.write_table(pa.table(columns), name)


@pytest.mark.parametrize(("inputs", "rows"), [("text", TEXTS), ("sequence", SEQUENCES)])
def test_predict_reads_the_column_that_the_bundle_was_trained_on(
    inputs: Inputs, rows: Any, save: Any, call: Call
) -> None:
    bundle = save(inputs)
    write("rows.parquet", **{f"my {inputs}": list(rows)})
    code, out, err = call("predict", "bundle", "rows.parquet")
    assert (code, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [row["row"] for row in told] == [1, 2, 3]
    np.testing.assert_allclose([[row["p_a"], row["p_b"]] for row in told], bundle.predict_proba(rows), atol=1e-7)


@pytest.mark.parametrize(("inputs", "rows"), [("text", TEXTS), ("sequence", SEQUENCES)])
def test_another_column_may_be_named(inputs: Inputs, rows: Any, save: Any, call: Call) -> None:
    save(inputs)
    write("rows.parquet", other=list(rows), label=["a", "b", "a"])
    for verb in ("predict", "evaluate"):
        code, _, err = call(verb, "bundle", "rows.parquet", f"--{inputs}", "other")
        assert (code, err) == (0, "")


@pytest.mark.parametrize(("inputs", "other"), [("text", "sequence"), ("sequence", "text")])
def test_a_column_of_the_other_kind_is_refused(inputs: Inputs, other: str, save: Any, call: Call) -> None:
    save(inputs)
    for verb in ("predict", "evaluate"):
        code, out, err = call(verb, "bundle", "rows.parquet", f"--{other}", "rows")
        assert (code, out) == (2, "")
        assert f"'rows' names a column of {other}s, but the bundle was trained on {inputs}s; use --{inputs} rows" in err


def test_sequences_that_cannot_be_used_are_named(save: Any, call: Call) -> None:
    save("sequence")
    write("rows.parquet", **{"my sequence": [[[1.0, 2.0]], [], [[1.0, None]]]})
    code, _, err = call("predict", "bundle", "rows.parquet")
    assert code == 2
    assert "row 2: the sequence in column 'my sequence' is empty" in err
    assert "row 3: the sequence in column 'my sequence' has a null or NaN" in err


def test_sequences_of_other_channels_than_the_model_are_refused(save: Any, call: Call) -> None:
    save("sequence")
    write("rows.parquet", **{"my sequence": [[1.0, 2.0]]})
    code, _, err = call("predict", "bundle", "rows.parquet")
    assert code == 2
    assert "the number of channels is 1, but 2 in the data trained on" in err


def test_evaluate_measures_a_bundle_of_sequences(save: Any, call: Call) -> None:
    save("sequence")
    write("rows.parquet", **{"my sequence": list(SEQUENCES), "label": ["a", "b", "unknown"]})
    code, out, err = call("evaluate", "bundle", "rows.parquet", "--format", "json")
    assert code == 0
    assert json.loads(out)["rows"] == 2
    assert "unknown to the model, so their rows are left out" in err
