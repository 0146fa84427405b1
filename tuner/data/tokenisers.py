"""Turn text into token numbers: words, or single characters. For pieces of words see `tuner.data.subwords`.

A tokeniser is fitted on training texts only. Number 0 is padding, and 1 is the unknown token. From 2 on, tokens are numbered by
falling frequency in these texts, ties by spelling. So a smaller vocabulary or a larger minimum count is the same encoding, cut at
a lower number. Trials that differ only in these two settings share one encoding.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, normalizers, pre_tokenizers

from tuner.data.encoded import Encoded, to_offsets
from tuner.data.token_lists import are_token_lists, split_tokens

PADDING, UNKNOWN = 0, 1
SPECIAL_TOKENS = 2
WORDS = r"\w+|[^\w\s]"
_WORDS_IN_ASCII = re.compile(r"[A-Za-z0-9_]+|[^A-Za-z0-9_ \t-\r]")  # the same in these texts, and several times as fast
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
class SplitTexts:
    """Texts split into words, once for all tokenisers that split them in the same way.

    `words` are the distinct words as written. Text i has the words at `numbers[offsets[i]:offsets[i + 1]]`. `is_tokenised` says
    that the rows are lists of tokens.
    """

    words: tuple[str, ...]
    numbers: NDArray[np.int32]
    offsets: NDArray[np.int64]
    is_tokenised: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: NDArray[np.int64]) -> SplitTexts:
        """Return the texts at `rows` (n,), in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = to_offsets(lengths)
        positions = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return SplitTexts(self.words, self.numbers[positions], offsets, self.is_tokenised)


@runtime_checkable
class Tokeniser(Protocol):
    """Turns texts into token numbers; fitted on training texts."""

    def __len__(self) -> int:
        """Return the number of token numbers, with padding and the unknown token."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """The tokens of the numbers from 2 on."""

    def cut(self, size: int) -> Tokeniser:
        """Return a tokeniser with only the first `size` numbers. Rarer tokens become the unknown token."""

    def encode(self, inputs: Sequence[str]) -> Encoded:
        """Encode texts. A text without tokens becomes one unknown token, so that no row is empty."""

    def to_bytes(self) -> bytes:
        """Return JSON that contains nothing executable."""


@dataclass(frozen=True)
class WordTokeniser:
    """Words and single punctuation marks; `words[n]` has number n + 2.

    The words in `left_out` are dropped before `forms` ("as_written", "stem" or "lemma") is applied. `is_tokenised` says that it
    reads lists of tokens (see `tuner.data.token_lists`), and no texts.
    """

    words: tuple[str, ...]
    lower_case: bool
    punctuation: bool
    left_out: frozenset[str]
    forms: str
    is_tokenised: bool = False

    def __len__(self) -> int:
        return SPECIAL_TOKENS + len(self.words)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The tokens of the numbers from 2 on."""
        return self.words

    def cut(self, size: int) -> WordTokeniser:
        """Return a tokeniser with only the first `size` numbers. Rarer tokens become the unknown token."""
        return replace(self, words=self.words[: max(size - SPECIAL_TOKENS, 0)])

    def encode(self, inputs: Sequence[str] | SplitTexts) -> Encoded:
        """Encode texts. A text with no words left becomes one unknown token, so that no row is empty."""
        split = _as_split(inputs, lower_case=self.lower_case)
        forms = word_forms(split.words, self.forms, punctuation=self.punctuation, left_out=self.left_out)
        numbers = (_LEFT_OUT if form is None else self._numbers.get(form, UNKNOWN) for form in forms)
        steps = np.fromiter(numbers, np.int32, count=len(forms))[split.numbers]
        is_kept = steps != _LEFT_OUT
        kept_before = to_offsets(is_kept)
        return end_to_end(steps[is_kept], np.diff(kept_before[split.offsets]))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, SPECIAL_TOKENS)}

    def to_bytes(self) -> bytes:
        """Return JSON that `read_words` reads."""
        described: dict[str, Any] = {
            "kind": "word",
            "lower_case": self.lower_case,
            "punctuation": self.punctuation,
            "left_out": sorted(self.left_out),
            "forms": self.forms,
            "words": self.words,
        }
        if self.is_tokenised:  # for texts, the JSON stays as older versions read it
            described["is_tokenised"] = True
        return json.dumps(described, ensure_ascii=False).encode()


@dataclass(frozen=True)
class CharacterTokeniser:
    """Single characters (code points), with white space; `characters[n]` has number n + 2."""

    characters: tuple[str, ...]
    lower_case: bool

    def __len__(self) -> int:
        return SPECIAL_TOKENS + len(self.characters)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The tokens of the numbers from 2 on."""
        return self.characters

    def cut(self, size: int) -> CharacterTokeniser:
        """Return a tokeniser with only the first `size` numbers. Rarer tokens become the unknown token."""
        return replace(self, characters=self.characters[: max(size - SPECIAL_TOKENS, 0)])

    def encode(self, inputs: Sequence[str]) -> Encoded:
        """Encode texts. An empty text becomes one unknown token, so that no row is empty."""
        codes, lengths = _code_points(inputs, lower_case=self.lower_case)
        numbers = np.full(sys.maxunicode + 1, UNKNOWN, np.int32)
        numbers[[ord(character) for character in self.characters]] = np.arange(SPECIAL_TOKENS, len(self))
        return end_to_end(numbers[codes], lengths)

    def to_bytes(self) -> bytes:
        """Return JSON that `read_characters` reads."""
        described = {"kind": "character", "lower_case": self.lower_case, "characters": self.characters}
        return json.dumps(described).encode()


def split_words(texts: Sequence[str], *, lower_case: bool) -> SplitTexts:
    """Split texts into runs of letters, digits, marks and underscores, and into single other characters except spaces.

    Lists of tokens are split into their tokens, as they are.
    """
    is_tokenised = are_token_lists(texts)
    lower = normalizers.Lowercase()
    splitter = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    known: dict[str, int] = {}
    numbers: list[int] = []
    lengths = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        if is_tokenised:
            words = split_tokens(text)
        elif text.isascii():
            words = _WORDS_IN_ASCII.findall(text.lower() if lower_case else text)
        else:
            pieces = splitter.pre_tokenize_str(lower.normalize_str(text) if lower_case else text)
            words = [word for word, _ in pieces]
        numbers += [known.setdefault(word, len(known)) for word in words]
        lengths[row] = len(words)
    return SplitTexts(tuple(known), np.array(numbers, np.int32), to_offsets(lengths), is_tokenised)


def split_characters(texts: Sequence[str], *, lower_case: bool) -> SplitTexts:
    """Split texts into characters, with white space."""
    codes, lengths = _code_points(texts, lower_case=lower_case)
    distinct, numbers = np.unique(codes, return_inverse=True)
    return SplitTexts(tuple(map(chr, distinct.tolist())), numbers.astype(np.int32), to_offsets(lengths))


def fit_words(
    texts: Sequence[str] | SplitTexts,
    *,
    lower_case: bool,
    punctuation: bool = True,
    stop_words: bool = True,
    forms: str = "as_written",
) -> WordTokeniser:
    """Fit a word tokeniser. Without `punctuation`, punctuation marks, symbols and emoji are dropped.

    Without `stop_words`, scikit-learn's list of frequent English words is dropped, except for negations ("not", "never",
    "without" …), which reverse the meaning of a text. `forms` is a key of `FORMS`. Lists of tokens keep every token as it is.
    """
    split = _as_split(texts, lower_case=lower_case)
    if split.is_tokenised:
        lower_case, punctuation, stop_words, forms = False, True, True, "as_written"
    left_out = frozenset() if stop_words else _stop_words()
    word_of = word_forms(split.words, forms, punctuation=punctuation, left_out=left_out)
    counts: dict[str, int] = {}
    for form, count in zip(word_of, np.bincount(split.numbers, minlength=len(word_of)).tolist(), strict=True):
        if form is not None and count:
            counts[form] = counts.get(form, 0) + count
    words = sorted(counts, key=lambda word: (-counts[word], word))[: WIDEST_VOCABULARY - SPECIAL_TOKENS]
    return WordTokeniser(tuple(words), lower_case, punctuation, left_out, forms, split.is_tokenised)


def fit_characters(texts: Sequence[str], *, lower_case: bool) -> CharacterTokeniser:
    """Fit a tokeniser of single characters."""
    codes, _ = _code_points(texts, lower_case=lower_case)
    distinct, counts = np.unique(codes, return_counts=True)  # sorted by code, which a stable sort by count keeps
    order = np.argsort(-counts, kind="stable")
    return CharacterTokeniser(tuple(chr(code) for code in distinct[order].tolist()), lower_case)


def read_words(described: dict[str, Any]) -> WordTokeniser:
    """Rebuild a word tokeniser from its JSON. Raises KeyError or ValueError if the JSON is incomplete or invalid."""
    refuse_other_keys(described, ("lower_case", "punctuation", "left_out", "forms", "words", "is_tokenised"))
    if described["forms"] not in FORMS:
        raise ValueError(f"forms is {described['forms']!r}, but known are {', '.join(FORMS)}")
    return WordTokeniser(
        words=distinct_texts(described["words"]),
        lower_case=as_switch(described["lower_case"]),
        punctuation=as_switch(described["punctuation"]),
        left_out=frozenset(distinct_texts(described["left_out"])),
        forms=str(described["forms"]),
        is_tokenised=as_switch(described.get("is_tokenised", False)),
    )


def read_characters(described: dict[str, Any]) -> CharacterTokeniser:
    """Rebuild a character tokeniser from its JSON. Raises KeyError or ValueError if the JSON is incomplete or invalid."""
    refuse_other_keys(described, ("lower_case", "characters"))
    characters = distinct_texts(described["characters"])
    if any(len(character) != 1 for character in characters):
        raise ValueError("a character tokeniser has entries with several characters")
    return CharacterTokeniser(characters, as_switch(described["lower_case"]))


def refuse_other_keys(described: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise ValueError if a preparation's JSON has a key that is neither "kind" nor in `known`."""
    other = sorted(set(described) - {"kind", *known})
    if other:
        raise ValueError(f"the preparation has an unknown key {other[0]!r}")


def as_switch(value: Any) -> bool:
    """Return a value from JSON as a boolean. Raises ValueError for anything else."""
    if not isinstance(value, bool):
        raise ValueError("a switch of the tokeniser is neither true nor false")
    return value


def distinct_texts(items: Any) -> tuple[str, ...]:
    """Return a list from JSON as a tuple of texts. Raises ValueError for anything but a list of distinct texts."""
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items) or len(set(items)) < len(items):
        raise ValueError("a vocabulary is not a list of distinct texts")
    return tuple(items)


def end_to_end(steps: NDArray[np.int32], lengths: NDArray[np.int64]) -> Encoded:
    """Return rows of token numbers that lie end to end with these lengths. An empty row becomes one unknown token."""
    empty = np.flatnonzero(lengths == 0)
    if not len(empty):
        return Encoded(steps, to_offsets(lengths))
    filled = np.insert(steps, to_offsets(lengths)[empty], np.int32(UNKNOWN))
    return Encoded(filled, to_offsets(np.maximum(lengths, 1)))


def word_forms(words: Sequence[str], forms: str, *, punctuation: bool, left_out: frozenset[str]) -> list[str | None]:
    """Return the form of each word, or None if it is dropped. Stop words match as written, in any case."""
    change = FORMS[forms]
    return [
        None if word.lower() in left_out or (not punctuation and is_punctuation(word)) else change(word)
        for word in words
    ]


def _as_split(inputs: Sequence[str] | SplitTexts, *, lower_case: bool) -> SplitTexts:
    return inputs if isinstance(inputs, SplitTexts) else split_words(inputs, lower_case=lower_case)


def _code_points(texts: Sequence[str], *, lower_case: bool) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the characters of all texts end to end, and the length of each text."""
    read = [text.lower() for text in texts] if lower_case else list(texts)
    lengths = np.array([len(text) for text in read], np.int64)
    # A text that some program cut may contain half a surrogate pair, which no encoding allows.
    return np.frombuffer("".join(read).encode("utf-32-le", "surrogatepass"), "<u4"), lengths


def is_punctuation(word: str) -> bool:
    """Return whether a word is punctuation. The first character decides: other words begin with a letter, digit, mark or _."""
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


@lru_cache(maxsize=WIDEST_VOCABULARY)  # every setting and every fold asks for the form of a word again
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word)) or word


@lru_cache(maxsize=WIDEST_VOCABULARY)
def _lemma(word: str) -> str:
    import simplemma

    return simplemma.lemmatize(word, lang="en") or word


FORMS: dict[str, Callable[[str], str]] = {"as_written": str, "stem": _stem, "lemma": _lemma}
