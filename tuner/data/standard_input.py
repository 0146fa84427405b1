"""Rows that come from standard input or a pipe: they are copied to a temporary file, because they are read twice."""

from __future__ import annotations

import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import fs

from tuner.data.source_files import Part, Source
from tuner.errors import data_error

STDIN = ("-", "/dev/stdin")
_PACKED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2"}
_CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_BEGINS = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
_SAMPLE_BYTES = 1 << 12


def is_stream(data: str) -> bool:
    """Return whether this is standard input or a pipe, such as that of `<(…)` in a shell, and not a file."""
    if data in STDIN:
        return True
    try:
        return not ("://" in data or data.startswith("builtin:")) and stat.S_ISFIFO(Path(data).stat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def copied_stream(data: str, format_name: str | None) -> Iterator[tuple[Source, str]]:
    """Return a copy of the stream as a source, and its format: the given one, or what its first bytes show.

    Raises DataError if nothing comes in.
    """
    name = "stdin" if data in STDIN else data
    with tempfile.NamedTemporaryFile(prefix="tuner-", suffix=".draft") as file:
        if data in STDIN:
            shutil.copyfileobj(sys.stdin.buffer, file)
        else:
            with Path(data).open("rb") as stream:
                shutil.copyfileobj(stream, file)
        file.flush()
        with Path(file.name).open("rb") as copy:
            begin = copy.read(_SAMPLE_BYTES)
            if not begin:
                raise data_error(name, "nothing came in (0 bytes)", "give rows, as in `tuner predict RUN - < new.csv`")
            packed = next((end for mark, end in _PACKED.items() if begin.startswith(mark)), "")
            found = format_name or _format_that_begins(_unpacked(name, copy, packed) if packed else begin)
        part = Part(f"{name}{packed}", file.name)
        yield Source(fs.LocalFileSystem(), (part,)), found


def _unpacked(name: str, copy: IO[bytes], packed: str) -> bytes:
    copy.seek(0)
    try:
        content: bytes = pa.CompressedInputStream(pa.PythonFile(copy, mode="r"), _CODECS[packed]).read(_SAMPLE_BYTES)
    except OSError as error:
        what = f"it begins like a file packed as {packed}, but cannot be unpacked"
        raise data_error(name, what, "send it again") from error
    return content


def _format_that_begins(content: bytes) -> str:
    """Return the format of a file with these first bytes. What is no other is CSV, whose separator is found later."""
    for mark, format_name in _BEGINS.items():
        if content.startswith(mark):
            return format_name
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = content.decode(encoding, errors="replace").lstrip()
    if text.startswith("{") or text[:1] + text[1:].lstrip()[:1] == "[{":
        return "json"
    if text[:9].lower() == "@relation":
        return "arff"
    return "ts" if text[:12].lower() == "@problemname" else "csv"
