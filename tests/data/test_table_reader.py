import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.formats.content import Reading
from tuner.data.name_lists import name_rows
from tuner.data.table_reader import fingerprint, read_table
from tuner.errors import DataError
from tuner.space.text_format import TextFormat

Write = Callable[[str, str | bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write_file


def test_the_three_formats_hold_the_same_rows(tmp_path: Path, write: Write) -> None:
    rows = {"text": ["a, b", "c\nd", 'e "f"'], "label": ["x", "y", "x"]}
    parquet = tmp_path / "rows.parquet"
    pq.write_table(pa.table(rows), parquet)
    csv = write("rows.csv", 'text,label\n"a, b",x\n"c\nd",y\n"e ""f""",x\n')
    lines = write(
        "rows.jsonl", '{"text":"a, b","label":"x"}\n{"text":"c\\nd","label":"y"}\n\n{"text":"e \\"f\\"","label":"x"}'
    )
    for uri in (str(parquet), csv, lines, parquet.as_uri()):
        assert read_table(uri, ["text", "label"]).to_pydict() == rows


def test_only_the_named_columns_are_read_in_the_order_named(write: Write) -> None:
    csv = write("rows.csv", "a,b,c\n1,2,3\n")
    assert read_table(csv, ["c", "a"]).to_pydict() == {"c": ["3"], "a": ["1"]}
    lines = write("rows.jsonl", '{"a":1,"b":2,"c":3}\n')
    assert read_table(lines, ["c", "a"]).to_pydict() == {"c": [3], "a": [1]}


def test_unnamed_parquet_columns_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a"] * 9, "spoilt": ["b"] * 9}), path, compression="none", use_dictionary=False)
    column = pq.read_metadata(path).row_group(0).column(1)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset : column.data_page_offset + 20] = b"\7" * 20
    path.write_bytes(bytes(content))
    assert read_table(str(path), ["text"]).num_rows == 9
    with pytest.raises(DataError, match="cannot be read as parquet"):
        read_table(str(path))


def test_what_looks_like_a_date_stays_as_it_is_written(write: Write) -> None:
    """pyarrow reads such texts in JSON as times; in another format they would be texts."""
    lines = write("rows.jsonl", '{"text":"a","day":"2021-03-04","labels":["2021-03-04"]}\n' * 2)
    assert read_table(lines).to_pydict() == {
        "text": ["a"] * 2, "day": ["2021-03-04"] * 2, "labels": [["2021-03-04"]] * 2
    }  # fmt: skip


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("line", ["a{0}b, c", '"a{0}, a"{0}b', "a, b{0}c"])
def test_another_separator_that_fits_the_header_and_the_rows_is_used_and_noted(
    write: Write, separator: str, line: str
) -> None:
    path, notes = write("rows.csv", f"text{separator}label\n{line.format(separator)}\n"), list[str]()
    table = read_table(path, ["text", "label"], reading=Reading(prefix="--", note=notes.append))
    assert table.num_rows == 1
    shown = "tabs" if separator == "\t" else repr(separator)
    assert notes == [
        f"{path}: its values are separated by {shown}, not by commas, and are read so; if it is commas, --separator ,"
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text;body\na\nb\n"),  # a column of this name
        ("a.csv", "text\na;b\nc;d\n"),
        ("a.csv", "text,x;y\na;b,c;d\n"),
        ("a.tsv", "text\tx;y\na;b\tc;d\n"),
    ],
)
def test_the_usual_separator_stays_if_it_fits(write: Write, name: str, content: str) -> None:
    notes = list[str]()
    first = content.split("\n", 1)[0]
    names = first.split("," if name == "a.csv" else "\t")
    assert read_table(write(name, content), reading=Reading(note=notes.append)).column_names == names
    assert notes == []


def test_rows_that_no_separator_fits_are_named(write: Write) -> None:
    with pytest.raises(DataError, match=r"rows.csv:3: row 2: 3 values where the header has 2, as in 'b;c;d'"):
        read_table(write("rows.csv", "text;label\na, b;c\nb;c;d\n"))


@pytest.mark.parametrize("separator", ["^", "|", "~", "\x01", "-"])
def test_any_sign_may_be_set_as_the_separator(write: Write, separator: str) -> None:
    path = write("rows.csv", f'text{separator}n\n"a ""b"" {separator} c" {separator}1\n5" wide{separator}2\n')
    read = Reading(TextFormat(separator=separator))
    assert read_table(path, reading=read).to_pydict() == {"text": [f'a "b" {separator} c ', '5" wide'], "n": ["1", "2"]}


# --- encodings ---

ACCENTS = "text,label\nCafé,a\nnaïve façade,b\n"


@pytest.mark.parametrize(
    ("text", "encoding", "proposed"),
    [
        (ACCENTS, "latin-1", "latin-1"),
        (ACCENTS + "10 € “off”,a\n", "cp1252", "cp1252"),
        (ACCENTS, "utf-16-le", "utf-16-le"),
        (ACCENTS, "utf-16-be", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("prefix", ["--", "data."])
def test_a_file_of_another_encoding_is_refused_with_the_setting_that_reads_it(
    write: Write, text: str, encoding: str, proposed: str, prefix: str
) -> None:
    path = write("a.csv", text.encode(encoding))
    option = f"--encoding {proposed}" if prefix == "--" else f"--set data.encoding={proposed}"
    with pytest.raises(DataError, match=f"{option}($|;)"):
        read_table(path, reading=Reading(prefix=prefix))
    read = read_table(path, reading=Reading(TextFormat(encoding=proposed)))
    assert read["text"].to_pylist() == [line.split(",")[0] for line in text.splitlines()[1:]]


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "gb18030"])
def test_a_script_that_is_not_western_gets_no_western_encoding(write: Write, encoding: str) -> None:
    word = "汉字" if encoding == "gb18030" else "привет"
    with pytest.raises(DataError, match="name its encoding, such as --encoding cp1251, or save the file") as raised:
        read_table(write("a.csv", f"text\n{word}\n".encode(encoding)), reading=Reading(prefix="--"))
    assert "Western" not in str(raised.value)


def test_a_line_that_is_broken_in_a_file_of_utf8_is_named_alone(write: Write) -> None:
    content = "text\né\nü\nö\n".encode() + b"caf\xe9\n"
    with pytest.raises(DataError, match=r"a\.csv:5: byte 0xe9 .* the rest of the file is UTF-8, so write this line"):
        read_table(write("a.csv", content), reading=Reading(prefix="--"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("given", [None, "latin-1"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_byte_order_mark_tells_the_encoding(write: Write, encoding: str, given: str | None, name: str) -> None:
    text, notes = (ACCENTS if name == "a.csv" else '{"text": "Café"}\n'), list[str]()
    path = write(name, text.encode(encoding))
    assert read_table(path, reading=Reading(TextFormat(encoding=given), note=notes.append))["text"][0].as_py() == "Café"
    assert any("begins with the mark of UTF" in note for note in notes) == (given is not None or encoding[4:6] != "8-")


def test_utf8_that_is_read_as_another_encoding_is_noted(write: Write) -> None:
    notes = list[str]()
    reading = Reading(TextFormat(encoding="latin-1"), "data.", note=notes.append)
    read_table(write("a.csv", "text\nCafé\n"), reading=reading)
    assert (
        "a.csv: read as latin-1, but all of the file is also UTF-8 text; if it is, --set data.encoding=utf-8"
        in notes[0]
    )


def test_a_csv_without_a_named_column_does_not_crash_the_process_at_exit(write: Write) -> None:
    """With pyarrow's streaming reader, every second process aborted at shutdown."""
    path = write("rows.csv", "a,b\n1,2\n" * 1000)
    program = f"""
import sys
from tuner.data.table_reader import read_table
try: read_table({path!r}, ["text"])
except Exception: sys.exit(2)
"""
    codes = [subprocess.run([sys.executable, "-c", program], check=False).returncode for _ in range(6)]
    assert codes == [2] * 6


def test_csv_values_stay_as_they_are_written(write: Write) -> None:
    table = read_table(write("rows.csv", "text,label\nNA,01\n3,\nnull,1.0\n"))
    assert table.to_pydict() == {"text": ["NA", "3", "null"], "label": ["01", "", "1.0"]}


def test_a_byte_order_mark_is_not_part_of_a_column_name(write: Write) -> None:
    assert read_table(write("a.csv", b"\xef\xbb\xbftext\na\n")).column_names == ["text"]
    assert read_table(write("a.jsonl", b'\xef\xbb\xbf{"text":"a"}\n')).column_names == ["text"]


def test_a_json_line_may_be_longer_than_a_megabyte(write: Write) -> None:
    text = "word " * 600_000
    assert read_table(write("long.jsonl", f'{{"text":"{text}"}}\n{{"text":"b"}}\n'))["text"].to_pylist() == [text, "b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", r"a\.csv: the file is empty \(0 bytes\); give a file with rows"),
        ("a.csv", "\n\n", "only blank lines"),
        ("a.csv", "text,label\n", "the file has no rows"),
        ("a.csv", "text,label\na,1\nb,2,3\nc\n", r"rows 2 and 3: 3 values where the header has 2, as in 'b,2,3'"),
        ("a.csv", 'text,label\n"a,c",1\n"b,1\nc,2\n', r"a\.csv:3: .*no mark closes it; .*close every quoted value"),
        (
            "a.csv",
            "text\nabc\nCafé\n".encode("latin-1"),
            r"a\.csv:3: byte 0xe9 is not UTF-8 text; save the file as UTF-8",
        ),
        ("a.csv", "text\nabc\n".encode("utf-16")[:-1], "byte 0x0a is not utf-16 text; save the file as UTF-8"),
        (
            "a.csv",
            b"PK\3\4 \0",
            r"no text; it begins like a spreadsheet such as \.xlsx, or a \.zip archive; give it the",
        ),
        ("a.csv", b"\x1f\x8b\x08\0", r"no text; it begins like a file packed by gzip \(\.gz\)"),
        ("a.json", b"PAR1\x15\0", r"no text; it begins like a Parquet file"),
        ("a.csv", "text\nabc\n".encode("utf-16-le"), "zero bytes, so this is not UTF-8"),
        ("a.csv", "text,text\na,b\n", "there are 2 columns 'text'; give each its own name"),
        ("a.jsonl", '{"text":"a"}\n\n{"text":\n', r"a\.jsonl:3: the line is not JSON"),
        ("a.jsonl", '{"text":"a"}\n"b"\n', r"a\.jsonl:2: the line holds a string, not an object"),
        ("a.jsonl", '{"text":"a"}\n{"text":3}\n', r"a\.jsonl:2: 'text' is a number, but a string in line 1"),
        (
            "a.jsonl",
            '{"text":[1]}\n{"text":[]}\n{"text":[[1]]}\n',
            r"a\.jsonl:3: 'text' is a list of lists, but a list in line 1; write one kind of value",
        ),
        ("a.parquet", b"no parquet", r"cannot be read as parquet \(Parquet magic bytes not found"),
        ("a.txt", "text", r"extension '\.txt' names no format, .*\.parquet, \.csv and \.jsonl"),
        ("a", "text", "the name has no extension"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(write: Write, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(name, content), ["text"])


def test_text_that_is_not_utf8_inside_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    spoilt = pa.array([b"ok", b"\xff\xfe"]).view(pa.string())
    pq.write_table(pa.table({"text": spoilt}), path)
    with pytest.raises(DataError, match="Invalid UTF8"):
        read_table(str(path))


def test_the_message_about_a_missing_file_has_its_full_path_and_the_nearest_name(write: Write) -> None:
    path = Path(write("train.csv", "text\na\n"))
    with pytest.raises(DataError, match=rf"there is no file {path.parent}/trian\.csv; did you mean 'train\.csv'\?"):
        read_table(str(path.with_name("trian.csv")))


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"there is no folder {tmp_path}/nowhere either"):
        read_table(str(tmp_path / "nowhere" / "a.csv"))


@pytest.mark.parametrize("name", ["folder", "folder.parquet"])
def test_a_folder_without_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="the folder holds no file of a known format"):
        read_table(str(tmp_path / name))


def test_a_long_list_of_columns_is_cut(write: Write) -> None:
    csv = write("a.csv", ",".join(f"column{i}" for i in range(50)) + "\n" + "," * 49 + "\n")
    with pytest.raises(DataError, match=r"no column 'zzz'; known: .* and 30 more"):
        read_table(csv, ["zzz"])


def test_all_wrong_columns_are_reported_at_once(write: Write) -> None:
    with pytest.raises(DataError) as raised:
        read_table(write("a.csv", "text,label\na,1\n"), ["lable", "txet", "label"])
    assert [fault.remedy for fault in raised.value.faults] == ["did you mean 'label'?", "did you mean 'text'?"]


def test_an_unknown_file_system_is_refused() -> None:
    with pytest.raises(DataError, match=r"cannot be reached .*Unrecognized filesystem"):
        read_table("nonsense://bucket/a.parquet")


def test_a_fingerprint_is_the_hash_of_the_bytes(write: Write) -> None:
    path = write("a.csv", "text\na\n")
    assert fingerprint(path) == hashlib.sha256(b"text\na\n").hexdigest()


def test_row_numbers_are_named_in_words() -> None:
    assert name_rows([3]) == "row 3"
    assert name_rows([3, 9]) == "rows 3 and 9"
    assert name_rows([1, 2, 3, 4, 5]) == "rows 1, 2, 3, 4 and 5"
    assert name_rows(range(1, 1501)) == "rows 1, 2, 3, 4 and 5 (1,500 in all)"
