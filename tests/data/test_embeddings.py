"""Vectors of tokens: every file format, damaged files, and trained vectors."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data.embeddings import spellings_to_find, table_of_words, train_word2vec
from tuner.data.encoded import Encoded
from tuner.data.tokenisers import PADDING, SPECIAL_TOKENS, UNKNOWN, fit_words
from tuner.data.word_vectors import read_word_vectors
from tuner.errors import DataError

WORDS = {"the": [0.5, -1.25, 3.0], "été": [0.25, 0.5, -8.0], "cat": [1e-3, 2.0, -0.0625]}
TEXTS = ["a cat sat on a mat", "the dog sat on the log", "a dog and a cat"] * 20


def as_lines(end: str = "\n") -> str:
    return "".join(f"{word} {' '.join(map(str, numbers))}{end}" for word, numbers in WORDS.items())


def as_binary(*, break_after: bytes, count: int = 3) -> bytes:
    vectors = (word.encode() + b" " + struct.pack("<3f", *numbers) + break_after for word, numbers in WORDS.items())
    return f"{count} 3\n".encode() + b"".join(vectors)


FORMS: dict[str, bytes] = {
    "glove.txt": as_lines().encode(),
    "glove without a last line break.txt": as_lines().strip().encode(),
    "glove with line ends of Windows.txt": as_lines("\r\n").encode(),
    "glove with words of several words.txt": as_lines().encode() + b". . . 1 2 3\nat name@example.com 4 5 6\n",
    "glove.txt.gz": gzip.compress(as_lines().encode()),
    "word2vec.txt": f"3 3\n{as_lines()}".encode(),
    "fasttext.vec": f"3 3\n{as_lines(' ' + chr(10))}".encode(),
    "word2vec.bin": as_binary(break_after=b"\n"),
    "of gensim.bin": as_binary(break_after=b""),
    "word2vec.bin.gz": gzip.compress(as_binary(break_after=b"")),
}


def write(folder: Path, name: str, content: bytes | str) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize("name", FORMS)
def test_every_file_format_gives_the_wanted_words_their_vectors(name: str, tmp_path: Path) -> None:
    vectors = read_word_vectors(write(tmp_path, name, FORMS[name]), {"été", "cat", "absent", ".", "at"})
    assert {word: vector.tolist() for word, vector in vectors.items()} == {
        word: np.array(WORDS[word], np.float32).tolist() for word in ("été", "cat")
    }


def test_a_repeated_word_has_its_first_vector(tmp_path: Path) -> None:
    path = write(tmp_path, "v.txt", "cat 1 2\ncat 3 4\n")
    assert read_word_vectors(path, {"cat"})["cat"].tolist() == [1, 2]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 700), st.booleans(), st.integers(0, 2**32 - 1))
def test_gensim_reads_from_binary_what_we_read(
    tmp_path_factory: pytest.TempPathFactory, size: int, count: int, has_breaks: bool, seed: int
) -> None:
    """Compare with gensim's reader, at sizes where words lie across the blocks that we read."""
    from gensim.models import KeyedVectors

    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype("<f4")
    names = [f"w{number}" + "x" * (number % 40) for number in range(count)]
    end = b"\n" if has_breaks else b""
    rows = (name.encode() + b" " + vector.tobytes() + end for name, vector in zip(names, vectors, strict=True))
    path = write(tmp_path_factory.mktemp("binary"), "v.bin", f"{count} {size}\n".encode() + b"".join(rows))
    theirs = KeyedVectors.load_word2vec_format(path, binary=True)
    ours = read_word_vectors(path, names)
    assert [name for name in names if ours[name].tolist() != theirs[name].tolist()] == []


FAULTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"the file is empty \(0 bytes\); fetch it again"),
    "zip": (b"PK\x03\x04rest", "this is a zip archive; unpack it"),
    "prose": (
        b"Once upon a time\nthere was\n",
        r"v:1: the line is neither two counts nor a word and its numbers; give",
    ),
    "page": (b"<!DOCTYPE html>\n<html>\n", r"v:1: the line is neither two counts"),
    "zero": (b"0 300\n", r"v:1: the line declares 0 words of 300 numbers"),
    "huge": (b"1 99999999999\nx 1\n", r"v:1: the line declares 1 words of 99999999999 numbers"),
    "ragged": (
        b"a 1 2 3\ncat 1 2\nb 1 2 3\n",
        r"v:2: the line has 2 numbers, but the lines before it have 3; fetch it again",
    ),
    "too long": (b"a 1 2 3\ncat 1 2 3 4\n", r"v:2: the line has 4 numbers, but the lines before it have 3"),
    "garbled": (b"a 1 2 3\ncat 1 x 3\n", r"v:2: the line of 'cat' has something other than finite numbers"),
    "nan": (b"a 1 2 3\ncat 1 nan 3\n", r"v:2: the line of 'cat' has something other than finite numbers"),
    "cut text": (b"3 2\na 1 2\ncat 1 2\n", r"v: the first line declares 3 words, but the file ends after 2"),
    "cut binary": (
        as_binary(break_after=b"")[:-1],
        r"v: the first line declares 3 words of 3 numbers, but the file ends in word 3",
    ),
    "binary nan": (b"1 1\ncat " + struct.pack("<f", np.nan), r"v: word 1 \('cat'\) has something other than finite"),
    "other language": (
        b"chat 1 2\nchien 3 4\n",
        r"v: it has none of the 2 words .*; use vectors for the language of the texts",
    ),
    "fasttext": (struct.pack("<i", 793712314) + b"\x0c\0\0\0rest", r"v: cannot be read as a fastText model"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_file_is_refused_by_name_line_rule_and_remedy(name: str, tmp_path: Path) -> None:
    content, message = FAULTS[name]
    with pytest.raises(DataError, match=message):
        read_word_vectors(write(tmp_path, "v", content), {"cat", "sat"})


def test_a_missing_file_a_folder_and_a_damaged_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt: there is no such file of word vectors; check the path"):
        read_word_vectors(str(tmp_path / "none.txt"), {"cat"})
    with pytest.raises(DataError, match="this is a folder, not a file; name the file of vectors in it"):
        read_word_vectors(str(tmp_path), {"cat"})
    with pytest.raises(DataError, match=r"v\.gz: cannot be read \(.*\); fetch it again"):
        read_word_vectors(write(tmp_path, "v.gz", gzip.compress(as_lines().encode())[:-12]), {"cat"})


def test_a_fasttext_model_composes_vectors_for_unseen_words(tmp_path: Path) -> None:
    from gensim.models.fasttext import FastText, save_facebook_model

    model = FastText(
        [text.split() for text in TEXTS], vector_size=4, min_count=1, epochs=1, workers=1, bucket=500, seed=0
    )
    path = str(tmp_path / "model.bin")
    save_facebook_model(model, path)
    vectors = read_word_vectors(path, {"cat", "catty"})
    np.testing.assert_allclose(vectors["cat"], model.wv["cat"], rtol=1e-5)
    np.testing.assert_allclose(vectors["catty"], model.wv["catty"], rtol=1e-5)


def test_a_fasttext_model_without_parts_of_words_knows_only_its_own_words(tmp_path: Path) -> None:
    from gensim.models.fasttext import FastText, save_facebook_model

    model = FastText([text.split() for text in TEXTS], vector_size=4, min_count=1, epochs=1, workers=1, max_n=0)
    path = str(tmp_path / "model.bin")
    save_facebook_model(model, path)
    assert set(read_word_vectors(path, {"cat", "catty"})) == {"cat"}


def test_tokens_have_the_vector_of_their_spelling_or_else_of_it_in_lower_case() -> None:
    vectors = {"Cat": np.array([1, 2], np.float32), "dog": np.array([3, 4], np.float32)}
    table = table_of_words(("Cat", "DOG", "unheard"), vectors)
    assert table.vectors[2:4].tolist() == [[1, 2], [3, 4]]
    assert table.is_found.tolist() == [False, False, True, True, False]
    assert table.share_found == pytest.approx(2 / 3)
    assert spellings_to_find(("Cat", "DOG")) == {"Cat", "cat", "DOG", "dog"}


def test_missing_vectors_are_drawn_as_wide_as_the_others_and_padding_is_zero() -> None:
    generator = np.random.default_rng(0)
    vectors = {f"w{number}": generator.normal(0, 3, 50).astype(np.float32) for number in range(200)}
    table = table_of_words([*vectors, *(f"absent{number}" for number in range(200))], vectors)
    assert table.vectors[~table.is_found][2:].std() == pytest.approx(3, rel=0.1)
    assert table.vectors[UNKNOWN].any()
    assert not table.vectors[PADDING].any()
    again = table_of_words([*vectors, *(f"absent{number}" for number in range(200))], vectors)
    assert table.vectors.tolist() == again.vectors.tolist()


def test_an_empty_vocabulary_has_a_found_share_of_zero() -> None:
    assert table_of_words((), {"cat": np.ones(2, np.float32)}).share_found == 0.0


def encoded_texts() -> tuple[Encoded, int]:
    tokeniser = fit_words(TEXTS, lower_case=True)
    return tokeniser.encode(TEXTS), len(tokeniser)


def test_every_token_has_a_trained_vector_and_similar_words_are_close() -> None:
    generator = np.random.default_rng(0)
    pairs = [f"{generator.choice(['cat', 'dog'])} {generator.choice(['purrs', 'barks'])}" for _ in range(300)]
    other = [f"{generator.choice(['red', 'blue'])} {generator.choice(['car', 'bus'])}" for _ in range(300)]
    tokeniser = fit_words([*pairs, *other], lower_case=True)
    table = train_word2vec(tokeniser.encode([*pairs, *other] * 5), len(tokeniser), size=16)
    assert table.vectors.shape == (len(tokeniser), 16)
    assert table.share_found == 1.0
    assert not table.vectors[PADDING].any()
    unit = table.vectors / np.maximum(np.linalg.norm(table.vectors, axis=1, keepdims=True), 1e-9)
    cat, dog, red = (unit[SPECIAL_TOKENS + tokeniser.words.index(word)] for word in ("cat", "dog", "red"))
    assert cat @ dog > cat @ red


def test_rows_longer_than_gensim_accepts_are_used_to_their_end() -> None:
    steps = np.array([2] * 10_000 + [3] * 5, np.int32)
    table = train_word2vec(Encoded(steps, np.array([0, len(steps)])), 5, size=4)
    assert table.is_found.tolist() == [False, False, True, True, False]


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_trains_the_same_vectors(hash_seed: str) -> None:
    code = (
        "from tests.data.test_embeddings import encoded_texts, train_word2vec; import hashlib;"
        "encoded, tokens = encoded_texts();"
        "print(hashlib.sha256(train_word2vec(encoded, tokens, size=8).vectors.tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    encoded, tokens = encoded_texts()
    here = train_word2vec(encoded, tokens, size=8).vectors.tobytes()
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest()
