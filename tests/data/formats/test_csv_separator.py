"""What separates the values of a CSV: the character that is set, the one that the first line names, or the one that fits."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tuner.data.formats.content import Reading
from tuner.data.formats.csv_format import read_csv
from tuner.data.formats.pieces import csv_pieces
from tuner.errors import DataError
from tuner.space.text_format import TextFormat

ROWS = [{"text": "a, b", "label": "x"}, {"text": "c", "label": "y"}]


def read(content: str, separator: str | None = None) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows and the notes of a CSV."""
    notes: list[str] = []
    reading = Reading(TextFormat(separator=separator), "data.", note=notes.append)
    table = read_csv("a.csv", pa.BufferReader(content.encode()), lambda _: None, reading)
    return table.to_pylist(), notes


@pytest.mark.parametrize("line", ["sep=;\n", "sep=;\r\n", "SEP=;\r", '"sep=;"\r\n'])
def test_a_first_line_for_excel_names_the_separator_and_is_no_row(line: str) -> None:
    end = line.lstrip('"SEPsep=;')
    rows, notes = read(line + end.join(("text;label", "a, b;x", "c;y", "")))
    assert rows == ROWS
    assert len(notes) == 1
    assert "names what separates the values, and is no row" in notes[0]


def test_a_separator_that_is_set_wins_over_the_first_line() -> None:
    rows, notes = read("sep=;\ntext|label\na, b|x\nc|y\n", separator="|")
    assert rows == ROWS
    assert notes[0].endswith("they are separated by '|', as set")


def test_lines_are_numbered_in_the_file_after_a_line_for_excel() -> None:
    with pytest.raises(DataError, match=r"a\.csv:4: row 2"):
        read("sep=;\ntext;label\na;x\nb;x;y\n")


def test_a_column_called_sep_stays_a_column() -> None:
    assert read("sep=,text\n1,a\n")[0] == [{"sep=": "1", "text": "a"}]


def test_the_first_line_for_excel_is_read_in_pieces_too() -> None:
    notes: list[str] = []
    content = "sep=;\ntext;label\n" + "".join(f"text {row};x\n" for row in range(100))
    reading = Reading(prefix="--", note=notes.append)
    pieces = list(csv_pieces("a.csv", pa.BufferReader(content.encode()), lambda _: None, reading, 200))
    assert [row["text"] for piece in pieces for row in piece.to_pylist()] == [f"text {row}" for row in range(100)]
    assert len(notes) == 1


def test_a_row_that_does_not_fit_the_separator_of_most_rows_is_named() -> None:
    with pytest.raises(DataError, match=r"a\.csv:3: row 2.*3 values where the header has 2.*quote values with ';' or"):
        read("id;text\n1;a\n2;b;c\n3;d\n")


def test_a_header_with_a_comma_does_not_hide_the_separator_that_fits_all_rows() -> None:
    rows, notes = read("id;name, first;label\n1;a;x\n2;b, c;y\n")
    assert rows[1] == {"id": "2", "name, first": "b, c", "label": "y"}
    assert "separated by ';', not by commas" in notes[0]


def test_a_single_column_whose_name_has_a_semicolon_stays_one_column() -> None:
    assert read("text; cleaned\na\nb; c\nd\n")[0][1] == {"text; cleaned": "b; c"}


def test_a_first_row_of_many_characters_does_not_hide_the_separator() -> None:
    rows, _ = read(f"id;text\n1;{'late parcel ' * 30_000}\n2;x\n")
    assert rows[1] == {"id": "2", "text": "x"}


def test_a_file_of_nothing_but_the_line_for_excel_has_no_rows() -> None:
    with pytest.raises(DataError, match=r"a\.csv: the file has no rows"):
        read("sep=;\r\n\r\n")
