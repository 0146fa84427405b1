"""How the text of a file is written: what people may set about it, in a space or by an option."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

from tuner.errors import did_you_mean

Quoting = Literal["standard", "none"]

NAMED_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|"}
COMMON_SEPARATORS = (",", ";", "\t", "|")
_ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "cp1250", "cp1251", "gb18030", "shift_jis", "big5", "euc-kr")


@dataclass(frozen=True)
class TextFormat:
    """How the text of a file is written. None: found out from the file."""

    quoting: Quoting | None = None
    separator: str | None = None
    encoding: str | None = None


FOUND_OUT = TextFormat()
"""Nothing is set."""


def read_separator(text: str) -> str:
    """Return the character that a separator is written as, such as ";" or "tab"."""
    return NAMED_SEPARATORS.get(text.strip().lower() or text, text)


def show_separator(separator: str) -> str:
    """Return a separator as people write it."""
    return "tab" if separator == "\t" else separator


def separator_fault(separator: str) -> tuple[str, str] | None:
    """Return what is wrong with a separator, as from `read_separator`, and the remedy; None if it can be used."""
    is_one = len(separator) == 1 and separator.isascii() and not separator.isalnum()
    if is_one and separator not in ' "\\]\r\n\0':
        return None
    return "is not one character, such as ; or |", "write one of , ; | or tab"


def encoding_fault(encoding: str) -> tuple[str, str] | None:
    """Return what is wrong with the name of an encoding, and the remedy; None if it can be used."""
    try:
        "a".encode(codecs.lookup(encoding).name)
    except (LookupError, ValueError):  # unknown, or for bytes; a name may hold a zero byte
        return "names no encoding of text", did_you_mean(encoding, _ENCODINGS)
    return None
