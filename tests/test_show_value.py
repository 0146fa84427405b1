"""Values are shown the same way wherever a person reads them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tuner.show_value import (
    show_count,
    show_duration,
    show_measured,
    show_moment,
    show_on_page,
    show_share,
    show_value,
    show_yaml,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "1e-07"),
        ("10", "'10'"),
        ([1], "a list"),
        ({"a": 1}, "a mapping"),
        ("x" * 80, "'" + "x" * 58 + "…"),
    ],
)
def test_a_message_shows_a_value_as_yaml_writes_it(value: Any, text: str) -> None:
    assert show_yaml(value) == text


@pytest.mark.parametrize(
    ("value", "table", "page"),
    [
        (None, "–", "–"),
        (math.nan, "–", "–"),
        (False, "no", "no"),
        (12345, "12345", "12,345"),
        (-0.12345, "-0.123", "−0.123"),
        ("adam-w", "adam-w", "adam-w"),
    ],
)
def test_a_table_and_the_page_show_a_value(value: Any, table: str, page: str) -> None:
    assert (show_value(value), show_on_page(value)) == (table, page)


def test_the_formats_of_numbers_and_of_missing_values_can_be_chosen() -> None:
    assert show_value(0.00012345, real=".3g") == "0.000123"
    assert show_value(1234, whole=",") == "1,234"
    assert show_value(None, absent="") == ""


def test_what_was_measured_keeps_tiny_numbers_lists_and_mappings() -> None:
    assert show_measured(-0.00012) == "−0.00012"
    assert show_measured([0.5, 3]) == "0.500, 3"
    assert show_measured({"a": 0.25, "b": None}) == "a 0.250, b –"


def test_a_note_has_a_space_before_the_per_cent_sign() -> None:
    assert [show_share(share) for share in (0.0, 0.374, 1.0)] == ["0 %", "37 %", "100 %"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1, "1 seed"),
        (0, "0 seeds"),
        (1200, "1,200 seeds"),
        (1.0, "1 seed"),
        (2.512, "2.51 seeds"),
        (1234.0, "1,234 seeds"),
    ],
)
def test_a_count_agrees_with_its_noun(number: float, shown: str) -> None:
    assert show_count(number, "seed") == shown


def test_an_irregular_plural_is_given() -> None:
    assert (show_count(1, "index", "indices"), show_count(2, "index", "indices")) == ("1 index", "2 indices")


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-11-28T12:03:00+00:00", "today 14:03"),
        ("2026-11-27T23:30:00+00:00", "today 01:30"),
        ("2026-11-27T12:03:00+00:00", "yesterday 14:03"),
        ("2026-11-02T12:03:00+00:00", "2 Nov 14:03"),
        ("2025-12-31T23:00:00+00:00", "1 Jan 01:00"),
        ("2025-11-28T12:03:00+00:00", "28 Nov 2025"),
        ("2026-11-29T12:03:00+00:00", "29 Nov 14:03"),
    ],
)
def test_a_moment_is_shown_in_local_time(moment: str, shown: str) -> None:
    now = datetime(2026, 11, 28, 16, 0, tzinfo=timezone(timedelta(hours=2)))
    assert show_moment(datetime.fromisoformat(moment), now) == shown


def test_a_share_near_none_or_all_is_told_from_it() -> None:
    shares = (0.0149, 0.004, 0.00004, 0.05, 0.9996, 0.95)
    assert [show_share(share) for share in shares] == ["1.5 %", "0.4 %", "0.004 %", "5 %", "99.96 %", "95 %"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(44.6, "45 s"), (119, "119 s"), (120, "2 min"), (228, "3 min 48 s"), (757, "13 min"), (12_000, "3 h 20 min")],
)
def test_a_time_is_shown_as_people_say_it(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown
