"""Every section except `space` becomes typed settings, or a fault with its key and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from builders.spaces import faults, write
from tuner.space.load import load_space
from tuner.space.search_settings import SearchSettings, read_time
from tuner.space.settings import DataSettings

HEAD = "task: multilabel\ndata: {train: a.parquet, labels: l}\nsearch: {time: 5m}\n"  # lines 1 to 3


@pytest.mark.parametrize(
    ("written", "seconds", "tightest"),
    [
        ({"trials": 5}, None, "time"),
        ({"time": "5m"}, 300, "time"),
        ({"cost": 2, "cost_per_hour": 8}, 900, "cost"),
        ({"time": "5m", "cost": 2, "cost_per_hour": 8}, 300, "time"),
        ({"time": "1h", "cost": 2, "cost_per_hour": 8}, 900, "cost"),
    ],
)
def test_the_tighter_of_two_budgets_applies(written: dict[str, Any], seconds: float | None, tightest: str) -> None:
    settings = SearchSettings(**written)
    assert (settings.seconds, settings.tightest) == (seconds, tightest)


# Faults of the sections


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("search: {}", "search: neither trials nor time is set, so the search would never end; add time: 5m, or"),
        ("search: {trials: 0}", "search.trials: 0 is out of bounds; use a number that is at least 1"),
        ("search: {trials: 5, gpus: 1}", "search.gpus: unknown key 'gpus'; it belongs to resources: move it there"),
        ("search: {trials: 5, hidden: 1}", "search.hidden: unknown key 'hidden'; it belongs to space: move it there"),
        ("search: {trials: '5'}", "search.trials: '5' in quotes is text, but must be a whole number; write it"),
        ("search: {trials: 5, seed: true}", "search.seed: true is not a whole number; write a whole number"),
        ("search: {time: 5 min}", "search.time: '5 min' is not a time; write it as 90s, 5m, 2h or 1h30m, or as a"),
        (f"search: {{time: {'9' * 400}}}", "search.time: inf is not a time above zero"),
        ("search: {time: 0s}", "search.time: '0s' is not a time above zero"),
        (
            "search: {cost: 5}",
            "search.cost: cost is given, but cost_per_hour is not; add cost_per_hour: the hourly price of all",
        ),
        (
            "search: {trials: 5, cost_per_hour: 5}",
            "search.cost_per_hour: cost_per_hour is given, but cost is not",
        ),
        ("search: {cost: 0, cost_per_hour: 5}", "search.cost: 0 is out of bounds; use a number that"),
        ("search: {time: 5m, algorithm: tp}", "search.algorithm: 'tp' is not among the choices; did you mean 'tpe'?"),
        (
            "search: {time: 5m, grace_epochs: 12}",
            "search.grace_epochs: grace_epochs is 12, but max_epochs is only 10; use grace_epochs: 10 or less",
        ),
        (
            "search: {time: 5m, grace_epochs: 0.3}",
            "search.grace_epochs: grace_epochs is 0.3, but must be a multiple of 1/2 with 2 measurements per epoch; "
            "use grace_epochs: 0.5",
        ),
        ("search: {time: 5m, patience: 0}", "search.patience: 0 is out of bounds; use a number that is at least 1"),
        ("search: {time: 5m, reduction_factor: 1}", "search.reduction_factor: 1 is out of bounds; use a number that"),
        ("search: [5m]", "search: a list is not a mapping"),
        ("search: {time: 5m}\nresources: {cpus: 1.5}", "resources.cpus: 1.5 is not a whole number; round it"),
        ("search: {time: 5m}\nresources: {gpus: 1.5}", "resources.gpus: gpus is 1.5, but a trial uses one GPU"),
        ("search: {time: 5m}\nscore: {penalty_weight: -1}", "score.penalty_weight: -1 is out of bounds; use a number"),
        ("search: {time: 5m}\nspaces: {}", "spaces: unknown key 'spaces'; did you mean 'space'?"),
        ("search: {time: 5m}\nhidden: 5", "hidden: unknown key 'hidden'; it belongs to space: move it there"),
    ],
)
def test_a_fault_in_a_section_names_key_value_and_remedy(tmp_path: Path, section: str, fault: str) -> None:
    messages = faults(tmp_path, f"task: multilabel\ndata: {{train: a, labels: l}}\n{section}\n")
    assert len(messages) == 1
    assert messages[0].partition(": ")[2].startswith(fault)


@pytest.mark.parametrize(
    ("task", "data", "fault"),
    [
        ("binary", "label: l", "data.train: is missing; add train: …"),
        ("binary", "train: a", "data: no column of labels is named, but exactly one is needed"),
        (
            "multilabel",
            "train: a, labels: l, label: k",
            "data.label: label and labels are given, but only one is allowed",
        ),
        ("multilabel", "train: a, label: l", "data.label: label gives one label per row, but task multilabel needs"),
        ("binary", "train: a, labels: l", "data.labels: labels gives several labels per row, but task binary has one"),
        ("multiclass", "train: a, label: l, positive: x", "data.positive: positive is given, but task multiclass has"),
        ("multilabel", "train: a, label_columns: l", "data.label_columns: 'l' is one name, not a list; write [l]"),
        ("multilabel", "train: a, label_columns: [l, l]", "data.label_columns: label_columns names a column twice"),
        ("multilabel", "train: a, label_columns: []", "data.label_columns: is empty; fill it in"),
        (
            "multilabel",
            "train: a, label_columns: [{}, b]",
            "data.label_columns[0]: a mapping is not text; write one name",
        ),
        ("binary", "train: 5, label: l", 'data.train: 5 is not text; write it in quotes: "5"'),
        (
            "binary",
            "train: a, label: l, test: 1",
            "data.test: 1 is not between 0 and 1; name a file, or give a fraction",
        ),
        (
            "binary",
            "train: a, label: l, validation: 0.9, test: 0.9",
            "data.validation: validation 0.9 and test 0.9 take 1.8 of train, which leaves no training row; use smaller",
        ),
        ("binary", "train: a, label: l, test: 0.85", "data.test: validation 0.15 and test 0.85 take 1 of train"),
        ("binary", "train: a, label: l, validation: null", "data.validation: validation is null, and no split_column"),
        (
            "binary",
            "train: a, label: l, test: b, split_column: s",
            "data.test: test is the file 'b', but with split_column",
        ),
        ("binary", "train: a, label: l, skip_unusable: 1", "data.skip_unusable: 1 is neither true nor false"),
        ("binary", "train: a, label: l, separator: ab", "data.separator: 'ab' is not one character, such as ;"),
        ("binary", "train: a, label: l, encoding: latn1", "data.encoding: 'latn1' names no encoding of text; did you"),
        ("trinary", "train: a, label: l", "task: 'trinary' is not a task; did you mean 'binary'?"),
        ("binary", "train: a, label: l, text: t, sequence: s", "data.text: text and sequence are given, but a row is"),
        ("binary", "train: a, label: l, sequence: []", "data.sequence: the list is empty; write one name, or a list"),
        (
            "binary",
            "train: a, label: l, sequence: [s, [t]]",
            "data.sequence: a list is not the name of a column; write one name",
        ),
        ("binary", "train: a, label: l, sequence: [s, s]", "data.sequence: sequence names a column twice"),
        (
            "binary",
            "train: a, label: l, sequence_id: i",
            "data.sequence_id: sequence_id is given, but no column of values",
        ),
        (
            "binary",
            "train: a, label: l, sequence: s, order: t",
            "data.sequence: order is given, but without sequence_id",
        ),
        ("binary", "train: a, label: l, folds: 1", "data.folds: 1 is out of bounds; use a number that is at least 2"),
        ("binary", "train: a, label: l, folds: 21", "data.folds: 21 is out of bounds; use a number that is at most 20"),
        ("binary", "train: a, label: l, folds: 5, validation: v.csv", "data.folds: folds and validation are given"),
        ("binary", "train: a, label: l, folds: 5, validation: 0.1", "data.folds: folds and validation are given"),
    ],
)
def test_a_fault_of_the_data_or_its_task_names_key_and_remedy(tmp_path: Path, task: str, data: str, fault: str) -> None:
    messages = faults(tmp_path, f"task: {task}\ndata: {{{data}}}\nsearch: {{time: 5m}}\n")
    assert len(messages) == 1
    assert messages[0].partition(": ")[2].startswith(fault)


def test_a_missing_task_is_reported(tmp_path: Path) -> None:
    assert faults(tmp_path, "data: {train: a, label: l}\nsearch: {time: 5m}\n") == [
        "x.yaml:1: task is missing; add task: binary or task: multiclass or task: multilabel"
    ]


def test_rules_about_folds_are_reported_with_other_faults_of_the_section(tmp_path: Path) -> None:
    messages = faults(tmp_path, "task: binary\ndata: {label: l, folds: 5, validation: 0.1}\nsearch: {time: 5m}\n")
    assert [each.split(": ")[1] for each in messages] == ["data.train", "data.folds"]


def test_texts_are_in_the_column_text_unless_sequences_are_named() -> None:
    texts = DataSettings(train="a", label="l")
    assert (texts.text, texts.sequence, texts.inputs) == ("text", None, "text")
    sequences = DataSettings(train="a", label="l", sequence="s")
    assert (sequences.text, sequences.sequence, sequences.inputs) == (None, "s", "sequence")


@pytest.mark.parametrize(
    ("data", "group"),
    [
        ({"train": "builtin:docstrings"}, "function"),
        ({"train": "builtin:docstrings", "group": "library"}, "library"),
        ({"train": "builtin:docstrings", "group": None}, None),
        ({"train": "builtin:digits"}, None),
        ({"train": "my.csv"}, None),
    ],
)
def test_a_built_in_set_knows_its_group_unless_the_space_says_otherwise(
    data: dict[str, Any], group: str | None
) -> None:
    assert DataSettings(**data, label="label").group == group


def test_folds_replace_the_validation_split() -> None:
    assert DataSettings(train="a", label="l").validation == 0.15
    assert DataSettings(train="a", label="l", folds=5).validation is None
    assert DataSettings(train="a", label="l", folds=5, validation=None).folds == 5


@pytest.mark.parametrize("more", [{"split_column": "part"}, {"test": "test.csv"}, {"folds": 5, "validation": None}])
def test_fractions_beside_a_split_column_are_left_for_the_data_to_check(more: dict[str, Any]) -> None:
    assert DataSettings(**{"train": "a", "label": "l", "validation": 0.5, "test": 0.5} | more).train == "a"


def test_the_inputs_of_a_space_decide_its_parameters(tmp_path: Path) -> None:
    texts = load_space(write(tmp_path, HEAD))
    sequences = load_space(write(tmp_path, HEAD.replace("labels: l", "labels: l, sequence: s")))
    assert (texts.inputs, sequences.inputs) == ("text", "sequence")
    assert "tokens" in texts.parameters
    assert "tokens" not in sequences.parameters
    assert "noise" in sequences.parameters


def test_settings_made_in_python_keep_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="label and labels are given"):
        DataSettings(train="a", label="l", labels="m")


def test_settings_are_frozen() -> None:
    settings = SearchSettings(trials=1)
    with pytest.raises(ValidationError, match="frozen"):
        settings.trials = 2


@pytest.mark.parametrize(("written", "name"), [(True, "true"), (1, "1"), ("spam", "spam")])
def test_a_positive_label_may_be_written_as_it_stands_in_the_data(written: object, name: str) -> None:
    assert DataSettings.model_validate({"train": "a", "label": "l", "positive": written}).positive == name


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("3m30s", 210), ("1.5h", 5400), (45, 45), (0.5, 0.5)],
)
def test_a_time_is_read_as_seconds(written: object, seconds: float) -> None:
    assert read_time(written) == seconds


@pytest.mark.parametrize("written", ["", "5", "5 m", "m5", "30m1h", "-5m", "5d", True, 0, -1, float("inf"), [5]])
def test_what_is_not_a_time_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        read_time(written)
