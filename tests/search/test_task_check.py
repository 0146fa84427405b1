"""The labels are of the kind that the task is for, or the search stops before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.errors import DataError
from tuner.ledger.run_directory import Run
from tuner.search.reading import load_checked
from tuner.search.resume import resumed_space
from tuner.space.load import Space, load_space

ROWS = 120
TEXTS = [f"a parcel with number {row} is late" for row in range(ROWS)]
TOPICS = [["billing", "login", "other"][row % 3] for row in range(ROWS)]
IDS = [f"T-{row:04d}" for row in range(ROWS)]
PRICES = [f"{row * 1.37 + 0.5:.2f}" for row in range(ROWS)]
HALVES = [f"{row % 9 / 2 + 1}" for row in range(ROWS)]
ONE_HOT = {name: [int(topic == name) for topic in TOPICS] for name in ("billing", "login", "other")}
SPAM = [int(row % 4 == 0) for row in range(ROWS)]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def space_of(columns: dict[str, list[Any]], task: str, labels: str, *overrides: str) -> Space:
    rows = len(next(iter(columns.values())))
    pq.write_table(pa.table({"text": TEXTS[:rows], **columns}), "rows.parquet")
    data = f"{{train: rows.parquet, text: text, {labels}, validation: 0.2, test: 0.2}}"
    Path("x.yaml").write_text(f"task: {task}\ndata: {data}\nsearch: {{trials: 2}}\nspace: {{hidden: 8}}\n")
    return load_space("x.yaml", overrides)


def notes_of(columns: dict[str, list[Any]], task: str, labels: str, *overrides: str) -> list[str]:
    return list(load_checked(space_of(columns, task, labels, *overrides), lambda _: None)[1].notes)


def fault_of(columns: dict[str, list[Any]], task: str, labels: str, *overrides: str) -> str:
    with pytest.raises(DataError) as caught:
        notes_of(columns, task, labels, *overrides)
    (fault,) = caught.value.faults
    return str(fault)


@pytest.mark.parametrize("written", [TOPICS, [[topic] for topic in TOPICS], [str([topic]) for topic in TOPICS]])
def test_one_label_on_every_row_is_no_multi_label(written: list[Any]) -> None:
    assert fault_of({"topic": written}, "multilabel", "labels: topic") == (
        "rows.parquet: column 'topic': every row has exactly one label (120 rows, 3 labels), so this is task multiclass, "
        "not multilabel; use --set task=multiclass --set data.labels=null --set data.label=topic; "
        "to insist: --set task=multilabel"
    )


def test_a_column_of_0_and_1_is_binary() -> None:
    as_text = [str(value) for value in SPAM]
    message = fault_of({"spam": as_text}, "multilabel", "labels: spam")
    assert "this is task binary" in message
    assert "use --set task=binary --set data.labels=null --set data.label=spam" in message
    for values in (SPAM, list(map(bool, SPAM)), list(map(float, SPAM))):
        assert fault_of({"spam": values}, "multilabel", "labels: spam") == message
    message = fault_of({"spam": SPAM}, "multilabel", "label_columns: [spam]")
    assert "the only label is 0 or 1" in message
    assert "use --set task=binary --set data.label_columns=null --set data.label=spam" in message


def test_columns_with_one_1_per_row_are_one_label_and_can_be_read_so() -> None:
    labels = "label_columns: [billing, login, other]"
    message = fault_of(ONE_HOT, "multilabel", labels)
    assert "label_columns: every row has exactly one label" in message
    assert "use --set task=multiclass;" in message
    dataset = load_checked(space_of(ONE_HOT, "multilabel", labels, "task=multiclass"), lambda _: None)[1]
    assert (dataset.labels, dataset.train.targets.ndim) == (("billing", "login", "other"), 1)
    truth = [dataset.labels[code] for code in dataset.train.targets]
    assert truth == [TOPICS[row - 1] for row in dataset.train.rows]


def test_rows_without_one_label_are_named_if_columns_hold_one_label_per_row() -> None:
    odd = {**ONE_HOT, "login": [1, *ONE_HOT["login"][1:]]}
    message = fault_of(odd, "multiclass", "label_columns: [billing, login, other]")
    assert "rows.parquet: row 1: task multiclass needs one label, but there are 2 in the first of them" in message
    assert "--set task=multilabel" in message


def test_a_person_who_gives_the_task_insists_and_gets_a_note() -> None:
    (note,) = notes_of({"topic": TOPICS}, "multilabel", "labels: topic", "task=multilabel")
    assert "every row has exactly one label" in note
    assert "task multilabel was given, so it stays; otherwise use --set task=multiclass" in note


def test_a_task_that_tuner_found_is_no_insisting() -> None:
    space_of({"topic": TOPICS}, "multiclass", "label: topic")
    found = ("task=multilabel", "data.label=null", "data.labels=topic")
    assert not load_space("x.yaml", found=found).is_task_given
    with pytest.raises(DataError, match="so this is task multiclass"):
        load_checked(load_space("x.yaml", found=found), lambda _: None)


def test_a_resumed_run_keeps_the_task_that_it_began_with() -> None:
    space = space_of({"topic": TOPICS}, "multilabel", "labels: topic", "task=multilabel")
    run = Run(
        name="x",
        location="runs/x",
        space=space.text,
        environment={"space_text": space.text},
        profile={},
        baselines=(),
        trials=(),
        champion={},
        manifest={},
    )
    assert resumed_space(run, [], lambda _: None).is_task_given


def test_few_rows_may_have_one_label_each_by_chance() -> None:
    notes = notes_of({"topic": TOPICS[:40]}, "multilabel", "labels: topic")
    assert any("with so few rows, this may be chance; otherwise use --set task=multiclass" in note for note in notes)


@pytest.mark.parametrize("odd", [[], ["billing", "login"]])
def test_one_row_with_several_labels_or_none_shows_that_multi_label_is_meant(odd: list[str]) -> None:
    rows = [[topic] for topic in TOPICS]
    assert not any(
        "exactly one" in note for note in notes_of({"topic": [*rows[:-1], odd]}, "multilabel", "labels: topic")
    )


def test_a_split_with_one_label_per_row_does_not_count_alone() -> None:
    pq.write_table(pa.table({"text": TEXTS[:60], "topic": [["other", "login"]] * 60}), "test.parquet")
    space = space_of({"topic": [[topic] for topic in TOPICS]}, "multilabel", "labels: topic", "data.test=test.parquet")
    _, dataset = load_checked(space, lambda _: None)
    assert not any("exactly one label" in note for note in dataset.notes)


def test_texts_that_may_be_several_labels_are_refused_with_both_settings() -> None:
    pairs = [["red, round", "blue, flat", "green, long"][row % 3] for row in range(ROWS)]
    message = fault_of({"kind": pairs}, "multilabel", "labels: kind")
    assert "use --set task=multiclass --set data.labels=null --set data.label=kind" in message
    assert "if a text means several labels: --set 'data.label_separator=\",\"'" in message


def test_rows_without_a_label_beside_texts_of_several_may_be_multi_label() -> None:
    tags = [["a|b", "", "c"][row % 3] for row in range(ROWS)]
    message = fault_of({"tags": tags}, "multiclass", "label: tags")
    assert (
        "the label in column 'tags' is empty; fix them, or, if a text means several labels: --set task=multilabel "
        in message
    )
    notes_of({"tags": tags}, "multiclass", "label: tags", "task=multilabel", "data.label=null", "data.labels=tags")


def test_an_id_is_no_label_and_the_columns_that_fit_are_offered() -> None:
    columns = {"ticket": IDS, "topic": TOPICS, "is_spam": SPAM}
    message = fault_of(columns, "multiclass", "label: ticket")
    assert "column 'ticket': it has 120 different values in 120 rows, so hardly any of them repeats" in message
    assert "is this an id? Then name a column of few values that repeat: --set data.label=topic or " in message
    assert "--set task=binary --set data.label=is_spam" in message
    assert fault_of(columns, "multiclass", "label: ticket", "task=multiclass") == message  # no task fits an id


def test_an_id_is_refused_before_its_values_are_counted_as_too_many_labels() -> None:
    assert "is this an id?" in fault_of({"ticket": IDS}, "binary", "label: ticket")
    assert "--set data.label=COLUMN" in fault_of({"ticket": IDS}, "multilabel", "labels: ticket")


def test_texts_are_no_labels() -> None:
    columns = {"body": [f"{text} today" for text in TEXTS], "topic": TOPICS}
    assert "are these texts? Then name a column" in fault_of(columns, "multiclass", "label: body")


def test_numbers_are_no_classes() -> None:
    message = fault_of({"price": PRICES, "topic": TOPICS}, "multiclass", "label: price")
    assert "they are numbers: tuner sorts rows into classes and predicts no numbers" in message
    assert "put them into a few classes, such as low and high, or name a column of few values" in message
    assert "tuner sorts rows into classes" in fault_of(
        {"price": list(map(float, PRICES))}, "multiclass", "label: price"
    )


def test_ratings_in_halves_are_classes() -> None:
    assert not any("numbers" in note for note in notes_of({"stars": HALVES}, "multiclass", "label: stars"))


def test_labels_with_fewer_than_two_rows_each_may_be_insisted_on() -> None:
    pairs = [f"user{row % 70}" for row in range(ROWS)]
    assert "to insist: --set task=multiclass" in fault_of({"user": pairs}, "multiclass", "label: user")
    notes = notes_of({"user": pairs}, "multiclass", "label: user", "task=multiclass")
    assert any("hardly any of them repeats" in note for note in notes)


def test_texts_that_are_ids_are_noted_with_the_column_of_texts() -> None:
    columns = {"ticket": IDS, "topic": TOPICS}
    (note,) = notes_of(columns, "multiclass", "label: topic", "data.text=ticket")
    assert "every text in column 'ticket' is a single word that no other row has: is this an id?" in note
    assert note.endswith("--set data.text=text")


def test_texts_without_spaces_between_words_are_no_ids() -> None:
    chinese = [f"这个包裹迟到了{row}天" for row in range(ROWS)]
    notes = notes_of({"zh": chinese, "topic": TOPICS}, "multiclass", "label: topic", "data.text=zh")
    assert not any("is this an id" in note for note in notes)


def test_a_group_for_every_row_is_noted() -> None:
    (note,) = notes_of({"ticket": IDS, "topic": TOPICS}, "multiclass", "label: topic", "data.group=ticket")
    assert "every row has its own value in the group column 'ticket'" in note
    assert "--set data.group=null" in note


def test_dates_in_a_multi_label_column_are_refused_as_ids_in_one_step() -> None:
    columns = {"date": [f"2024-{row % 100}" for row in range(ROWS)], "topic": TOPICS}
    message = fault_of(columns, "multilabel", "labels: date")
    assert "hardly any of them repeats" in message
    assert "--set task=multiclass --set data.labels=null --set data.label=topic" in message


@pytest.mark.parametrize(("labels", "is_noted"), [(40, True), (5, False)])
def test_many_whole_numbers_may_be_amounts(labels: int, is_noted: bool) -> None:
    notes = notes_of({"age": [row % labels + 18 for row in range(ROWS)]}, "multiclass", "label: age")
    assert any("different whole numbers, and each is a class of its own" in note for note in notes) is is_noted
