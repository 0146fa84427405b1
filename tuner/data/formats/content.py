"""What the readers of all formats share."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tuner.errors import data_error
from tuner.space.assignment import set_option
from tuner.space.text_format import FOUND_OUT, TextFormat
from tuner.storage import name_of

Choose: TypeAlias = Callable[[Sequence[str]], list[str] | None]
"""Takes the names of a file's columns. Returns those to read, None for all."""

BLOCK_BYTES = 1 << 26  # a line may be long, and must fit into one or two of pyarrow's blocks

REMEDIES = {
    "parquet": "write the file again, or fetch it again",
    "arrow": "write the file again, or fetch it again",
    "csv": "fix the file, or give it the extension of its format",
    "tsv": "fix the file, or give it the extension of its format",
    "json": "fix the file, or give it the extension of its format",
    "ts": "fix the file, or give it the extension of its format",
    "arff": "fix the file, or give it the extension of its format",
}


@dataclass(frozen=True)
class Reading:
    """How to read the files of a source, and what people set to change it.

    `prefix` begins what people set about the text of files ("data." or "--"), and `source` is the setting or option that names
    the files (data.train), as messages show them; None if there is none. `note` gets a sentence about everything that is left
    out or read in a second way. `format_name` is the format of the files if their names do not say it.
    """

    text_format: TextFormat = FOUND_OUT
    prefix: str | None = None
    source: str | None = None
    note: Callable[[str], None] = lambda _: None
    format_name: str | None = None

    def set(self, name: str, value: str) -> str | None:
        """Return what to paste to change a field of `text_format`, or None if nothing changes it."""
        return None if self.prefix is None else _assign(f"{self.prefix}{name}", value)

    def set_source(self, value: str) -> str:
        """Return what to paste to read another file, folder or pattern."""
        return shlex.quote(value) if self.source is None else _assign(self.source, value)


def _assign(setting: str, value: str) -> str:
    return f"{setting} {shlex.quote(value)}" if setting.startswith("--") else set_option(setting, value)


def python_line(code: str, *names: str) -> str:
    """Return a shell command that runs Python code, in which each {} stands for a file name."""
    return f"python -c {shlex.quote(code.format(*map(json.dumps, names)))}"


def with_extension(uri: str, new: str) -> str:
    """Return the name of a file, without its folder, with another extension."""
    name = name_of(uri)
    return f"{name.split('.')[0] or name}{new}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, cut to 200 characters."""
    return str(error).strip().split("\n")[0][:200]


_SIGNATURES = {
    b"PK\3\4": "a spreadsheet such as .xlsx, or a .zip archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls)",
    b"PAR1": "a Parquet file (.parquet)",
    b"ARROW1": "an Arrow file (.arrow)",
    b"\x1f\x8b": "a file packed by gzip (.gz)",
    b"\x28\xb5\x2f\xfd": "a file packed by zstd (.zst)",
    b"BZh": "a file packed by bzip2 (.bz2)",
}


def refuse_other_formats(uri: str, content: bytes) -> None:
    """Raise DataError if a file that is not text begins like those of a known format."""
    for begin, what in _SIGNATURES.items():
        if content.startswith(begin):
            raise data_error(uri, f"this is no text; it begins like {what}", "give it the extension of its content")
