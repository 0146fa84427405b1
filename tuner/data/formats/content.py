"""What the readers of all formats share."""

from __future__ import annotations

import codecs
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

import pyarrow as pa

from tuner.errors import data_error
from tuner.space.assignment import set_option
from tuner.space.task import Quoting

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

    `source` and `quoting_setting` are the settings (data.train) or options (--quoting) that messages name; None if there is none.
    `note` gets a sentence about everything that is left out or read in a second way.
    """

    quoting: Quoting | None = None
    quoting_setting: str | None = None
    source: str | None = None
    note: Callable[[str], None] = lambda _: None

    def set_quoting(self, value: Quoting) -> str | None:
        """Return what to paste to change the quoting, or None if nothing changes it."""
        return None if self.quoting_setting is None else _assign(self.quoting_setting, value)

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
    name = PurePosixPath(uri).name
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


def _refuse_other_formats(uri: str, content: bytes) -> None:
    """Raise DataError if a file that is not text begins like those of a known format."""
    for begin, what in _SIGNATURES.items():
        if content.startswith(begin):
            raise data_error(uri, f"this is no text; it begins like {what}", "give it the extension of its content")


def read_utf8(uri: str, file: pa.NativeFile) -> bytes:
    """Return the whole content. Raises DataError if it is blank or not UTF-8."""
    content: bytes = file.read()
    remedy = "save the file as UTF-8"
    try:
        content.decode()
    except UnicodeDecodeError as error:
        _refuse_other_formats(uri, content)
        line = content.count(b"\n", 0, error.start) + 1
        raise data_error(f"{uri}:{line}", f"byte {content[error.start]:#04x} is not UTF-8 text", remedy) from error
    text = content.removeprefix(codecs.BOM_UTF8)
    if not text or text.isspace():
        raise data_error(uri, "the file has only blank lines", "give a file with rows")
    if b"\0" in content:
        _refuse_other_formats(uri, content)
        raise data_error(uri, "the file contains zero bytes, so this is not UTF-8 text", remedy)
    return content
