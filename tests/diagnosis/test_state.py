"""Diagnosis and gate agree on whether a predictor has collapsed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.evidence import HEALTHY, decisions, label, training
from tuner.diagnosis.causes.diagnose import diagnose
from tuner.diagnosis.causes.state import is_collapsed, signs_of
from tuner.diagnosis.causes.state_sentences import describe_state
from tuner.diagnosis.facts.evidence import Evidence
from tuner.pruners import gate
from tuner.pruners.gate import GateSettings

SHARE = st.floats(0, 1)
SIGNS = {
    "constant_penalty": SHARE,
    "auc": SHARE,
    "skill": st.floats(-1, 1),
    "logit_spread": st.one_of(st.floats(0, 0.2), st.floats(0, 5)),
}


def of_file(**known: float | None) -> Evidence:
    return Evidence(subject="a file", task="multilabel", decisions=decisions(**known))


def of_trial(**known: float | None) -> Evidence:
    return Evidence(subject="a trial", task="multilabel", training=training(**known))


@given(**SIGNS)
def test_gate_and_diagnosis_agree_on_what_has_collapsed(**known: float) -> None:
    for evidence in (of_file(**known), of_trial(**known)):
        assert is_collapsed(evidence) is gate.is_collapsed(signs_of(evidence), GateSettings())
        assert {name: getattr(signs_of(evidence), name) for name in known} == known


@pytest.mark.parametrize(
    ("penalty", "auc", "skill", "spread"),
    [(0.0, 0.5, 0.0, 2.0), (0.0, 0.54, 0.1, 0.01), (0.2, 0.58, -0.01, 0.4)],
)
def test_every_sign_of_collapse_to_the_gate_is_one_to_the_diagnosis(
    penalty: float, auc: float, skill: float, spread: float
) -> None:
    known = {"constant_penalty": penalty, "auc": auc, "skill": skill, "logit_spread": spread}
    assert gate.is_collapsed(signs_of(of_trial(**known)), GateSettings())
    assert is_collapsed(of_trial(**known))


@given(missing=st.sets(st.sampled_from(["auc", "logit_spread"])))
def test_an_unknown_sign_is_no_sign_of_collapse(missing: set[str]) -> None:
    assert not is_collapsed(of_file(**dict.fromkeys(missing)))


@given(missing=st.sets(st.sampled_from(["auc", "logit_spread"])))
def test_nearly_constant_decisions_have_collapsed_whatever_else_is_known(missing: set[str]) -> None:
    assert is_collapsed(of_file(constant_penalty=0.9, **dict.fromkeys(missing)))


def test_a_sign_missing_from_the_evaluated_rows_comes_from_the_last_measurement() -> None:
    evidence = replace(HEALTHY, decisions=decisions(logit_spread=None), training=training(logit_spread=0.7))
    assert signs_of(evidence).logit_spread == 0.7


def test_outputs_that_vary_but_rank_by_chance_are_not_called_one_answer() -> None:
    diagnosis = diagnose(replace(HEALTHY, decisions=decisions(auc=0.5, skill=0.0, skill_low=-0.02)))
    assert diagnosis.state == "collapsed"
    assert diagnosis.sentence == "it ranks rows hardly better than chance: AUC 0.500"


@pytest.mark.parametrize("spread", [0.01, 0.1])
@pytest.mark.parametrize("make", [of_file, of_trial])
def test_flat_probabilities_that_rank_and_decide_well_have_not_collapsed(
    make: Callable[..., Evidence], spread: float
) -> None:
    found = diagnose(make(logit_spread=spread, auc=0.99, skill=0.5))
    assert found.state == "healthy"
    assert "flat_probabilities" not in [cause.name for cause in found.causes]


@pytest.mark.parametrize("make", [of_file, of_trial])
def test_flat_probabilities_that_rank_by_chance_have_collapsed(make: Callable[..., Evidence]) -> None:
    found = diagnose(make(logit_spread=0.1, auc=0.52, skill=0.0, **({"skill_low": -0.1} if make is of_file else {})))
    assert found.state == "collapsed"
    assert "flat_probabilities" in [cause.name for cause in found.causes]


def of_classes(*rates: float) -> Evidence:
    """Decisions of three classes, true for a third of the rows each, that vary far less than the truth."""
    labels = [label(name, prevalence=1 / 3, decision_rate=rate) for name, rate in zip("abc", rates, strict=True)]
    facts = decisions(*labels, constant_penalty=0.6, skill=0.0, skill_low=-0.01, skill_high=0.01, auc=0.5)
    return Evidence(subject="a file", task="multiclass", decisions=facts)


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ((0.95, 0.03, 0.02), "it gives one answer for nearly every row"),
        ((0.67, 0.33, 0.0), "its decisions vary less than half as much as the truth does"),
    ],
)
def test_two_answers_are_not_called_one(rates: tuple[float, ...], sentence: str) -> None:
    assert describe_state("collapsed", of_classes(*rates), []) == sentence
