"""Files made to break a reader: each is refused with a remedy, or read with all its rows and labels."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from builders.fuzz import Rows, follow_remedies, make_space, read_counts, run_checked, write_rows

_DEEP = 5_000
TEXTS = [f"text {number}" for number in range(40)]
AB = ["a", "b"] * 20
CSV = write_rows("a.csv", {"text": TEXTS, "label": AB})
Content = bytes | Rows | Callable[[], bytes | Rows]


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def archive(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.csv", content)
    return sink.getvalue()


def feather() -> bytes:
    sink = io.BytesIO()
    pa.feather.write_feather(pa.table({"text": TEXTS, "label": AB}), sink)
    return sink.getvalue()


def nested(depth: int) -> bytes:
    cells = pa.array(TEXTS)
    for _ in range(depth):
        cells = pa.ListArray.from_arrays(pa.array(range(len(cells) + 1), pa.int32()), cells)
    return parquet(pa.table({"text": cells, "label": AB}))


def two_columns_of_one_name() -> bytes:
    return parquet(pa.Table.from_arrays([pa.array(TEXTS), pa.array(TEXTS), pa.array(AB)], ["text", "text", "label"]))


def lines(*rows: Any) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


REFUSED: dict[str, tuple[str, Content]] = {
    "a label of its own for every row, for a model of two": ("a.csv", {"text": TEXTS, "label": TEXTS}),
    "one label that every row has": ("a.csv", {"text": TEXTS, "label": ["a"] * 40}),
    "the same text everywhere": ("a.csv", {"text": ["x"] * 40, "label": AB}),
    "texts of no letter": ("a.parquet", {"text": [""] * 40, "label": AB}),
    "texts of spaces": ("a.jsonl", {"text": [" \t\u2003"] * 40, "label": AB}),
    "labels of no letter": ("a.csv", {"text": TEXTS, "label": ["", "a"] * 20}),
    "empty names of columns": ("a.csv", b",,\na,b,c\n"),
    "two columns of one name": ("a.csv", b"text,text,label\na,b,c\n"),
    "two columns of one name in Parquet": ("a.parquet", two_columns_of_one_name),
    "a byte order mark alone": ("a.csv", b"\xef\xbb\xbf"),
    "nothing": ("a.jsonl", b""),
    "blank lines": ("a.csv", b"\n\r\n\n"),
    "a header alone": ("a.csv", b"text,label\n"),
    "zeros": ("a.csv", b"\0" * 1000),
    "one zero": ("a.csv", CSV.replace(b"text 7", b"te\0t 7")),
    "one zero in JSON": ("a.jsonl", b'{"text": "a\0b", "label": "a"}\n' * 2),
    "Latin-1": ("a.csv", CSV.replace(b"text 7", b"t\xe9xt 7")),
    "half a letter at the end": ("a.csv", CSV + b"\nx,\xc3"),
    "10 MB on one line without a comma": ("a.csv", lambda: b"x" * 10_000_000),
    "10 MB on one line of JSON without an end": ("a.jsonl", lambda: b'{"text":"' + b"x" * 10_000_000),
    "10 MB of quotes": ("a.csv", lambda: b"text,label\n" + b'"' * 10_000_001),
    "10 MB of commas": ("a.csv", lambda: b"text,label\n" + b"," * 10_000_000),
    "a header of 10 MB": ("a.csv", lambda: b"x" * 10_000_000 + b",label\na,b\n"),
    "a text in quotes without end": ("a.csv", b'text,label\n"' + b"x\n" * 100_000),
    "lists in lists": ("a.jsonl", b'{"text":' + b"[" * _DEEP + b"]" * _DEEP + b"}"),
    "lists in lists without end": ("a.jsonl", b'{"text":' + b"[" * 1_000_000),
    "objects in objects": ("a.jsonl", b'{"text":' * _DEEP + b"1" + b"}" * _DEEP),
    "brackets that are closed only": ("a.jsonl", b'{"text":"a"}' + b"]" * 1_000_000),
    "lists 60 deep in Parquet": ("a.parquet", lambda: nested(60)),
    "one huge number": ("a.jsonl", b'{"text":"a","label":' + b"9" * 100_000 + b"}"),
    "a number with a huge exponent": ("a.jsonl", lines({"text": "a"}) + b'\n{"text":"b","label":1e999999}'),
    "a json array": ("a.jsonl", b'[{"text":"a","label":"b"}]'),
    "json in single quotes": ("a.jsonl", b"{'text': 'a', 'label': 'b'}"),
    "a row of another kind": ("a.jsonl", lines({"text": "a", "label": "b"}, {"text": 3, "label": "c"})),
    "a row that is no object": ("a.jsonl", lines({"text": "a", "label": "b"}, ["a", "b"])),
    "keys that are there twice": ("a.jsonl", b'{"text":"a","text":"b","label":"c"}\n' * 2),
    "half a pair of surrogates": ("a.jsonl", b'{"text":"\\ud800","label":"a"}\n' * 2),
    "no rows": ("a.parquet", {"text": [], "label": []}),
    "labels that are infinite": ("a.parquet", {"text": TEXTS, "label": [float("inf"), 1e300] * 20}),
    "labels that are fractions": ("a.parquet", {"text": TEXTS, "label": [0.5, 1.5] * 20}),
    "labels that are bytes": ("a.parquet", {"text": TEXTS, "label": [b"a", b"\xff"] * 20}),
    "texts that are bytes": ("a.parquet", {"text": [b"\xff"] * 40, "label": AB}),
    "texts that are numbers": ("a.parquet", {"text": list(range(40)), "label": AB}),
    "labels that are objects": ("a.parquet", {"text": TEXTS, "label": [{"a": 1}] * 40}),
    "text that is no UTF-8 in Parquet": (
        "a.parquet",
        lambda: parquet(pa.table({"text": pa.array([b"\xff"] * 40).view(pa.string()), "label": AB})),
    ),
    "a name of a column that is no UTF-8 in Parquet": (
        "a.parquet",
        lambda: parquet(pa.table({"text": TEXTS, "label": AB, "other": AB})).replace(b"other", b"oth\xb9r"),
    ),
    "a Parquet file without its foot": ("a.parquet", lambda: parquet(pa.table({"text": TEXTS, "label": AB}))[:-8]),
    "a Parquet file with its foot only": ("a.parquet", b"PAR1" + b"\0" * 100 + b"PAR1"),
    "a Parquet file whose foot has 2 GB": ("a.parquet", b"PAR1" + b"\xff\xff\xff\x7fPAR1"),
    "CSV under the name of Parquet": ("a.parquet", CSV),
    "Parquet under the name of CSV": ("a.csv", lambda: parquet(pa.table({"text": TEXTS, "label": AB}))),
    "JSON under the name of CSV": ("a.csv", lines({"text": "a", "label": "b"}, {"text": "c", "label": "d"})),
    "CSV under the name of JSON": ("a.jsonl", CSV),
    "gzip under the name of CSV": ("a.csv", lambda: gzip.compress(CSV)),
    "gzip of JSON": ("a.jsonl.gz", lambda: gzip.compress(lines({"text": "a", "label": "b"}))),
    "gzip that is cut short": ("a.csv.gz", lambda: gzip.compress(CSV)[:-20]),
    "gzip of 100 MB of zeros": ("a.csv.gz", lambda: gzip.compress(b"\0" * 100_000_000, compresslevel=1)),
    "an archive": ("a.zip", lambda: archive(CSV)),
    "an archive under the name of CSV": ("a.csv", lambda: archive(CSV)),
    "Feather under the name of Parquet": ("a.parquet", feather),
    "a table of Excel": ("a.xlsx", b"PK\x03\x04" + b"\0" * 100),
    "a pickle": ("a.pkl", b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94"),
    "a pickle under the name of CSV": ("a.csv", b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94"),
}  # fmt: skip

# With the file's numbers of rows and labels.
ACCEPTED: dict[str, tuple[str, Content, int, int]] = {
    "gzip": ("a.csv.gz", lambda: gzip.compress(CSV), 40, 2),
    "UTF-16": ("a.csv", CSV.decode().encode("utf-16"), 40, 2),
    "UTF-32": ("a.csv", CSV.decode().encode("utf-32"), 40, 2),
    "gzip of Parquet": ("a.parquet.gz", lambda: gzip.compress(parquet(pa.table({"text": TEXTS, "label": AB}))), 40, 2),
    "bzip2": ("a.csv.bz2", lambda: bz2.compress(CSV), 40, 2),
    "Feather": ("a.feather", feather, 40, 2),
    "Arrow": ("a.arrow", feather, 40, 2),
    "a label of its own for every second row": ("a.csv", {"text": TEXTS, "label": [*TEXTS[:20], *["a"] * 20]}, 40, 21),
    "labels that look alike": ("a.jsonl", {"text": TEXTS, "label": ["é", "e\u0301", "e\u200b", "е"] * 10}, 40, 3),
    "labels of all scripts": ("a.csv", {"text": TEXTS, "label": ["日本", "עברית", "🏳️‍🌈", "\u202eabc"] * 10}, 40, 4),
    "labels with line breaks": ("a.csv", {"text": TEXTS, "label": ["a\nb", "c,d", '"', "\t"] * 10}, 40, 4),
    "labels that steer a terminal": ("a.csv", {"text": TEXTS, "label": ["\x1b[31mred", "\x1b]0;x\x07"] * 20}, 40, 2),
    "labels of a megabyte": ("a.jsonl", {"text": TEXTS, "label": ["x" * 1_000_000, "y"] + ["x", "y"] * 19}, 40, 3),
    "labels that are words for none": ("a.csv", {"text": TEXTS, "label": ["nan", "NULL", "None", "n/a"] * 10}, 40, 4),
    "labels that are huge numbers": ("a.parquet", {"text": TEXTS, "label": [2**63 - 1, -(2**63)] * 20}, 40, 2),
    "labels that are true and false": ("a.parquet", {"text": TEXTS, "label": [True, False] * 20}, 40, 2),
    "ten thousand labels": (
        "a.csv",
        lambda: {"text": [f"text {n}" for n in range(20_000)], "label": [f"l{n // 2}" for n in range(20_000)]},
        20_000,
        10_000,
    ),
    "texts of a megabyte": ("a.csv", {"text": ["x" * 1_000_000, *TEXTS[1:]], "label": AB}, 40, 2),
    "a text of 10 MB": ("a.csv", lambda: {"text": ["x y " * 2_500_000, *TEXTS[1:]], "label": AB}, 40, 2),
    "a text of 10 MB in JSON": ("a.jsonl", lambda: {"text": ["x y " * 2_500_000, *TEXTS[1:]], "label": AB}, 40, 2),
    "a text of 10 MB in Parquet": ("a.parquet", lambda: {"text": ["x y " * 2_500_000, *TEXTS[1:]], "label": AB}, 40, 2),
    "texts of one letter": ("a.csv", {"text": [chr(0x4E00 + number) for number in range(40)], "label": AB}, 40, 2),
    "texts of signs that combine": ("a.csv", {"text": [f"a{chr(0x300 + n) * 1000}" for n in range(40)], "label": AB}, 40, 2),
    "texts that are formulas": ("a.csv", {"text": [f"=1+{number}" for number in range(40)], "label": AB}, 40, 2),
    "texts of brackets": ("a.jsonl", {"text": [f"{'[' * 500} {number}" for number in range(40)], "label": AB}, 40, 2),
    "ten thousand columns": (
        "a.csv",
        lambda: {**{f"c{number}": [""] * 40 for number in range(10_000)}, "text": TEXTS, "label": AB},
        40,
        2,
    ),
    "a byte order mark": ("a.csv", b"\xef\xbb\xbf" + CSV, 40, 2),
    "a byte order mark before JSON": ("a.jsonl", b"\xef\xbb\xbf" + write_rows("a.jsonl", {"text": TEXTS, "label": AB}), 40, 2),
    "line breaks of old": ("a.csv", CSV.replace(b"\n", b"\r"), 40, 2),
    "line breaks of Windows": ("a.csv", CSV.replace(b"\n", b"\r\n") + b"\r\n", 40, 2),
    "blank lines between rows": ("a.csv", CSV.replace(b"\n", b"\n\n"), 40, 2),
    "JSON with blank lines": ("a.jsonl", write_rows("a.jsonl", {"text": TEXTS, "label": AB}).replace(b"\n", b"\r\n\n"), 40, 2),
    "Parquet in many parts": (
        "a.parquet",
        lambda: parquet(pa.table({"text": TEXTS, "label": AB}), row_group_size=1, compression="gzip"),
        40,
        2,
    ),
    "Parquet with a dictionary of labels": (
        "a.parquet",
        lambda: parquet(pa.table({"text": TEXTS, "label": pa.array(AB).dictionary_encode()})),
        40,
        2,
    ),
    "Parquet of long texts": (
        "a.parquet",
        lambda: parquet(pa.table({"text": pa.array(TEXTS, pa.large_string()), "label": AB})),
        40,
        2,
    ),
}  # fmt: skip
MULTILABEL: dict[str, tuple[str, Rows | Callable[[], Rows], int, int]] = {
    "a label that every row has": ("a.jsonl", {"text": TEXTS, "labels": [["all", n] for n in AB]}, 40, 3),
    "one label, which every row has": ("a.jsonl", {"text": TEXTS, "labels": [["all"]] * 40}, 40, 1),
    "rows without labels": ("a.jsonl", {"text": TEXTS, "labels": [["a"], []] * 20}, 40, 1),
    "the same label twice in a row": ("a.csv", {"text": TEXTS, "labels": ["a|a|b", "b"] * 20}, 40, 2),
    "ten thousand labels": (
        "a.jsonl",
        lambda: {
            "text": [f"t {n}" for n in range(5_000)],
            "labels": [[f"l{(4 * n + i) % 10_000}" for i in range(4)] for n in range(5_000)],
        },
        5_000,
        10_000,
    ),
    "every label in one row": (
        "a.parquet",
        lambda: {"text": TEXTS, "labels": [[f"l{number}" for number in range(10_000)], *[["l0"]] * 39]},
        40,
        10_000,
    ),
}  # fmt: skip
SEQUENCES: dict[str, list[Any]] = {
    "sequences without steps": [[]] * 40,
    "steps without channels": [[[]]] * 40,
    "sequences of many shapes": [[[1.0]], [[1.0, 2.0]], [], [[]]] * 10,
    "values too large": [[[1e300, 1.0]], [[1.0, 2.0]]] * 20,
    "one channel of nothing": [[None]] * 40,
    "null for a sequence": [None, [[1.0]]] * 20,
    "one sequence without steps": [[], *[[[1.0, 2.0]]] * 39],
    "texts for numbers": [[["a"]]] * 40,
    "steps of steps": [[[[1.0]]]] * 40,
}


def contents(name: str, content: Content) -> bytes:
    made = content() if callable(content) else content
    return made if isinstance(made, bytes) else write_rows(name, made)


def validate(call: Any, space: str, name: str, data: bytes) -> tuple[int, str]:
    Path("space.yaml").write_text(space, encoding="utf-8")
    Path(name).write_bytes(data)
    arguments = ("validate", "space.yaml", "--with-data")
    code, out, err = run_checked(call, *arguments)
    assert out == ""
    follow_remedies(call, arguments, err)
    return code, err


@pytest.mark.parametrize("what", REFUSED)
def test_a_hostile_file_is_refused(what: str, call: Any) -> None:
    name, content = REFUSED[what]
    assert validate(call, make_space("binary", name), name, contents(name, content))[0] == 2


@pytest.mark.parametrize("what", ACCEPTED)
def test_an_odd_file_is_read_with_all_its_rows_and_labels(what: str, call: Any) -> None:
    name, content, rows, labels = ACCEPTED[what]
    code, err = validate(call, make_space("multiclass", name), name, contents(name, content))
    assert code == 0, err
    assert read_counts(err) == (rows, labels)


@pytest.mark.parametrize("what", MULTILABEL)
def test_odd_lists_of_labels_are_read_with_all_rows_and_labels(what: str, call: Any) -> None:
    name, content, rows, labels = MULTILABEL[what]
    code, err = validate(call, make_space("multilabel", name), name, contents(name, content))
    assert code == 0, err
    assert read_counts(err) == (rows, labels)


@pytest.mark.parametrize("what", SEQUENCES)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_hostile_sequences_are_refused(what: str, name: str, call: Any) -> None:
    rows = {"sequence": SEQUENCES[what], "label": AB}
    assert validate(call, make_space("binary", name, "sequence"), name, write_rows(name, rows))[0] == 2


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_empty_sequences_are_skipped_if_the_space_says_so(name: str, call: Any) -> None:
    skip = make_space("binary", name, "sequence", more="\n  skip_unusable: true")
    steps = [[[0.5, float(number)]] if number % 4 else [] for number in range(40)]
    code, err = validate(call, skip, name, write_rows(name, {"sequence": steps, "label": AB}))
    assert (code, read_counts(err)) == (0, (30, 2))
    assert "rows 1, 5, 9, 13 and 17 (10 in all) left out, as the sequence in column 'sequence' is empty" in err


def test_two_thousand_columns_of_labels_are_read(call: Any) -> None:
    names = [f"l{number}" for number in range(2_000)]
    marks = {name: [int(row % 20 == number % 20) for row in range(40)] for number, name in enumerate(names)}
    space = make_space("multilabel", "a.csv", labels=f"label_columns: [{', '.join(names)}]")
    code, err = validate(call, space, "a.csv", write_rows("a.csv", {"text": TEXTS, **marks}))
    assert (code, read_counts(err)) == (0, (40, 2_000))


def test_a_different_label_for_each_of_30_000_rows_is_refused_with_the_reason(call: Any) -> None:
    texts = [f"text {number}" for number in range(30_000)]
    code, err = validate(
        call, make_space("multiclass", "a.csv"), "a.csv", write_rows("a.csv", {"text": texts, "label": texts})
    )
    assert code == 2
    assert "column 'label': it has 30,000 different values in 30,000 rows, so hardly any of them repeats" in err
