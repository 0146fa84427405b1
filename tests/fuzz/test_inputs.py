"""Seeded mutations of spaces: each ends in a message and exit code 2, or is valid; never in a traceback.

`tuner validate --with-data` runs in this process. Nothing may be written, and nothing may take long.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.fuzz import (
    OF_BYTES,
    Generator,
    follow_remedies,
    make_rows,
    make_space,
    read_counts,
    run_checked,
    write_rows,
)

_DEEP = 5_000
ODD_VALUES = [
    "", "null", "~", ".nan", ".inf", "-.inf", "-1", "0", "1e400", "9" * 5000, "1_000", "0x1F", "0o7", "2026-01-01",
    "true", "yes", "[]", "{}", "[1, [2]]", "{a: {b: c}}", '"\\0"', '"\\ud800"', "!!python/object/apply:os.system [ls]",
    "!!binary aGk=", "!foo bar", "&a [*a]", "*missing", "|\n    text", ">\n    text", "? [a]\n  : b", "'unclosed",
    "[1, 2", "\t", "@", "%TAG", "---", "...", "\u202e", "\ufeff", "日本語", "🏳️‍🌈", "builtin:x", "foo://bar/x.csv",
    "~nobody-here/x.csv", "/proc/self/mem.csv", "/dev/zero", "../../..", "a" * 300 + ".csv", "rows.csv.gz",
    "1e-400", "0.1.2", "12:30:45", "-0", "+1", "1,000", "{low: 1}", "{low: 2, high: 1}", "{low: a, high: b, scale: c}",
    "[1, 1]", "[null]", "{norm: null}", "{none: {}}", "=", "<<", "{<<: {low: 1}, high: 2}", "'", '"', "}", "]", "#", "- a",
]  # fmt: skip
SETTINGS = [
    "task", "data", "data.train", "data.text", "data.labels", "data.validation", "data.test", "data.folds", "search.time",
    "search.trials", "search.max_epochs", "search.finalists", "space", "space.hidden", "space.hidden.low", "space.clipping",
    "space.clipping.norm.threshold", "space.optimiser.sgd.momentum", "space.tokens", "space.embedding.file.path",
    "space.loss_weights.explicit.a", "resources.cpus", "score.penalty_weight", "nothing.at.all", "space." + "a." * 100 + "b",
]  # fmt: skip


def odd_value(content: bytes, random: Generator) -> bytes:
    """Replace one value of the space by an odd one."""
    lines = content.decode("utf-8", "replace").splitlines()
    places = [number for number, line in enumerate(lines) if ": " in line]
    number = places[random.integers(len(places))] if places else 0
    value = ODD_VALUES[random.integers(len(ODD_VALUES))]
    lines[number] = f"{lines[number].split(': ')[0]}: {value}"
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def odd_indent(content: bytes, random: Generator) -> bytes:
    lines = content.splitlines()
    number = random.integers(len(lines))
    lines[number] = [b" ", b"\t", b"  - ", b"    ", b"- ", b"? ", b": "][random.integers(7)] + lines[number]
    return b"\n".join(lines)


def repeat_or_lose_line(content: bytes, random: Generator) -> bytes:
    lines = content.splitlines()
    number = random.integers(len(lines))
    return b"\n".join(lines[:number] + lines[number : number + 1] * random.choice([0, 2]) + lines[number + 1 :])


OF_SPACES = [*OF_BYTES, *[odd_value] * 6, odd_indent, repeat_or_lose_line]
PLAIN = make_space("binary", "rows.csv")
WHOLE_SPACES: dict[str, str | bytes] = {
    "a bomb of aliases": "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefgh")),
    "an alias of itself": "a: &a [*a]",
    "a merge key": "base: &b {task: binary}\n<<: *b",
    "a merge key without an alias": PLAIN + "<<: {score: {penalty_weight: 1}}",
    "anchors without end": "- &a x\n" * 20_000,
    "lists in lists": "task: " + "[" * 190_000,
    "lists in lists, closed": "task: " + "[" * _DEEP + "]" * _DEEP,
    "lists beside lists in lists": "task: " + "[[]," * _DEEP + "]" * _DEEP,
    "lists 10,000 deep": "task: " + "[" * 10_000 + "]" * 10_000,
    "braces and brackets": "task: " + "{a: [" * _DEEP,
    "dashes": "- " * 90_000,
    "question marks": "? " * 90_000,
    "stars": "*" * 190_000,
    "ampersands": "&" * 190_000,
    "documents": "---\n" * 40_000,
    "directives": "%TAG ! tag:x:\n" * 10_000,
    "quotes": "task: " + '"\\n' * 50_000,
    "a quote without end": 'task: "' + "x\n" * 90_000,
    "a block of lines": "task: |\n" + " x\n" * 60_000,
    "a key on many lines": "a\n" * 90_000,
    "mappings in mappings": "".join(" " * depth + "a:\n" for depth in range(300)),
    "a very long line": "task: " + "x" * 190_000,
    "a line of 10 MB": "task: " + "x" * 10_000_000,
    "a comment of 10 MB": "# " + "x" * 10_000_000 + "\n" + PLAIN,
    "100 MB of nothing": b"\0" * 100_000_000,
    "a hundred thousand keys": "".join(f"k{number}: 1\n" for number in range(90_000)),
    "a hundred thousand values": "space: {hidden: [" + "1," * 300_000 + "]}",
    "ten thousand values": PLAIN.replace("[16, 32]", f"[{', '.join(map(str, range(1, 10_001)))}]"),
    "ten thousand labels": PLAIN + f"  loss_weights: {{explicit: {{{', '.join(f'l{n}: 2' for n in range(10_000))}}}}}\n",
    "a key of many letters": "k" * 500_000 + ": 1",
    "keys that are lists": "? [a, b]\n: c",
    "keys that are numbers": PLAIN + "3: 4\n",
    "keys that look alike": PLAIN.replace("text: text", "text: text\n  te\u0445t: text"),
    "a comment alone": "# nothing",
    "nothing": "",
    "a byte order mark alone": "\ufeff",
    "zeros": "\0" * 1000,
    "one zero": PLAIN.replace("binary", "bin\0ary"),
    "no end of a line": PLAIN.encode().replace(b"\n", b"\xff"),
    "tags": "!!python/object:os.system {task: binary}",
    "a tag on a value": PLAIN.replace("task: binary", "task: !!str binary"),
    "a tag of its own": PLAIN.replace("task: binary", "task: !run binary"),
    "a set": PLAIN.replace("[16, 32]", "!!set {16, 32}"),
    "a range of all numbers": PLAIN.replace("[16, 32]", "{low: 1, high: 999999999999999999}"),
    "a range of tiny steps": PLAIN.replace("[16, 32]", "{low: 1, high: 999999, step: 0.0000001}"),
    "a range to infinity": PLAIN.replace("[16, 32]", "{low: 1, high: .inf}"),
    "a number of 5,000 digits": PLAIN.replace("[16, 32]", "9" * 5000),
    "hexadecimal without end": PLAIN.replace("[16, 32]", "0x" + "f" * 100_000),
    "a label without end": make_space("binary", "rows.csv", labels="label: " + "x" * 100_000),
    "a table in JSON": '{"task": "binary", "data": [1, 2',
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94",
    "an archive": b"PK\x03\x04" + b"\0" * 100,
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-32": PLAIN.encode("utf-32"),
    "EBCDIC": PLAIN.encode("cp037"),
}  # fmt: skip
VALID_SPACES: dict[str, str | bytes] = {
    "with a byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "with line ends of Windows": PLAIN.replace("\n", "\r\n"),
    "with line ends of old": PLAIN.replace("\n", "\r"),
    "without an end of the last line": PLAIN.rstrip("\n"),
    "with a marked start and end": f"%YAML 1.2\n---\n{PLAIN}...\n",
    "as JSON": '{"task": "binary", "data": {"train": "rows.csv", "text": "text", "label": "label", "validation": 0.2, '
    '"test": 0.2}, "search": {"trials": 3}}',
    "with a column in quotes": PLAIN.replace("text: text", "'text': \"t\\x65xt\""),
    "with 100,000 letters of comment": PLAIN + "# " + "ü" * 50_000,
}


@pytest.fixture
def rows() -> bytes:
    return write_rows("rows.csv", make_rows(np.random.default_rng(0), "binary"))


def validate(call: Any, space: str | bytes, data: bytes, *more: str) -> int:
    """Validate a space with its data. If accepted, it must report the 40 rows and 2 labels of the file."""
    Path("space.yaml").write_bytes(space if isinstance(space, bytes) else space.encode("utf-8", "surrogatepass"))
    Path("rows.csv").write_bytes(data)
    arguments = ("validate", "space.yaml", "--with-data", *more)
    code, out, err = run_checked(call, *arguments)
    assert out == ""
    follow_remedies(call, arguments, err)
    if code == 0:
        assert "valid: " in err
        if "in 3 folds" not in err:
            assert read_counts(err) == (40, 2)
    return code


@pytest.mark.parametrize("seed", range(170))
def test_a_spoilt_space_is_refused_or_valid(seed: int, call: Any, rows: bytes) -> None:
    random = np.random.default_rng(seed)
    space = PLAIN.encode()
    for _ in range(random.integers(1, 3)):
        space = OF_SPACES[random.integers(len(OF_SPACES))](space, random) or b"#"
    validate(call, space, rows)


@pytest.mark.parametrize("seed", range(50))
def test_an_odd_override_is_refused_or_valid(seed: int, call: Any, rows: bytes) -> None:
    random = np.random.default_rng((seed, 2))
    given = []
    for _ in range(random.integers(1, 4)):
        value = ODD_VALUES[random.integers(len(ODD_VALUES))]
        given += ["--set", f"{SETTINGS[random.integers(len(SETTINGS))]}={value}"]
    validate(call, PLAIN, rows, *given)


@pytest.mark.parametrize("what", WHOLE_SPACES)
def test_a_hostile_space_is_refused(what: str, call: Any, rows: bytes) -> None:
    assert validate(call, WHOLE_SPACES[what], rows) == 2


@pytest.mark.parametrize("what", VALID_SPACES)
def test_an_unusual_space_is_valid(what: str, call: Any, rows: bytes) -> None:
    assert validate(call, VALID_SPACES[what], rows) == 0


@pytest.mark.parametrize("place", ["/dev/zero", ".", "/dev/null"])
def test_something_other_than_a_file_is_refused_as_a_space(place: str, call: Any) -> None:
    assert run_checked(call, "validate", place)[0] == 2
