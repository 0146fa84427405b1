"""A list column of words or whole numbers is read as rows of tokens, which stay as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.input_columns import read_input_columns
from tuner.data.stratification import row_keys
from tuner.data.token_lists import are_token_lists, join_tokens, show_row, split_tokens

AS_SEQUENCES = (
    "for numeric sequences, use a space for them, such as the shipped one, `sequence`: "
    "--set data.text=null --set data.sequence=x"
)


def _read(values: pa.Array | list[object], *, is_tokenised: bool | None = None) -> tuple[list[list[str]], Findings]:
    findings = Findings(are_options=is_tokenised is not None)
    rows = read_input_columns(pa.table({"x": values}), Columns(text="x", is_tokenised=is_tokenised), "f", findings)
    assert isinstance(rows, tuple)
    return [split_tokens(row) if are_token_lists([row]) else [row] for row in rows], findings


TOKENS = [["New York", "a"], ["b"]]


@pytest.mark.parametrize(
    "values",
    [
        TOKENS,
        pa.array(TOKENS, pa.large_list(pa.large_string())),
        pa.array(TOKENS, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.chunked_array([pa.array(TOKENS[:1]), pa.array(TOKENS[1:])]),
        ['["New York", "a"]', '["b"]'],
        ["['New York', 'a']", "['b']"],
    ],
)
def test_lists_of_words_may_be_held_in_several_ways(values: pa.Array | list[object]) -> None:
    rows, findings = _read(values)
    assert rows == TOKENS
    assert not findings.unusable
    assert not findings.faults


@pytest.mark.parametrize(
    "values", [[[12, 120], [7]], pa.array([[12, 120], [7, 8]], pa.list_(pa.int16(), 2)), ["[12, 120]", "[7]"]]
)
def test_lists_of_whole_numbers_are_tokens(values: pa.Array | list[object]) -> None:
    rows, findings = _read(values)
    assert rows[0] == ["12", "120"]
    assert not findings.faults


def test_a_note_says_that_written_lists_are_read_as_lists_and_how_to_keep_a_text() -> None:
    _, findings = _read(["[12, 45]", "[7]"])
    reading = "each text of column 'x' is a list of tokens, such as '[12, 45]', and is read as one"
    assert findings.notes == [f"f: {reading}; if it is a text, leave out the outer brackets"]


def test_texts_that_only_begin_with_a_bracket_stay_texts() -> None:
    rows, findings = _read(["[citation needed]", "[1] a footnote", "[]"])
    assert rows == [["[citation needed]"], ["[1] a footnote"], ["[]"]]
    assert not findings.notes


def test_written_lists_of_numbers_that_are_not_whole_stay_texts_and_are_noted_with_the_setting() -> None:
    rows, findings = _read(["[0.5, 1]", "[2.5]"])
    assert rows == [["[0.5, 1]"], ["[2.5]"]]
    assert findings.notes[0].endswith(AS_SEQUENCES)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([["a"], None], "the list of tokens in column 'x' is null"),
        ([["a"], []], "the list of tokens in column 'x' is empty"),
        ([[]], "the list of tokens in column 'x' is empty"),
        ([["a"], ["b", None]], "a token in column 'x' is null or empty"),
        ([["a"], ["b", ""]], "a token in column 'x' is null or empty"),
        ([[1], [2, None]], "a token in column 'x' is null or empty"),
        ([["a"], ["b\x1fc"]], "a token in column 'x' contains U\\+001F"),
        ([*["[1]"] * 30, "[1, 2"], "the text in column 'x' is not a list of tokens"),
    ],
)
def test_a_row_that_cannot_be_used_has_one_reason(values: list[object], reason: str) -> None:
    import re

    _, findings = _read(values)
    ((found, positions),) = findings.unusable.items()
    assert re.match(reason, found)
    assert positions.tolist() == [len(values) - 1]


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        (
            [[1.5]],
            AS_SEQUENCES + "; for tokens, save them as whole",
        ),
        (
            [[[1, 2]]],
            AS_SEQUENCES + "; for tokens, join the lists",
        ),
        ([[["a"], ["b"]]], "for tokens, join the lists of each row to one list"),
        ([True], "name the column of texts: --set data.text=COLUMN"),
    ],
)
def test_other_columns_are_refused_with_what_to_do(values: list[object], remedy: str) -> None:
    _, findings = _read(values)
    assert findings.faults[0].remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("values", "is_tokenised", "what"),
    [
        (TOKENS, False, "it holds list<item: string>, but the model reads texts"),
        (["a text"], True, "it holds texts, but the model reads lists of tokens"),
    ],
)
def test_a_model_reads_the_kind_of_rows_that_it_was_trained_on(
    values: list[object], is_tokenised: bool, what: str
) -> None:
    _, findings = _read(values, is_tokenised=is_tokenised)
    assert findings.faults[0].what.startswith(what)


def test_a_model_of_texts_reads_a_text_that_is_a_written_list() -> None:
    assert _read(["[1]"], is_tokenised=False)[0] == [["[1]"]]


def test_lists_that_differ_only_in_case_or_in_the_ends_of_tokens_are_no_copies() -> None:
    rows = tuple(map(join_tokens, (["New York"], ["new york"], ["New", "York"], ["1", "20"], ["12", "0"])))
    assert len(set(row_keys(rows))) == len(rows)


def test_a_row_of_tokens_is_shown_with_spaces() -> None:
    assert show_row(join_tokens(["New York", "a"])) == "New York a"
    assert show_row("a text") == "a text"


@pytest.mark.parametrize(("verb", "turn"), [("end", 1), ("begin", -1)])
def test_lists_of_one_length_that_begin_or_end_in_one_token_are_noted_with_the_line_that_cuts_it(
    verb: str, turn: int
) -> None:
    values = [([7, 8, 9, 5, 6][: 2 + number % 4] + [0] * (4 - number % 4))[::turn] for number in range(40)]
    (note,) = _read(values)[1].notes
    assert note.startswith(f"f: 30 rows of column 'x' {verb} in '0' twice or more, and all have the same length")
    table = pd.DataFrame({"x": values})
    exec(note.partition("in pandas: ")[2], {"df": table})
    assert table["x"][0] == [7, 8][::turn]
    assert _read(table["x"].tolist())[1].notes == []


def test_lists_of_one_length_that_end_differently_are_not_called_padded() -> None:
    values = np.random.default_rng(0).integers(0, 9, (60, 6)).tolist()
    assert _read(values)[1].notes == []
