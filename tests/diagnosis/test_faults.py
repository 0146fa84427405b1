"""Deliberate faults in real trials on real data: the right cause comes first. `scripts/bench diagnosis` makes all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.diagnosis import FAULTS
from benchmarks.sick import MATERIALS, make, observe
from benchmarks.treatment import treat
from tuner.diagnosis.causes.diagnose import diagnose

QUICK = {
    "is_method": replace(MATERIALS["is_method"], rows=800, epochs=4),
    "digits": replace(MATERIALS["digits"], rows=300, epochs=14),
}
BY_NAME = {fault.name: fault for fault in FAULTS}
MADE = [
    ("outputs pushed to one side", "digits"),
    ("flat probabilities", "is_method"),
    ("thresholds at 0.99", "is_method"),
    ("one row in a hundred", "digits"),
    ("tiny weights, plain descent", "digits"),
    ("weights times 60", "is_method"),
    ("large weights, SGD, no clipping", "is_method"),
    ("rate 10", "digits"),
    ("rate 1e-7", "digits"),
    ("a tenth of an epoch", "digits"),
    ("dropout 0.98", "digits"),
    ("vocabulary of 5", "is_method"),
    ("one token of each row", "digits"),
    ("empty rows", "is_method"),
    ("copies with other labels", "digits"),
    ("shuffled labels", "is_method"),
]


@pytest.mark.parametrize(("fault", "material"), MADE)
def test_the_right_cause_of_a_deliberate_fault_comes_first(fault: str, material: str) -> None:
    diagnosis = diagnose(make(BY_NAME[fault], QUICK[material], seed=0))
    assert diagnosis.causes[0].name in BY_NAME[fault].right


@pytest.mark.parametrize(
    ("fault", "material"),
    [
        ("thresholds at 0.99", "is_method"),
        ("flat probabilities", "digits"),
        ("rate 10", "digits"),
        ("a tenth of an epoch", "digits"),
    ],
)
def test_following_the_first_advice_raises_the_score(fault: str, material: str) -> None:
    patient = observe(BY_NAME[fault], QUICK[material], seed=0)
    treated = treat(BY_NAME[fault], QUICK[material], patient, seed=0)
    assert treated is not None
    assert treated.is_raised, str(treated)


@pytest.mark.parametrize("material", QUICK)
def test_a_healthy_trial_is_called_healthy(material: str) -> None:
    assert diagnose(make(BY_NAME["healthy"], QUICK[material], seed=0)).state == "healthy"
