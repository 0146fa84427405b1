"""Padding at the ends of rows: found as a plain loop finds it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tuner.data.series.padding import find_padding


@given(rows=st.lists(st.lists(st.booleans(), max_size=6), max_size=6))
def test_steps_at_both_ends_that_hold_nothing_are_found(rows: list[list[bool]]) -> None:
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    ends = find_padding(lengths, np.array([is_void for row in rows for is_void in row], dtype=bool))
    kept = []
    for number, row in enumerate(rows):
        filled = [place for place, is_void in enumerate(row) if not is_void]
        first, last = (filled[0], filled[-1]) if filled else (len(row), -1)
        kept += [first <= place <= last for place in range(len(row))]
        assert ends.before[number] == (first if filled else 0)
        assert ends.after[number] == (len(row) - 1 - last if filled else 0)
        assert ends.is_blank[number] == (bool(row) and not filled)
    assert ends.is_kept.tolist() == kept
