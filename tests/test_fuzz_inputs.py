"""Seeded mutations of spaces and data: each ends in a message and exit code 2, or in something valid; never in a traceback.

`tuner validate --with-data` runs in this process. Nothing may be written, and nothing may take long.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.__main__ import main

SPACE = """# a space to spoil
task: {task}
data:
  train: {name}
  {inputs}: {inputs}
  {labels}
  validation: 0.2
  test: 0.2
search: {{trials: 3, time: 1m, max_epochs: 4, grace_epochs: 0.5}}
space:
  hidden: [16, 32]
  learning_rate: {{low: 1e-4, high: 1e-2, scale: log}}
  clipping: [none, {{norm: {{threshold: 1.0}}}}]
"""
_LONGEST_S = 5.0
_DEEP = 5_000

Generator = np.random.Generator
Mutation = Callable[[bytes, Generator], bytes]
ODD_VALUES = [
    "", "null", "~", ".nan", ".inf", "-1", "0", "1e400", "9" * 5000, "1_000", "0x1F", "2026-01-01", "true", "[]", "{}",
    "[1, [2]]", "{a: {b: c}}", '"\\0"', '"\\ud800"', "!!python/object/apply:os.system [ls]", "!!binary aGk=", "&a [*a]",
    "*missing", "|\n    text", "? [a]\n  : b", "'unclosed", "[1, 2", "\t", "@", "%TAG", "---", "...", "\u202e", "builtin:x",
    "foo://bar/x.csv", "~nobody-here/x.csv", "/proc/self/mem.csv", "../../..", "a" * 300 + ".csv",
]  # fmt: skip
ODD_TEXTS = [
    "", " ", "\ufeff", "\u202eright to left", "👩‍👩‍👧", "a\u0301", "\u200b", "nan", "NULL", "\r", "\x1b[31mred", "=1+1",
    "word " * 200_000, "x" * 1_000_000, "|", "[", '["a"', "[[[]]]", "9" * 400, "-1e400", "\U0010ffff", "🏳", "\n\n",
]  # fmt: skip


# --- of bytes -------------------------------------------------------------------------------------------------------


def cut_short(content: bytes, random: Generator) -> bytes:
    return content[: random.integers(0, len(content))]


def flip_bytes(content: bytes, random: Generator) -> bytes:
    spoilt = bytearray(content)
    for place in random.integers(0, len(content), random.integers(1, 8)):
        spoilt[place] = random.integers(0, 256)
    return bytes(spoilt)


def insert_bytes(content: bytes, random: Generator) -> bytes:
    inserted = [b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\x1a", b'"', b"\x85", b"\n\n\n", b"\t"]
    place = random.integers(0, len(content) + 1)
    return content[:place] + inserted[random.integers(len(inserted))] + content[place:]


def repeat_part(content: bytes, random: Generator) -> bytes:
    start, end = sorted(random.integers(0, len(content), 2))
    return content[:end] + content[start:end] * random.integers(1, 50) + content[end:]


def encode_otherwise(content: bytes, random: Generator) -> bytes:
    text = content.decode("utf-8", "replace") + "é"
    return text.encode(
        ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "utf-7"][random.integers(6)], "replace"
    )


OF_BYTES = [cut_short, flip_bytes, insert_bytes, repeat_part, encode_otherwise]


# --- of spaces ------------------------------------------------------------------------------------------------------


def odd_value(content: bytes, random: Generator) -> bytes:
    """Put something odd in the place of one value of the space."""
    lines = content.decode("utf-8", "replace").splitlines()
    places = [number for number, line in enumerate(lines) if ": " in line]
    number = places[random.integers(len(places))] if places else 0
    value = ODD_VALUES[random.integers(len(ODD_VALUES))]
    lines[number] = f"{lines[number].split(': ')[0]}: {value}"
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def repeat_or_lose_line(content: bytes, random: Generator) -> bytes:
    lines = content.splitlines()
    number = random.integers(len(lines))
    return b"\n".join(lines[:number] + lines[number : number + 1] * random.choice([0, 2]) + lines[number + 1 :])


OF_SPACES = [*OF_BYTES, odd_value, odd_value, odd_value, repeat_or_lose_line]

WHOLE_SPACES = {
    "a bomb of aliases": "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefgh")),
    "an alias of itself": "a: &a [*a]",
    "a merge key": "base: &b {task: binary}\n<<: *b",
    "lists in lists": "task: " + "[" * 190_000,
    "lists in lists, closed": "task: " + "[" * _DEEP + "]" * _DEEP,
    "lists beside lists in lists": "task: " + "[[]," * _DEEP + "]" * _DEEP,
    "braces and brackets": "task: " + "{a: [" * _DEEP,
    "dashes": "- " * 90_000,
    "question marks": "? " * 90_000,
    "quotes": "task: " + '"\\n' * 50_000,
    "mappings in mappings": "".join(" " * depth + "a:\n" for depth in range(300)),
    "a very long line": "task: " + "x" * 190_000,
    "more than a megabyte": "# " + "x" * 1_100_000,
    "a hundred thousand keys": "".join(f"k{number}: 1\n" for number in range(90_000)),
    "a hundred thousand values": "space: {hidden: [" + "1," * 300_000 + "]}",
    "a key of many letters": "k" * 500_000 + ": 1",
    "keys that are lists": "? [a, b]\n: c",
    "a comment alone": "# nothing",
    "tags": "!!python/object:os.system {task: binary}",
    "a range of all numbers": SPACE.replace("[16, 32]", "{{low: 1, high: 999999999999999999}}"),
    "a range of tiny steps": SPACE.replace("[16, 32]", "{{low: 1, high: 999999, step: 0.0000001}}"),
    "a label without end": SPACE.replace("{labels}", "label: " + "x" * 100_000),
}


# --- of data --------------------------------------------------------------------------------------------------------


def odd_cell(content: bytes, random: Generator, *, name: str) -> bytes:
    """Put something odd in one cell of a table."""
    text = ODD_TEXTS[random.integers(len(ODD_TEXTS))]
    if name.endswith(".csv"):
        lines = content.decode().splitlines()
        number = random.integers(len(lines))
        first, comma, second = lines[number].rpartition(",")
        quoted = '"' + text.replace('"', '""') + '"'
        lines[number] = f"{quoted}{comma}{second}" if random.random() < 0.5 else f"{first}{comma}{quoted}"
        return "\n".join(lines).encode()
    rows = [json.loads(line) for line in content.decode().splitlines()]
    values: list[Any] = [
        text,
        None,
        [],
        {},
        1,
        1e308,
        10**400,
        True,
        [[]],
        [None],
        {"a": 1},
        [text],
        [[1, 2], [3]],
        -0.0,
    ]
    row = rows[random.integers(len(rows))]
    row[list(row)[random.integers(len(row))]] = values[random.integers(len(values))]
    return "\n".join(map(json.dumps, rows)).encode()


def _rows(random: Generator, kind: str) -> dict[str, list[Any]]:
    labels = ["a", "b", "ü"]
    if kind == "sequence":
        steps = [random.normal(size=(random.integers(1, 4), 2)).round(2).tolist() for _ in range(40)]
        return {"sequence": steps, "label": [labels[number % 2] for number in range(40)]}
    texts = [f"text {number} of {labels[number % 3]}" for number in range(40)]
    if kind == "multilabel":
        return {"text": texts, "labels": [labels[: number % 4] for number in range(40)]}
    return {"text": texts, "label": [labels[number % 2] for number in range(40)]}


def _write(name: str, rows: dict[str, list[Any]]) -> bytes:
    if name.endswith(".parquet"):
        sink = io.BytesIO()
        pq.write_table(pa.table(rows), sink)
        return sink.getvalue()
    if name.endswith(".jsonl"):
        lines = [json.dumps(dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True)]
        return "\n".join(lines).encode()
    cells = [[value if isinstance(value, str) else json.dumps(value) for value in column] for column in rows.values()]
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in zip(*cells, strict=True)]
    return "\n".join([",".join(rows), *lines]).encode()


TEXTS = [f"text {number}" for number in range(40)]
WHOLE_DATA: dict[str, tuple[str, bytes | dict[str, list[Any]]]] = {
    "a label of every row": ("a.csv", {"text": TEXTS, "label": TEXTS}),
    "labels that look alike": ("a.jsonl", {"text": TEXTS, "label": ["é", "e\u0301", "e\u200b", "е"] * 10}),
    "labels of all scripts": ("a.csv", {"text": TEXTS, "label": ["日本", "עברית", "🏳️‍🌈", "\u202eabc"] * 10}),
    "labels with line breaks": ("a.csv", {"text": TEXTS, "label": ["a\nb", "c,d", '"', "\t"] * 10}),
    "texts of a megabyte": ("a.csv", {"text": ["x" * 1_000_000, *TEXTS[1:]], "label": ["a", "b"] * 20}),
    "the same text everywhere": ("a.csv", {"text": ["x"] * 40, "label": ["a", "b"] * 20}),
    "ten thousand columns": (
        "a.csv",
        {**{f"c{i}": [""] * 2 for i in range(10_000)}, "text": ["a", "b"], "label": [1, 2]},
    ),
    "empty names of columns": ("a.csv", b",,\na,b,c\n"),
    "line breaks of old": ("a.csv", b"text,label\ra,b\rc,d\r"),
    "a byte order mark alone": ("a.csv", b"\xef\xbb\xbf"),
    "zeros": ("a.csv", b"\0" * 1000),
    "lists in lists": ("a.jsonl", b'{"text":' + b"[" * _DEEP + b"]" * _DEEP + b"}"),
    "objects in objects": ("a.jsonl", b'{"text":' * _DEEP + b"1" + b"}" * _DEEP),
    "one huge number": ("a.jsonl", b'{"text":"a","label":' + b"9" * 100_000 + b"}"),
    "a json array": ("a.jsonl", b'[{"text":"a","label":"b"}]'),
    "no rows": ("a.parquet", {"text": [], "label": []}),
    "labels that are infinite": ("a.parquet", {"text": TEXTS, "label": [float("inf"), 1e300] * 20}),
    "labels that are bytes": ("a.parquet", {"text": TEXTS, "label": [b"a", b"\xff"] * 20}),
    "texts that are bytes": ("a.parquet", {"text": [b"\xff"] * 40, "label": ["a", "b"] * 20}),
    "labels that are objects": ("a.parquet", {"text": TEXTS, "label": [{"a": 1}] * 40}),
    "a text in quotes without end": ("a.csv", b'text,label\n"' + b"x\n" * 100_000),
}
WHOLE_SEQUENCES: dict[str, list[Any]] = {
    "sequences without steps": [[]] * 40,
    "steps without channels": [[[]]] * 40,
    "sequences of many shapes": [[[1.0]], [[1.0, 2.0]], [], [[]]] * 10,
    "values too large": [[[1e300, 1.0]], [[1.0, 2.0]]] * 20,
    "one channel of nothing": [[None]] * 40,
}


# --- the runs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[bytes, str, bytes], int]:
    """Return a function that validates a space with a data file, checks how that ended, and returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tuner", "validate", "space.yaml", "--with-data"])

    def run(space: bytes, name: str, data: bytes) -> int:
        files = {"space.yaml": space, name: data}
        for each, content in files.items():
            Path(each).write_bytes(content)
        began = time.monotonic()
        with pytest.raises(SystemExit) as ended:
            main()
        seconds = time.monotonic() - began
        out, err = capsys.readouterr()
        assert {path.name: path.read_bytes() for path in Path().iterdir()} == files  # nothing is written or changed
        assert (out, seconds < _LONGEST_S) == ("", True), seconds
        assert "Traceback" not in err
        assert "error: unexpected" not in err
        assert err.isascii() or "\x1b" not in err
        code = int(ended.value.code or 0)
        assert code in (0, 2), err
        if code:
            last = err.splitlines()[-1]
            assert last.startswith("error: "), last
            assert "; " in last  # a remedy
            assert len(last) < 10_000
        else:
            assert "valid: " in err
        return code

    return run


def _space(task: str, name: str, inputs: str = "text") -> str:
    labels = "labels: labels" if task == "multilabel" else "label: label"
    return SPACE.format(task=task, name=name, inputs=inputs, labels=labels)


KINDS = [("binary", "text"), ("multilabel", "text"), ("binary", "sequence")]
NAMES = ["rows.csv", "rows.jsonl", "rows.parquet"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_spoilt_is_valid(kind: tuple[str, str], name: str, validate: Any) -> None:
    task, inputs = kind
    rows = _rows(np.random.default_rng(0), inputs if inputs == "sequence" else task)
    assert validate(_space(task, name, inputs).encode(), name, _write(name, rows)) == 0


@pytest.mark.parametrize("seed", range(60))
def test_a_spoilt_space_is_refused_or_valid(seed: int, validate: Any) -> None:
    random = np.random.default_rng(seed)
    rows = _write("rows.csv", _rows(random, "binary"))
    space = _space("binary", "rows.csv").encode()
    for _ in range(random.integers(1, 3)):
        space = OF_SPACES[random.integers(len(OF_SPACES))](space, random) or b"#"
    validate(space, "rows.csv", rows)


@pytest.mark.parametrize("seed", range(60))
def test_a_spoilt_file_is_refused_or_valid(seed: int, validate: Any) -> None:
    random = np.random.default_rng((seed, 1))
    task, inputs = KINDS[seed % 3]
    name = NAMES[random.integers(3)]
    data = _write(name, _rows(random, inputs if inputs == "sequence" else task))
    if name != "rows.parquet" and random.random() < 0.5:
        data = odd_cell(data, random, name=name)
    else:
        data = OF_BYTES[random.integers(len(OF_BYTES))](data, random)
    validate(_space(task, name, inputs).encode(), name, data)


@pytest.mark.parametrize("what", WHOLE_SPACES)
def test_a_hostile_space_is_refused(what: str, validate: Any) -> None:
    space = WHOLE_SPACES[what]
    if "{task}" in space:
        space = space.format(task="binary", name="rows.csv", inputs="text", labels="label: label")
    rows = _write("rows.csv", _rows(np.random.default_rng(0), "binary"))
    assert validate(space.encode(), "rows.csv", rows) == 2


@pytest.mark.parametrize("what", WHOLE_DATA)
def test_a_hostile_file_is_refused_or_valid(what: str, validate: Any) -> None:
    name, content = WHOLE_DATA[what]
    data = content if isinstance(content, bytes) else _write(name, content)
    validate(_space("multiclass", name).encode(), name, data)


@pytest.mark.parametrize("what", WHOLE_SEQUENCES)
@pytest.mark.parametrize("name", NAMES)
def test_hostile_sequences_are_refused(what: str, name: str, validate: Any) -> None:
    rows = {"sequence": WHOLE_SEQUENCES[what], "label": ["a", "b"] * 20}
    assert validate(_space("binary", name, "sequence").encode(), name, _write(name, rows)) == 2
