"""Split text into pieces of words with the `tokenizers` library: byte-pair encoding and WordPiece.

Frequent words are one piece, rare words several, so few tokens are unknown. The pieces come from training texts only. Like
words, they are numbered by frequency in the training texts, ties by spelling.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE, WordPiece
from tokenizers.trainers import BpeTrainer, WordPieceTrainer

from tuner.data.encoded import Encoded
from tuner.data.tokenisers import (
    SPECIAL_TOKENS,
    UNKNOWN,
    as_switch,
    distinct_texts,
    end_to_end,
    is_punctuation,
    refuse_other_keys,
)

Rule: TypeAlias = Literal["bpe", "wordpiece"]

_UNKNOWN_TOKEN = "[UNK]"  # never a learnt piece, because a bracket is a piece of its own
_INSIDE = "##"  # begins a WordPiece inside a word; in byte-pair encoding, a space begins a piece that starts a word
_SHORT_WORDS = r"\w{1,100}|[^\w\s]"  # WordPiece takes a longer word, such as a clause without spaces, for unknown
_TEXTS_AT_ONCE = 10_000


@dataclass(frozen=True)
class SubwordTokeniser:
    """Pieces of words; `pieces[n]` has number n + 2. `merges` are the pairs of byte-pair encoding, in order."""

    rule: Rule
    pieces: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    lower_case: bool

    def __len__(self) -> int:
        return SPECIAL_TOKENS + len(self.pieces)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The tokens of the numbers from 2 on."""
        return self.pieces

    def cut(self, size: int) -> SubwordTokeniser:
        """Return the tokeniser itself: rare words are split already. Raises ValueError for a smaller size."""
        if size < len(self):
            raise ValueError(f"a vocabulary of {len(self)} pieces cannot be cut to {size}")
        return self

    def encode(self, inputs: Sequence[str]) -> Encoded:
        """Encode texts. A character that training did not have becomes the unknown token, and so does an empty text."""
        parts = [np.empty(0, np.int32)]
        lengths = np.zeros(len(inputs), np.int64)
        for start in range(0, len(inputs), _TEXTS_AT_ONCE):
            batch = list(inputs[start : start + _TEXTS_AT_ONCE])
            encoded = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)]
            lengths[start : start + len(batch)] = [len(ids) for ids in encoded]
            parts.append(np.fromiter(itertools.chain.from_iterable(encoded), np.int32))
        return end_to_end(np.concatenate(parts), lengths)

    def to_bytes(self) -> bytes:
        """Return JSON that `read_subwords` reads."""
        described = {
            "kind": self.rule,
            "lower_case": self.lower_case,
            "pieces": self.pieces,
            "merges": self.merges,
        }
        return json.dumps(described, ensure_ascii=False).encode()

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        numbers = {piece: number for number, piece in enumerate(self.pieces, SPECIAL_TOKENS)}
        vocabulary = {_UNKNOWN_TOKEN: UNKNOWN, **numbers}
        return _tokenizer(self.rule, vocabulary, list(self.merges), lower_case=self.lower_case)


def fit_bpe(texts: Sequence[str], *, lower_case: bool, size: int) -> SubwordTokeniser:
    """Fit byte-pair encoding (Sennrich et al. 2016) with at most `size` pieces. A space belongs to the word after it."""
    blank = _tokenizer("bpe", {}, [], lower_case=lower_case)
    trainer = BpeTrainer(vocab_size=size + 1, special_tokens=[_UNKNOWN_TOKEN], show_progress=False)
    blank.train_from_iterator(_with_common_characters(blank, texts, size // 2), trainer, length=len(texts))
    merges = [(first, second) for first, second in json.loads(blank.to_str())["model"]["merges"]]
    return _by_frequency(blank, texts, merges, "bpe", lower_case=lower_case)


def fit_wordpiece(texts: Sequence[str], *, lower_case: bool, size: int) -> SubwordTokeniser:
    """Fit WordPiece (Wu et al. 2016) with at most `size` pieces. A piece inside a word begins with "##"."""
    blank = _tokenizer("wordpiece", {}, [], lower_case=lower_case)
    read = list(_with_common_characters(blank, texts, size // 4))
    # The library numbers "##a", "##b" … in the order of a hash map, which differs between processes, and it breaks ties by
    # number. As special tokens they get their numbers in this order.
    inside = [
        _INSIDE + character
        for character in sorted(set("".join(read)))
        if not is_punctuation(character) and not character.isspace()
    ]
    trainer = WordPieceTrainer(
        vocab_size=size + 1,
        special_tokens=[_UNKNOWN_TOKEN, *inside],
        continuing_subword_prefix=_INSIDE,
        show_progress=False,
    )
    blank.train_from_iterator(read, trainer, length=len(read))
    return _by_frequency(blank, texts, [], "wordpiece", lower_case=lower_case)


def read_subwords(described: dict[str, Any]) -> SubwordTokeniser:
    """Rebuild a tokeniser from its JSON. Raises KeyError or ValueError if the JSON is incomplete or invalid."""
    refuse_other_keys(described, ("lower_case", "pieces", "merges"))
    pieces = distinct_texts(described["pieces"])
    merges = tuple((str(first), str(second)) for first, second in described["merges"])
    "".join(pieces).encode()  # raises ValueError for half a surrogate pair, which `tokenizers` cannot hold
    if _UNKNOWN_TOKEN in pieces or "" in pieces:
        raise ValueError(f"the vocabulary has an empty piece, or {_UNKNOWN_TOKEN}, which stands for unknown tokens")
    known = set(pieces)
    if any(not {first, second, first + second} <= known for first, second in merges):
        raise ValueError("a merge has a piece that is not in the vocabulary")
    return SubwordTokeniser(described["kind"], pieces, merges, as_switch(described["lower_case"]))


def _tokenizer(rule: Rule, vocabulary: dict[str, int], merges: list[tuple[str, str]], *, lower_case: bool) -> Tokenizer:
    lower = [normalizers.Lowercase()] if lower_case else []
    if rule == "wordpiece":
        made = Tokenizer(WordPiece(vocabulary, unk_token=_UNKNOWN_TOKEN, continuing_subword_prefix=_INSIDE))
        made.normalizer = normalizers.Sequence(lower)
        made.pre_tokenizer = pre_tokenizers.Split(Regex(_SHORT_WORDS), behavior="removed", invert=True)
        return made
    made = Tokenizer(BPE(vocab=vocabulary, merges=merges, unk_token=_UNKNOWN_TOKEN, fuse_unk=True))
    single_spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(), normalizers.Prepend(" ")]
    made.normalizer = normalizers.Sequence([*lower, *single_spaces])
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\w+| ?[^\w\s]"), behavior="removed", invert=True)
    return made


def _with_common_characters(blank: Tokenizer, texts: Sequence[str], limit: int) -> Iterator[str]:
    """Yield normalised texts in which a space replaces every character that is not among the `limit` most frequent.

    Single characters are pieces too. In a script with thousands of characters, or with emoji, they would take up all the pieces.
    Ties are broken by code; the library's own limit breaks them at random.
    """
    normalised = [blank.normalizer.normalize_str(text) for text in texts]
    counts = Counter("".join(normalised))
    rare = sorted(counts, key=lambda character: (-counts[character], character))[limit:]
    to_space = str.maketrans(dict.fromkeys(rare, " "))
    return (text.translate(to_space) for text in normalised)


def _by_frequency(
    trained: Tokenizer, texts: Sequence[str], merges: list[tuple[str, str]], rule: Rule, *, lower_case: bool
) -> SubwordTokeniser:
    """Number the pieces by their frequency in the training texts."""
    pieces = sorted(piece for piece in trained.get_vocab() if piece != _UNKNOWN_TOKEN)
    draft = SubwordTokeniser(rule, tuple(pieces), tuple(merges), lower_case)
    counts = np.bincount(draft.encode(texts).steps, minlength=len(draft))[SPECIAL_TOKENS:]
    order = np.argsort(-counts, kind="stable")
    return SubwordTokeniser(rule, tuple(pieces[number] for number in order), tuple(merges), lower_case)
