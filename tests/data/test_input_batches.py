"""Rows to predict: read piece by piece, they are the rows of the whole file, and kept columns stay beside them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from tuner.data.dataset import Columns
from tuner.data.input_batches import InputBatch, InputFile, InputRows, check_inputs
from tuner.data.sequences import Sequences
from tuner.errors import DataError
from tuner.space.text_format import TextFormat

TEXT = Columns(text="text", is_tokenised=False)
LINES = [f'{n},"text {n}, ""so""\nline",{n % 3}' if n % 7 == 0 else f'{n},5" wide {n},x' for n in range(200)]
CSV = "id,text,kind\n" + "\n".join(LINES) + "\n"


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(name: str, *, piece_bytes: int = 300, **options: Any) -> tuple[InputRows, list[dict[str, Any]], list[str]]:
    """Return the checked rows, the rows as objects with their texts and numbers, and the notes."""
    notes: list[str] = []
    file = InputFile(uri=name, **{"columns": TEXT, "keep": None, "piece_bytes": piece_bytes} | options)
    rows = check_inputs(file, note=notes.append)
    batches = list(rows.batches())
    objects = [
        {**kept, "row": row, "read": text}
        for batch in batches
        for kept, row, text in zip(
            batch.kept.to_pylist() or [{}] * len(batch.rows), batch.rows.tolist(), batch.inputs, strict=True
        )
    ]
    return rows, objects, notes


def write_all(rows: list[dict[str, Any]]) -> dict[str, Callable[[], object]]:
    table = pa.Table.from_pylist(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    return {
        "a.parquet": lambda: pq.write_table(table, "a.parquet", row_group_size=20),
        "a.arrow": lambda: pa.feather.write_feather(table, "a.arrow", chunksize=20),
        "a.jsonl": lambda: Path("a.jsonl").write_text(lines),
        "a.json": lambda: Path("a.json").write_text(json.dumps(rows)),
        "a.jsonl.gz": lambda: Path("a.jsonl.gz").write_bytes(gzip.compress(lines.encode())),
    }


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl", "a.json", "a.jsonl.gz"])
def test_pieces_of_a_file_are_the_rows_of_the_whole_file(name: str) -> None:
    given = [{"id": n, "text": f"text {n}", "more": [n, n] if n % 50 else None} for n in range(150)]
    write_all(given)[name]()
    rows, objects, _ = read(name)
    assert objects == [{**row, "row": number, "read": row["text"]} for number, row in enumerate(given, 1)]
    assert (rows.only is None) == (name != "a.json")


@pytest.mark.parametrize("size", [150, 300, 1000, 4000, 100_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_pieces_of_a_csv_are_its_rows_wherever_they_are_cut(size: int, end: str, encoding: str) -> None:
    content = CSV.replace("text ", "é ").replace("\n", end)
    Path("a.csv").write_bytes(content.encode(encoding))
    given = TextFormat(encoding="latin-1" if encoding == "latin-1" else None)
    _, objects, notes = read("a.csv", piece_bytes=size, text_format=given)
    expected = [f'é {n}, "so"{end}line' if n % 7 == 0 else f'5" wide {n}' for n in range(200)]
    assert [row["read"] for row in objects] == expected
    assert [(row["row"], row["id"]) for row in objects] == [(n + 1, str(n)) for n in range(200)]
    assert len(notes) == (encoding == "utf-16")


def test_faults_of_all_pieces_are_named_by_their_rows_in_the_file() -> None:
    lines = [f"{n},{'' if n in (3, 90, 150) else 'a'}" for n in range(1, 201)]
    Path("a.csv").write_text("id,text\n" + "\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"^a.csv: rows 3, 90 and 150: the text in column 'text' is empty; .*$"):
        read("a.csv")
    rows, objects, notes = read("a.csv", skip_unusable=True)
    assert rows.left_out.tolist() == [3, 90, 150]
    assert [row["id"] for row in objects] == [str(n) for n in range(1, 201) if n not in (3, 90, 150)]
    assert notes == ["a.csv: rows 3, 90 and 150 left out, as the text in column 'text' is empty"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({150: "150,a,b"}, r"a.csv:151: row 150: 3 values where the header has 2"),
        ({20: '20,"a, b"', 150: '150,"a" b'}, r"a.csv:151: a quotation mark opens a value here, and ' b' follows"),
        ({20: '20,"stray', 150: '150,"a, b"'}, r"a.csv:21: a quotation mark opens a value here"),
        ({20: '20,"a, b"', 150: '150,"stray'}, r"a.csv:151: a quotation mark opens a value here, and no mark closes"),
        ({150: "150,caf\udce9"}, r"a.csv:151: byte 0xe9 is not UTF-8 text"),
    ],
)
def test_what_breaks_a_csv_is_named_by_its_line_in_the_file(change: dict[int, str], message: str) -> None:
    lines = [change.get(n, f"{n},text {n}") for n in range(1, 201)]
    content = ("id,text\n" + "\n".join(lines) + "\n").encode(errors="surrogateescape")
    Path("a.csv").write_bytes(content)
    for size in (300, 100_000):
        with pytest.raises(DataError, match=message):
            read("a.csv", piece_bytes=size)


@pytest.mark.parametrize("lines", [{150: '150,"a" b'}, {150: '150,"see you', 180: '180,bye"'}])
def test_a_piece_reads_marks_as_the_whole_file_does(lines: dict[int, str]) -> None:
    Path("a.csv").write_text("id,text\n" + "\n".join(lines.get(n, f"{n},text {n}") for n in range(1, 201)) + "\n")
    _, small, small_notes = read("a.csv")
    _, whole, notes = read("a.csv", piece_bytes=100_000)
    assert small == whole
    assert [note.partition(", and")[0].partition(" that ends")[0] for note in small_notes] == [
        note.partition(", and")[0].partition(" that ends")[0] for note in notes
    ]


def test_stray_marks_are_plain_characters_in_all_pieces_and_are_noted_once() -> None:
    lines = [f'{n},"text {n}' if n % 60 == 0 else f"{n},text {n}" for n in range(1, 201)]
    Path("a.csv").write_text("id,text\n" + "\n".join(lines) + "\n")
    _, objects, notes = read("a.csv")
    assert [row["read"] for row in objects] == [line.partition(",")[2] for line in lines]
    assert "a.csv:61: a quotation mark opens a value here" in notes[0]
    assert len(notes) <= 3


def test_what_breaks_json_lines_is_named_by_its_line_in_the_file() -> None:
    lines = ["{" if n == 150 else json.dumps({"text": f"text {n}"}) for n in range(1, 201)]
    Path("a.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"a.jsonl:150: the line is not JSON"):
        read("a.jsonl")


def test_a_key_that_some_lines_lack_or_that_changes_its_kind_is_kept() -> None:
    given = [{"text": f"text {n}"} | ({} if n < 60 else {"late": n if n < 100 else f"n{n}"}) for n in range(150)]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given[:100]))
    _, objects, _ = read("a.jsonl")
    assert [row["late"] for row in objects] == [None] * 60 + list(range(60, 100))
    Path("b").mkdir()
    for number, part in enumerate((given[60:100], given[100:])):
        Path(f"b/{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    _, objects, _ = read("b")
    assert [row["late"] for row in objects] == [str(n) if n < 100 else f"n{n}" for n in range(60, 150)]


# --- columns that are kept ---


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (None, ["id", "text", "kind"]),
        ([], []),
        (["kind", "id"], ["kind", "id"]),
    ],
)
def test_the_columns_that_are_asked_for_are_kept(keep: list[str] | None, expected: list[str]) -> None:
    Path("a.csv").write_text("id,text,kind\n1,a,x\n2,b,y\n")
    _, objects, _ = read("a.csv", keep=keep)
    assert [list(row) for row in objects] == [[*expected, "row", "read"]] * 2


def test_a_column_to_keep_that_is_missing_is_refused_with_the_option() -> None:
    Path("a.csv").write_text("id,text,kind\n1,a,x\n")
    with pytest.raises(DataError, match=r"no column 'idd'; .* did you mean 'id'[?] Then --keep kind,id"):
        read("a.csv", keep=["kind", "idd"])


def test_columns_of_one_name_are_left_out_with_a_note() -> None:
    Path("a.csv").write_text("id,text,id\n1,a,2\n")
    _, objects, notes = read("a.csv")
    assert list(objects[0]) == ["text", "row", "read"]
    assert notes == ["a.csv: columns whose name is there twice are not kept: 'id'"]


def test_a_series_in_several_rows_keeps_what_is_the_same_in_all_of_them() -> None:
    Path("a.csv").write_text("site,id,t,x,sex\nA,p,1,1,f\nB,q,1,1,m\nA,p,2,3,f\n")
    columns = Columns(sequence="x", sequence_id="id", order="t")
    notes: list[str] = []
    rows = check_inputs(InputFile(uri="a.csv", columns=columns, keep=None), note=notes.append)
    (batch,) = rows.batches()
    assert batch.kept.to_pylist() == [{"site": "A", "id": "p", "sex": "f"}, {"site": "B", "id": "q", "sex": "m"}]
    assert "a.csv: not kept, because they change within a series: 't', 'x'" in notes


def test_notes_are_given_even_if_rows_are_refused() -> None:
    Path("a.csv").write_text('id,text\n1,"stray\n2,\n')
    notes: list[str] = []
    with pytest.raises(DataError, match="row 2: the text in column 'text' is empty"):
        check_inputs(InputFile(uri="a.csv", columns=TEXT), note=notes.append)
    assert "plain characters" in notes[0]


def sequences_of(batch: InputBatch) -> Sequences:
    assert isinstance(batch.inputs, Sequences)
    return batch.inputs


def test_a_built_in_set_is_read_like_a_file() -> None:
    columns = Columns(sequence="sequence")
    (batch, *_) = check_inputs(InputFile(uri="builtin:digits", columns=columns, keep=None), note=print).batches()
    assert batch.kept.column_names == ["sequence", "label"]
    with pytest.raises(DataError, match=r"builtin:digits: there is no column 'text'; .* name another: --text COLUMN"):
        check_inputs(InputFile(uri="builtin:digits", columns=TEXT), note=print)


@pytest.mark.parametrize("sequence", ["t*", ("x_*", "y_*"), "s"])
def test_sequences_in_pieces_are_those_of_the_whole_file(sequence: Any) -> None:
    wide = [{f"{name}{step}": n + step for name in ("t", "x_", "y_") for step in range(4)} for n in range(60)]
    given = [{"id": n, "s": [n, 1.5, *range(n % 4)], **row} for n, row in enumerate(wide)]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    columns = Columns(sequence=sequence)
    small, whole = (
        check_inputs(InputFile(uri="a.jsonl", columns=columns, keep=None, piece_bytes=size), note=print)
        for size in (1000, 1_000_000)
    )
    assert (small.only, whole.only is None) == (None, False)
    batches = list(small.batches())
    (expected,) = whole.batches()
    assert len(batches) > 3
    values = [value for batch in batches for value in sequences_of(batch).values.tolist()]
    assert values == sequences_of(expected).values.tolist()
    assert [row["id"] for batch in batches for row in batch.kept.to_pylist()] == list(range(60))
