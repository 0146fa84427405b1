"""Read the bytes of a text file as UTF-8, whatever its encoding."""

from __future__ import annotations

import codecs
import re

from tuner.data.formats.content import Reading, refuse_other_formats
from tuner.errors import data_error

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SAVE = "save the file as UTF-8"
_SAMPLE_BYTES = 1 << 16
_HIGH = re.compile(rb"[\x80-\xff]+")
_ONLY_CP1252 = re.compile(rb"[\x80-\x9f]")  # control characters in latin-1, which no text has
_NOT_WESTERN = 2.0  # letters with accents in a row: more are another script


def read_utf8(uri: str, content: bytes, reading: Reading) -> bytes:
    """Return the content of a file as UTF-8, without a byte order mark. Raises DataError if it is blank or of another encoding.

    A byte order mark tells the encoding, even if another is set. Notes say what is read in a second way.
    """
    encoding = _encoding(uri, content, reading)
    if encoding is not None:
        content = _decoded(uri, content, encoding, reading)
    else:
        _check_utf8(uri, content, reading)
    if not content or content.isspace():
        raise data_error(uri, "the file has only blank lines", "give a file with rows")
    if b"\0" in content:
        refuse_other_formats(uri, content)
        raise data_error(uri, "the file contains zero bytes, so this is not UTF-8 text", _remedy(content, reading))
    return content


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


def _decoded(uri: str, content: bytes, encoding: str, reading: Reading) -> bytes:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        refuse_other_formats(uri, content)
        line = content.count(b"\n", 0, error.start) + 1
        remedy = _remedy(content, reading) if reading.text_format.encoding else _SAVE
        raise data_error(f"{uri}:{line}", f"byte {content[error.start]:#04x} is not {encoding} text", remedy) from error
    is_single = not encoding.startswith("utf")
    if is_single and not content.isascii() and _is_utf8(content):
        change = f"; if it is, {set_utf8}" if (set_utf8 := reading.set("encoding", "utf-8")) else ""
        reading.note(f"{uri}: read as {encoding}, but all of the file is also UTF-8 text{change}")
    return text.removeprefix("\ufeff").encode(errors="replace")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_utf8(uri: str, content: bytes, reading: Reading) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        refuse_other_formats(uri, content)
        line = content.count(b"\n", 0, error.start) + 1
        what = f"byte {content[error.start]:#04x} is not UTF-8 text"
        raise data_error(f"{uri}:{line}", what, _remedy(content, reading)) from error


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


_HIGH_CHARACTERS = re.compile("[^\x00-\x7f]+")


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
