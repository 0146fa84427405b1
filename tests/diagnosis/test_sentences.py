"""Every number in every sentence of a diagnosis is a number of the evidence, and what is said of a label is true of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.evidence import CONFIGURATION, HEALTHY, MADE, NEVER, decisions, label, training
from tuner.diagnosis.causes.diagnose import Diagnosis, diagnose
from tuner.diagnosis.facts.decisions import decision_facts
from tuner.diagnosis.facts.evidence import DataFacts, EndedBy, Evidence, LabelFacts, Reference
from tuner.show_value import show_share
from tuner.space.task import Task

NAMES = ("Legal", "Billing", "Other 7", "50 % off", "e")
CONSTANTS = (0.02,)  # how near to 0 or 1 a saturated gate is
SHARE = st.floats(0, 1)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?: %)?")


@st.composite
def decided(draw: st.DrawFn) -> Evidence:
    """Decisions and probabilities on random rows: skewed, shifted, constant or good."""
    task: Task = draw(st.sampled_from(get_args(Task)))
    labels = NAMES[: 2 if task == "binary" else draw(st.integers(2, len(NAMES)))]
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows, skew = draw(st.integers(30, 300)), draw(st.floats(0, 2.5))
    shares = np.exp(-skew * np.arange(len(labels)))
    if task == "multilabel":
        truth = generator.random((rows, len(labels))) < shares * draw(st.floats(0.05, 0.9))
    else:
        truth = np.eye(len(labels), dtype=bool)[generator.choice(len(labels), rows, p=shares / shares.sum())]
    logits = (
        draw(st.floats(0, 3)) * truth
        + generator.normal(size=truth.shape)
        + draw(st.floats(-6, 6)) * (np.arange(len(labels)) == 0)
    )
    odds = np.exp(logits * draw(st.sampled_from([1.0, 0.01])))
    probabilities = odds / (1 + odds) if task == "multilabel" else odds / odds.sum(axis=1, keepdims=True)
    answer = draw(st.sampled_from(["probabilities", "first", "last", "mixed"]))
    if answer == "probabilities":
        chosen = (
            probabilities >= 0.5
            if task == "multilabel"
            else np.eye(len(labels), dtype=bool)[probabilities.argmax(axis=1)]
        )
    elif answer == "mixed" and task == "multilabel":
        chosen = np.zeros_like(truth) | (np.arange(len(labels)) % 2 == 0)
    else:
        chosen = np.zeros_like(truth) | (np.arange(len(labels)) == (0 if answer == "first" else len(labels) - 1))
    train = dict(zip(labels, (truth.sum(axis=0) * draw(st.sampled_from([0, 1, 3]))).tolist(), strict=True))
    facts = decision_facts(
        np.asarray(chosen, dtype=bool), draw(st.sampled_from([probabilities, None])), truth, task=task, labels=labels,
        blocks=np.arange(rows), train_rows=draw(st.sampled_from([train, None])),
    )  # fmt: skip
    return Evidence(subject="rows", task=task, decisions=facts)


@st.composite
def trained(draw: st.DrawFn) -> Evidence:
    """Decisions with a training, a configuration and data that may be bad in any way."""
    evidence = draw(decided())
    known = {
        name: draw(values)
        for name, values in {
            "steps": st.integers(1, 3000),
            "epochs": st.floats(0.01, 900),
            "late_rise": st.floats(-0.1, 0.5),
            "score": st.floats(-1, 1),
            "last_loss": st.floats(0.01, 5),
            "gradient_norm": st.floats(1e-6, 1e6),
            "gradient_norm_most": st.floats(1e-3, 1e9),
            "gradient_ratio": st.floats(1e-9, 10),
            "gate_saturation": SHARE,
            "dead_units": SHARE,
            "loss_spread": st.floats(0, 3),
            "diverged_at_step": st.one_of(st.none(), st.integers(1, 3000)),
            "ended_by": st.sampled_from([None, *get_args(EndedBy)]),
        }.items()
    }
    configuration = {
        "learning_rate": draw(st.floats(1e-8, 10)),
        "dropout": draw(st.floats(0, 0.99)),
        "l1": draw(st.floats(0, 2)),
        "optimiser.adamw.weight_decay": draw(st.floats(0, 60)),
        "clipping": draw(st.sampled_from(["none", "norm"])),
    }
    shares = {
        name: draw(st.one_of(st.none(), SHARE))
        for name in (
            "unknown_share",
            "truncated_share",
            "read_share",
            "empty_share",
            "conflict_share",
            "seen_share",
            "unspaced_share",
        )
    }
    return replace(
        evidence,
        training=training(**known),
        configuration=CONFIGURATION | configuration,
        max_epochs=draw(st.sampled_from([None, 6.0, 40.0])),
        data=DataFacts(train_rows=draw(st.sampled_from([None, 500])), **shares),
        reference=draw(st.sampled_from([None, Reference(name="a plain model", skill=0.35, margin=0.03)])),
    )


def numbers_in(value: Any) -> Iterator[float]:
    """Yield every number in a tree of facts."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, list | tuple):
        yield float(len(value))
        for inner in value:
            yield from numbers_in(inner)


def shown_numbers(sentence: str) -> Iterator[tuple[str, float, float]]:
    """Yield each number outside quotes: as written, its value, and half a unit of its last digit."""
    for written in NUMBER.findall(re.sub(r"'[^']*'", "LABEL", sentence)):
        scale = 0.01 if written.endswith(" %") else 1.0
        digits, _, exponent = written.removesuffix(" %").replace(",", "").partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        yield written, float(digits) * 10.0 ** int(exponent or 0) * scale, unit * scale


def check(evidence: Evidence, diagnosis: Diagnosis) -> None:
    for sentence, more in [
        (diagnosis.sentence, {}),
        *((cause.sentence, dict(cause.measurement)) for cause in diagnosis.causes),
    ]:
        facts = [
            *numbers_in(asdict(replace(evidence, space=None))),
            *numbers_in(more),
            len(diagnosis.labels),
            *CONSTANTS,
        ]
        derived = [
            *facts,
            *(1 - fact for fact in facts),
            *(1 / fact for fact in facts if fact),
            *(len(diagnosis.labels) - n for n in range(4)),
        ]
        for written, value, unit in shown_numbers(sentence):
            assert any(
                abs(value - fact) <= 0.51 * unit + 1e-9 * abs(fact) or math.isclose(value, fact) for fact in derived
            ), (written, sentence)
        if evidence.decisions is not None:
            check_labels(sentence, {each.name: each for each in evidence.decisions.labels})


def check_labels(sentence: str, labels: dict[str, LabelFacts]) -> None:
    """Check what a sentence says of a label against the facts about this very label."""
    said = re.search(
        r"'([^']*)'(?: \([\d,]+ training rows\) [^;]*; it)? is predicted for ([\d.]+ %) of the rows, but true for ([\d.]+ %)",
        sentence,
    )
    if said:
        about = labels[said[1]]
        assert (said[2], said[3]) == (show_share(about.decision_rate), show_share(about.prevalence))
    if said := re.search(r"'([^']*)' has a mean probability of ([\d.]+), but is true for ([\d.]+ %)", sentence):
        about = labels[said[1]]
        assert about.mean_probability is not None
        assert (said[2], said[3]) == (f"{about.mean_probability:.3f}", show_share(about.prevalence))
    if said := re.search(r"'([^']*)' \(([\d,]+) training rows\)", sentence):
        assert labels[said[1]].train_rows == int(said[2].replace(",", ""))
    if said := re.search(
        r"'([^']*)'(?: \([^)]*\))? has one row for every ([\d.,]+) of the most frequent label", sentence
    ):
        most = max((each.train_rows or 0) for each in labels.values()) or max(
            each.prevalence for each in labels.values()
        )
        about = labels[said[1]]
        rows = about.train_rows if about.train_rows is not None else about.prevalence
        assert float(said[2].replace(",", "")) == pytest.approx(most / rows, rel=0.06)
    for clause in re.findall(
        r"((?:'[^']*',? ?)+)(?:is |are )?(?:and \d+ more labels )?predicted for hardly any row", sentence
    ):
        assert all(labels[name].decision_rate < 0.5 for name in re.findall(r"'([^']*)'", clause))
    for clause in re.findall(r"((?:'[^']*',? ?)+)for nearly every", sentence):
        assert all(labels[name].decision_rate > 0.5 for name in re.findall(r"'([^']*)'", clause))


@given(evidence=st.one_of(decided(), trained()))
@settings(max_examples=60, deadline=None)
def test_every_number_in_every_sentence_is_one_of_the_evidence(evidence: Evidence) -> None:
    check(evidence, diagnose(evidence))


@pytest.mark.parametrize("name", MADE)
def test_the_sentences_about_every_cause_are_true(name: str) -> None:
    check(MADE[name], diagnose(MADE[name]))


def cut(rate: float, name: str) -> LabelFacts:
    if rate:
        return label(name, decision_rate=1.0, f1=0.3, lowest_decided=0.02, highest_undecided=None)
    return label(name, **NEVER, highest_undecided=0.97)


def test_of_labels_with_wrong_thresholds_those_never_and_those_always_predicted_are_named_apart() -> None:
    facts = decisions(cut(1.0, "Billing"), cut(0.0, "Legal"), constant_penalty=1.0, macro_f1=0.1)
    sentence = diagnose(Evidence(subject="a file", task="multilabel", decisions=facts)).causes[0].sentence
    assert "'Legal' is predicted for hardly any row, 'Billing' for nearly every" in sentence


def test_a_label_without_training_rows_has_none_instead_of_one_in_a_billion() -> None:
    facts = decisions(
        label("a", train_rows=500), label("b", **NEVER, train_rows=0, prevalence=0.01, mean_probability=0.01, support=9)
    )
    sentence = diagnose(replace(HEALTHY, decisions=facts)).causes[0].sentence
    assert sentence.startswith("'b' (0 training rows) has no training row")


def test_flat_probabilities_with_varied_decisions_are_not_said_to_give_one_answer() -> None:
    facts = decisions(logit_spread=0.01, auc=0.52, skill=0.0, skill_low=-0.1)
    sentence = diagnose(Evidence(subject="a file", task="multilabel", decisions=facts)).sentence
    assert (
        sentence
        == "nearly every row gets the same probability, and the ranking of the rows is hardly better than chance"
    )


def test_only_labels_that_are_all_rare_are_called_too_rare() -> None:
    truth = np.zeros((200, 2), dtype=bool)
    truth[:70, 0], truth[:15, 1] = True, True
    facts = decision_facts(
        np.zeros_like(truth), None, truth, task="multilabel", labels=("often", "seldom"), blocks=np.arange(200)
    )
    causes = diagnose(Evidence(subject="rows", task="multilabel", decisions=facts)).causes
    assert causes[0].sentence.startswith("'often', 'seldom' are the minority; for example, 'seldom'")


def test_a_guess_is_compared_with_a_guess_and_not_with_constant_answers() -> None:
    generator = np.random.default_rng(0)
    truth = np.eye(3, dtype=bool)[generator.integers(0, 3, 400)]
    facts = decision_facts(
        generator.permutation(truth), None, truth, task="multiclass", labels=("a", "b", "c"), blocks=np.arange(400)
    )
    diagnosis = diagnose(Evidence(subject="rows", task="multiclass", decisions=facts))
    assert diagnosis.state == "weak"
    assert "not clearly better than a guess by prevalence" in diagnosis.sentence


def test_part_of_a_single_epoch_is_one_of_one_epoch() -> None:
    evidence = replace(MADE["too_short"], training=training(steps=16, epochs=0.5, ended_by="clock"), max_epochs=1.0)
    sentences = [cause.sentence for cause in diagnose(evidence).causes if cause.name == "too_short"]
    assert len(sentences) == 1
    assert "(0.5 of 1 epoch, when" in sentences[0]
