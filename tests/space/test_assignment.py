"""Settings that are written by tuner mean the same when they are pasted."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import printable
from tuner.space.assignment import column_option, set_option
from tuner.space.document import parse_document
from tuner.space.overrides import override

ODD = [
    " label", "label ", "0", "1.0", "#label", "a #b", "label: y", "[label]", "{a}", "null", "~", "true", "yes", "a,b", "", "'",
    '"', "it's", "-", "- a", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "?", "a: b: c", "1e5", "2026-01-01", "日本語", "\ta",
    "a\nb", "$HOME", "a=b", "\\n", "=", "<<", "🏳️‍🌈",
]  # fmt: skip


def paste(option: str) -> Any:
    """Return what a shell and YAML make of an option."""
    flag, text = shlex.split(option)
    assert flag == "--set"
    return paste_word(text, key="data.label")


def paste_word(word: str, key: str = "a") -> Any:
    document = override(parse_document("x: 1", "f"), [word])
    assert not document.faults
    value = document.tree
    for part in key.split("."):
        value = value[part]
    return value


@pytest.mark.parametrize("value", [*ODD, ODD, {"a": 0.5, "b: c": [1, None, True]}, 0.15, None, True, 3])
def test_a_pasted_setting_has_the_value_that_it_was_made_from(value: Any) -> None:
    assert paste(set_option("data.label", value)) == value


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_pasting(text: str) -> None:
    if "\0" not in text:  # no shell can pass it on
        assert paste(set_option("data.label", text)) == text
    assert paste(set_option("data.label", [text])) == [text]


def test_a_shell_reads_every_option_as_it_was_written() -> None:
    names = [*ODD, "\x1b[31m", "\ufefflabel", "a'\n\\b\tc", "\u202e"]
    options = [column_option("--text", name) for name in names]
    command = " ".join(["printf '%s\\0'", *options, *(set_option("a", name) for name in names)])
    assert printable(command) == command
    words = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout.decode().split("\0")[:-1]
    assert words[1 : 2 * len(names) : 2] == names
    assert [paste_word(word) for word in words[2 * len(names) + 1 :: 2]] == names


def test_an_option_lists_names_with_commas_as_json() -> None:
    assert column_option("--label-columns", ["a", "b c"]) == "--label-columns 'a,b c'"
    assert column_option("--label-columns", ["a,b", " c"]) == """--label-columns '["a,b", " c"]'"""


def test_a_whole_number_has_no_point() -> None:
    assert set_option("search.grace_epochs", 10.0) == "--set search.grace_epochs=10"
    assert set_option("search.grace_epochs", 1 / 3) == "--set search.grace_epochs=0.3333333333333333"


def test_plain_names_stay_plain() -> None:
    assert set_option("data.label", "is_spam") == "--set data.label=is_spam"
    assert set_option("data.label_columns", ["a", "b"]) == "--set 'data.label_columns=[a, b]'"
