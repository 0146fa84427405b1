"""Causes: evidence of one cause names it first, its strength follows its bound, and its setting is valid in a space."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from builders.evidence import (
    CONFIGURATION,
    HEALTHY,
    MADE,
    NEVER,
    NONE_FOUND,
    POOR,
    TOO_FEW,
    WEAK,
    decisions,
    label,
    training,
    weak_with,
)
from tuner.diagnosis.causes.cause import NAMED, Cause, falling_by_factors, rising, rising_by_factors
from tuner.diagnosis.causes.diagnose import as_json, diagnose, in_order
from tuner.diagnosis.causes.registry import CAUSES, EXPLAINS
from tuner.diagnosis.facts.evidence import DataFacts, Evidence, Reference
from tuner.space.load import load_space


def test_every_cause_has_evidence_here() -> None:
    assert set(MADE) == set(CAUSES)


@pytest.mark.parametrize("name", CAUSES)
def test_evidence_of_one_cause_names_it_first(name: str) -> None:
    assert diagnose(MADE[name]).causes[0].name == name


@pytest.mark.parametrize("name", CAUSES)
def test_a_cause_says_what_was_measured_and_what_to_do(name: str) -> None:
    cause = diagnose(MADE[name]).causes[0]
    assert NAMED <= cause.strength <= 1
    assert any(value is not None for value in cause.measurement.values())
    assert cause.sentence
    assert cause.advice


@pytest.mark.parametrize("name", CAUSES)
def test_every_proposed_setting_is_valid_in_a_space(name: str) -> None:
    for cause in diagnose(MADE[name]).causes:
        words = shlex.split(cause.setting)
        assert words[::2] == ["--set"] * (len(words) // 2)
        load_space("multilabel", words[1::2])  # raises SpaceError for an invalid one


def test_a_setting_for_sequences_is_valid_in_their_space() -> None:
    no_text = {name: value for name, value in CONFIGURATION.items() if not name.startswith(("embedding", "tokens"))}
    evidence = replace(weak_with(gate_saturation=0.9), configuration=no_text)
    words = shlex.split(diagnose(evidence).causes[0].setting)
    assert load_space("sequence", words[1::2]).inputs == "sequence"


def test_a_healthy_trial_is_healthy_and_has_no_cause() -> None:
    diagnosis = diagnose(HEALTHY)
    assert (diagnosis.state, diagnosis.causes, diagnosis.labels) == ("healthy", (), [])


def test_without_any_facts_nothing_is_named() -> None:
    assert diagnose(Evidence(subject="nothing", task="binary")).causes == ()


def test_a_sound_trial_behind_a_plain_model_is_healthy_and_says_that_it_is_behind() -> None:
    behind = replace(HEALTHY, reference=Reference(name="a plain model", skill=0.6, margin=0.03))
    diagnosis = diagnose(behind)
    assert diagnosis.state == "healthy"
    assert "behind a plain model: +0.600" in diagnosis.sentence


def test_a_bad_measure_is_no_cause_if_the_trial_learns_anyway() -> None:
    assert diagnose(replace(HEALTHY, training=training(gate_saturation=0.9))).causes == ()


@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        (MADE["threshold"], "collapsed"),
        (MADE["imbalance"], "partly collapsed"),
        (MADE["no_signal"], "no signal"),
        (WEAK, "collapsed"),
        (replace(HEALTHY, decisions=decisions(**(POOR | {"auc": 0.65}))), "weak"),
        (weak_with(ending="diverged", diverged_at_step=7), "diverged"),
    ],
)
def test_states(evidence: Evidence, state: str) -> None:
    assert diagnose(evidence).state == state


def test_collapsed_labels_are_named() -> None:
    assert diagnose(MADE["imbalance"]).labels == ["b"]


def test_a_label_with_too_few_true_rows_is_not_judged() -> None:
    rare = label("b", **NEVER, support=4, prevalence=0.004)
    assert diagnose(replace(HEALTHY, decisions=decisions(label("a"), rare))).labels == []


def test_a_label_with_too_few_false_rows_is_not_judged() -> None:
    common = label("b", support=997, prevalence=0.997, decision_rate=1.0, f1=0.998)
    assert diagnose(replace(HEALTHY, decisions=decisions(label("a"), common))).labels == []


def test_two_evaluated_rows_do_not_show_that_a_label_is_rarer_in_training() -> None:
    rare = [label("b", support=n, prevalence=n / 40, train_rows=5) for n in (2, 8)]
    diagnoses = [
        diagnose(replace(HEALTHY, decisions=decisions(label("a", train_rows=900), each, rows=40))) for each in rare
    ]
    assert [[cause.name for cause in each.causes] for each in diagnoses] == [[], ["imbalance"]]


def test_one_positive_row_is_too_few_to_call_a_ranking_collapsed() -> None:
    one = (label("no", support=1199, prevalence=1199 / 1200), label("yes", support=1, prevalence=1 / 1200))
    facts = decisions(*one, **(POOR | {"auc": 0.047, "rows": 1200}))
    diagnosis = diagnose(replace(HEALTHY, task="binary", decisions=facts))
    assert diagnosis.state == "weak"
    assert diagnosis.sentence.startswith("too few evaluated rows differ from the most common answer")


def test_good_labels_beside_collapsed_ones_are_not_said_to_get_one_answer() -> None:
    facts = decisions(label("a"), label("b", **NEVER), label("c", **NEVER), constant_penalty=0.66)
    diagnosis = diagnose(replace(HEALTHY, decisions=facts))
    assert diagnosis.sentence.startswith(
        "on the labels that vary most, it gives one answer for nearly every row (2 of 3 labels)"
    )


def test_a_high_rate_explains_saturated_gates_and_comes_first() -> None:
    evidence = weak_with(configuration={"learning_rate": 10.0}, last_loss=90.0, gate_saturation=1.0, loss_spread=2.0)
    first, *others = diagnose(evidence).causes
    assert first.name == "learning_rate_too_high"
    assert "learning_rate_too_high" in next(each for each in others if each.name == "saturated_gates").explained_by


def test_shuffled_labels_explain_whatever_the_training_shows() -> None:
    evidence = replace(weak_with(configuration={"learning_rate": 10.0}, last_loss=9.0), signal=NONE_FOUND)
    assert diagnose(evidence).causes[0].name == "no_signal"


def test_a_plain_model_at_chance_alone_does_not_blame_the_labels() -> None:
    blind = Reference(name="a plain model", skill=0.0, margin=0.03, control_skill=0.0)
    for evidence in (HEALTHY, WEAK):
        diagnosis = diagnose(replace(evidence, reference=blind))
        assert "no_signal" not in {cause.name for cause in diagnosis.causes}


def test_the_no_signal_state_uses_the_sentence_of_the_verdict() -> None:
    diagnosis = diagnose(MADE["no_signal"])
    assert (diagnosis.state, diagnosis.sentence) == ("no signal", NONE_FOUND.sentence)


def test_a_weak_predictor_on_too_few_rows_says_so_and_names_no_cause() -> None:
    weak = replace(HEALTHY, decisions=decisions(**(POOR | {"auc": 0.65})), signal=TOO_FEW)
    diagnosis = diagnose(weak)
    assert (diagnosis.state, diagnosis.causes, diagnosis.missing) == ("weak", (), ("too few rows; use folds",))


def test_a_healthy_predictor_does_not_mention_too_few_rows() -> None:
    assert diagnose(replace(HEALTHY, signal=TOO_FEW)).missing == ()


def test_unshared_words_are_no_cause_if_characters_are_read() -> None:
    by_character = replace(MADE["unshared_words"], configuration=CONFIGURATION | {"tokens": "character"})
    assert "unshared_words" not in {cause.name for cause in diagnose(by_character).causes}


def test_guessing_between_two_classes_is_no_skill() -> None:
    """A threshold on noise earns a macro-F1 of a half, more than the majority class does."""
    guess = decisions(**(POOR | {"skill": 0.13, "skill_low": 0.1, "chance_skill": 0.14, "auc": 0.5}))
    plain = Reference(name="a plain model", skill=0.14, margin=0.03, control_skill=0.12)
    diagnosis = diagnose(replace(HEALTHY, task="binary", decisions=guess, reference=plain))
    assert diagnosis.state == "collapsed"
    assert "hardly better than chance" in diagnosis.sentence


def test_only_registered_causes_explain_or_are_explained() -> None:
    assert set(EXPLAINS) <= set(CAUSES)
    assert {name for names in EXPLAINS.values() for name in names} <= set(CAUSES)


def test_no_chain_of_explanations_leads_back_to_its_start() -> None:
    """Otherwise no cause would come first if all are present. Strength decides between two that explain each other."""
    one_way = {
        name: {other for other in others if name not in EXPLAINS.get(other, ())} for name, others in EXPLAINS.items()
    }
    left = dict(one_way)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    assert left == {}


def cause(name: str, strength: float) -> Cause:
    return Cause(name=name, strength=strength, sentence="", measurement={}, setting="", advice="")


def test_explained_causes_come_last_and_the_rest_by_strength() -> None:
    names = [
        each.name
        for each in in_order(
            [cause("flat_probabilities", 1.0), cause("truncation", 0.6), cause("learning_rate_too_low", 0.7)]
        )
    ]
    assert names == ["learning_rate_too_low", "truncation", "flat_probabilities"]


def test_of_two_causes_that_explain_each_other_the_stronger_comes_first() -> None:
    first, second = in_order([cause("learning_rate_too_high", 0.6), cause("exploding_gradients", 0.9)])
    assert (first.name, first.explained_by) == ("exploding_gradients", ())
    assert second.explained_by == ("exploding_gradients",)


@pytest.mark.parametrize(
    ("graded", "expected"),
    [
        (rising(0.5, 0.5, 0.9), 0.5),
        (rising(0.9, 0.5, 0.9), 1.0),
        (rising(5.0, 0.5, 0.9), 1.0),
        (rising(0.0, 0.5, 0.9), 0.0),
        (rising_by_factors(100, 100, 10_000), 0.5),
        (rising_by_factors(1000, 100, 10_000), 0.75),
        (rising_by_factors(0, 100, 10_000), 0.0),
        (falling_by_factors(0.001, 0.01, 0.0001), 0.75),
        (falling_by_factors(0, 0.01, 0.0001), 1.0),
    ],
)
def test_strength_is_a_half_at_the_bound_and_one_beyond_doubt(graded: float, expected: float) -> None:
    assert graded == pytest.approx(expected)


def test_a_diagnosis_as_json_has_every_cause_with_its_measurement() -> None:
    described = as_json(diagnose(MADE["vanishing_gradients"]))
    assert described["causes"][0]["name"] == "vanishing_gradients"
    assert described["causes"][0]["measurement"]["gradient_ratio"] == 1e-5


def test_in_a_script_without_spaces_words_are_the_first_cause_and_unknown_words_propose_characters() -> None:
    data = DataFacts(unspaced_share=0.98, characters=29, unknown_share=0.6)
    causes = diagnose(replace(WEAK, data=data, signal=NONE_FOUND)).causes
    assert causes[0].name == "texts_without_spaces"
    unknown = next(cause for cause in causes if cause.name == "unknown_words")
    assert {causes[0].setting, unknown.setting} == {"--set space.tokens=character"}  # it reads 64 tokens already


def test_characters_are_read_to_the_length_that_nearly_all_texts_have() -> None:
    data = DataFacts(unspaced_share=0.98, characters=290)
    first = diagnose(replace(WEAK, data=data, signal=NONE_FOUND)).causes[0]
    assert first.setting == "--set space.tokens=character --set space.max_length=290"


def test_texts_without_spaces_are_no_cause_if_characters_are_read() -> None:
    by_character = replace(MADE["texts_without_spaces"], configuration=CONFIGURATION | {"tokens": "character"})
    assert "texts_without_spaces" not in {cause.name for cause in diagnose(by_character).causes}


def test_lists_of_tokens_are_never_to_be_split_into_smaller_pieces() -> None:
    causes = diagnose(replace(WEAK, data=DataFacts(seen_share=0.08, unknown_share=0.6, unit="tokens"))).causes
    settings = {cause.name: cause.setting for cause in causes}
    assert settings["unshared_words"] == ""
    assert settings["unknown_words"] == "--set 'space.tokens={word: {vocabulary: 20000, min_count: 1}}'"
