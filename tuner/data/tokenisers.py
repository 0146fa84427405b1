"""Text to token numbers: words, or single characters. Pieces of words stand in `tuner.data.subwords`.

A tokeniser is fitted on training texts only, and its numbers follow frequency there: 0 is padding, 1 the unknown token, 2
the commonest token, ties by spelling. So a smaller vocabulary or a larger minimum count is the same encoding cut at a lower
number, and trials that differ only in those share one encoding.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, normalizers, pre_tokenizers

PADDING, UNKNOWN = 0, 1
SPECIAL_TOKENS = 2
WORDS = r"\w+|[^\w\s]"
WIDEST_VOCABULARY = 1_000_000
_LEFT_OUT = -1

_NEGATIONS = frozenset(
    (
        "cannot",
        "cant",
        "couldnt",
        "hasnt",
        "neither",
        "never",
        "no",
        "nobody",
        "none",
        "noone",
        "nor",
        "not",
        "nothing",
        "nowhere",
        "without",
    )
)


@dataclass(frozen=True, eq=False)
class Encoded:
    """Rows of steps laid end to end: row i is `steps[offsets[i]:offsets[i + 1]]`.

    `steps` are token numbers, int32 (total,), or the values of numeric sequences, float32 (total, channels); `offsets` are
    int64 (rows + 1,).
    """

    steps: NDArray[np.int32] | NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps per row, shape (rows,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class SplitTexts:
    """Texts split into words once, for all tokenisers that split them in the same way.

    `words` are the distinct ones as they stand in the texts; text i is `words` at `numbers[offsets[i]:offsets[i + 1]]`.
    """

    words: tuple[str, ...]
    numbers: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: NDArray[np.int64]) -> SplitTexts:
        """Return the texts at `rows` (n,), in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = _offsets(lengths)
        positions = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return SplitTexts(self.words, self.numbers[positions], offsets)


@runtime_checkable
class Tokeniser(Protocol):
    """What turns texts into token numbers, fitted on training texts."""

    def __len__(self) -> int:
        """Return how many token numbers there are, padding and the unknown token among them."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """What the numbers from 2 on stand for."""

    def cut(self, size: int) -> Tokeniser:
        """Return the tokeniser that knows only the first `size` numbers; what is rarer becomes the unknown token."""

    def encode(self, inputs: Sequence[str]) -> Encoded:
        """Encode texts; one without any token becomes one unknown token, so that no row is empty."""

    def to_bytes(self) -> bytes:
        """Return JSON, with nothing in it that can be run."""


@dataclass(frozen=True)
class WordTokeniser:
    """Words and single punctuation marks; `words[n]` has number n + 2.

    `left_out` are the words that are dropped before `forms` ("as_written", "stem" or "lemma") is applied.
    """

    words: tuple[str, ...]
    lower_case: bool
    punctuation: bool
    left_out: frozenset[str]
    forms: str

    def __len__(self) -> int:
        return SPECIAL_TOKENS + len(self.words)

    @property
    def spellings(self) -> tuple[str, ...]:
        """What the numbers from 2 on stand for."""
        return self.words

    def cut(self, size: int) -> WordTokeniser:
        """Return the tokeniser that knows only the first `size` numbers; what is rarer becomes the unknown token."""
        return replace(self, words=self.words[: max(size - SPECIAL_TOKENS, 0)])

    def encode(self, inputs: Sequence[str] | SplitTexts) -> Encoded:
        """Encode texts; one of which nothing is left becomes one unknown token, so that no row is empty."""
        split = _as_split(inputs, lower_case=self.lower_case)
        forms = word_forms(split.words, self.forms, punctuation=self.punctuation, left_out=self.left_out)
        numbers = (_LEFT_OUT if form is None else self._numbers.get(form, UNKNOWN) for form in forms)
        steps = np.fromiter(numbers, np.int32, count=len(forms))[split.numbers]
        is_kept = steps != _LEFT_OUT
        kept_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_kept)])
        return end_to_end(steps[is_kept], np.diff(kept_before[split.offsets]))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, SPECIAL_TOKENS)}

    def to_bytes(self) -> bytes:
        """Return JSON that `read_words` reads."""
        described = {
            "kind": "word",
            "lower_case": self.lower_case,
            "punctuation": self.punctuation,
            "left_out": sorted(self.left_out),
            "forms": self.forms,
            "words": self.words,
        }
        return json.dumps(described, ensure_ascii=False).encode()


@dataclass(frozen=True)
class CharacterTokeniser:
    """Single characters (code points), white space too; `characters[n]` has number n + 2."""

    characters: tuple[str, ...]
    lower_case: bool

    def __len__(self) -> int:
        return SPECIAL_TOKENS + len(self.characters)

    @property
    def spellings(self) -> tuple[str, ...]:
        """What the numbers from 2 on stand for."""
        return self.characters

    def cut(self, size: int) -> CharacterTokeniser:
        """Return the tokeniser that knows only the first `size` numbers; what is rarer becomes the unknown token."""
        return replace(self, characters=self.characters[: max(size - SPECIAL_TOKENS, 0)])

    def encode(self, inputs: Sequence[str]) -> Encoded:
        """Encode texts; an empty one becomes one unknown token, so that no row is empty."""
        codes, lengths = _code_points(inputs, lower_case=self.lower_case)
        numbers = np.full(sys.maxunicode + 1, UNKNOWN, np.int32)
        numbers[[ord(character) for character in self.characters]] = np.arange(SPECIAL_TOKENS, len(self))
        return end_to_end(numbers[codes], lengths)

    def to_bytes(self) -> bytes:
        """Return JSON that `read_characters` reads."""
        described = {"kind": "character", "lower_case": self.lower_case, "characters": self.characters}
        return json.dumps(described).encode()


def split_words(texts: Sequence[str], *, lower_case: bool) -> SplitTexts:
    """Split texts into runs of letters, digits, marks and underscores, and single other characters that are no space."""
    lower = normalizers.Lowercase()
    splitter = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    known: dict[str, int] = {}
    numbers: list[int] = []
    lengths = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        pieces = splitter.pre_tokenize_str(lower.normalize_str(text) if lower_case else text)
        numbers += [known.setdefault(word, len(known)) for word, _ in pieces]
        lengths[row] = len(pieces)
    return SplitTexts(tuple(known), np.array(numbers, np.int32), _offsets(lengths))


def fit_words(
    texts: Sequence[str] | SplitTexts,
    *,
    lower_case: bool,
    punctuation: bool = True,
    stop_words: bool = True,
    forms: str = "as_written",
) -> WordTokeniser:
    """Fit a word tokeniser. Without `punctuation`, symbols and emoji are dropped as well as punctuation marks.

    Without `stop_words`, scikit-learn's list of the commonest English words is dropped, except for its negations ("not",
    "never", "without" …), which turn what a text says round. `forms` is a key of `FORMS`.
    """
    split = _as_split(texts, lower_case=lower_case)
    left_out = frozenset() if stop_words else _stop_words()
    found = word_forms(split.words, forms, punctuation=punctuation, left_out=left_out)
    counts: dict[str, int] = {}
    for form, count in zip(found, np.bincount(split.numbers, minlength=len(found)).tolist(), strict=True):
        if form is not None and count:
            counts[form] = counts.get(form, 0) + count
    words = sorted(counts, key=lambda word: (-counts[word], word))[: WIDEST_VOCABULARY - SPECIAL_TOKENS]
    return WordTokeniser(tuple(words), lower_case, punctuation, left_out, forms)


def fit_characters(texts: Sequence[str], *, lower_case: bool) -> CharacterTokeniser:
    """Fit a tokeniser of single characters."""
    codes, _ = _code_points(texts, lower_case=lower_case)
    found, counts = np.unique(codes, return_counts=True)  # sorted by code, which a stable sort by count keeps
    order = np.argsort(-counts, kind="stable")
    return CharacterTokeniser(tuple(chr(code) for code in found[order].tolist()), lower_case)


def read_words(described: dict[str, Any]) -> WordTokeniser:
    """Rebuild a word tokeniser from its JSON. Raises KeyError or ValueError where that is not whole."""
    refuse_other_keys(described, ("lower_case", "punctuation", "left_out", "forms", "words"))
    if described["forms"] not in FORMS:
        raise ValueError(f"forms is {described['forms']!r}, but known are {', '.join(FORMS)}")
    return WordTokeniser(
        words=distinct_texts(described["words"]),
        lower_case=as_switch(described["lower_case"]),
        punctuation=as_switch(described["punctuation"]),
        left_out=frozenset(distinct_texts(described["left_out"])),
        forms=str(described["forms"]),
    )


def read_characters(described: dict[str, Any]) -> CharacterTokeniser:
    """Rebuild a character tokeniser from its JSON. Raises KeyError or ValueError where that is not whole."""
    refuse_other_keys(described, ("lower_case", "characters"))
    characters = distinct_texts(described["characters"])
    if any(len(character) != 1 for character in characters):
        raise ValueError("a tokeniser of characters has entries of several characters")
    return CharacterTokeniser(characters, as_switch(described["lower_case"]))


def refuse_other_keys(described: dict[str, Any], known: Sequence[str]) -> None:
    """Raise ValueError for a key of a preparation's JSON that is none of `known` and not its kind."""
    other = sorted(set(described) - {"kind", *known})
    if other:
        raise ValueError(f"the preparation has {other[0]!r}, which is not known")


def as_switch(value: Any) -> bool:
    """Return what was read from JSON as true or false; ValueError where it is anything else."""
    if not isinstance(value, bool):
        raise ValueError("a switch of the tokeniser is neither true nor false")
    return value


def distinct_texts(items: Any) -> tuple[str, ...]:
    """Return a list that was read from JSON as texts; ValueError where it is anything but a list of distinct texts."""
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items) or len(set(items)) < len(items):
        raise ValueError("a vocabulary is not a list of distinct texts")
    return tuple(items)


def end_to_end(steps: NDArray[np.int32], lengths: NDArray[np.int64]) -> Encoded:
    """Return rows of token numbers, given end to end with their lengths; an empty row becomes one unknown token."""
    empty = np.flatnonzero(lengths == 0)
    if not len(empty):
        return Encoded(steps, _offsets(lengths))
    filled = np.insert(steps, _offsets(lengths)[empty], np.int32(UNKNOWN))
    return Encoded(filled, _offsets(np.maximum(lengths, 1)))


def word_forms(words: Sequence[str], forms: str, *, punctuation: bool, left_out: frozenset[str]) -> list[str | None]:
    """Return what each word becomes, None where it is dropped. Stop words are told as written, whatever their case."""
    change = FORMS[forms]
    return [
        None if word.lower() in left_out or (not punctuation and is_punctuation(word)) else change(word)
        for word in words
    ]


def _as_split(inputs: Sequence[str] | SplitTexts, *, lower_case: bool) -> SplitTexts:
    return inputs if isinstance(inputs, SplitTexts) else split_words(inputs, lower_case=lower_case)


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _code_points(texts: Sequence[str], *, lower_case: bool) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the characters of all texts end to end, and how many each text has."""
    read = [text.lower() for text in texts] if lower_case else list(texts)
    lengths = np.array([len(text) for text in read], np.int64)
    # Half of a surrogate pair, which no encoding has, can stand in a text that was cut by a program.
    return np.frombuffer("".join(read).encode("utf-32-le", "surrogatepass"), "<u4"), lengths


def is_punctuation(word: str) -> bool:
    """Tell by the first character: a word that has letters or digits begins with one, a mark or an underscore."""
    category = unicodedata.category(word[0])
    return category[0] in "PSC" and category != "Pc"


@cache
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS) - _NEGATIONS


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=WIDEST_VOCABULARY)  # one form is asked for again by every setting and fold that has the word
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word)) or word


@lru_cache(maxsize=WIDEST_VOCABULARY)
def _lemma(word: str) -> str:
    import simplemma

    return simplemma.lemmatize(word, lang="en") or word


FORMS: dict[str, Callable[[str], str]] = {"as_written": str, "stem": _stem, "lemma": _lemma}
