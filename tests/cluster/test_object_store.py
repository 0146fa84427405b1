"""A real search whose run directory is in an object store. `scripts/bench faults` causes more faults there."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults import store

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_killed_search_goes_on_in_a_store_that_fails_in_between_and_nothing_is_lost(tmp_path: Path) -> None:
    outcome = store.killed(tmp_path, seed=0)
    assert (outcome.lost, outcome.repeated) == (0, 0)
