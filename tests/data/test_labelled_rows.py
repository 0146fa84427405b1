import re
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import LabelledRows, to_labelled_rows, without_unusable


def _read(table: pa.Table, columns: Columns) -> tuple[LabelledRows | None, Findings]:
    findings = Findings()
    return to_labelled_rows(table, "f", columns, findings), findings


def _names(rows: LabelledRows | None) -> list[list[str]]:
    """The labels of each row."""
    assert rows is not None
    return [[rows.names[code] for code in rows.codes[rows.owners == row]] for row in range(len(rows))]


def _table(name: str, values: pa.Array | list[object]) -> pa.Table:
    return pa.table({"text": [f"text {i}" for i in range(len(values))], name: values})


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b"], ["b", "a", "b"]),
        ([10, 9, 10], ["10", "9", "10"]),
        ([1.0, 0.0, 1.0], ["1", "0", "1"]),
        ([True, False, True], ["true", "false", "true"]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
        (pa.array(["b", "a", "b"], pa.large_string()), ["b", "a", "b"]),
        ([date(2021, 3, 4), date(2021, 3, 5), date(2021, 3, 4)], ["2021-03-04", "2021-03-05", "2021-03-04"]),
    ],
)
def test_one_label_may_be_of_any_plain_type(values: pa.Array | list[object], names: list[str]) -> None:
    rows, findings = _read(_table("label", values), Columns("text", label="label"))
    assert _names(rows) == [[name] for name in names]
    assert findings == Findings()


@pytest.mark.parametrize(
    "values",
    [
        [["a", "b"], [], ["b"]],
        pa.array([["a", "b"], [], ["b"]], pa.large_list(pa.string())),
        pa.array([["a", "b"], [], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        ["a|b", "", " b "],
        ['["a", "b"]', "[]", '["b"]'],
    ],
)
def test_lists_of_labels_may_be_written_in_several_ways(values: pa.Array | list[object]) -> None:
    rows, findings = _read(_table("labels", values), Columns("text", labels="labels"))
    assert _names(rows) == [["a", "b"], [], ["b"]]
    assert not findings.unusable


def test_a_note_says_that_labels_with_commas_are_one_label_unless_other_labels_are_separated() -> None:
    rows, findings = _read(_table("labels", ["a,b", "c", "", "a, c"]), Columns("text", labels="labels"))
    assert _names(rows) == [["a,b"], ["c"], [], ["a, c"]]
    assert findings.notes[1] == (
        "f: rows 1 and 4: 'a,b' in column 'labels' is read as one label; if it means several: "
        "--set 'data.label_separator=\",\"'; to settle it as one: --set data.label_separator=none"
    )
    assert not _read(_table("labels", ["a,b", "a,b|c"]), Columns("text", labels="labels"))[1].notes


def test_lists_of_whole_numbers_and_of_fixed_size_are_labels() -> None:
    rows, _ = _read(_table("labels", [[1, 2], [], [2]]), Columns("text", labels="labels"))
    assert _names(rows) == [["1", "2"], [], ["2"]]
    fixed = pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2))
    assert _names(_read(_table("labels", fixed), Columns("text", labels="labels"))[0]) == [["1", "2"], ["3", "4"]]


def test_lists_in_several_chunks_belong_to_their_own_rows() -> None:
    chunks = pa.chunked_array([pa.array([["a"], ["b"]]), pa.array([["c"], ["d"]])])
    rows, _ = _read(pa.table({"text": ["1", "2", "3", "4"], "labels": chunks}), Columns("text", labels="labels"))
    assert _names(rows) == [["a"], ["b"], ["c"], ["d"]]


def test_an_empty_text_among_written_lists_is_a_row_without_labels_and_is_noted() -> None:
    _, findings = _read(_table("labels", ["a|b", "", ""]), Columns("text", labels="labels"))
    assert findings.notes == ["f: rows 2 and 3: column 'labels' is empty, read as no label"]


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, 1],
        [0.0, 1.0, 1.0],
        [False, True, True],
        ["0", "1", "1"],
        ["0.0", "1.0", "1.0"],
        ["false", "True", "true"],
    ],
)
def test_label_columns_may_be_of_any_type_that_says_yes_or_no(values: list[object]) -> None:
    table = pa.table({"text": ["x", "y", "z"], "a": values, "never": [0, 0, 0]})
    rows, findings = _read(table, Columns("text", label_columns=("a", "never")))
    assert rows is not None
    assert rows.names == ("a", "never")
    assert _names(rows) == [[], ["a"], ["a"]]
    assert findings == Findings()


@pytest.mark.parametrize(
    ("table", "columns", "reason"),
    [
        (pa.table({"text": ["a", None], "label": ["x", "y"]}), Columns("text", label="label"), "'text' is null"),
        (pa.table({"text": ["a", " \n"], "label": ["x", "y"]}), Columns("text", label="label"), "'text' is empty"),
        (_table("label", ["x", None]), Columns("text", label="label"), "'label' is null or NaN"),
        (_table("label", [1.0, float("nan")]), Columns("text", label="label"), "'label' is null or NaN"),
        (_table("label", ["x", ""]), Columns("text", label="label"), "'label' is empty"),
        (_table("labels", [["x"], None]), Columns("text", labels="labels"), "the list in column 'labels' is null"),
        (_table("labels", [["x"], ["x", None]]), Columns("text", labels="labels"), "a label .* is null or empty"),
        (_table("labels", [["x"], ["x", ""]]), Columns("text", labels="labels"), "a label .* is null or empty"),
        (_table("labels", ["x", None]), Columns("text", labels="labels"), "the list in column 'labels' is null"),
        (_table("labels", ["x", "['x'"]), Columns("text", labels="labels"), "is not a list of labels such as"),
        (_table("labels", ["x", '["x", {}]']), Columns("text", labels="labels"), "is not a list of labels such as"),
        (_table("labels", ["x", "tensor([1, 0])"]), Columns("text", labels="labels"), "is a printed tensor; write its"),
        (
            _table("labels", ["x", "[1 0 ... 0]"]),
            Columns("text", labels="labels"),
            r"printed list with \.\.\. for what",
        ),
        (
            _table("labels", ['{"a": 1}', '{"a": 0.7}']),
            Columns("text", labels="labels"),
            "object with values other than 0 and 1, such as 0.7 for 'a'",
        ),
        (
            _table("labels", [[0, 1, 1]] * 1 + [[0, 1]] + [[0, 1, 1]] * 20),
            Columns("text", labels="labels"),
            "the vector in column 'labels' has not 3 places, but 2 in the first of them",
        ),
        (_table("a", [1, 2]), Columns("text", label_columns=("a",)), "neither 0 nor 1, but 2 in the first"),
        (
            _table("a", [1.0, float("nan")]),
            Columns("text", label_columns=("a",)),
            "neither 0 nor 1, but nan in the first",
        ),
        (_table("a", [True, None]), Columns("text", label_columns=("a",)), "neither 0 nor 1, but null in the first"),
        (_table("a", ["1", ""]), Columns("text", label_columns=("a",)), "neither 0 nor 1, but empty in the first"),
        (
            pa.table({"text": ["a", "b"], "label": ["x", "y"], "part": ["train", None]}),
            Columns("text", label="label", split="part"),
            "column 'part' is empty",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_reason(table: pa.Table, columns: Columns, reason: str) -> None:
    rows, findings = _read(table, columns)
    assert rows is not None
    without_unusable(rows, findings, skip=False)
    (fault,) = findings.faults
    assert fault.where == "f: row 2"
    assert re.search(reason, fault.what)
    assert "--set data.skip_unusable=true" in fault.remedy


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        (pa.table({"text": [1], "label": ["x"]}), Columns("text", label="label"), "int64, not text; name the column"),
        (_table("label", [0.5]), Columns("text", label="label"), r"holds fractions \(double\), which cannot be labels"),
        (
            _table("label", [["x", "y"]]),
            Columns("text", label="label"),
            "--set data.label=null --set data.labels=label",
        ),
        (
            _table("labels", [0.5]),
            Columns("text", labels="labels"),
            r"holds fractions \(double\).* predicts no numbers; put them into .*, or name a column of lists as data.labels",
        ),
        (_table("labels", [[0.5]]), Columns("text", labels="labels"), "lists hold double values"),
        (_table("a", [[1]]), Columns("text", label_columns=("a",)), "not 0 and 1"),
        (
            pa.table({"text": ["a"], "label": ["x"], "who": [["g"]]}),
            Columns("text", label="label", group="who"),
            "column 'who': it holds list.*, not text or whole numbers",
        ),
    ],
)
def test_a_column_of_the_wrong_type_is_a_fault(table: pa.Table, columns: Columns, message: str) -> None:
    rows, findings = _read(table, columns)
    assert rows is None
    (fault,) = findings.faults
    assert re.search(message, str(fault))


def test_skipped_rows_are_left_out_with_their_labels_and_noted() -> None:
    table = pa.table({"text": ["a", None, "c", "d"], "labels": [["x"], ["y"], [], ["y", "x"]]})
    rows, findings = _read(table, Columns("text", labels="labels"))
    assert rows is not None
    kept = without_unusable(rows, findings, skip=True)
    assert kept.inputs == ("a", "c", "d")
    assert kept.rows.tolist() == [1, 3, 4]
    assert _names(kept) == [["x"], [], ["y", "x"]]
    assert findings.notes == ["f: row 2 left out, as the text in column 'text' is null"]


def test_a_source_without_any_usable_row_is_refused_even_if_rows_are_skipped() -> None:
    rows, findings = _read(_table("label", [None, None]), Columns("text", label="label"))
    assert rows is not None
    without_unusable(rows, findings, skip=True)
    assert "no row can be used" in findings.faults[0].what


def test_taking_rows_keeps_their_labels() -> None:
    rows, _ = _read(_table("labels", [["a"], ["b", "c"], [], ["c"]]), Columns("text", labels="labels"))
    assert rows is not None
    taken = rows.take(np.array([False, True, False, True]))
    assert _names(taken) == [["b", "c"], ["c"]]
    assert taken.rows.tolist() == [2, 4]


@pytest.mark.parametrize("word", ["nan", "NA", "None", "null"])
def test_a_word_for_a_missing_value_is_read_as_a_label_and_noted(word: str) -> None:
    rows, findings = _read(_table("label", ["x", word, "x", word]), Columns("text", label="label"))
    assert _names(rows) == [["x"], [word], ["x"], [word]]
    note = f"f: rows 2 and 4: '{word}' in column 'label' is read as a label of that name; leave unknown labels empty"
    assert findings.notes == [note]
    _, listed = _read(_table("labels", [["x"], ["x", word]]), Columns("text", labels="labels"))
    assert listed.notes == [note.replace("rows 2 and 4", "row 2").replace("'label'", "'labels'")]


LABELS = Columns("text", labels="labels")


def test_vectors_of_0_and_1_are_labels_by_position_and_say_how_to_name_them() -> None:
    rows, findings = _read(_table("labels", [[0, 1, 1], [0, 0, 0], [1, 1, 1]]), LABELS)
    assert _names(rows) == [["1", "2"], [], ["0", "1", "2"]]
    assert findings.notes == [
        "f: column 'labels' is read as vectors of 3 places, labels '0' to '2'; name them with data.label_names: [NAME, …]"
    ]


def test_the_places_of_vectors_get_the_given_names() -> None:
    table = _table("labels", ["1 0", "1 1"])
    rows, _ = _read(table, replace(LABELS, label_names=("joy", "anger")))
    assert rows is not None
    assert _names(rows) == [["joy"], ["joy", "anger"]]
    assert rows.declared == ("joy", "anger")
    _, findings = _read(table, replace(LABELS, label_names=("joy", "anger", "fear")))
    assert findings.faults[0].what == "its vectors have 2 places, but there are 3 labels: joy, anger, fear"


def test_lists_that_may_be_vectors_or_labels_are_noted_with_the_setting_for_each() -> None:
    table = _table("labels", [[0, 1], [1, 0]])
    rows, findings = _read(table, LABELS)
    assert _names(rows) == [["1"], ["0"]]
    assert "--set data.label_form=lists" in findings.notes[0]
    assert "--set data.label_form=vectors" in findings.notes[0]
    as_lists, findings = _read(table, replace(LABELS, label_form="lists"))
    assert _names(as_lists) == [["0", "1"], ["1", "0"]]
    as_vectors, findings = _read(table, replace(LABELS, label_form="vectors"))
    assert _names(as_vectors) == [["1"], ["0"]]
    assert not findings.notes


def test_lists_that_repeat_their_values_but_are_no_vectors_are_refused_with_the_setting_that_reads_them() -> None:
    table = _table("labels", [[0, 2, 0], [1, 1, 0]])
    rows, findings = _read(table, LABELS)
    assert rows is None
    assert "most lists name a label twice, such as [0, 2, 0] in row 1" in str(findings.faults[0])
    assert findings.faults[0].remedy.endswith("--set data.label_form=lists")
    assert _names(_read(table, replace(LABELS, label_form="lists"))[0]) == [["0", "2"], ["1", "0"]]


def test_a_label_that_is_twice_in_a_few_lists_counts_once_and_is_noted() -> None:
    rows, findings = _read(_table("labels", [["a"], ["b", "b"], ["a", "b"]]), LABELS)
    assert _names(rows) == [["a"], ["b"], ["a", "b"]]
    assert findings.notes == ["f: row 2: a list in column 'labels' names a label twice, read as once"]


@pytest.mark.parametrize(
    "values",
    [
        ["['a', 'b']", "[]", "['b']"],
        ["<a><b>", "", "<b>"],
        ['{"a": 1, "b": 1}', '{"a": 0, "b": 0}', '{"b": true}'],
        [{"a": 1, "b": 1}, {"a": 0, "b": None}, {"a": 0, "b": 1}],
        ["a b", "", "b"],
    ],
)
def test_labels_may_be_python_lists_tags_objects_and_separated_texts(values: list[object]) -> None:
    columns = replace(LABELS, label_separator=" ") if "a b" in values else LABELS
    rows, findings = _read(_table("labels", values), columns)
    assert _names(rows) == [["a", "b"], [], ["b"]]
    assert not findings.unusable


def test_a_separator_that_was_found_is_noted_with_the_setting_against_it() -> None:
    table = _table("labels", ["a b", "a", "b"])
    rows, findings = _read(table, LABELS)
    assert _names(rows) == [["a", "b"], ["a"], ["b"]]
    assert findings.notes == [
        "f: column 'labels' is read as labels separated by spaces: 2 labels, 1 row with several; if each text is one label: "
        "--set data.label_separator=none"
    ]
    whole, findings = _read(table, replace(LABELS, label_separator="none"))
    assert _names(whole) == [["a b"], ["a"], ["b"]]
    assert not findings.notes


@pytest.mark.parametrize(
    "values",
    [
        [[0, 0, 1], [1, 0, 0], [0, 0, 1]],
        ["[0, 0, 1]", "[1 0 0]", "[0. 0. 1.]"],
        ["0 0 1", "1 0 0", "0 0 1"],
        [["2"], ["0"], ["2"]],
        [{"2": 1, "0": 0}, {"2": 0, "0": 1}, {"2": 1, "0": 0}],
    ],
)
def test_lists_vectors_and_objects_with_one_label_on_every_row_are_that_label(values: list[object]) -> None:
    rows, _ = _read(_table("label", values), Columns("text", label="label"))
    assert _names(rows) == [["2"], ["0"], ["2"]]


def test_a_few_rows_without_exactly_one_label_are_named() -> None:
    values = [[0, 0, 1], [1, 0, 0], [0, 0, 1], [1, 1, 0]]
    rows, findings = _read(_table("label", values), Columns("text", label="label"))
    assert findings.unusable.keys() == {"column 'label' has not one label, but 2 in the first of them"}
    assert _names(rows) == [["2"], ["0"], ["2"], []]


def test_texts_with_several_labels_are_no_single_labels_but_may_be_whole_ones() -> None:
    table = _table("label", ["['a', 'b']", "['a']", "['a', 'b']"])
    rows, findings = _read(table, Columns("text", label="label"))
    assert rows is None
    assert findings.faults[0].remedy.endswith("--set data.label_separator=none")
    whole, _ = _read(table, Columns("text", label="label", label_separator="none"))
    assert _names(whole) == [["['a', 'b']"], ["['a']"], ["['a', 'b']"]]


def test_single_labels_with_separators_or_brackets_among_other_labels_stay_whole() -> None:
    values = ["a b", "a", "b", "[deleted]", "a|b", "(a)"]
    rows, findings = _read(_table("label", values), Columns("text", label="label"))
    assert _names(rows) == [[value] for value in values]
    assert findings.notes == [
        "f: row 5: 'a|b' in column 'label' is read as one label; if it means several: --set task=multilabel "
        "--set data.label=null --set data.labels=label; to settle it as one: --set data.label_separator=none"
    ]


@pytest.mark.parametrize(
    "words", [("Yes", "no"), ("T", "f"), (" true ", "FALSE"), ("y", "N"), ("on", "off"), ("1.0", "0")]
)
def test_label_columns_may_say_yes_and_no_in_many_words(words: tuple[str, str]) -> None:
    table = pa.table({"text": ["x", "y"], "a": words, "b": words[::-1]})
    assert _names(_read(table, Columns("text", label_columns=("a", "b")))[0]) == [["a"], ["b"]]


def test_a_null_in_a_list_of_lists_keeps_every_vector_in_its_row() -> None:
    chunks = pa.chunked_array([pa.array([[0, 1, 1], None]), pa.array([[1, 0, 0]])])
    rows, findings = _read(pa.table({"text": ["1", "2", "3"], "labels": chunks}), LABELS)
    assert _names(rows) == [["1", "2"], [], ["0"]]
    assert findings.unusable.keys() == {"the list in column 'labels' is null"}


@pytest.mark.parametrize("values", [[1, -1, 1], [1.0, -1.0, 1.0], ["1", "-1", " 1"], ["1.0", "-1.0", "1"]])
def test_label_columns_of_1_and_minus_1_are_read_with_a_note(values: list[object]) -> None:
    table = pa.table({"text": ["a", "b", "c"], "x": values, "y": [-1, -1, 1]})
    rows, findings = _read(table, Columns("text", label_columns=("x", "y")))
    assert _names(rows) == [["x"], [], ["x", "y"]]
    assert findings.notes == ["f: label columns hold 1 and -1: -1 is read as 0"]


def test_minus_1_beside_0_in_label_columns_stays_a_fault() -> None:
    table = pa.table({"text": ["a", "b", "c"], "x": [1, 0, -1], "y": [0, 1, -1]})
    assert not _read(table, Columns("text", label_columns=("x", "y")))[1].notes
    _, findings = _read(table, Columns("text", label_columns=("x", "y")))
    assert list(findings.unusable) == [
        f"column '{name}' is neither 0 nor 1, but -1 in the first of them" for name in "xy"
    ]


def test_a_separator_beside_lists_is_said_to_separate_nothing() -> None:
    _, findings = _read(_table("labels", [["a", "b"], ["a"]]), Columns("text", labels="labels", label_separator=","))
    assert any("holds lists, so data.label_separator separates nothing" in note for note in findings.notes)


@pytest.mark.parametrize(
    ("values", "shown", "separator"),
    [
        (
            ["a", "a x", "b", "b x", "c", "c x"] * 9,
            "rows 2, 4, 6, 8 and 10 (27 in all): 'a x'",
            "'data.label_separator=\" \"'",
        ),
        (["a", "news/a", "b", "news/b"] * 9, "rows 2, 4, 6, 8 and 10 (18 in all): 'news/a'", "data.label_separator=/"),
    ],
)
def test_one_label_per_row_that_may_be_several_is_noted_with_both_settings(
    values: list[object], shown: str, separator: str
) -> None:
    rows, findings = _read(_table("label", values), Columns("text", label="label"))
    assert len(set(map(tuple, _names(rows)))) == len(set(map(str, values)))
    several = f"--set task=multilabel --set data.label=null --set data.labels=label --set {separator}"
    one = "to settle it as one: --set data.label_separator=none"
    assert findings.notes == [
        f"f: {shown} in column 'label' is read as one label; if it means several: {several}; {one}"
    ]


def test_names_of_several_words_that_do_not_recur_are_not_called_several_labels() -> None:
    values = ["New York", "Los Angeles", "Boston"] * 9
    assert _read(_table("label", values), Columns("text", label="label"))[1].notes == []
