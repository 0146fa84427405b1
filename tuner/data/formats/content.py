"""What the readers of all formats share."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pyarrow as pa

from tuner.errors import data_error

Choose: TypeAlias = Callable[[Sequence[str]], list[str] | None]
"""Takes the names of a file's columns. Returns those to read, None for all."""

BLOCK_BYTES = 1 << 26  # a line may be long, and must fit into one or two of pyarrow's blocks

REMEDIES = {
    "parquet": "write the file again, or fetch it again",
    "csv": "fix the file, or give it the extension of its format",
    "json": "fix the file, or give it the extension of its format",
    "ts": "fix the file, or give it the extension of its format",
    "arff": "fix the file, or give it the extension of its format",
}


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, cut to 200 characters."""
    return str(error).strip().split("\n")[0][:200]


def read_utf8(uri: str, file: pa.NativeFile) -> bytes:
    """Return the whole content. Raises DataError if it is blank or not UTF-8."""
    content: bytes = file.read()
    remedy = "save the file as UTF-8"
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise data_error(f"{uri}:{line}", f"byte {content[error.start]:#04x} is not UTF-8 text", remedy) from error
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise data_error(uri, "the file has only blank lines", "give a file with rows")
    if b"\0" in content:
        raise data_error(uri, "the file contains zero bytes, so this is not UTF-8 text", remedy)
    return content
