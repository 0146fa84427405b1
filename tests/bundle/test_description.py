"""What Python shows for a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders.bundle import write_bundle
from builders.configurations import configure
from builders.datasets import make_dataset
from tuner.bundle.description import describe_model
from tuner.bundle.model_bundle import load


def test_a_bundle_shows_task_labels_inputs_and_size_on_few_lines(tmp_path: Path) -> None:
    bundle = load(write_bundle(tmp_path / "bundle", configure(), make_dataset("multiclass")))
    lines = repr(bundle).splitlines()
    assert len(lines) <= 5
    assert lines[0] == "Bundle: multiclass, 3 labels: a, b, c"
    assert lines[1].startswith("  reads: texts (column text), ")
    assert lines[2] == "  macro-F1 and verdict: not known"
    assert lines[3].startswith("  size: ")


@pytest.mark.parametrize("given", ["run", "run/champion"])
def test_the_champion_of_a_run_shows_its_result_on_test(given: str, tmp_path: Path) -> None:
    write_bundle(tmp_path / "run" / "champion", configure(), make_dataset("binary"))
    champion = {"verdict": "beats_baselines", "test": {"macro_f1": 0.72449}}
    (tmp_path / "run" / "champion.json").write_text(json.dumps(champion))
    assert "\n  on test: macro-F1 0.724; verdict: beats_baselines\n" in repr(load(tmp_path / given))


@pytest.mark.parametrize(
    "content", ["", "[]", '{"test": 3}', '{"test": {"macro_f1": "x"}, "verdict": 1}', "[" * 100_000]
)
def test_an_odd_champion_beside_a_bundle_changes_nothing(content: str, tmp_path: Path) -> None:
    write_bundle(tmp_path / "run" / "champion", configure(), make_dataset("binary"))
    (tmp_path / "run" / "champion.json").write_text(content)
    assert "verdict: not known" in repr(load(tmp_path / "run"))


def test_many_and_odd_labels_are_cut_and_cannot_control_the_terminal() -> None:
    shown = describe_model(
        task="multilabel",
        labels=("joy\x1b[31m\n", "a" * 100, *map(str, range(500))),
        columns={"text": None, "sequence": ["x\n", "y"]},
        unit="step",
        max_length=1,
        record={"validation": {"macro_f1": 0.5}},
        parameters=1,
        models=["LSTM"],
        vocabulary=None,
    )
    assert len(shown.splitlines()) == 4
    assert "\x1b" not in shown
    assert "and 497 more" in shown
    assert "sequences (columns x\\n, y), 1 step of each" in shown
    assert "on validation: macro-F1 0.500" in shown
    assert max(map(len, shown.splitlines())) < 120
