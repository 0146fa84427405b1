"""Read the bytes of a text file as UTF-8, whatever its encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import pyarrow as pa

from tuner.data.formats.content import BLOCK_BYTES, Reading, refuse_other_formats
from tuner.errors import DataError, data_error

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SAVE = "save the file as UTF-8"
_SAMPLE_BYTES = 1 << 16
_HIGH_CHARACTERS = re.compile("[^\x00-\x7f]+")
_HIGH = re.compile(rb"[\x80-\xff]+")
_ONLY_CP1252 = re.compile(rb"[\x80-\x9f]")  # control characters in latin-1, which no text has
_NOT_WESTERN = 2.0  # letters with accents in a row: more are another script


def read_utf8(uri: str, file: pa.NativeFile, reading: Reading) -> bytes:
    """Return the content of a file as UTF-8, without a byte order mark. Raises DataError if it is blank or of another encoding.

    A byte order mark tells the encoding, even if another is set. Notes say what is read in a second way.
    """
    return b"".join(utf8_blocks(uri, file, reading, BLOCK_BYTES))


def utf8_blocks(uri: str, file: pa.NativeFile, reading: Reading, block_bytes: int) -> Iterator[bytes]:
    """Yield what `read_utf8` returns in blocks of about so many bytes."""
    block = file.read(block_bytes)
    encoding = _encoding(uri, block, reading)
    decode = codecs.getincrementaldecoder(encoding or "utf-8")().decode
    also_utf8 = _Utf8Check(encoding)
    is_first, is_blank, lines = True, True, 1
    while block or is_first:
        following = file.read(block_bytes)
        try:
            text = decode(block, not following)
        except UnicodeDecodeError as error:
            raise _undecodable(uri, error, lines, encoding, reading) from error
        also_utf8.add(block)
        lines += text.count("\n")
        content = (text.lstrip("\ufeff") if is_first else text).encode(errors="replace")
        if b"\0" in content:
            refuse_other_formats(uri, content)
            remedy = _remedy(block, reading)
            raise data_error(uri, "the file contains zero bytes, so this is not UTF-8 text", remedy)
        is_blank = is_blank and (not content or content.isspace())
        if is_blank and not following:
            raise data_error(uri, "the file has only blank lines", "give a file with rows")
        yield content
        block, is_first = following, False
    if also_utf8.is_true:
        change = reading.set("encoding", "utf-8")
        what = f"read as {encoding}, but all of the file is also UTF-8 text"
        reading.note(f"{uri}: {what}{f'; if it is, {change}' if change else ''}")


class _Utf8Check:
    """Whether a file that is read as another encoding of single bytes is also UTF-8, with characters beyond ASCII."""

    def __init__(self, encoding: str | None) -> None:
        self._is_possible = encoding is not None and not encoding.lower().startswith("utf")
        self._is_ascii = True
        self._decode = codecs.getincrementaldecoder("utf-8")().decode

    def add(self, block: bytes) -> None:
        """Look at the next block."""
        if self._is_possible:
            self._is_ascii = self._is_ascii and block.isascii()
            try:
                self._decode(block)
            except UnicodeDecodeError:
                self._is_possible = False

    @property
    def is_true(self) -> bool:
        return self._is_possible and not self._is_ascii


def _undecodable(uri: str, error: UnicodeDecodeError, lines: int, encoding: str | None, reading: Reading) -> DataError:
    """Return the error for a byte that is no text. `lines` is the number of the line in which the block begins."""
    content = bytes(error.object)
    refuse_other_formats(uri, content)
    line = lines + content.count(b"\n", 0, error.start)
    what = f"byte {content[error.start]:#04x} is not {encoding or 'UTF-8'} text"
    is_marked = encoding is not None and reading.text_format.encoding is None
    return data_error(f"{uri}:{line}", what, _SAVE if is_marked else _remedy(content, reading))


def _encoding(uri: str, content: bytes, reading: Reading) -> str | None:
    """Return the encoding that the mark tells or that is set, None for plain UTF-8."""
    given = reading.text_format.encoding
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if marked is None or (given is not None and codecs.lookup(given).name.startswith(marked[:6])):
        return given
    shown = marked.removesuffix("-sig").upper()
    if given is not None:
        reading.note(f"{uri}: the file begins with the mark of {shown}, and is read so, not as {given}")
    elif shown != "UTF-8":
        reading.note(f"{uri}: the file begins with the mark of {shown}, and is read so")
    return marked


def _remedy(content: bytes, reading: Reading) -> str:
    """Return how to read the file: with the setting for its encoding, if the bytes show which."""
    if (wide := _wide(content)) is not None:
        change = reading.set("encoding", wide)
        return f"it looks like {wide.upper()}: {change}" if change else _SAVE
    if reading.set("encoding", "") is None or b"\0" in content:
        return _SAVE
    if _is_mostly_utf8(content):
        return "the rest of the file is UTF-8, so write this line again"
    western = _western(content)
    others = f"name its encoding, such as {reading.set('encoding', 'cp1251')}, or {_SAVE}"
    if western is None:
        return others
    return f"if it is Western European text, {reading.set('encoding', western)}; otherwise {others}"


def _wide(content: bytes) -> str | None:
    """Return which UTF-16 a file without a mark is, None if it is neither."""
    sample = content[:_SAMPLE_BYTES]
    odd, even = sample[1::2].count(0), sample[::2].count(0)
    if max(odd, even) <= len(sample) // 8 or min(odd, even):
        return None
    return "utf-16-le" if odd else "utf-16-be"


def _is_mostly_utf8(content: bytes) -> bool:
    """Return whether the file has more characters of UTF-8 beyond ASCII than bytes that are none."""
    text = content.decode(errors="replace")
    bad = text.count("\ufffd")
    return sum(map(len, _HIGH_CHARACTERS.findall(text))) - bad > bad


def _western(content: bytes) -> str | None:
    """Return the encoding of a file of Western European text, None if it may be another script."""
    runs = _HIGH.findall(content)
    if sum(map(len, runs)) >= _NOT_WESTERN * len(runs):
        return None
    if not _ONLY_CP1252.search(content):
        return "latin-1"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    return "cp1252"
