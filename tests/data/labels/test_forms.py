from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import to_labelled_rows, without_unusable
from tuner.data.labels.forms import LabelForm, find_form


def _form(values: list[Any] | pa.Array) -> LabelForm:
    return find_form(pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)]))


@pytest.mark.parametrize(
    "values",
    [
        [[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]],
        pa.array([[0, 1, 1], [0, 0, 1]], pa.list_(pa.int8(), 3)),
        [[False, True, True], [False, False, True]],
        [["0", "1", "1"], ["0", "0", "1"]],
        ["[0, 1, 1]", "[0, 0, 1]"],
        ["[0.0, 1.0, 1.0]", "[0.0, 0.0, 1.0]"],
        ["[0 1 1]", "[0 0 1]"],
        ["[0. 1. 1.]", "[0. 0. 1.]"],
        ["[False, True, True]", "[False False True]"],
        ["(0, 1, 1)", "(0, 0, 1)"],
        ["0 1 1", "0 0 1"],
        ["0,1,1", "0,0,1"],
        ["0; 1; 1", "0; 0; 1"],
        ["0|1|1", "0|0|1"],
        ["011", "001"],
    ],
)
def test_lists_of_0_and_1_of_one_length_are_vectors_however_they_are_written(values: Any) -> None:
    form = _form(values)
    assert (form.kind, form.places, form.labels, form.is_several, form.is_sure) == ("vectors", 3, 3, True, True)


def test_vectors_with_one_1_on_each_row_hold_one_label() -> None:
    assert not _form([[0, 1, 0], [1, 0, 0]]).is_several


def test_vectors_of_two_places_that_repeat_nothing_may_also_be_lists_of_labels() -> None:
    assert not _form([[0, 1], [1, 0]]).is_sure
    assert _form([[0, 1], [1, 1]]).is_sure


@pytest.mark.parametrize("values", [[[0], [1], [0, 1]], [[2, 1], [0, 3]], [["a", "b"], ["b", "c"]], [["yes"], ["no"]]])
def test_lists_of_other_values_or_lengths_are_lists_of_labels(values: Any) -> None:
    assert _form(values).kind == "lists"


def test_a_few_lists_of_another_length_do_not_hide_that_the_others_are_vectors() -> None:
    assert _form([[0, 1, 1]] * 30 + [[0, 1]]).places == 3


@pytest.mark.parametrize(
    ("values", "kind", "labels", "is_several"),
    [
        (["a", "b", "a"], "names", 2, False),
        ([1, 2, None], "names", 2, False),
        ([1.0, 2.0, float("nan")], "names", 2, False),
        (["3.5", "4.0"], "names", 2, False),
        (["0e1", "12e4567"], "names", 2, False),  # ids that are numbers too large for a float
        (["a|b", "b", ""], "separated", 2, True),
        (["<a><b>", "<b>"], "separated", 2, True),
        (["['a', 'b']", "['c']"], "lists", 3, True),
        (["['a' 'b']", "[]"], "lists", 2, True),
        (["{'a', 'b'}", "set()"], "lists", 2, True),
        (["[a, b]", "[c]"], "lists", 3, True),
        ([["a"], ["b"]], "lists", 2, False),
        (['{"a": 1, "b": 1}', '{"a": 0, "b": 1}'], "objects", 2, True),
        (["{'a': True, 'b': False}"], "objects", 1, False),
        ([{"a": 1, "b": 1}, {"a": 0, "b": None}], "objects", 2, True),
        (pa.array([[("a", 1), ("b", 1)], None], pa.map_(pa.string(), pa.int8())), "objects", 2, True),
        ([0.25, 1.0], "fractions", 2, False),
        (["0.25", "1"], "fractions", 2, False),
        (["0.25", "1e-7"], "fractions", 2, False),
        ([[0.25, 0.75]], "fractions", 2, True),
        (["[0.25, 0.75]"], "fractions", 2, True),
        ([[[1]]], "other", 0, False),
        (["tensor([1, 0])"], "other", 0, False),
        ([None, None], "names", 0, False),
        ([[], []], "lists", 0, True),
    ],
)
def test_a_column_has_a_form_a_number_of_labels_and_one_or_several_on_a_row(
    values: Any, kind: str, labels: int, is_several: bool
) -> None:
    form = _form(values)
    assert (form.kind, form.labels, form.is_several) == (kind, labels, is_several)


def test_a_word_in_brackets_among_other_texts_is_no_list() -> None:
    assert _form(["[deleted]", "some text", "[NAME]"]).kind == "names"


def test_pandas_categories_are_read_as_their_values() -> None:
    assert _form(pa.array([3, 7, 3]).dictionary_encode()).labels == 2
    lists = pa.array([["a", "b"], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string())))
    assert (_form(lists).kind, _form(lists).labels) == ("lists", 2)


def test_an_empty_column_has_a_form() -> None:
    for kind in (pa.string(), pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.map_(pa.string(), pa.int8())):
        assert find_form(pa.chunked_array([], kind)).labels == 0


_PIECES = ("a", "B", "0", "1", "0.5", "nan", "true", "'a'", '"b"', *" ,;|/:[]{}()<>")


@given(texts=st.lists(st.lists(st.sampled_from(_PIECES), max_size=9).map("".join) | st.none(), max_size=6))
@pytest.mark.parametrize("role", ["label", "labels"])
def test_every_column_of_texts_is_read_or_refused(role: str, texts: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    assert find_form(column).labels <= sum(map(len, filter(None, texts))) + 1
    findings = Findings()
    table = pa.table({"text": ["x"] * len(texts), "y": column})
    rows = to_labelled_rows(table, "f", replace(Columns("text"), **{role: "y"}), findings)
    assert (rows is None) == bool(findings.faults)
    if rows is not None:
        kept = without_unusable(rows, findings, skip=True)
        counts = np.bincount(kept.owners, minlength=len(kept))
        assert role == "labels" or (counts == 1).all()
