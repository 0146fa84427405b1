"""Shared by the fuzz tests: mutations of bytes, small tables in every format, and a checked run of a command."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from builders.fixtures import Call

Generator = np.random.Generator
Rows = dict[str, list[Any]]

LONGEST_S = 10.0  # for one command on a busy machine; a bounded one takes a tenth of a second
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


def make_space(task: str, name: str, inputs: str = "text", *, labels: str = "", more: str = "") -> str:
    """Return a space for a file. `labels` is a line of the data section, `more` are lines that follow it."""
    given = labels or ("labels: labels" if task == "multilabel" else "label: label")
    return SPACE.format(task=task, name=name, inputs=inputs, labels=f"{given}{more}")


# --- bytes -------------------------------------------------------------------------------------------------------

INSERTED = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\x1a", b'"', b"\x85", b"\n\n\n", b"\t", b"\xc0\x80",
    b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\\", b",", b"{", b"]", b"\x7f", b"\x1b[2J",
]  # fmt: skip
ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "utf-7", "cp037", "shift_jis", "gb18030"]


def cut_short(content: bytes, random: Generator) -> bytes:
    return content[: random.integers(0, len(content))]


def flip_bytes(content: bytes, random: Generator) -> bytes:
    spoilt = bytearray(content)
    for place in random.integers(0, len(content), random.integers(1, 8)):
        spoilt[place] = random.integers(0, 256)
    return bytes(spoilt)


def insert_bytes(content: bytes, random: Generator) -> bytes:
    place = random.integers(0, len(content) + 1)
    return content[:place] + INSERTED[random.integers(len(INSERTED))] + content[place:]


def mark_byte_order(content: bytes, random: Generator) -> bytes:
    return b"\xef\xbb\xbf" * random.integers(1, 3) + content


def repeat_part(content: bytes, random: Generator) -> bytes:
    start, end = sorted(random.integers(0, len(content), 2))
    return content[:end] + content[start:end] * random.integers(1, 50) + content[end:]


def lose_part(content: bytes, random: Generator) -> bytes:
    start, end = sorted(random.integers(0, len(content), 2))
    return content[:start] + content[end:]


def swap_parts(content: bytes, random: Generator) -> bytes:
    start, middle, end = sorted(random.integers(0, len(content), 3))
    return content[:start] + content[middle:end] + content[start:middle] + content[end:]


def encode_otherwise(content: bytes, random: Generator) -> bytes:
    text = content.decode("utf-8", "replace") + "é"
    return text.encode(ENCODINGS[random.integers(len(ENCODINGS))], "replace")


def end_lines_otherwise(content: bytes, random: Generator) -> bytes:
    return content.replace(b"\n", [b"\r\n", b"\r", b"\n\r", b"\x0b", b"\x85"][random.integers(5)])


OF_BYTES = [
    cut_short, flip_bytes, insert_bytes, mark_byte_order, repeat_part, lose_part, swap_parts, encode_otherwise,
    end_lines_otherwise,
]  # fmt: skip


# --- tables ---------------------------------------------------------------------------------------------------------


def make_rows(random: Generator, kind: str) -> Rows:
    """Return 40 rows of texts or sequences with labels of one kind. The kind "columns" has two columns of 0 and 1."""
    labels = ["a", "b", "ü"]
    if kind == "sequence":
        steps = [random.normal(size=(random.integers(1, 4), 2)).round(2).tolist() for _ in range(40)]
        return {"sequence": steps, "label": [labels[number % 2] for number in range(40)]}
    texts = [f"text {number} of {labels[number % 3]}" for number in range(40)]
    if kind == "multilabel":
        return {"text": texts, "labels": [labels[: number % 4] for number in range(40)]}
    if kind == "columns":
        return {"text": texts, "x": [number % 2 for number in range(40)], "y": [number % 3 % 2 for number in range(40)]}
    return {"text": texts, "label": [labels[number % 2] for number in range(40)]}


def write_rows(name: str, rows: Rows) -> bytes:
    """Return the content of a file of that name. A CSV holds values other than text as JSON."""
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


def count_rows(name: str, content: bytes) -> int:
    """Count the rows of an accepted file without tuner, and for text files without pyarrow."""
    if name.endswith(".parquet"):
        return int(pq.read_metadata(io.BytesIO(content)).num_rows)
    text = content.decode("utf-8-sig").lstrip("\ufeff")
    if name.endswith(".jsonl"):
        return _count_objects(text.strip(" \t\r\n"))
    csv.field_size_limit(sys.maxsize)
    return sum(bool(row) for row in csv.reader(io.StringIO(text, newline=""))) - 1


def _count_objects(text: str) -> int:
    """Count consecutive JSON objects, whether or not each has its own line."""
    decoder, place, count = json.JSONDecoder(), 0, 0
    while place < len(text):
        _, place = decoder.raw_decode(text, place)
        count += 1
        while place < len(text) and text[place] in " \t\r\n":
            place += 1
    return count


# --- remedies ---------------------------------------------------------------------------------------------------------

_WORD = r"""(?:'[^']*'|"[^"]*"|[^\s'"])+"""
_PASTED = re.compile(rf"--set {_WORD}(?: --set {_WORD})*")
_PLACEHOLDERS = ("COLUMN", "LABEL", "…")
_EDITS = (
    re.compile(r"write it in quotes: (?:(?P<name>\w+): )?(?P<value>[\"\[].*)$"),
    re.compile(r"such as (?P<value>0\.\d+)$"),
    re.compile(r"write (?P<value>\[.*\])$"),
    re.compile(r"write (?P<name>\w+): (?P<value>\{.*\})$"),
    re.compile(r"(?:use|add|give|or) (?P<name>\w+): (?P<value>[\w.]+)"),
)
_MOST_STEPS = 4


def follow_remedies(call: Call, arguments: Sequence[str], err: str) -> None:
    """Paste every setting that the messages of a refused command print, and then those of the next messages.

    No fault may come back after its remedy. A remedy with a placeholder, such as COLUMN, is for a person to fill in.
    """
    for line in _faults(err):
        for fault, pasted in _remedies(line):
            _follow(call, arguments, pasted, [fault])


def _follow(call: Call, arguments: Sequence[str], pasted: Sequence[str], seen: list[str]) -> None:
    arguments = _with(arguments, pasted)
    code, _, err = call(*arguments)
    assert code in (0, 2), err
    lines = _faults(err)
    returned = [fault for fault in seen for line in lines if line.startswith(fault)]
    assert not returned, f"{pasted} brings back {returned}: {lines}"
    remedies = [each for line in lines for each in _remedies(line)][:1]
    if remedies and len(seen) < _MOST_STEPS:
        fault, pasted = remedies[0]
        _follow(call, arguments, pasted, [*seen, fault])


def _faults(err: str) -> list[str]:
    return [line.removeprefix("error: ") for line in err.splitlines() if line.startswith("error: ")]


def _remedies(line: str) -> list[tuple[str, list[str]]]:
    """Return what a message prints to paste, each with the message up to its remedy."""
    if "KEY=VALUE" in line:
        return []
    remedies = []
    for match in _PASTED.finditer(line, 1):  # at 0 stands the place of the fault
        words = match[0].removesuffix(",") if line[match.end() :].startswith(" or ") else match[0]
        if not any(each in words for each in _PLACEHOLDERS):
            remedies.append((line[: match.start()].rpartition("; ")[0], shlex.split(words)[1::2]))
    place = re.match(r"space\.yaml:\d+: (?P<key>[\w.]+): ", line)
    what, _, remedy = line.partition("; ")
    for edit in _EDITS if place else ():
        for match in edit.finditer(remedy):
            if not any(each in match["value"] for each in _PLACEHOLDERS):
                remedies.append((what, [f"{_edited(place['key'], match)}={match['value']}"]))
    return remedies


def _edited(key: str, match: re.Match[str]) -> str:
    """Return the key of an edit: the one at fault, or the one that the edit names beside it."""
    name = match.groupdict().get("name")
    if name is None or name == "task":
        return name or key
    return f"{key.rpartition('.')[0] or key}.{name}"


def _with(arguments: Sequence[str], pasted: Sequence[str]) -> list[str]:
    """Return the arguments with settings added. A setting that is given already is replaced."""
    keys = {each.partition("=")[0] for each in pasted}
    kept = list(arguments)
    for number in range(len(kept) - 1, 0, -1):
        if kept[number - 1] == "--set" and kept[number].partition("=")[0] in keys:
            del kept[number - 1 : number + 1]
    return [*kept, *(word for each in pasted for word in ("--set", each))]


# --- commands -------------------------------------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file in a folder and below, by path. Folders count as empty files."""
    files = {}
    for path in folder.rglob("*"):
        content = b"" if path.is_dir() else path.read_bytes()
        files[str(path.relative_to(folder))] = (len(content), hashlib.sha256(content).hexdigest())
    return files


def run_checked(
    call: Call, *arguments: str, codes: Sequence[int] = (0, 2), writes: Sequence[str] = ()
) -> tuple[int, str, str]:
    """Run a command with `call` of conftest.py and check how it ends. Returns (exit code, stdout, stderr).

    In the folder of the test, only the files in `writes` may have changed.
    """
    before, began = snapshot(Path()), time.monotonic()
    code, out, err = call(*arguments)
    seconds = time.monotonic() - began
    assert code in codes, err
    assert {name: each for name, each in snapshot(Path()).items() if name not in writes} == before
    assert "Traceback" not in out + err
    assert "error: unexpected" not in err, err
    assert "\x1b" not in err  # a file's content must not control the terminal
    assert seconds < LONGEST_S
    if code == 2:
        last = err.splitlines()[-1]
        assert last.startswith("error: "), last
        assert "; " in last  # a remedy
        assert len(last) < 10_000
    return code, out, err


def read_counts(err: str) -> tuple[int, int]:
    """Return the number of rows in all splits, and of labels, from the output of `validate --with-data`."""
    match = re.search(
        r"^data: rows: train ([\d,]+), validation ([\d,]+), test ([\d,]+); (\d+) labels$", err, re.MULTILINE
    )
    assert match, err
    rows = [int(each.replace(",", "")) for each in match.groups()]
    return sum(rows[:3]), rows[3]
