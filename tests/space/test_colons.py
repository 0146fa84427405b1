"""Colons without a space are mended in the message, in a --set and in a file."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tuner.errors import SpaceError
from tuner.space.load import load_space


@pytest.mark.parametrize(
    ("assignment", "mended"),
    [
        ("space.hidden={low:64,high:128}", "space.hidden={low: 64,high: 128}"),
        ("space.hidden={low:64, high: 128, scale:log}", "space.hidden={low: 64, high: 128, scale: log}"),
        ("space.clipping={norm:{threshold:1}}", "space.clipping={norm: {threshold: 1}}"),
        ("space.hidden={choice:[64,128]}", "space.hidden={choice: [64,128]}"),
        ("search={time:10m}", "search={time: 10m}"),
    ],
)
def test_the_remedy_puts_a_space_after_each_colon_and_can_be_pasted(assignment: str, mended: str) -> None:
    with pytest.raises(SpaceError, match="put a space after the colon: --set") as caught:
        load_space("multilabel", [assignment])
    (fault,) = caught.value.faults
    assert shlex.split(fault.remedy)[-1] == mended
    load_space("multilabel", [mended])


@pytest.mark.parametrize(
    "assignment",
    ["space.embedding={file: {path: s3://bucket/glove.txt}}", "space.loss_weights={explicit: {a:b: 5}}"],
)
def test_addresses_and_labels_may_have_a_colon(assignment: str) -> None:
    load_space("multilabel", [assignment])


def test_each_line_of_a_file_is_named_with_its_mended_key(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "task: multilabel\ndata: {train: x.csv, labels: a}\nsearch: {time: 10m}\nspace:\n  hidden: {low:64, high:128}\n"
    )
    with pytest.raises(SpaceError) as caught:
        load_space(str(path))
    assert [fault.remedy for fault in caught.value.faults] == [
        "put a space after the colon: low: 64",
        "put a space after the colon: high: 128",
    ]
    assert all(fault.where == f"{path}:5" for fault in caught.value.faults)
