"""Texts that stand for several values get the remedy that writes them, and the remedy works."""

from __future__ import annotations

import shlex

import pytest

from tuner.errors import SpaceError
from tuner.space.load import load_space

CROSS_ENTROPY = "space.loss=[{cross_entropy: {label_smoothing: [0.05, 0.1]}}]"


def remedies(assignment: str) -> list[str]:
    """The settings that the message for an assignment tells to write."""
    with pytest.raises(SpaceError) as caught:
        load_space("multilabel", [assignment])
    (fault,) = caught.value.faults
    return [word for word in shlex.split(fault.remedy.replace(";", " ; ")) if word.startswith("space.")]


@pytest.mark.parametrize(
    ("assignment", "written"),
    [
        ("space.hidden=64,128", ["space.hidden=[64, 128]", "space.hidden={low: 64, high: 128}"]),
        ("space.hidden=64 128 256", ["space.hidden=[64, 128, 256]"]),
        ("space.hidden=(64; 128)", ["space.hidden=[64, 128]", "space.hidden={low: 64, high: 128}"]),
        ("space.hidden=64-128", ["space.hidden={low: 64, high: 128}"]),
        ("space.hidden=64..128", ["space.hidden={low: 64, high: 128}"]),
        ("space.hidden=128,64,64", ["space.hidden=[128, 64]"]),
        ("space.hidden=1,024", ["space.hidden=1024"]),
        ("space.dropout=0,5", ["space.dropout=0.5"]),
        (
            "space.learning_rate=1e-4,1e-2",
            ["space.learning_rate=[0.0001, 0.01]", "space.learning_rate={low: 0.0001, high: 0.01}"],
        ),
        ("space.hidden=64:128", ["space.hidden={low: 64, high: 128}"]),
        ("space.hidden=[64-128]", ["space.hidden={low: 64, high: 128}"]),
        ("space.hidden={64}", ["space.hidden=64"]),
        ("space.hidden={64,128}", ["space.hidden=[64, 128]", "space.hidden={low: 64, high: 128}"]),
        ("space.hidden={low=64,high=128}", ["space.hidden={low: 64, high: 128}"]),
        (
            "space.learning_rate={low=1e-4, high=1e-2, scale=log}",
            ["space.learning_rate={low: 0.0001, high: 0.01, scale: log}"],
        ),
        (
            "space.hidden=range(64, 128)",
            ["space.hidden=[64, 128]", "space.hidden={low: 64, high: 128}"],
        ),
        (
            "space.learning_rate=loguniform(1e-4, 1e-2)",
            ["space.learning_rate=[0.0001, 0.01]", "space.learning_rate={low: 0.0001, high: 0.01, scale: log}"],
        ),
        ("space.layer_norm=true,false", ["space.layer_norm=[true, false]"]),
        ("space.pooling=max,mean", ["space.pooling=[max, mean]"]),
    ],
)
def test_the_remedy_writes_the_values_and_can_be_pasted(assignment: str, written: list[str]) -> None:
    assert remedies(assignment) == written
    for setting in written:
        load_space("multilabel", [setting])


@pytest.mark.parametrize("value", ["abc", "64,x", "99999999,1", "max,nothing"])
def test_a_text_with_a_value_that_cannot_be_is_no_list(value: str) -> None:
    with pytest.raises(SpaceError, match="write a whole number"):
        load_space("multilabel", [f"space.hidden={value}"])


@pytest.mark.parametrize(
    ("column", "remedy"),
    [
        ("data.label=topic", ["data.labels=null", "task=multiclass", CROSS_ENTROPY]),
        ("data.label_columns=[a, b]", ["data.labels=null", "task=multilabel"]),
    ],
)
def test_another_kind_of_labels_comes_with_the_options_that_make_it_work(column: str, remedy: list[str]) -> None:
    with pytest.raises(SpaceError, match="only one is allowed") as caught:
        load_space("multilabel", [column])
    text = caught.value.faults[0].remedy
    settings = [word for word in shlex.split(text[text.index("--set") : text.rindex(";")]) if "=" in word]
    settings = [word.removesuffix(",") for word in settings]
    assert settings == remedy
    load_space("multilabel", [column, *settings])
