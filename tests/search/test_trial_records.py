"""What follows from the records of all trials is kept as they change, and is what going through all of them gives."""

from __future__ import annotations

from collections import Counter
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from builders.measurements import make_measurement
from tuner.search.best_trials import KEPT
from tuner.search.trial_records import TrialRecords
from tuner.trial.ending import Ending
from tuner.trial.order import Order
from tuner.trial.record import TrialRecord

TRIALS = 6
steps = st.tuples(
    st.integers(0, TRIALS - 1),
    st.one_of(st.sampled_from(Ending), st.sampled_from([0.1, 0.2, 0.3, float("nan")])),
    st.sampled_from([0.0, 0.6]),  # of a penalty: a model with the higher one has collapsed
)


def make_record(index: int) -> TrialRecord:
    """Return a trial. The last is a finalist's run, and the two before it have the configuration of the first."""
    configuration = {"hidden": 0 if index >= TRIALS - 3 else index}
    if index == TRIALS - 1:
        return TrialRecord(Order(index, "finalist", configuration, 0), parent=0)
    return TrialRecord(Order(index, "search", configuration, 0))


def rank_by_hand(records: list[TrialRecord]) -> list[int]:
    counted = [record for record in records if record.is_search_trial and record.best and record.is_fit]
    groups: dict[str, list[TrialRecord]] = {}
    for record in counted:
        groups.setdefault(record.configuration_hash, []).append(record)
    ranked = sorted(groups.values(), key=lambda same: -sum(each.score for each in same) / len(same))
    return [max(same, key=lambda record: record.score).order.index for same in ranked]


def keep_by_hand(records: list[TrialRecord]) -> list[int]:
    good = [record for record in records if record.is_search_trial and record.fittest]
    kept = [record for record in good if record.fittest and record.fittest.constant_penalty < 0.5]
    return [record.order.index for record in sorted(kept, key=lambda record: -record.fittest.score)]  # type: ignore[union-attr]


@given(st.lists(steps, max_size=40))
def test_what_is_kept_is_what_going_through_all_records_gives(steps: list[tuple[int, Ending | float, float]]) -> None:
    records = [make_record(index) for index in range(TRIALS)]
    kept = TrialRecords(records)
    for time, (index, news, penalty) in enumerate(steps):
        record = records[index]
        if record.ending is not None:
            continue
        if not record.starts:
            record.starts, record.started_s = 1, float(time)
        if isinstance(news, Ending):
            record.ending = news
        else:
            epochs = 1 if record.last is None else record.last.epochs + 1
            record.add(make_measurement(news, epochs=epochs, seconds=1 + index, constant_penalty=penalty))
        kept.update(record)
    assert [record.order.index for record in kept.ranking.first()] == rank_by_hand(records)
    assert [record.order.index for record in kept.ranking.first(2)] == rank_by_hand(records)[:2]
    assert [record.order.index for record in kept.models.kept()] == keep_by_hand(records)
    assert list(kept.running) == [record.order.index for record in records if record.ending is None]
    assert kept.endings == Counter(record.ending for record in records if record.ending)
    assert kept.has_measurement == any(record.best for record in records)
    assert kept.first_start_s == min((record.started_s for record in records if record.starts), default=None)
    slowdowns = [record.slowdown for record in records if record.slowdown is not None]
    assert kept.recent_slowdown() == median([1.0, *slowdowns])
    longest = [record.evaluate_seconds for record in records if record.ending is None]
    assert kept.longest_evaluation_s() == max(longest, default=0.0)


def test_a_model_must_exceed_the_last_of_those_that_are_kept() -> None:
    records = TrialRecords()
    for index in range(KEPT + 5):
        assert (records.models.least_kept_score() is None) == (index < KEPT)
        record = TrialRecord(Order(index, "search", {"hidden": index}, 0))
        record.add(make_measurement(index / 100))
        records.update(record)
    assert records.models.least_kept_score() == 0.05
