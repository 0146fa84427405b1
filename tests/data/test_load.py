import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from builders.fixtures import Write
from builders.inputs import read_inputs
from tuner.data.dataset import Columns, label_counts
from tuner.data.load import load_data, read_labelled
from tuner.data.token_lists import join_tokens
from tuner.errors import DataError
from tuner.space.settings import DataSettings
from tuner.space.task import Task

SHARED = Path(__file__).parents[3] / "shared" / "data"


def beside_rare(notes: Sequence[str]) -> tuple[str, ...]:
    """The notes without those about labels with few rows, which most splits here have."""
    return tuple(note for note in notes if not note.startswith("fewer than 5 rows of"))


def _settings(**values: Any) -> DataSettings:
    return DataSettings(**values)


def _texts(n: int, start: int = 0) -> list[str]:
    return [f"Text number {i}" for i in range(start, start + n)]


@pytest.fixture
def mail(write: Write) -> str:
    """Sixty texts, a third of them spam."""
    return write("mail.parquet", text=_texts(60), label=["ham", "ham", "spam"] * 20)


def test_missing_splits_are_carved_and_no_row_is_lost_or_doubled(mail: str) -> None:
    dataset = load_data(_settings(train=mail, label="label", validation=0.2, test=0.3), "binary", seed=0)
    assert [len(split) for split in dataset.splits.values()] == [30, 12, 18]
    rows = np.concatenate([split.rows for split in dataset.splits.values()])
    assert sorted(rows) == list(range(1, 61))
    for split in dataset.splits.values():
        assert list(split.rows) == sorted(split.rows)
        assert split.inputs == tuple(f"Text number {row - 1}" for row in split.rows)
        assert split.targets.tolist() == [int(row % 3 == 0) for row in split.rows]
    assert beside_rare(dataset.notes) == ()


def test_the_same_seed_gives_the_same_splits_and_another_seed_others(mail: str) -> None:
    settings = _settings(train=mail, label="label")
    first, again, other = (load_data(settings, "binary", seed).test.rows.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_copies_of_a_text_and_rows_of_a_group_stay_on_one_side(write: Write) -> None:
    texts = [f"text {i % 50}" for i in range(100)] + _texts(100)
    path = write("t.parquet", text=texts, label=["a", "b"] * 100, who=[None] * 100 + [i // 4 for i in range(100)])
    dataset = load_data(_settings(train=path, label="label", group="who"), "binary", seed=0)
    parts = {row: name for name, split in dataset.splits.items() for row in split.rows}
    assert all(parts[row] == parts[row + 50] for row in range(1, 51))
    assert all(len({parts[row] for row in range(first, first + 4)}) == 1 for first in range(101, 201, 4))


def test_separate_files_are_taken_whole_and_each_has_its_fingerprint(write: Write, mail: str) -> None:
    validation = write("v.parquet", text=_texts(3, 100), label=["ham", "spam", "ham"])
    test = write("t.parquet", text=_texts(2, 200), label=["ham", "spam"])
    dataset = load_data(_settings(train=mail, label="label", validation=validation, test=test), "binary", seed=0)
    assert [len(split) for split in dataset.splits.values()] == [60, 3, 2]
    assert [split.source for split in dataset.splits.values()] == [mail, validation, test]
    assert dataset.validation.rows.tolist() == [1, 2, 3]
    assert dataset.fingerprints == {
        path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in (mail, validation, test)
    }


def test_separate_files_need_no_column_of_groups(write: Write) -> None:
    train = write("train.parquet", text=_texts(40), label=["a", "b"] * 20, who=list(range(40)))
    test = write("t.parquet", text=["x", "y"], label=["a", "b"])
    dataset = load_data(_settings(train=train, label="label", test=test, group="who"), "binary", seed=0)
    assert len(dataset.test) == 2


def test_a_split_column_divides_the_file(write: Write) -> None:
    path = write("t.parquet", text=_texts(8), label=["a", "b"] * 4, part=["train", "Train", "dev", "test"] * 2)
    settings = _settings(train=path, label="label", split_column="part", validation=None, test=None)
    dataset = load_data(settings, "binary", seed=0)
    assert {name: split.rows.tolist() for name, split in dataset.splits.items()} == {
        "train": [1, 2, 5, 6],
        "validation": [3, 7],
        "test": [4, 8],
    }


def test_a_split_that_the_column_lacks_is_carved_and_noted(write: Write) -> None:
    path = write("t.parquet", text=_texts(60), label=["a", "b", "b"] * 20, part=["train", "train", "dev"] * 20)
    dataset = load_data(_settings(train=path, label="label", split_column="part", test=0.25), "multiclass", seed=0)
    assert [len(split) for split in dataset.splits.values()] == [30, 20, 10]
    assert any("no row of column 'part' is test, so 0.25 of train is carved" in note for note in dataset.notes)


def test_targets_of_several_labels_are_an_indicator(write: Write) -> None:
    path = write("t.parquet", text=_texts(40), labels=[["b", "a"], [], ["b"], ["c"]] * 10)
    dataset = load_data(_settings(train=path, labels="labels"), "multilabel", seed=0)
    assert dataset.labels == ("a", "b", "c")
    assert dataset.train.targets.dtype == np.uint8
    wanted = {1: [1, 1, 0], 2: [0, 0, 0], 3: [0, 1, 0], 0: [0, 0, 1]}
    for split in dataset.splits.values():
        assert split.targets.tolist() == [wanted[row % 4] for row in split.rows]


def test_rows_are_counted_per_split_and_label(write: Write) -> None:
    path = write(
        "t.parquet", text=_texts(6), label=["a", "b", "a", "a", "b", "b"], part=["train"] * 4 + ["dev", "test"]
    )
    dataset = load_data(_settings(train=path, label="label", split_column="part"), "multiclass", seed=0)
    counts = {name: array.tolist() for name, array in label_counts(dataset).items()}
    assert counts == {"train": [3, 1], "validation": [0, 1], "test": [0, 1]}


def test_the_positive_label_is_the_rarer_unless_named(mail: str) -> None:
    assert load_data(_settings(train=mail, label="label"), "binary", seed=0).labels == ("ham", "spam")
    named = load_data(_settings(train=mail, label="label", positive="ham"), "binary", seed=0)
    assert named.labels == ("spam", "ham")
    assert named.train.targets.mean() > 0.5


def test_a_label_unseen_in_train_stays_last_and_is_noted(write: Write, mail: str) -> None:
    test = write("t.parquet", text=_texts(4, 100), label=["ham", "eggs", "eggs", "spam"])
    dataset = load_data(_settings(train=mail, label="label", test=test), "multiclass", seed=0)
    assert dataset.labels == ("ham", "spam", "eggs")
    assert dataset.seen.tolist() == [True, True, False]
    assert beside_rare(dataset.notes) == (
        "no row of train has these labels, so they cannot be learnt and count with F1 0:"
        " 'eggs' (0 rows of validation, 2 of test)",
    )


def test_a_label_that_a_split_lacks_is_noted(write: Write) -> None:
    path = write("t.parquet", text=_texts(41), label=["a", "b"] * 20 + ["rare"])
    notes = load_data(_settings(train=path, label="label"), "multiclass", seed=0).notes
    assert beside_rare(notes) == tuple(
        f"no row of {name} has these labels, so they are not judged there: 'rare' (1 row of train)"
        for name in ("validation", "test")
    )


def test_a_label_with_few_rows_in_a_judged_split_is_noted(write: Write, mail: str) -> None:
    test = write("t.parquet", text=_texts(16, 100), label=["ham"] * 10 + ["spam"] * 5 + ["eggs"])
    validation = write("v.parquet", text=_texts(11, 200), label=["ham"] * 10 + ["spam"])
    settings = _settings(train=mail, label="label", validation=validation, test=test)
    note = "fewer than 5 rows of validation have these labels, so their F1 there is largely chance: 'spam' (1 row)"
    folds = "use folds, which judge every training row (--set data.folds=5 --set data.validation=null)"
    notes = load_data(settings, "multiclass", seed=0).notes
    assert [each for each in notes if "fewer than" in each] == [
        f"{note}; {folds}, a larger part, or more rows of these labels"
    ]


def test_rows_of_given_files_that_repeat_train_are_counted_and_kept(write: Write, mail: str) -> None:
    test = write("t.parquet", text=["text  number 3", "new"], label=["ham", "spam"])
    dataset = load_data(_settings(train=mail, label="label", test=test, validation=0.2), "binary", seed=0)
    assert len(dataset.test) == 2
    assert beside_rare(dataset.notes) == (
        f"{test}: 1 of 2 rows of test have the text of a row in train, so scores on test may be too high",
    )


def test_rows_of_groups_that_a_split_column_divides_are_counted(write: Write) -> None:
    part = ["train", "train", "dev", "test"]
    path = write("t.parquet", text=_texts(4), label=["a", "b"] * 2, part=part, who=["g", "h", "g", "i"])
    settings = _settings(train=path, label="label", split_column="part", group="who")
    assert any("have the group of a row" in note for note in load_data(settings, "binary", seed=0).notes)


def test_groups_too_large_for_the_fraction_are_noted(write: Write) -> None:
    path = write(
        "t.parquet", text=_texts(100), label=["a", "b"] * 50, who=[i // 42 if i < 84 else None for i in range(100)]
    )
    notes = load_data(_settings(train=path, label="label", group="who"), "binary", seed=0).notes
    assert any("0.15 of its 100 rows should go to test, but 8 did, as rows with" in note for note in notes)


def test_rows_are_skipped_only_on_request(write: Write) -> None:
    path = write("t.parquet", text=[None, *_texts(59)], label=["a", "b", "b"] * 20)
    with pytest.raises(DataError, match="row 1: the text in column 'text' is null"):
        load_data(_settings(train=path, label="label"), "binary", seed=0)
    dataset = load_data(_settings(train=path, label="label", skip_unusable=True), "binary", seed=0)
    assert sum(len(split) for split in dataset.splits.values()) == 59
    assert beside_rare(dataset.notes) == (f"{path}: row 1 left out, as the text in column 'text' is null",)


def test_faults_of_all_files_and_kinds_are_reported_at_once(write: Write, tmp_path: Path) -> None:
    train = write("train.parquet", text=["a", None, " "], label=["x", "y", None])
    settings = _settings(train=train, label="label", validation=str(tmp_path / "v.csv"), test=str(tmp_path / "t.csv"))
    with pytest.raises(DataError) as raised:
        load_data(settings, "binary", seed=0)
    assert len(raised.value.faults) == 5


@pytest.mark.parametrize(
    ("columns", "settings", "task", "message"),
    [
        ({"label": ["a"] * 20}, {"label": "label"}, "binary", "rows of train are 'a', so there is nothing to learn"),
        ({"label": ["a"] * 20}, {"label": "label"}, "multiclass", "nothing to learn"),
        (
            {"label": [*"abcd"] * 5},
            {"label": "label"},
            "binary",
            "needs 2 labels, but there are 4: a, b, c, d; use --set task=multiclass",
        ),
        ({"labels": [["a"][:0]] * 20}, {"labels": "labels"}, "multilabel", "none of the 14 rows of train has a label"),
        ({"a": [0] * 20, "b": [0] * 20}, {"label_columns": ("a", "b")}, "multilabel", "label_columns: none of the"),
        (
            {"label": ["a", "b"] * 10},
            {"label": "label", "positive": "bb"},
            "binary",
            "data.positive: no row has the label 'bb'",
        ),
        (
            {"label": ["a", "b"] * 10, "part": ["train"] * 20},
            {"label": "label", "split_column": "part", "validation": 0.5, "test": 0.5},
            "binary",
            "leave no training row",
        ),
        ({"label": ["a", "b"] * 10}, {"label": "label", "test": 0.001}, "binary", "should go to test, but none did"),
        (
            {"label": ["a", "b"] * 10, "part": ["train", "tets"] * 10},
            {"label": "label", "split_column": "part"},
            "binary",
            r"rows 2, 4, 6, 8 and 10 \(10 in all\): 'tets' in column 'part' is none of .*did you mean 'test'\?",
        ),
        (
            {"label": ["a", "b"] * 10, "part": ["train", "dev"] * 10},
            {"label": "label", "split_column": "part", "test": None},
            "binary",
            "no row of column 'part' is test; carve it out of train: --set data.test=0.15",
        ),
        (
            {"label": ["a", "b"] * 10, "part": ["test", "dev"] * 10},
            {"label": "label", "split_column": "part"},
            "binary",
            "no row of column 'part' is train; name another: --set data.split_column=COLUMN",
        ),
    ],
)
def test_data_that_cannot_be_searched_are_refused(
    write: Write, columns: dict[str, Any], settings: dict[str, Any], task: Task, message: str
) -> None:
    path = write("t.parquet", text=_texts(20), **columns)
    with pytest.raises(DataError, match=message):
        load_data(_settings(train=path, **settings), task, seed=0)


def test_one_file_cannot_be_two_splits(mail: str) -> None:
    with pytest.raises(DataError, match=r"data\.test: .* is already another split"):
        load_data(_settings(train=mail, label="label", test=mail), "binary", seed=0)


def test_texts_are_read_without_labels(write: Write) -> None:
    inputs, rows, notes = read_inputs(write("t.parquet", text=["b", "a"]), Columns("text", label="none"))
    assert (inputs, rows.tolist(), notes) == (("b", "a"), [1, 2], [])
    with pytest.raises(DataError, match="rows 1 and 2: the text in column 'text' is empty"):
        read_inputs(write("t.parquet", text=["", " ", "c"]), Columns("text"))


def test_another_file_is_read_in_the_order_of_the_models_labels(mail: str) -> None:
    split, notes = read_labelled(mail, Columns("text", label="label"), task="binary", labels=("spam", "ham"))
    assert len(split) == 60
    assert split.targets.tolist() == [1, 1, 0] * 20
    assert notes == ()


def test_labels_unknown_to_the_model_are_left_out_and_noted(write: Write, mail: str) -> None:
    path = write("t.parquet", text=_texts(3), labels=[["a", "new"], ["new"], ["b"]])
    split, notes = read_labelled(path, Columns("text", labels="labels"), task="multilabel", labels=("a", "b"))
    assert len(split) == 3
    assert split.targets.tolist() == [[1, 0], [0, 0], [0, 1]]
    assert notes == (f"{path}: unknown to the model, so left out of their rows: 'new' (2 rows)",)

    split, notes = read_labelled(mail, Columns("text", label="label"), task="multiclass", labels=("a", "spam"))
    assert split.targets.tolist() == [1] * 20
    assert split.inputs[0] == "Text number 2"
    assert notes == (f"{mail}: unknown to the model, so their rows are left out: 'ham' (40 rows)",)


def test_a_binary_task_with_a_third_label_names_the_column_before_any_split(write: Write) -> None:
    path = write("t.parquet", text=_texts(40), label=_texts(40))
    with pytest.raises(
        DataError, match=r"column 'label': task binary needs 2 labels, but there are 40: .*; use --set task"
    ):
        load_data(_settings(train=path, label="label"), "binary", seed=0)


def test_the_message_about_a_third_label_of_a_binary_task_names_its_file(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), label=["yes", "no"] * 20)
    test = write("u.parquet", text=_texts(3), label=["a", "b", "no"])
    what = r"u\.parquet: column 'label': task binary needs 2 labels, but there are 3: a, b, no, besides no, yes in .*t\.parquet"
    with pytest.raises(DataError, match=what):
        load_data(_settings(train=train, label="label", test=test), "binary", seed=0)


def test_multilabel_rows_without_any_known_label_are_refused(write: Write) -> None:
    path = write("t.parquet", text=_texts(3), labels=[["new"], [], ["new", "other"]])
    with pytest.raises(DataError, match="no row has a label that the model knows; the model's labels are a, b"):
        read_labelled(path, Columns("text", labels="labels"), task="multilabel", labels=("a", "b"))
    nothing = write("u.parquet", text=_texts(3), labels=pa.array([[], [], []], pa.list_(pa.string())))
    assert not read_labelled(nothing, Columns("text", labels="labels"), task="multilabel", labels=("a", "b"))[
        0
    ].targets.any()


def test_a_file_without_any_known_label_is_refused(mail: str) -> None:
    with pytest.raises(DataError, match="no row has a label that the model knows; the model's labels are a, b"):
        read_labelled(mail, Columns("text", label="label"), task="binary", labels=("a", "b"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
@pytest.mark.parametrize(
    ("settings", "task", "n_rows", "n_labels"),
    [
        (
            {
                "train": f"{SHARED}/goemotions/train.parquet",
                "validation": f"{SHARED}/goemotions/validation.parquet",
                "labels": "labels",
            },
            "multilabel",
            43410 + 5426,
            28,
        ),
        ({"train": f"{SHARED}/nlupp/all.parquet", "labels": "labels"}, "multilabel", 3080, 62),
        (
            {"train": f"{SHARED}/davidson_hate/all.parquet", "label": "label", "split_column": "suggested_split"},
            "multiclass",
            24783,
            3,
        ),
        (
            {"train": f"{SHARED}/sms_spam/all.parquet", "label": "label", "split_column": "suggested_split"},
            "binary",
            5574,
            2,
        ),
    ],
)
def test_public_sets_load_whole_with_every_label_in_every_split(
    settings: dict[str, Any], task: Task, n_rows: int, n_labels: int
) -> None:
    dataset = load_data(_settings(**settings), task, seed=0)
    assert sum(len(split) for split in dataset.splits.values()) == n_rows
    assert len(dataset.labels) == n_labels
    assert all(counts.min() > 0 for counts in label_counts(dataset).values())


def test_rows_of_groups_in_two_files_are_counted_and_the_groups_named(write: Write) -> None:
    train = write("train.parquet", text=_texts(40), label=["a", "b"] * 20, who=[f"g{i}" for i in range(40)])
    dev = write("dev.parquet", text=["v", "w", "x"], label=["a", "b", "a"], who=["g3", "new", "g3"])
    test = write("t.parquet", text=["y", "z"], label=["a", "b"], who=["new", "newer"])
    settings = _settings(train=train, validation=dev, test=test, label="label", group="who")
    assert beside_rare(load_data(settings, "binary", seed=0).notes) == (
        f"{dev}: 2 of 3 rows of validation have the group of a row in train, "
        "so scores on validation may be too high (groups 'g3')",
        f"{test}: 1 of 2 rows of test have the group of a row in validation, so scores on test may be too high (groups 'new')",
    )


def test_a_file_without_the_group_column_is_noted(write: Write) -> None:
    train = write("train.parquet", text=_texts(40), label=["a", "b"] * 20, who=list(range(40)))
    test = write("t.parquet", text=["x", "y"], label=["a", "b"])
    notes = load_data(_settings(train=train, label="label", test=test, group="who"), "binary", seed=0).notes
    note = f"{test}: there is no column 'who', so it is not known whether its groups are also in train (data.group)"
    assert beside_rare(notes) == (note,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"label": "label", "group": "function"},
            r"'function', which data\.group names; the columns are 'text', 'label'; "
            r"if no rows belong together, no such column is needed: --set data\.group=null; "
            r"otherwise name another: --set data\.group=COLUMN",
        ),
        (
            {"label": "label", "text": "txt"},
            r"'txt', which data\.text names; .*did you mean 'text'\? Then --set data\.text=text",
        ),
        ({"label": "lable"}, r"'lable', which data\.label names; .*Then --set data\.label=label"),
        ({"labels": "tags"}, r"'tags', which data\.labels names; .*name another: --set data\.labels=COLUMN"),
        (
            {"label_columns": ("a", "label")},
            r"'a', which data\.label_columns names; .*name another: --set 'data\.label_columns=\[COLUMN, label\]'",
        ),
        (
            {"label": "label", "split_column": "part"},
            r"which data\.split_column names; .*--set data\.split_column=null",
        ),
        ({"label": "label", "sequence": "steps"}, r"'steps', which data\.sequence names"),
    ],
)
def test_the_message_about_a_missing_column_names_its_setting_and_a_remedy(
    write: Write, settings: dict[str, Any], message: str
) -> None:
    path = write("t.parquet", text=_texts(20), label=["a", "b"] * 10)
    with pytest.raises(DataError, match=message):
        load_data(_settings(train=path, **settings), "binary", seed=0)


def test_the_message_about_a_file_to_predict_names_the_option(write: Write) -> None:
    path = write("t.parquet", body=["a"], label=["x"])
    with pytest.raises(DataError, match=r"no column 'text'; the columns are .*name another: --text COLUMN"):
        read_inputs(path, Columns("text"))
    with pytest.raises(DataError, match=r"'a'; the columns are .*name another: --label-columns COLUMN"):
        read_labelled(path, Columns("body", label_columns=("a",)), task="multilabel", labels=("a",))
    with pytest.raises(DataError, match="it holds int64, not text; name the column of texts: --text COLUMN"):
        read_inputs(write("n.parquet", body=[1]), Columns("body"))


def test_rows_to_predict_may_be_left_out_and_keep_their_numbers(write: Write) -> None:
    path = write("t.parquet", text=["a", None, "c", " "])
    with pytest.raises(DataError, match="leave them out with --skip-unusable"):
        read_inputs(path, Columns("text"))
    inputs, rows, notes = read_inputs(path, Columns("text"), skip_unusable=True)
    assert (inputs, rows.tolist()) == (("a", "c"), [1, 3])
    assert len(notes) == 2


def test_labels_of_the_model_without_a_column_are_named(write: Write) -> None:
    path = write("t.parquet", text=["x", "y"], a=[0, 1], b=[1, 1])
    columns = Columns("text", label_columns=("a", "b"))
    split, notes = read_labelled(path, columns, task="multilabel", labels=("a", "b", "c", "d"))
    assert split.targets.tolist() == [[0, 1, 0, 0], [1, 1, 0, 0]]
    assert "no column is named for 'c', 'd', so every row counts as one without it" in notes[0]


def test_texts_beside_lists_of_tokens_are_refused(write: Write) -> None:
    train = write("t.parquet", text=[["a", "b"], ["c"]] * 20, label=["x", "y"] * 20)
    test = write("u.parquet", text=["a b", "c"], label=["x", "y"])
    with pytest.raises(
        DataError, match=r"u\.parquet: the rows are texts, but lists of tokens in .*; give both in the same"
    ):
        load_data(_settings(train=train, test=test, label="label"), "binary", seed=0)


def test_a_model_of_token_lists_reads_written_lists_of_a_file_to_predict(write: Write) -> None:
    rows = write("p.parquet", words=["[1, 20]", "[12]"])
    columns = Columns(text="words", is_tokenised=True)
    assert read_inputs(rows, columns)[0] == (join_tokens(["1", "20"]), join_tokens(["12"]))
    assert read_inputs(rows, replace(columns, is_tokenised=False))[0] == ("[1, 20]", "[12]")
