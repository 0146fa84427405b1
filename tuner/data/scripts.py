"""Find the scripts of texts, and texts in scripts without spaces between words, such as Chinese, Japanese and Thai.

A word tokeniser reads a whole clause of such a text as one word. Texts whose words were separated by spaces beforehand do not
count, and Korean has spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tuner.data.samples import spread_positions
from tuner.data.sequences import Sequences
from tuner.data.token_lists import are_token_lists

FEW = 0.05
"""The share of such rows from which people are told."""

MOST = 0.5
"""The share of such rows from which texts are read as characters rather than words."""

_SAMPLE = 2_000  # rows
_BEGINNING = 500  # characters of each
_SPACED = 0.1  # spaces between two letters, per letter: split into words there are 0.2 to 0.5, between clauses 0.05
_BLOCKS: Mapping[str, Sequence[tuple[int, int]]] = {
    "Han": (
        (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),
        (0x20000, 0x323AF),
    ),
    "Hiragana": ((0x3041, 0x309F),),
    "Katakana": ((0x30A0, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),
    "Thai": ((0x0E01, 0x0E4E),),
    "Lao": ((0x0E80, 0x0EFF),),
    "Tibetan": ((0x0F40, 0x0FBC),),
    "Burmese": ((0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F)),
    "Khmer": ((0x1780, 0x17D3),),
}  # fmt: skip
_NAMES = tuple(_BLOCKS)
_SCRIPT = re.compile(
    r"(?:FULLWIDTH |HALFWIDTH )?(?P<name>.+?) (?:SMALL |CAPITAL )?(?:LETTER|SYLLABLE|SYLLABICS|LIGATURE)\b"
)
"""How Unicode names the letters of a script: "CYRILLIC SMALL LETTER A"."""
_NO_SCRIPT = "other"
_LETTERS = re.compile(f"[{''.join(f'{chr(a)}-{chr(b)}' for blocks in _BLOCKS.values() for a, b in blocks)}]")
_OTHER_LETTER, _SPACE, _OTHER = len(_NAMES), len(_NAMES) + 1, len(_NAMES) + 2


@dataclass(frozen=True)
class Scripts:
    """The scripts of texts, and those of them that are written without spaces.

    `rows` is the share of rows in which most letters are of scripts without spaces, 0 if spaces separate their words. `letters`
    is the share of all letters by such script, for those that occur. `seen` is the share of all letters by every script, the
    commonest first.
    """

    rows: float
    letters: Mapping[str, float]
    seen: Mapping[str, float]

    @cached_property
    def names(self) -> str:
        """The names of the scripts, the commonest first, without those that hardly occur."""
        common = [name for name in self.letters if self.letters[name] >= max(self.letters.values()) / 100]
        return ", ".join(sorted(common, key=lambda name: -self.letters[name]))


def find_scripts(inputs: Sequence[str] | Sequences) -> Scripts:
    """Return the scripts of texts, from the beginnings of at most 2,000. Tokens and sequences have none."""
    if isinstance(inputs, Sequences) or are_token_lists(inputs):
        return Scripts(0.0, {}, {})
    places = spread_positions(len(inputs), _SAMPLE).tolist()
    texts = [inputs[place][:_BEGINNING] for place in places]
    kinds, seen = _kinds("\n".join(texts))
    if not (kinds < _OTHER_LETTER).any():
        return Scripts(0.0, {}, seen)
    is_unspaced = kinds < _OTHER_LETTER
    is_letter = kinds <= _OTHER_LETTER
    owners = np.repeat(np.arange(len(texts)), [len(text) + 1 for text in texts])[: len(kinds)]
    unspaced, letters = (np.bincount(owners, weights=kind, minlength=len(texts)) for kind in (is_unspaced, is_letter))
    spaces = (kinds[1:-1] == _SPACE) & is_unspaced[:-2] & is_unspaced[2:] & (owners[:-2] == owners[2:])
    is_spaced = spaces.sum() > _SPACED * is_unspaced.sum()
    counts = np.bincount(kinds, minlength=_OTHER)[:_OTHER_LETTER] / max(int(is_letter.sum()), 1)
    return Scripts(
        rows=0.0 if is_spaced else float((unspaced > letters / 2).mean()),
        letters={name: float(share) for name, share in zip(_NAMES, counts, strict=True) if share},
        seen=seen,
    )


def count_unspaced_letters(text: str) -> int:
    """Return how many letters of scripts without spaces a text has."""
    return len(_LETTERS.findall(text))


def lacks_spaces(inputs: Sequence[str] | Sequences) -> bool:
    """Return whether most rows are written without spaces, so that characters tell more than words."""
    return find_scripts(inputs).rows > MOST


def _kinds(text: str) -> tuple[NDArray[np.int64], dict[str, float]]:
    """Return the kind of each character, and the share of the letters by script.

    A kind is the number of a script without spaces, another letter, a space, or anything else.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    distinct, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    kinds = np.array([_kind(code) for code in distinct.tolist()], np.int64)
    letters: Counter[str] = Counter()
    for code, kind, count in zip(distinct.tolist(), kinds.tolist(), counts.tolist(), strict=True):
        if kind <= _OTHER_LETTER and unicodedata.category(chr(code))[0] == "L":
            letters[_NAMES[kind] if kind < _OTHER_LETTER else _script(chr(code))] += count
    return kinds[places], {name: count / letters.total() for name, count in letters.most_common()}


def _script(letter: str) -> str:
    """Return the script of a letter as Unicode names it: "Cyrillic"."""
    named = _SCRIPT.match(unicodedata.name(letter, ""))
    return named["name"].title() if named and named["name"] != "MODIFIER" else _NO_SCRIPT


def _kind(code: int) -> int:
    for number, blocks in enumerate(_BLOCKS.values()):
        if any(first <= code <= last for first, last in blocks):
            return number
    character = chr(code)
    if character.isspace() or character == "\u200b":
        return _SPACE
    return _OTHER_LETTER if unicodedata.category(character)[0] in "LM" else _OTHER
