"""Can the labels be predicted from the inputs at all? The answer uses every model that was judged on unseen rows.

A verdict's reason and the diagnosis both give this answer. No number of models can prove that there is nothing to learn. So the
strongest claim is that no model we tried does better than chance. Even this claim needs enough rows, and a model that can read
the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

from tuner.space.assignment import set_option
from tuner.space.task import Task

Answer = Literal["signal", "none found", "too few rows", "not seen"]

FEWEST_ROWS = 10
"""Minority rows needed to conclude anything. A random ranking of 10 rows among many has an AUC of 0.5 ± 0.18."""

FEWEST_TO_SHOW = 5
"""Minority rows that a split needs before we say that a model beats chance on it. On fewer rows, success may be luck."""

LEAST_SEEN = 0.25
"""If a model of words can learn from less than this share of the texts, its failure says nothing about the texts.

The share is 0.35 for 100 English docstrings, 0.68 for 1,000, and 0.08 for 800 Chinese reviews without spaces.
"""

_BY_PIECES = (
    "if texts have no spaces, or use numbers as words, read them in smaller pieces: "
    f"{set_option('space.tokens', ['character', 'bpe'])}"
)
_BY_CHARACTERS = (
    "in a script without spaces, a word is a whole clause, so read characters instead: --set space.tokens=character"
)
BY_TEXTS = "hardly any token occurs twice: name the column of whole texts as data.text, or give coarser tokens"
"""The advice for lists of tokens, which cannot be split into smaller pieces."""

_CHANCE = 0.005  # how often a ranking without information may pass as informative
_ANSWERS_ALIKE = 0.5  # from this constant penalty on, a predictor gives nearly every row the same answer


@dataclass(frozen=True, kw_only=True)
class SignalEvidence:
    """What is known about the models of one search, or of one file of predictions.

    `baselines` are rows of baselines.json. `validation` and `test` are the champion's measures there, as
    `tuner.scoring.evaluation` returns them. `rankings` are the validation AUCs of all measurements of trials, None or NaN if
    unknown. `train_labels` counts each label's training rows, out of `train_rows`. `reads_pieces` says that the champion reads
    characters or pieces of words, so it sees what a model of whole words may miss. `unit` is what the profile
    counts: words, lists of tokens, or characters in a script without spaces. `longer_search` is the command that searches
    longer, empty if all settings have been tried, None if there is no run to search on with.
    """

    task: Task
    baselines: Sequence[Mapping[str, Any]] = ()
    validation: Mapping[str, Any] | None = None
    test: Mapping[str, Any] | None = None
    rankings: Sequence[float | None] = ()
    train_labels: Mapping[str, int] = field(default_factory=dict)
    train_rows: int = 0
    reads_pieces: bool = False
    unit: str = "words"
    longer_search: str | None = None


@dataclass(frozen=True, kw_only=True)
class Signal:
    """The answer in a word and in a sentence, and what to do about it."""

    answer: Answer
    sentence: str
    advice: str

    @property
    def message(self) -> str:
        """The sentence and the advice in one."""
        return f"{self.sentence}; {self.advice}"


def gather_evidence(
    task: Task,
    *,
    baselines: Sequence[Mapping[str, Any]],
    profile: Mapping[str, Any],
    validation: Mapping[str, Any] | None = None,
    test: Mapping[str, Any] | None = None,
    configuration: Mapping[str, Any] | None = None,
    rankings: Sequence[float | None] = (),
    longer_search: str | None = None,
) -> SignalEvidence:
    """Gather the evidence from a run's ledger: `profile` is data.json, `configuration` the champion's flat configuration."""
    train: Mapping[str, Any] = profile["splits"]["train"] if profile else {"labels": {}, "rows": 0}
    return SignalEvidence(
        task=task,
        baselines=baselines,
        validation=validation,
        test=test,
        rankings=rankings,
        train_labels=train["labels"],
        train_rows=train["rows"],
        reads_pieces=(configuration or {}).get("tokens", "word") != "word",
        unit=counted_unit(profile),
        longer_search=longer_search,
    )


def counted_unit(profile: Mapping[str, Any]) -> str:
    """Return the unit of the lengths in a profile: words if there is none, characters where words have no spaces between them."""
    return str(profile["splits"]["train"]["lengths"]["unit"]) if profile else "words"


def find_signal(evidence: SignalEvidence) -> Signal:
    """Return whether any model clearly predicts the labels better than chance and, if none does, why.

    A model counts on a split with enough rows, in two cases: the 95 % interval of its lead over chance lies above 0, or its AUC
    exceeds the value that a ranking without information reaches once in 200 tries. For the best measurement of all trials, the
    bound allows for the number of measurements.
    """
    best = next(_better_than_chance(evidence), None)
    if best is not None:
        return Signal(
            answer="signal",
            sentence=f"{best} predicts these labels better than chance, so there is something to learn",
            advice=_advice_on_pieces(evidence)
            if _needs_pieces(evidence)
            else _advice_on_searching(evidence.longer_search),
        )
    rows = _minority_rows_by_split(evidence)
    if rows and min(rows.values()) < FEWEST_ROWS:
        counts = ", ".join(f"{count:,} in {split}" for split, count in rows.items())
        return Signal(
            answer="too few rows",
            sentence=f"too few rows differ from the most common answer to say whether the labels can be learnt: {counts}",
            advice="use folds, larger splits, or more rows of the rare labels",
        )
    able = _able_models(evidence)
    if not able:
        return Signal(
            answer="not seen",
            sentence="no model we tried can read these inputs, so we do not know whether the labels can be learnt",
            advice=_advice_on_pieces(evidence),
        )
    return Signal(
        answer="none found",
        sentence=f"no model we tried predicts these labels better than chance ({', '.join(able)})",
        advice="check how the rows were labelled, or add inputs that separate the labels",
    )


def minority_rows(true: Sequence[int], false: Sequence[int], task: Task) -> int:
    """Count the rows with another answer than the most common one; in multi-label, the sum of these counts over the labels.

    `true` counts the rows with each label and `false` the rows without it; or they count blocks.
    """
    if task == "multilabel":
        return sum(map(min, true, false))
    return sum(true) - max(true, default=0)


def auc_error(true: Sequence[int], false: Sequence[int], task: Task) -> float | None:
    """Return the standard error of the mean AUC of a random ranking; None if no label has both true and false rows.

    Arguments are as in `minority_rows`. The error of each label is Mann and Whitney's (1947). Labels count as independent, except
    that the two of a binary task count as one.
    """
    both = [(m, n) for m, n in zip(true, false, strict=True) if m and n][: 1 if task == "binary" else None]
    if not both:
        return None
    return math.sqrt(sum((m + n + 1) / (12 * m * n) for m, n in both)) / len(both)


def _better_than_chance(evidence: SignalEvidence) -> Iterator[str]:
    """Name the models that clearly predict better than chance."""
    for row in _models(evidence.baselines):
        if _is_above_chance(row["validation"], evidence.task):
            yield f"on validation {row['name']}"
    for split, measured in (("validation", evidence.validation), ("test", evidence.test)):
        if measured is not None and _is_above_chance(measured, evidence.task):
            yield f"on {split} the champion"
    judged = _validation(evidence)
    rankings = [auc for auc in evidence.rankings if auc is not None and math.isfinite(auc)]
    if judged is None or not rankings or _minority_rows(judged, evidence.task) < FEWEST_TO_SHOW:
        return
    if _is_ranking(max(rankings), judged, evidence.task, tries=len(rankings)):
        yield f"on validation a trial, with an AUC of {max(rankings):.3f},"


def _able_models(evidence: SignalEvidence) -> list[str]:
    """Name the models that could have succeeded: models of words if texts share words, others if their answers vary."""
    models = [row for row in _models(evidence.baselines) if _is_measured(row["validation"])]
    able = [str(row["name"]) for row in models if row.get("seen_share") is None or row["seen_share"] >= LEAST_SEEN]
    measured = evidence.validation
    if measured is None or not _is_measured(measured):
        return able
    if able or (evidence.reads_pieces and measured["constant_penalty"] < _ANSWERS_ALIKE):
        able.append("the champion")
    return able


def _needs_pieces(evidence: SignalEvidence) -> bool:
    """Return whether the texts hardly share words or have no spaces, and the champion does not read smaller pieces."""
    if evidence.unit == "characters":
        return not evidence.reads_pieces
    shares = [row["seen_share"] for row in _models(evidence.baselines) if row.get("seen_share") is not None]
    return bool(shares) and max(shares) < LEAST_SEEN and not evidence.reads_pieces


def _advice_on_pieces(evidence: SignalEvidence) -> str:
    return {"characters": _BY_CHARACTERS, "tokens": BY_TEXTS}.get(evidence.unit, _BY_PIECES)


def _models(baselines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in baselines if row["kind"] in ("model", "probe")]


def _validation(evidence: SignalEvidence) -> Mapping[str, Any] | None:
    """Return the validation measures of any model. Only the facts about the truth are read, and all models share them."""
    rows = [row["validation"] for row in evidence.baselines if row["validation"].get("labels")]
    return evidence.validation or (rows[0] if rows else None)


def _advice_on_searching(command: str | None) -> str:
    if command is None:
        return "search longer, or in a wider space"
    return f"search longer with `{command}`, or in a wider space" if command else "search in a wider space"


def _minority_rows_by_split(evidence: SignalEvidence) -> dict[str, int]:
    counts = {}
    if evidence.train_labels:
        true = list(evidence.train_labels.values())
        counts["train"] = minority_rows(true, [evidence.train_rows - count for count in true], evidence.task)
    for split, measured in (("validation", _validation(evidence)), ("test", evidence.test)):
        if measured is not None and measured.get("labels"):
            counts[split] = _minority_rows(measured, evidence.task)
    return counts


def _minority_rows(measured: Mapping[str, Any], task: Task) -> int:
    return minority_rows(*_blocks(measured), task)


def _blocks(measured: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Return, per label, how many blocks have a true row and how many a false row. Older runs recorded rows instead."""
    labels, rows = measured["labels"], _rows(measured)
    return (
        [int(row.get("true_blocks", row["support"])) for row in labels],
        [int(row.get("false_blocks", rows - row["support"])) for row in labels],
    )


def _rows(measured: Mapping[str, Any]) -> int:
    """Return how many rows were judged. Measures without intervals record only prevalences, which give the number."""
    if measured.get("rows") is not None:
        return int(measured["rows"])
    counts = [row["support"] / row["prevalence"] for row in measured["labels"] if row["prevalence"]]
    return round(max(counts, default=0.0))


def _is_measured(measured: Mapping[str, Any]) -> bool:
    return _low(measured) is not None or measured.get("auc") is not None


def _is_above_chance(measured: Mapping[str, Any], task: Task) -> bool:
    if measured.get("labels") and _minority_rows(measured, task) < FEWEST_TO_SHOW:
        return False
    low, auc = _low(measured), measured.get("auc")
    return (low is not None and low > 0) or (auc is not None and _is_ranking(auc, measured, task, tries=1))


def _low(measured: Mapping[str, Any]) -> float | None:
    interval = measured.get("above_chance_ci")
    return None if not interval else interval[0]


def _is_ranking(auc: float, measured: Mapping[str, Any], task: Task, *, tries: int) -> bool:
    """Return whether the best AUC of `tries` exceeds what rankings without information reach (Bonferroni's bound)."""
    error = auc_error(*_blocks(measured), task) if measured.get("labels") else None
    return error is not None and auc > 0.5 + NormalDist().inv_cdf(1 - _CHANCE / tries) * error
