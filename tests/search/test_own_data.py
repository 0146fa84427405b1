"""One's own rows in a space: which space, which task, and which settings stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.errors import InputError, SpaceError
from tuner.search.own_data import OwnData, read_own_data
from tuner.search.reading import load_checked
from tuner.space.load import Space, load_space, shipped_spaces

ROWS = 60
ONE_OF_TWO = {"label": ["often" if row % 4 else "rare" for row in range(ROWS)]}
ONE_OF_THREE = {"label": ["abc"[row % 3] for row in range(ROWS)]}
SEVERAL = {"labels": [[["a"], ["a", "b"], []][row % 3] for row in range(ROWS)]}
TEXTS = {"text": [f"this is the text with number {row}" for row in range(ROWS)]}
SEQUENCES = {"sequence": [[row * 0.5, 1.0, 2.0] for row in range(ROWS)]}
LABELS = {"binary": ONE_OF_TWO, "multiclass": ONE_OF_THREE, "multilabel": SEVERAL}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(columns: dict[str, list[Any]], space: str | None, *overrides: str) -> tuple[OwnData, Space, list[str]]:
    """Return the rows, the space with them, and what was said."""
    said: list[str] = []
    pq.write_table(pa.table(columns), "my.parquet")
    own = read_own_data("my.parquet", space, overrides, said.append)
    return own, load_space(own.space, (*own.assignments, *overrides)), said


def own_space(text: str) -> str:
    Path("own.yaml").write_text(f"{text}\nsearch: {{trials: 3}}\n")
    return "own.yaml"


@pytest.mark.parametrize("task", sorted(LABELS))
@pytest.mark.parametrize("inputs", [TEXTS, SEQUENCES], ids=["text", "sequence"])
@pytest.mark.parametrize("name", [None, *sorted(shipped_spaces())])
def test_every_shipped_space_takes_rows_of_every_task(
    name: str | None, inputs: dict[str, list[Any]], task: str
) -> None:
    _, space, _ = read({**inputs, **LABELS[task]}, name)
    assert space.task == task
    assert space.inputs in inputs
    assert space.data.train == "my.parquet"
    assert space.data.group is None


def test_the_space_for_the_task_is_used_and_the_reason_said() -> None:
    own, _, said = read({**TEXTS, **ONE_OF_TWO}, "multilabel")
    assert own.space == "shipped:binary"
    assert said == [
        "data: my.parquet: 60 rows; text 'text'; label 'label' ('often' and 'rare'); task binary",
        "note: one label per row, of two, so the task is binary: the shipped space binary is used instead of multilabel",
    ]


def test_options_that_the_task_may_not_use_are_left_out_and_said() -> None:
    _, space, said = read({**TEXTS, **SEVERAL}, "thorough")
    assert "smote" not in dict(space.parameters["resampling"].options)  # type: ignore[union-attr]
    assert any("the other options of thorough are not for task multilabel" in line for line in said)


def test_long_texts_get_a_longer_max_length() -> None:
    long = {"text": [" ".join(f"w{row}" for _ in range(100 + row % 5)) for row in range(ROWS)]}
    _, space, said = read({**long, **ONE_OF_TWO}, None)
    assert space.parameters["max_length"].value == 104  # type: ignore[union-attr]
    assert any("so space.max_length is 104, not 64" in line for line in said)
    _, space, _ = read({**long, **ONE_OF_TWO}, None, "space.max_length=32")
    assert space.parameters["max_length"].value == 32  # type: ignore[union-attr]


CHINESE = "这个产品今天收到，包装不错。物流速度快，"


def test_texts_without_spaces_are_measured_in_characters() -> None:
    rows = {"text": [CHINESE * (20 + row % 5) for row in range(ROWS)]}
    own, space, said = read({**rows, **ONE_OF_TWO}, None)
    assert own.changes == {}  # search.adaptation reads characters, and sets their length
    adapted, _ = load_checked(space, said.append)
    assert [name for name, _ in adapted.parameters["tokens"].options] == ["character", "bpe"]  # type: ignore[union-attr]
    assert adapted.parameters["max_length"].value == len(CHINESE) * 24  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("tokens", "length"), [("character", len(CHINESE) * 24), ("[{character: {}}]", len(CHINESE) * 24), ("word", 6 * 24)]
)
def test_max_length_counts_the_tokens_that_are_set(tokens: str, length: int) -> None:
    rows = {"text": [CHINESE * (20 + row % 5) for row in range(ROWS)]}
    _, space, _ = read({**rows, **ONE_OF_TWO}, None, f"space.tokens={tokens}")
    assert space.parameters["max_length"].value == length  # type: ignore[union-attr]


@pytest.mark.parametrize("write", [list, str], ids=["lists", "written lists"])
def test_lists_of_tokens_are_measured_in_tokens(write: Any) -> None:
    rows = {"tokens": [write([f"New York {row}" for _ in range(100 + row % 5)]) for row in range(ROWS)]}
    _, space, said = read({**rows, **ONE_OF_TWO}, None)
    assert space.parameters["max_length"].value == 104  # type: ignore[union-attr]
    assert any("95 % of the texts have 104 tokens or fewer" in line for line in said)


def test_what_is_set_is_applied_on_top() -> None:
    columns = {**TEXTS, "body": TEXTS["text"], **ONE_OF_TWO}
    _, space, _ = read(columns, None, "data.text=body", "data.folds=3", "search.trials=2")
    assert (space.data.text, space.data.folds, space.data.validation) == ("body", 3, None)
    assert space.search.trials == 2


def test_the_text_of_the_space_says_everything_that_was_found() -> None:
    _, space, _ = read({"my: text": TEXTS["text"], "#label": ONE_OF_TWO["label"]}, "multilabel")
    Path("again.yaml").write_text(space.text)
    again = load_space("again.yaml")
    assert again.data == space.data
    assert again.data.text == "my: text"
    assert again.task == "binary"


def test_a_missing_column_that_is_set_is_refused_with_the_closest_one() -> None:
    with pytest.raises(InputError, match=r"no column 'lable', which data\.label names.*--set data\.label=label"):
        read({**TEXTS, **ONE_OF_TWO}, None, "data.label=lable")


def test_a_file_that_is_set_is_read_instead() -> None:
    pq.write_table(pa.table({**TEXTS, "kind": ONE_OF_THREE["label"]}), "all parts.parquet")
    _, space, said = read({**TEXTS, **ONE_OF_TWO}, None, "data.train=all parts.parquet")
    assert (space.data.train, space.data.label, space.task) == ("all parts.parquet", "kind", "multiclass")
    assert said[0].startswith("data: all parts.parquet: 60 rows")


# --- a space of one's own ---


def test_a_space_of_ones_own_keeps_its_columns_fractions_and_folds() -> None:
    name = own_space(
        "task: multiclass\ndata: {train: old.csv, text: body, label: kind, folds: 3, test: 0.2, group: gone}"
    )
    columns = {**TEXTS, "body": TEXTS["text"], "label": ["x", "y"] * (ROWS // 2), "kind": ONE_OF_THREE["label"]}
    _, space, _ = read(columns, name)
    assert (space.data.text, space.data.label) == ("body", "kind")
    assert (space.data.folds, space.data.test, space.data.group) == (3, 0.2, None)


def test_files_of_another_data_set_are_left_out() -> None:
    name = own_space("task: binary\ndata: {train: old.csv, validation: old_v.csv, test: old_t.csv, label: label}")
    _, space, _ = read({**TEXTS, **ONE_OF_TWO}, name)
    assert (space.data.validation, space.data.test) == (0.15, 0.15)


def test_labels_for_another_task_than_that_of_ones_own_space_are_refused_with_the_setting() -> None:
    name = own_space("task: multilabel\ndata: {train: old.csv, labels: tags}")
    with pytest.raises(
        SpaceError, match=r"labels are for task binary, but own\.yaml has task multilabel; add --set task=binary"
    ):
        read({**TEXTS, **ONE_OF_TWO}, name)
    _, space, _ = read({**TEXTS, **ONE_OF_TWO}, name, "task=binary")
    assert space.task == "binary"


def test_two_labels_may_stay_multiclass() -> None:
    _, space, _ = read({**TEXTS, **ONE_OF_TWO}, own_space("task: multiclass\ndata: {train: old.csv, label: kind}"))
    assert space.task == "multiclass"
