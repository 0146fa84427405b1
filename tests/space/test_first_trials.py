"""The section `first`: settings that a search tries before it draws any."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.spaces import faults, write
from tuner.space.load import changed, load_space, read_space

HEAD = "task: multilabel\ndata: {train: a, labels: l}\nsearch: {time: 5m}\n"  # lines 1 to 3
SPACE = (
    "space:\n"
    "  hidden: {low: 64, high: 192, step: 32}\n"
    "  learning_rate: {low: 1e-3, high: 1e-2, scale: log}\n"
    "  clipping: [none, {norm: {threshold: {low: 0.5, high: 5}}}]\n"
    "  layers: [1, 2]\n"
    "  layer_dropout: [0.0, 0.5]\n"
    "  layer_norm: [true, false]\n"
)


def test_a_setting_is_read_as_a_flat_configuration_of_values_that_the_space_allows(tmp_path: Path) -> None:
    first = (
        "first: {hidden: 128, learning_rate: 5e-3, clipping: {norm: {threshold: 1}}, layer_norm: true, dropout: 0.3}\n"
    )
    assert load_space(write(tmp_path, HEAD + first + SPACE)).first == (
        {
            "hidden": 128,
            "learning_rate": 0.005,
            "clipping": "norm",
            "clipping.norm.threshold": 1.0,
            "layer_norm": True,
            "dropout": 0.3,
        },
    )


@pytest.mark.parametrize("first", ["", "first:\n", "first: {}\n", "first: []\n", "first: [{}]\n"])
def test_a_space_may_leave_the_first_trial_open(tmp_path: Path, first: str) -> None:
    assert load_space(write(tmp_path, HEAD + first + SPACE)).first == ()


@pytest.mark.parametrize(
    ("first", "fault"),
    [
        ("{hidden: 100}", "first.hidden: 100 is not possible, because space.hidden is 64 to 192 in steps of 32"),
        ("{hidden: [64, 96]}", "first.hidden: a list is not possible, because space.hidden is 64 to 192"),
        ("{learning_rate: 1}", "first.learning_rate: 1 is not possible, because space.learning_rate is 0.001 to 0.01"),
        ("{layer_norm: 1}", "first.layer_norm: 1 is not possible, because space.layer_norm is true or false"),
        ("{layers: true}", "first.layers: true is not possible, because space.layers is 1 or 2"),
        (
            "{cell: gru}",
            "first.cell: 'gru' is not possible, because space.cell is lstm; remove it here, or allow it in",
        ),
        ("[{layers: 1}, {layers: 3}]", "first[1].layers: 3 is not possible, because space.layers is 1 or 2"),
        ("{clipping: {norm: {threshold: 9}}}", "first.clipping.norm.threshold: 9 is not possible"),
        ("{clipping: {norm: {treshold: 1}}}", "unknown parameter 'treshold'; did you mean 'threshold'?"),
        ("{clipping: {norm: 1}}", "first.clipping.norm: 1 is not a mapping of parameters; write norm alone"),
        ("{hiden: 64}", "first.hiden: unknown parameter 'hiden'; did you mean 'hidden'?"),
        ("64", "first: 64 is not a setting; write one value per parameter, such as {hidden: 64}"),
    ],
)
def test_a_value_that_the_space_does_not_allow_is_refused_with_its_line(tmp_path: Path, first: str, fault: str) -> None:
    (message,) = faults(tmp_path, f"{HEAD}first: {first}\n{SPACE}")
    assert message.startswith("x.yaml:4: first")
    assert fault in message


@pytest.mark.parametrize("value", ["32", "64", "auto"])
def test_no_value_is_possible_for_what_the_space_leaves_to_the_search(tmp_path: Path, value: str) -> None:
    (message,) = faults(tmp_path, f"{HEAD}first: {{batch_size: {value}}}\n{SPACE}  batch_size: auto\n")
    assert (
        "is not possible, because space.batch_size is auto; remove it here, or allow it in space.batch_size" in message
    )


def test_a_value_that_an_override_excludes_is_left_out_of_what_runs_with_a_note(tmp_path: Path) -> None:
    first = "first:\n  - hidden: 128\n    clipping: {norm: {threshold: 1}}\n"
    path = write(tmp_path, HEAD + first + SPACE)
    space = load_space(path, ["space.hidden=32", "space.clipping.norm.threshold=2"])
    assert space.first == ({"clipping": "norm"},)
    assert space.notes == (
        "first[0].hidden is not 128 any more, because space.hidden is 32",
        "first[0].clipping.norm.threshold is not 1 any more, because space.clipping.norm.threshold is 2",
    )
    assert read_space(space.text).first == space.first  # what a resumed run reads
    assert changed(space, ["space.clipping=none"]).first == ()


def test_an_override_of_the_first_setting_itself_must_fit_the_space(tmp_path: Path) -> None:
    overrides = ("space.hidden=32", "first={hidden: 64}")
    (message,) = faults(tmp_path, HEAD + SPACE, *overrides)
    assert message.startswith("--set first={hidden: 64}: first.hidden: 64 is not possible, because space.hidden is 32")


def test_the_section_is_checked_once_the_domains_are_good(tmp_path: Path) -> None:
    (message,) = faults(tmp_path, f"{HEAD}first: {{hidden: 64}}\nspace: {{hidden: 0}}\n")
    assert message.startswith("x.yaml:5: space.hidden")
