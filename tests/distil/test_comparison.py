"""What a distilled model keeps of a committee's gain, in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.distil.comparison import describe_kept, find_single


@pytest.mark.parametrize(
    ("distilled", "champion", "single", "share", "part"),
    [
        (0.67165, 0.676, 0.661, 0.71, "keeps 71 % of the committee's gain of 0.015: 0.672 on test"),
        (0.66, 0.676, 0.661, -1 / 15, "keeps nothing of the committee's gain"),
        (0.68, 0.676, 0.661, 19 / 15, "keeps all of the committee's gain"),
        (0.66, 0.65, 0.661, None, "gains nothing over the best single model, so there is nothing to keep: 0.660"),
        (0.66, 0.676, None, None, "the champion is a single model, with 0.676 on test; the distilled model has 0.660"),
    ],
)
def test_the_sentence_says_what_is_kept_of_the_gain(
    distilled: float, champion: float, single: float | None, share: float | None, part: str
) -> None:
    kept, sentence = describe_kept(distilled=distilled, champion=champion, single=single)
    assert kept == (None if share is None else pytest.approx(share))
    assert part in sentence


@pytest.mark.parametrize(
    ("champion", "expected"),
    [
        ({}, None),
        ({"committee": {"kind": "single", "alternatives": [{"kind": "single"}]}}, None),
        ({"committee": {"kind": "blend", "alternatives": [{"kind": "committee"}, {"kind": "single"}]}}, "single"),
    ],
)
def test_the_best_single_model_is_found_beside_a_committee_only(champion: Any, expected: str | None) -> None:
    found = find_single(champion)
    assert (found and found["kind"]) == expected
