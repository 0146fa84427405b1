"""Texts in scripts without spaces are found; texts with spaces between words, whatever the script, are not."""

from __future__ import annotations

import pytest

from tuner.data.scripts import find_scripts, lacks_spaces
from tuner.data.token_lists import join_tokens


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("这个手机屏幕很好，我很喜欢。", "Han"),
        ("このカメラは最高です。", "Hiragana, Katakana, Han"),
        ("ร้านนี้อาหารอร่อยมาก แนะนำเลยครับ", "Thai"),
        ("ຮ້ານນີ້ອາຫານແຊບຫຼາຍ", "Lao"),
        ("ហាងនេះម្ហូបឆ្ងាញ់ណាស់", "Khmer"),
        ("ဒီဆိုင်ကအစားအစာကောင်းတယ်", "Burmese"),
        ("༄༅།་བོད་ཡིག", "Tibetan"),
    ],
)
def test_a_script_without_spaces_is_named(text: str, names: str) -> None:
    scripts = find_scripts((text, text))
    assert scripts.rows == 1.0
    assert scripts.names == names


@pytest.mark.parametrize(
    "text",
    [
        "这个 手机 屏幕 很 好",  # words separated beforehand
        "ร้าน นี้ อาหาร อร่อย มาก",
        "안녕하세요 반갑습니다",
        "a plain text",
        "Это обычный текст",
        "12 !? 34",
        "",
    ],
)
def test_texts_with_spaces_are_not_taken_for_such_a_script(text: str) -> None:
    assert not lacks_spaces((text, text))


def test_the_share_counts_rows_because_such_rows_have_fewer_letters() -> None:
    scripts = find_scripts(("a long text in English words",) * 9 + ("我喜欢这个",))
    assert scripts.rows == pytest.approx(0.1)
    assert scripts.letters["Han"] < 0.05


def test_lists_of_tokens_are_split_already() -> None:
    assert not lacks_spaces((join_tokens(["这个手机", "很好"]),))


def test_no_rows_have_no_script() -> None:
    assert find_scripts(()).rows == 0.0


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("straße ﬁn", "Latin"),
        ("ＡＢ", "Latin"),
        ("посылка", "Cyrillic"),
        ("δέμα", "Greek"),
        ("طرد", "Arabic"),
        ("נמל", "Hebrew"),
        ("पार्सल", "Devanagari"),
        ("소포", "Hangul"),
        ("小包", "Han"),
        ("パ", "Katakana"),
        ("พัสดุ", "Thai"),
        ("ጥቅል", "Ethiopic"),
        ("ʰ𝐚", "other"),
    ],
)
def test_the_script_of_letters_is_found(text: str, script: str) -> None:
    assert find_scripts((f"{text} 12, 😀!",)).seen == {script: 1.0}


def test_scripts_are_counted_by_letters_the_commonest_first() -> None:
    assert list(find_scripts(("ab привет", "")).seen.items()) == [("Cyrillic", 0.75), ("Latin", 0.25)]
    assert find_scripts(("12 !",)).seen == {}
