"""Settings that are written by tuner mean the same when they are pasted."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.space.assignment import set_option
from tuner.space.document import override, parse_document

ODD = [
    " label", "label ", "0", "1.0", "#label", "a #b", "label: y", "[label]", "{a}", "null", "~", "true", "yes", "a,b", "", "'",
    '"', "it's", "-", "- a", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "?", "a: b: c", "1e5", "2026-01-01", "日本語", "\ta",
    "a\nb", "$HOME", "a=b", "\\n", "=", "<<", "🏳️‍🌈",
]  # fmt: skip


def paste(option: str) -> Any:
    """Return what a shell and YAML make of an option."""
    flag, text = shlex.split(option)
    assert flag == "--set"
    document = override(parse_document("data: {}", "f"), [text])
    assert not document.faults
    return document.tree["data"]["label"]


@pytest.mark.parametrize("value", [*ODD, ODD, {"a": 0.5, "b: c": [1, None, True]}, 0.15, None, True, 3])
def test_a_pasted_setting_has_the_value_that_it_was_made_from(value: Any) -> None:
    assert paste(set_option("data.label", value)) == value


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_pasting(text: str) -> None:
    if "\0" not in text:  # no shell can pass it on
        assert paste(set_option("data.label", text)) == text
    assert paste(set_option("data.label", [text])) == [text]


def test_plain_names_stay_plain() -> None:
    assert set_option("data.label", "is_spam") == "--set data.label=is_spam"
    assert set_option("data.label_columns", ["a", "b"]) == "--set 'data.label_columns=[a, b]'"
