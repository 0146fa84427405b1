"""A setting that the training rows do not allow is refused with its line in the space, or its --set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tuner.data.prepared_settings import options_of
from tuner.errors import SpaceError
from tuner.search import reading
from tuner.search.reading import load_checked, read_data
from tuner.space.load import load_space

SPACE = """\
task: binary
data: {train: rows.parquet, label: label, sequence: steps, validation: 0.2, test: 0.2}
search: {trials: 2}
space:
  hidden: 8
"""  # lines 1 to 5

Read = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return a function that reads a space over two classes that lie far apart, and returns its faults."""
    monkeypatch.chdir(tmp_path)
    labels = ["often"] * 80 + ["rare"] * 24
    steps = [[[1000.0 * (label == "rare") + row / 10 + step] for step in range(4)] for row, label in enumerate(labels)]
    pyarrow.parquet.write_table(pyarrow.table({"steps": steps, "label": labels}), "rows.parquet")

    def read(lines: str, *overrides: str, prepare: bool = False) -> list[str]:
        Path("x.yaml").write_text(SPACE + lines)
        try:
            (read_data if prepare else load_checked)(load_space("x.yaml", overrides), lambda _: None)
        except SpaceError as error:
            return [str(fault) for fault in error.faults]
        return []

    return read


@pytest.mark.parametrize(
    ("lines", "overrides", "begins"),
    [
        ("  resampling: {smote: {neighbours: 90}}", [], "x.yaml:6: space.resampling.smote: 'rare' has"),
        (
            "  resampling:\n    - adasyn: {neighbours: 91}\n    - smote: {neighbours: 90}",
            [],
            "x.yaml:8: space.resampling[1].smote: 'rare' has",
        ),
        (
            "  resampling:\n    choice:\n      - adasyn: {neighbours: 91}\n      - smote:\n          ratio: 1\n"
            "          neighbours: 90",
            [],
            "x.yaml:11: space.resampling.choice[1].smote: 'rare' has",
        ),
        (
            "  resampling:\n    - near_miss: {neighbours: 91}\n    - smote",
            ["space.resampling.smote.neighbours=90"],
            "--set space.resampling.smote.neighbours=90: space.resampling[1].smote: 'rare' has",
        ),
        (
            "  resampling: none",
            ["space.resampling={smote: {neighbours: 90}}"],
            "--set space.resampling={smote: {neighbours: 90}}: space.resampling.smote: 'rare' has",
        ),
        (
            "",
            ["space.resampling.near_miss.version=1", "space.resampling.near_miss.neighbours=90"],
            "--set space.resampling.near_miss.neighbours=90: space.resampling.near_miss: 'rare' has",
        ),
        (
            "  loss_weights:\n    - none\n    - explicit: {rar: 5}",
            [],
            "x.yaml:8: space.loss_weights[1].explicit: 'rar' is not a label of the data; did you mean 'rare'?",
        ),
    ],
)
def test_a_fault_has_the_line_or_the_override_of_its_option(
    read: Read, lines: str, overrides: list[str], begins: str
) -> None:
    assert read(lines, *overrides)[-1].startswith(begins)


def test_an_option_from_an_override_is_not_blamed_on_the_line_that_it_replaces(read: Read) -> None:
    override = "space.resampling.edited_nearest_neighbours.neighbours=100"
    assert read("  resampling: none", override)[0].startswith(f"--set {override}: space.resampling.edited")
    override = "space.loss_weights.explicit.rar=5"
    assert read("  loss_weights: none", override)[0].startswith(f"--set {override}: space.loss_weights.explicit")


@pytest.mark.parametrize("name", ["borderline_smote", "adasyn"])
def test_a_border_resampling_is_refused_if_the_classes_have_no_border(read: Read, name: str) -> None:
    lines = f"  resampling:\n    - {name}"
    (fault,) = read(lines, prepare=True)
    assert fault.startswith(f"x.yaml:7: space.resampling[0].{name}: 'rare' has ")
    assert fault.endswith(f"none on the border of another class, so {name} adds no row; use smote, or remove {name}")
    (fault,) = read(lines, "data.folds=4", "data.validation=null", prepare=True)
    assert fault.endswith(f"so {name} adds no row, with one fold left out; use smote, or remove {name}")


def test_a_border_resampling_among_others_is_left_out_with_a_note(read: Read) -> None:
    assert read("  resampling: [none, adasyn]", prepare=True) == []
    space, dataset, _ = read_data(load_space("x.yaml"), lambda _: None)
    assert [name for name, _ in options_of(space.parameters["resampling"])] == ["none"]
    assert dataset.notes[-1].startswith("space.resampling: adasyn is left out, because 'rare' has ")
    assert dataset.notes[-1].endswith("so adasyn adds no row")


def test_the_notes_of_the_data_say_what_is_left_out_and_the_space_is_as_it_runs(read: Read) -> None:
    assert read("  resampling: [none, oversample, {smote: {neighbours: 90}}]") == []
    space, dataset = load_checked(load_space("x.yaml"), lambda _: None)
    assert [name for name, _ in options_of(space.parameters["resampling"])] == ["none", "oversample"]
    assert dataset.notes[-1].startswith("space.resampling: smote is left out, because 'rare' has 14 training rows")


def test_too_many_rows_skip_the_border_check(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_ROWS", 10)
    assert read("  resampling: adasyn", prepare=True) == []
