"""Columns with odd names, misnamed: following the messages to the letter, as a shell reads them, leads to valid data."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from builders.fuzz import follow_remedies, make_space, run_checked, write_rows

TEXTS = [f"text {number}" for number in range(40)]
AB = ["a", "b"] * 20
ODD_NAMES = [
    " label", "label ", "LABEL", "Label\u00a0", "\ufefflabel", "lab\u200bel", "la\u0301bel", "#label", "label #1", "label: y",
    "label:", "[label]", "{label}", "{label: y}", "*label", "&label", "!label", "%label", "@label", "`label`", "- label",
    "? label", "|label", ">label", "'label'", '"label"', "label'", 'la"bel', "label\\", "label\\n", "$label", "~label",
    "label,", "label;",
    "label!", "label?", "label*", "labels.", "label=1", "--label", "-label",
    "label\n", "label\tx", "label\x1b[31m", "$(label)", "labél",
]  # fmt: skip
TYPED_NAMES = [
    "0", "5", "007", "0x1F", "1_000", "1.50", "-1", "1e3", ".nan", "true", "False", "yes", "2026-01-01", "12:30:45",
]  # fmt: skip


def odd_names(setting: str) -> list[str]:
    """Return the odd names, made like the name of a setting."""
    names = [name.replace("label", setting).replace("LABEL", setting.upper()) for name in ODD_NAMES]
    return [name for name in names if setting in name.casefold()]


def validate(call: Any, *settings: str, inputs: str = "text", labels: str = "") -> tuple[int, str]:
    Path("space.yaml").write_text(make_space("multilabel" if labels else "binary", "a.parquet", inputs, labels=labels))
    given = [word for each in settings for word in ("--set", each)]
    code, _, err = run_checked(call, "validate", "space.yaml", "--with-data", *given)
    return code, err


def as_bash_reads(words: str) -> list[str]:
    printed = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True).stdout
    return printed.decode().split("\0")[:-1]


def remedy(err: str) -> list[str]:
    """Return the words after "Then" in the last message."""
    return as_bash_reads(err.strip().splitlines()[-1].rpartition("? Then ")[2])


@pytest.mark.parametrize(
    ("setting", "column"),
    [(each, name) for each, step in (("label", 1), ("text", 5), ("group", 5)) for name in odd_names(each)[::step]],
)
def test_an_odd_column_is_read_as_the_message_says(setting: str, column: str, call: Any) -> None:
    rows = {"text": TEXTS, "label": AB, "group": TEXTS}
    renamed = {column if each == setting else each: cells for each, cells in rows.items()}
    Path("a.parquet").write_bytes(write_rows("a.parquet", renamed))
    code, err = validate(call, "data.group=group")
    assert code == 2
    assert err.count("error: ") == 1
    flag, assignment = remedy(err)
    assert flag == "--set"
    code, err = validate(call, "data.group=group", assignment)
    assert code == 0, err


@pytest.mark.parametrize("name", ODD_NAMES[::2])
def test_odd_columns_of_labels_are_read_as_the_message_says(name: str, call: Any) -> None:
    rows = {"text": TEXTS, name: [1, 0] * 20, "other one": [0, 1, 1, 0] * 10}
    Path("a.parquet").write_bytes(write_rows("a.parquet", rows))
    labels = "label_columns: [label, other]"
    _, assignment = remedy(validate(call, labels=labels)[1])
    code, err = validate(call, assignment, labels=labels)
    assert code == 0, err


@pytest.mark.parametrize("name", TYPED_NAMES)
def test_a_column_that_yaml_would_not_read_as_text_needs_no_quotes(name: str, call: Any) -> None:
    Path("a.parquet").write_bytes(write_rows("a.parquet", {"text": TEXTS, name: AB}))
    assert validate(call, f"data.label={name}")[0] == 0
    Path("space.yaml").write_text(make_space("binary", "a.parquet", labels=f"label: {name}"))
    assert run_checked(call, "validate", "space.yaml", "--with-data")[0] == 0


@pytest.mark.parametrize("name", [*ODD_NAMES, *TYPED_NAMES, "null", "~", ""])
def test_a_name_without_the_quotes_of_yaml_is_read_or_answered_with_them(name: str, call: Any) -> None:
    Path("a.parquet").write_bytes(write_rows("a.parquet", {"text": TEXTS, name: AB}))
    Path("space.yaml").write_text(make_space("binary", "a.parquet"))
    arguments = ("validate", "space.yaml", "--with-data", "--set", f"data.label={name}")
    code, _, err = run_checked(call, *arguments)
    if code == 2:
        follow_remedies(call, arguments, err)


@pytest.mark.parametrize("name", odd_names("decided")[::2])
def test_an_odd_column_of_predictions_is_read_as_the_message_says(name: str, call: Any) -> None:
    Path("p.parquet").write_bytes(write_rows("p.parquet", {"truth": AB, name: AB}))
    command = ("diagnose", "p.parquet", "--truth", "truth")
    code, _, err = run_checked(call, *command, "--pred", "decided")
    assert code == 2
    code, _, err = run_checked(call, *command, *remedy(err))
    assert code == 0, err


ROWS = 80
ODD_TASKS = {  # task and labels
    "one label per row": ("multilabel", "labels: topic"),
    "0 and 1 in one column": ("multilabel", "labels: spam"),
    "one column of 0 and 1": ("multilabel", "label_columns: [spam]"),
    "one 1 per row": ("multilabel", "label_columns: [x, 'y: z']"),
    "an odd name": ("multilabel", "labels: 'my topic: #1'"),
    "an id": ("multiclass", "label: id"),
    "an id of several": ("multilabel", "labels: id"),
    "a price": ("binary", "label: price"),
}


@pytest.mark.parametrize("what", ODD_TASKS)
def test_labels_of_another_task_are_read_as_the_message_says(what: str, call: Any) -> None:
    task, labels = ODD_TASKS[what]
    topics = ["a", "b", "c", "d"] * (ROWS // 4)
    rows = {
        "text": [f"a text of {number} words" for number in range(ROWS)],
        "topic": topics,
        "my topic: #1": topics,
        "spam": ["1", "0", "0", "0"] * (ROWS // 4),
        "x": [1, 0] * (ROWS // 2),
        "y: z": [0, 1] * (ROWS // 2),
        "id": [f"row-{number}" for number in range(ROWS)],
        "price": [f"{number}.5" for number in range(ROWS)],
        "tags": [["a", "b"], [], ["a"], ["c"]] * (ROWS // 4),
    }
    Path("a.parquet").write_bytes(write_rows("a.parquet", rows))
    space = make_space(task, "a.parquet", labels=labels, more="\n  positive: '1'" if task == "binary" else "")
    Path("space.yaml").write_text(space + "  loss: [{focal: {gamma: 2}}, cross_entropy]\n" + "  loss_weights: none\n")
    arguments = ("validate", "space.yaml", "--with-data")
    code, _, err = run_checked(call, *arguments)
    assert code == 2
    assert "--set" in err
    follow_remedies(call, arguments, err)
    first = re.search(
        r"(?:use|repeats?|low and high).*?((?:--set (?:'[^']*'|\S)+(?: |$))+)", err.rpartition("error: ")[2]
    )
    assert first is not None, err
    code, _, err = run_checked(call, *arguments, *as_bash_reads(first[1].rstrip("; ")))
    assert code == 0, err
