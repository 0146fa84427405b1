"""Read word vectors from files: GloVe and word2vec text, word2vec binary, fastText's .vec and .bin.

The content decides the format, not the name. Only the vectors of wanted words are kept, so even a file of
gigabytes needs little memory. The exception is fastText's .bin: gensim loads the whole file.
"""

from __future__ import annotations

import codecs
import io
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs

from tuner.errors import data_error
from tuner.space.assignment import set_option
from tuner.storage import locate

Vectors: TypeAlias = dict[str, NDArray[np.float32]]

_FASTTEXT_MAGIC = struct.pack("<i", 793_712_314)
_ZIP_MAGIC = b"PK\x03\x04"
_BLOCK_BYTES = 1 << 20
_PEEK_BYTES = 4096
_LONGEST_WORD_BYTES = 10_000
_MAX_SIZE = 100_000
_FETCH_AGAIN = "fetch it again, it may be cut off or damaged"
_FORMATS = "give GloVe or word2vec text, word2vec binary, or fastText's .vec or .bin"


def read_word_vectors(path: str, wanted: Collection[str]) -> Vectors:
    """Return the vectors (size,) of the wanted words in the file. A fastText .bin also composes vectors for unseen words.

    `path` is a local path or any `pyarrow.fs` URI; a .bin must be local. Files that end in .gz or .bz2 are unpacked. Raises
    DataError, with file and line, for a file that is missing, ragged, cut off, in no known format, or without any of the
    words.
    """
    words = {word.encode("utf-8", "surrogatepass"): word for word in wanted}
    with _errors_named(path), _open(path) as file:
        is_fasttext = file.peek(4)[:4] == _FASTTEXT_MAGIC
        vectors = _read_fasttext(path, wanted) if is_fasttext else _read_other(path, file, words)
    if not vectors:
        what = f"it has none of the {len(words):,} words of the training texts"
        raise data_error(
            path, what, f"use vectors for the language of the texts, or {set_option('space.embedding', 'random')}"
        )
    return vectors


@contextmanager
def _errors_named(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise data_error(path, "there is no such file of word vectors", "check the path and the folder") from error
    except (OSError, EOFError, pa.ArrowException) as error:
        raise data_error(path, f"cannot be read ({str(error).strip().splitlines()[0][:200]})", _FETCH_AGAIN) from error


def _open(path: str) -> io.BufferedReader:
    files, inner = locate(path)
    if isinstance(files, fs.LocalFileSystem) and Path(inner).is_dir():
        raise data_error(path, "this is a folder, not a file", "name the file of vectors in it")
    return io.BufferedReader(files.open_input_stream(inner), _BLOCK_BYTES)


def _read_other(path: str, file: io.BufferedReader, words: Mapping[bytes, str]) -> Vectors:
    """Read a text or word2vec file. Its first line decides the format: two counts, or a word and its numbers (GloVe)."""
    first = file.readline(_BLOCK_BYTES)
    if not first:
        raise data_error(path, "the file is empty (0 bytes)", _FETCH_AGAIN)
    if first.startswith(_ZIP_MAGIC):
        raise data_error(path, "this is a zip archive", "unpack it, and name the file of vectors in it")
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        declared, size = map(int, fields)
        if not (0 < size <= _MAX_SIZE and declared > 0):
            raise data_error(f"{path}:1", f"the line declares {declared} words of {size} numbers", _FORMATS)
        if _is_text(file.peek(_PEEK_BYTES)[:_PEEK_BYTES]):
            return _read_lines(path, enumerate(file, 2), words, size=size, declared=declared)
        return _read_binary(path, file, words, size=size, declared=declared)
    size = first.rstrip().count(b" ")
    if size < 2 or _numbers(fields[1:]) is None:
        raise data_error(f"{path}:1", "the line is neither two counts nor a word and its numbers", _FORMATS)
    lines = enumerate(file, 2)
    return _read_lines(path, _after((1, first), lines), words, size=size, declared=None)


def _after(first: tuple[int, bytes], rest: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield first
    yield from rest


def _is_text(block: bytes) -> bool:
    """Return whether a block looks like lines of text: valid UTF-8, with a number after the first word.

    Binary 32-bit numbers are almost never UTF-8, but a few of them may be, so we check both.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return False
    return _numbers(block.split(b"\n", 1)[0].split()[1:2]) is not None


def _read_lines(
    path: str, lines: Iterable[tuple[int, bytes]], words: Mapping[bytes, str], *, size: int, declared: int | None
) -> Vectors:
    """Read a word and its numbers from every line. A word may contain spaces, as some in GloVe do; a token never does."""
    vectors: Vectors = {}
    read = 0
    for number, line in lines:
        content = line.rstrip(b" \r\n")
        if not content:
            continue
        read += 1
        word, _, rest = content.partition(b" ")
        n_numbers = content.count(b" ")
        is_ragged = n_numbers < size
        if n_numbers > size:
            is_ragged = _numbers(rest.split(b" ")[:-size]) is not None
            word = b""  # a part of a longer word
        if is_ragged:
            what = f"the line has {n_numbers} numbers, but the lines before it have {size}"
            raise data_error(f"{path}:{number}", what, _FETCH_AGAIN)
        if word in words and words[word] not in vectors:
            vector = _numbers(rest.split(b" "))
            if vector is None:
                what = f"the line of {words[word]!r} has something other than finite numbers"
                raise data_error(f"{path}:{number}", what, _FETCH_AGAIN)
            vectors[words[word]] = vector
    if declared is not None and read < declared:
        what = f"the first line declares {declared:,} words, but the file ends after {read:,}"
        raise data_error(path, what, _FETCH_AGAIN)
    return vectors


def _numbers(fields: list[bytes]) -> NDArray[np.float32] | None:
    """Return the fields as finite numbers, or None if any field is not one."""
    try:
        vector = np.array([float(field) for field in fields], np.float32)
    except ValueError:
        return None
    return vector if np.isfinite(vector).all() else None


def _read_binary(
    path: str, file: io.BufferedReader, words: Mapping[bytes, str], *, size: int, declared: int
) -> Vectors:
    """Read words, each followed by a space and `size` little-endian 32-bit numbers."""
    vectors: Vectors = {}
    buffer, position = b"", 0
    largest = _LONGEST_WORD_BYTES + 4 * size
    for number in range(1, declared + 1):
        if len(buffer) - position < largest:
            buffer, position = buffer[position:] + file.read(max(_BLOCK_BYTES, largest)), 0
        space = buffer.find(b" ", position)
        end = space + 1 + 4 * size
        if space < 0 or end > len(buffer):
            what = f"the first line declares {declared:,} words of {size} numbers, but the file ends in word {number:,}"
            raise data_error(path, what, _FETCH_AGAIN)
        word = buffer[position:space].lstrip(b"\n")  # some writers end every vector with a line break
        if word in words:
            vector = np.frombuffer(buffer, "<f4", size, space + 1).astype(np.float32)
            if not np.isfinite(vector).all():
                what = f"word {number:,} ({words[word]!r}) has something other than finite numbers"
                raise data_error(path, what, _FETCH_AGAIN)
            vectors.setdefault(words[word], vector)
        position = end
    return vectors


def _read_fasttext(path: str, wanted: Collection[str]) -> Vectors:
    """Read a fastText model. An unseen word gets the mean vector of its parts (Bojanowski et al. 2017)."""
    from gensim.models.fasttext import load_facebook_vectors

    if "://" in path:
        raise data_error(path, "a fastText .bin is read from a local disk only", "copy it here, or give its .vec")
    try:
        model = load_facebook_vectors(str(Path(path).expanduser()))
        # A model that was trained without parts of words knows only the words it has seen.
        vectors = {word: np.asarray(model[word], np.float32) for word in wanted if word in model}
    except Exception as error:  # a damaged file may make gensim raise anything
        what = f"cannot be read as a fastText model ({type(error).__name__}: {str(error)[:200]})"
        raise data_error(path, what, _FETCH_AGAIN) from error
    return {word: vector for word, vector in vectors.items() if vector.any() and np.isfinite(vector).all()}
