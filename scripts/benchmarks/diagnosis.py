"""Faults planted in real trials: how often `tuner diagnose` names the right cause first, and how often its advice helps.

Healthy trials should be called healthy. For each fault, the first cause's setting is applied to the faulty configuration, and
the trial is trained again under the same conditions: on the same rows, with the same seed and, unless the advice changes it,
with the same budget. Where the advice is about answers, it is applied to the answers.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.row import Row, SkippedError, at_least, explains
from benchmarks.sick import MATERIALS, PlantedFault, observe, read
from benchmarks.tampering import (
    blow_up_weights,
    conflicting_copies,
    cut_at_the_top,
    empty_rows,
    flatten,
    make_rare,
    shift_up,
    shrink_weights,
    shuffle_labels,
)
from benchmarks.treatment import Treated, treat

_TEXTS = ("docstrings", "is_method", "library", "davidson_hate", "sms_spam")
_ONE_LABEL = ("library", "digits", "davidson_hate", "japanesevowels")
_DEEP = {"layers": 8, "hidden": 24, "pooling": "last", "layer_dropout": 0.0}


def _only(optimiser: str, **parameters: float) -> dict[str, object]:
    return {"optimiser": {optimiser: parameters}}


FAULTS: tuple[PlantedFault, ...] = (
    PlantedFault(name="healthy", right=()),
    PlantedFault(name="healthy: GRU, mean", right=(), chosen={"cell": "gru", "pooling": "mean"}),
    PlantedFault(name="healthy: two layers, no clipping", right=(), chosen={"layers": 2, "clipping": "none"}),
    PlantedFault(
        name="logits adjusted tenfold",
        right=("constant_decision",),
        chosen={"logit_adjustment": 10.0},
        materials=_ONE_LABEL,
    ),
    PlantedFault(name="outputs pushed to one side", right=("constant_decision",), answer=shift_up),
    PlantedFault(name="flat probabilities", right=("flat_probabilities",), answer=flatten),
    PlantedFault(name="thresholds at 0.99", right=("threshold",), answer=cut_at_the_top),
    PlantedFault(name="one row in a hundred", right=("imbalance",), tamper=make_rare),
    PlantedFault(name="one row in fifty", right=("imbalance",), tamper=partial(make_rare, share=0.02)),
    PlantedFault(
        name="deep, tiny weights",
        right=("vanishing_gradients",),
        chosen={**_DEEP, "learning_rate": 0.001},
        weights=partial(shrink_weights, factor=0.01),
        budget=0.5,  # Adam recovers in time
    ),
    PlantedFault(
        name="tiny weights, plain descent",
        right=("vanishing_gradients",),
        chosen={**_DEEP, **_only("sgd"), "learning_rate": 0.1},
        weights=partial(shrink_weights, factor=0.03),
        budget=0.5,
    ),
    PlantedFault(
        name="large weights, SGD, no clipping",
        right=("exploding_gradients",),
        chosen={**_only("sgd"), "learning_rate": 0.1, "clipping": "none"},
        weights=partial(blow_up_weights, factor=60.0),
    ),
    PlantedFault(
        name="SGD at 10, no clipping",
        right=("learning_rate_too_high", "exploding_gradients"),
        chosen={**_only("sgd"), "learning_rate": 10.0, "clipping": "none"},
    ),
    PlantedFault(name="weights times 60", right=("saturated_gates",), weights=blow_up_weights),
    PlantedFault(
        name="weights times 30",
        right=("saturated_gates", "exploding_gradients"),
        weights=partial(blow_up_weights, factor=30.0),
    ),
    PlantedFault(name="rate 0.5", right=("learning_rate_too_high",), chosen={"learning_rate": 0.5}),
    PlantedFault(name="rate 10", right=("learning_rate_too_high",), chosen={"learning_rate": 10.0}),
    PlantedFault(name="rate 1e-5", right=("learning_rate_too_low",), chosen={"learning_rate": 1e-5}),
    PlantedFault(name="rate 1e-7", right=("learning_rate_too_low",), chosen={"learning_rate": 1e-7}),
    PlantedFault(name="a tenth of an epoch", right=("too_short",), budget=-0.1),
    PlantedFault(name="a third of an epoch", right=("too_short",), budget=-0.33),
    PlantedFault(name="dropout 0.98", right=("too_much_regularisation",), chosen={"dropout": 0.98}),
    PlantedFault(name="weight decay 50", right=("too_much_regularisation",), chosen=_only("adamw", weight_decay=50.0)),
    PlantedFault(name="penalty l1 of 1", right=("too_much_regularisation",), chosen={"l1": 1.0}),
    PlantedFault(
        name="vocabulary of 5", right=("unknown_words",), forced={"tokens.word.vocabulary": 5}, materials=_TEXTS
    ),
    PlantedFault(name="one token of each row", right=("truncation",), chosen={"max_length": 1}),
    PlantedFault(name="empty rows", right=("empty_rows",), tamper=empty_rows, materials=_TEXTS),
    PlantedFault(name="copies with other labels", right=("conflicting_duplicates",), tamper=conflicting_copies),
    PlantedFault(name="shuffled labels", right=("no_signal",), tamper=shuffle_labels),
)

SEEDS = {"is_method": (0, 1), "digits": (0, 1)}
"""The seeds of these materials; all others have seed 0 only."""


@dataclass(frozen=True)
class DiagnosisCase:
    """One trial with a planted fault: the cause that was named first, and whether it is right.

    `is_harmless`: the trial learnt as much as the healthy trial on the same data and seed, so there was nothing to find.
    """

    fault: str
    material: str
    seed: int
    is_healthy: bool
    is_harmless: bool
    is_right: bool
    answer: str
    treated: Treated | None = None

    def __str__(self) -> str:
        return f"{self.material} {self.seed} {self.fault}: {self.answer}"


def measure() -> list[Row]:
    """Plant every fault on every material. Count how often the right cause comes first."""
    known, left_out = [], []
    for name, material in MATERIALS.items():
        try:
            read(material, seed=0)
            known.append(name)
        except SkippedError:
            left_out.append(name)
    cases = [case for name in known for seed in SEEDS.get(name, (0,)) for case in run(name, seed=seed)]
    return sum_up(cases, left_out)


def run(material: str, *, seed: int) -> Iterator[DiagnosisCase]:
    """Plant every fault that a material can have, after a healthy trial."""
    floor = math.inf
    for fault in FAULTS:
        if material in fault.materials:
            patient = observe(fault, MATERIALS[material], seed=seed)
            if fault.name == "healthy":
                floor = patient.evidence.decisions.skill_low
            case = judge(fault, material, patient.evidence, seed=seed, floor=floor)
            has_cause = not (case.is_healthy or case.is_harmless)
            treated = treat(fault, MATERIALS[material], patient, seed=seed) if has_cause else None
            yield replace(case, treated=treated)


def judge(fault: PlantedFault, material: str, evidence: Any, *, seed: int, floor: float) -> DiagnosisCase:
    """Compare the diagnosis with the planted fault. `floor` is the lower bound of the healthy trial's skill."""
    from tuner.diagnosis.causes.diagnose import diagnose

    diagnosis = diagnose(evidence)
    first = diagnosis.causes[0].name if diagnosis.causes else "no cause"
    is_healthy = not fault.right
    return DiagnosisCase(
        fault=fault.name,
        material=material,
        seed=seed,
        is_healthy=is_healthy,
        is_harmless=not is_healthy and evidence.decisions is not None and evidence.decisions.skill >= floor,
        is_right=diagnosis.state == "healthy" if is_healthy else first in fault.right,
        answer=f"{diagnosis.state}, {first}",
    )


def sum_up(cases: Sequence[DiagnosisCase], left_out: Sequence[str]) -> list[Row]:
    """Return the shares that are right: on the sets that bounds were set on, on others, in all, and for healthy trials."""
    faults = [case for case in cases if not case.is_healthy and not case.is_harmless]
    harmless = "; ".join(str(case) for case in cases if case.is_harmless)
    skipped = f"; left out, not found: {', '.join(left_out)}" if left_out else ""
    return [
        _share(
            "right cause first, sets that bounds were set on",
            [c for c in faults if MATERIALS[c.material].is_calibration],
        ),
        _share(
            "right cause first, other sets", [c for c in faults if not MATERIALS[c.material].is_calibration], skipped
        ),
        _share("right cause first, all sets", faults, f"; did no harm, not counted: {harmless}" if harmless else ""),
        _share("healthy trials called healthy", [case for case in cases if case.is_healthy]),
        *_treatments(faults),
    ]


def _treatments(faults: Sequence[DiagnosisCase]) -> list[Row]:
    """Return how often the first advice raised the score: in all, and by the cause that was named."""
    by_cause: dict[str, list[DiagnosisCase]] = defaultdict(list)
    for case in faults:
        if case.treated is not None and case.treated.after is not None:
            by_cause[case.treated.cause].append(case)
    counted = [case for cases in by_cause.values() for case in cases]
    others = "; ".join(
        f"{case}: {case.treated.advice}" for case in faults if case.treated and case.treated.after is None
    )
    return [
        _raised("score is raised by the first advice", counted, f"; not counted: {others}" if others else ""),
        *(_of_cause(cause, cases) for cause, cases in sorted(by_cause.items())),
    ]


def _raised(name: str, cases: Sequence[DiagnosisCase], more: str = "") -> Row:
    raised = sum(case.treated.is_raised for case in cases if case.treated)
    return at_least(
        name, 0.8, raised / max(len(cases), 1), "share", f"{raised} of {len(cases)} faults{_failures(cases)}{more}"
    )


def _of_cause(cause: str, cases: Sequence[DiagnosisCase]) -> Row:
    raised = sum(case.treated.is_raised for case in cases if case.treated)
    return explains(
        f"… for {cause}", raised / len(cases), "share", f"{raised} of {len(cases)} faults{_failures(cases)}"
    )


def _failures(cases: Sequence[DiagnosisCase]) -> str:
    failed = "; ".join(f"{case}: {case.treated}" for case in cases if case.treated and not case.treated.is_raised)
    return f"; not raised: {failed}" if failed else ""


def _share(name: str, cases: Sequence[DiagnosisCase], more: str = "") -> Row:
    right = sum(case.is_right for case in cases)
    sets = ", ".join(f"{count} {material}" for material, count in Counter(case.material for case in cases).items())
    wrong = "; ".join(str(case) for case in cases if not case.is_right)
    detail = f"{right} of {len(cases)} trials ({sets}){f'; wrong: {wrong}' if wrong else ''}{more}"
    return at_least(name, 0.9, right / max(len(cases), 1), "share", detail)
