"""Quotation marks in CSV: no row is swallowed, and what follows RFC 4180 is read as it is meant."""

from __future__ import annotations

import csv
import io
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tuner.data.formats.content import Reading
from tuner.data.formats.csv_format import read_csv
from tuner.errors import DataError
from tuner.space.text_format import Quoting, TextFormat

ROWS = "".join(f"{'spam' if row % 5 == 0 else 'ham'},text number {row}\n" for row in range(40))


def read(content: str, quoting: Quoting | None = None) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows and the notes of a CSV."""
    notes: list[str] = []
    reading = Reading(TextFormat(quoting), "data.", note=notes.append)
    table = read_csv("a.csv", pa.BufferReader(content.encode()), lambda _: None, reading)
    return table.to_pylist(), notes


@pytest.mark.parametrize(
    "content",
    [
        'text,label\n"a, b",x\n"c\nd",y\n"e ""f""",x\n',
        ',text,label\r\n0,"a, b",x\r\n1,"c\r\nd",y\r\n2,"e ""f""",x\r\n',
        '"text","label"\n"a, b","x"\n"c\n\nd","y"\n"e ""f""","x"\n',
        'text,label\n"Hello, you\nthanks, bye",x\n"roses are red\nviolets, blue",y\n"",x\n',
        'label,text\nchat,"Hello\nthanks, bye"\nham,5" wide\nham,he said "yes" twice\n',
        'text,label\n"spaces after" ,x\n"\na\n",y\nb,x\n',
    ],
)
def test_values_between_marks_are_read_by_the_standard(content: str) -> None:
    rows, notes = read(content)
    assert len(rows) == 3
    assert not any("plain characters, and every line as a row" in note for note in notes)


@pytest.mark.parametrize(
    ("content", "count", "line", "why"),
    [
        (f'label,text\n{ROWS}ham,"see you\n{ROWS}', 81, 42, "no mark closes it"),
        (f'label,text\nham,"see you\n{ROWS}ham,"bye\n', 42, 2, "'bye' follows the mark that closes it in line 43"),
        (
            f'label,text\nham,"see you\n{ROWS}ham,see you"\n',
            42,
            2,
            "ends in line 43, but the lines in it look like rows",
        ),
        (f'label,text\nham,"see" you\n{ROWS}', 41, 2, "' you' follows the mark that closes it;"),
        (f'"label","text"\nham,"see you\n{ROWS}ham,"bye\n', 42, 2, "follows the mark"),
        (f'label,text\nham,"see you\n{ROWS}ham,"bye\n'.replace("\n", "\r\n"), 42, 2, "follows the mark"),
        (f'label,text\nham,"see you\n{ROWS}ham,"bye\n'.replace("\n", "\r"), 42, 2, "follows the mark"),
        ('text,label\n"see you,ham\nfree,spam\nok bye",ham\nx,spam\n', 4, 2, "look like rows"),
        (f'label,text\n{ROWS}ham,"see you', 41, 42, "no mark closes it"),
    ],
)
def test_marks_that_can_only_be_plain_characters_are_read_so_and_noted(
    content: str, count: int, line: int, why: str
) -> None:
    rows, notes = read(content)
    assert len(rows) == count
    assert any('"' in row["text"] for row in rows)
    (note,) = notes
    assert note.startswith(f"a.csv:{line}: a quotation mark opens a value here")
    assert why.rstrip(";") in note
    assert "quotation marks are read as plain characters, and every line as a row" in note


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            'label,text\nham,"see, you"\nham,"free\nham,ok\nham,"a, b"\n',
            r"a\.csv:3: .*'a, b\"' follows .* line 5; double",
        ),
        ('label,text\nham,"a, b"\nham,"free\nham,ok\n', r"a\.csv:3: .*no mark closes it; double the quotation marks"),
        ('label,text\nham,"see "you"\nham,x\n', r"a\.csv:2: .*characters, --set data\.quoting=none$"),
        ('"text,label\nsee,x\n', r"a\.csv:1: .*no mark closes it"),
        ('"text","label"\n"he said "hi" x","1"\n', r"a\.csv:2: .*'hi\" x\",\"1\"' follows"),
        ('label,text\nham,"he said \\"hi\\" x, y"\n', r"a\.csv:2: .*backslashes: python -c 'import pandas;"),
        ('label,text\nham,he said "hi, x\n', r"a\.csv:2: row 1: 3 values where the header has 2"),
        ('label,text\nham,x\n\n"ham","x\ny",z\nham\n', r"a\.csv:4: rows 2 and 3: 3 values where the header has 2"),
    ],
)
def test_other_wrong_marks_are_refused_with_their_line(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(content)


def test_quoting_none_reads_every_mark_as_a_plain_character() -> None:
    rows, notes = read('"label","text"\nham,"see "you"\n"spam","a"\n', "none")
    assert rows == [{"label": "ham", "text": '"see "you"'}, {"label": '"spam"', "text": '"a"'}]
    assert notes == []
    with pytest.raises(DataError, match="the file has no rows"):
        read("text,label\n\n", "none")
    with pytest.raises(DataError, match=r"a\.csv:4: row 2: 3 values where the header has 2"):
        read('label,text\nham,"a"\n\nspam,"a,b"\n', "none")


def test_quoting_standard_keeps_a_text_whose_lines_look_like_rows() -> None:
    rows, notes = read(f'label,text\nham,"see you\n{ROWS}bye"\n', "standard")
    assert (len(rows), notes) == (1, [])
    with pytest.raises(DataError, match="no mark closes it"):
        read('label,text\nham,"see you\n', "standard")


@pytest.mark.parametrize("header", ["text", "id,text"])
def test_lines_that_may_or_may_not_be_rows_are_noted_with_the_setting(header: str) -> None:
    texts = ['"see you', "ok", 'bye"', "x"]
    lines = [f"{text}\n" if header == "text" else f"{number},{text}\n" for number, text in enumerate(texts)]
    rows, (note,) = read(f"{header}\n{''.join(lines)}")
    assert len(rows) == 2
    assert "1 value spans lines 2 to 4 between quotation marks, and is read as one text" in note
    assert note.endswith("--set data.quoting=none")
    assert len(read(f"{header}\n{''.join(lines)}", "none")[0]) == 4


EMAIL = 'ham,"Dear Anna,\nthe order is late, call me.\n\nRegards,\nMax, Sales"\n'
QUESTION = 'ham,"Are you sure?\nham, yes"\n'


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (f"label,text\n{EMAIL * 20}{QUESTION}{EMAIL}", 22),
        (f"label,text\n{QUESTION * 6}", 6),
        (f"label,text\n{QUESTION * 6}{ROWS}", 46),
        ('"label","text"\n' + '"ham","a"\n' * 9 + '"ham","Are you sure?\nham, yes"\n', 10),
    ],
)
def test_texts_with_lines_like_rows_are_read_where_the_rest_of_the_file_has_such_texts(
    content: str, count: int
) -> None:
    rows, (note,) = read(content)
    assert len(rows) == count
    assert "read as one text; if " in note


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f'label,text\n{EMAIL * 20}ham,"see you\n{ROWS}ham,bye"\n{EMAIL}', 102),
        (f'label,text\n{ROWS}ham,"a, b"\n{QUESTION}', 43),
    ],
)
def test_lines_that_are_rows_or_a_text_are_refused_with_what_to_do_for_each(content: str, line: int) -> None:
    remedy = (
        "if the marks enclose one text, --set data.quoting=standard; if the first is a plain character, "
        'write the value with three marks in front and one behind: """see you"$'
    )
    with pytest.raises(DataError, match=rf"a\.csv:{line}: .*look like rows; {remedy}"):
        read(content)
    kept = read(content, "standard")[0]
    doubled = content.split("\n")
    doubled[line - 1] = doubled[line - 1].replace('"', '"""') + '"'
    assert len(read("\n".join(doubled))[0]) > len(kept)


def test_blank_lines_between_rows_are_counted() -> None:
    assert read('a,b\n\n1,2\n\r\n"x\n\ny",3\n\n\n')[1] == ["a.csv: 2 blank lines are not rows"]
    assert read("a\nx\n\ny\n")[1] == ['a.csv: 1 blank line is not a row (write "" for an empty text)']


def test_the_remedy_for_backslashes_works_when_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = 'label,text\n01,"he said \\"hi\\", x"\nham,b\n'
    Path("a.csv").write_text(content)
    with pytest.raises(DataError) as raised:
        read(content)
    command = raised.value.faults[0].remedy.partition("python ")[2]
    subprocess.run(f"{sys.executable} {command}", shell=True, check=True)
    assert read(Path("a-doubled.csv").read_text())[0] == [
        {"label": "01", "text": 'he said "hi", x'}, {"label": "ham", "text": "b"}
    ]  # fmt: skip


def test_what_a_csv_writer_wrote_is_read_back() -> None:
    draw = random.Random(0)
    for _ in range(300):
        width, style = draw.randint(1, 4), draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        rows = [["".join(draw.choices('ab",\n ', k=draw.randint(0, 6))) for _ in range(width)] for _ in range(4)]
        file = io.StringIO(newline="")
        writer = csv.writer(file, quoting=style, lineterminator=draw.choice(["\n", "\r\n"]))
        writer.writerows([[f"c{number}" for number in range(width)], *rows])
        found, _ = read(file.getvalue(), "standard")
        kept = [row for row in csv.reader(io.StringIO(file.getvalue(), newline="")) if row]
        assert [list(row.values()) for row in found] == kept[1:]


def test_stray_marks_never_lose_rows_without_a_word() -> None:
    draw = random.Random(1)
    for _ in range(400):
        names = draw.choice([("text", "label"), ("label", "text"), ("id", "text", "label"), ("text",), ("id", "text")])
        texts = [f"{' '.join(draw.choices(['see', 'you', 'at', 'home'], k=5))} {row}" for row in range(30)]
        for row in draw.sample(range(30), draw.randint(1, 4)):
            forms = [f'"{texts[row]}', f'{texts[row]}"', texts[row].replace(" ", ' "', 1), f'"see" {texts[row]}']
            texts[row] = draw.choice(forms)
        values = [
            {"id": str(row), "text": text, "label": draw.choice(["spam", "ham"])} for row, text in enumerate(texts)
        ]
        content = "\n".join([",".join(names), *(",".join(each[name] for name in names) for each in values)])
        rows, notes = _read_or_refuse(content)
        assert len(rows) == 30 or notes


def _read_or_refuse(content: str) -> tuple[list[dict[str, str]], list[str]]:
    try:
        return read(content)
    except DataError as error:
        return [], [fault.where for fault in error.faults]
