"""Whether the labels can be told from the inputs at all, by every model that was judged on rows it did not learn from.

It is the one answer to this question: the reason of a verdict and the diagnosis both give it. No number of models can show
that nothing can be learnt, so the most that is said is that no model that was tried does better than chance. Even that needs a
model that was able to see the inputs, and enough rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

from tuner.space.settings import Task

Answer = Literal["signal", "none found", "too few rows", "not seen"]

FEWEST_ROWS = 10
"""Rows with another answer than the commonest. A ranking of 10 among many by chance has an AUC of 0.5 give or take 0.18."""

FEWEST_TO_SHOW = 5
"""Such rows that a split needs before a model can show on it that it does better than chance: fewer may all be luck."""

LEAST_SEEN = 0.25
"""Share of the texts that a model of words must be able to learn from before its failure says anything of the texts.

Of 100 English docstrings it is 0.35, of 1,000 it is 0.68; of 800 Chinese reviews without spaces 0.08.
"""

_BY_PIECES = "read texts without spaces, or with numbers as words, by pieces: space.tokens=[character, bpe]"
_CHANCE = 0.005  # how often a ranking without information may pass for one with some
_ANSWERS_ALIKE = 0.5  # the constant penalty from which on a predictor gives one answer for nearly every row


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What is known of the models of one search, or of one file of predictions.

    `baselines` are rows of baselines.json, `validation` and `test` the champion's measures there, as
    `tuner.scoring.evaluation` describes them. `rankings` are the AUCs of all reports of trials, on validation, None or NaN where
    there is none. `train_labels` counts each label's training rows, of `train_rows`. `reads_pieces` says that the champion reads
    characters or pieces of words, so that it sees what a model of whole words may not.
    """

    task: Task
    baselines: Sequence[Mapping[str, Any]] = ()
    validation: Mapping[str, Any] | None = None
    test: Mapping[str, Any] | None = None
    rankings: Sequence[float | None] = ()
    train_labels: Mapping[str, int] = field(default_factory=dict)
    train_rows: int = 0
    reads_pieces: bool = False


@dataclass(frozen=True, kw_only=True)
class Signal:
    """The answer, in a word, in a sentence for people, and what to do about it."""

    answer: Answer
    sentence: str
    advice: str

    @property
    def told(self) -> str:
        """Both, as one sentence."""
        return f"{self.sentence}; {self.advice}"


def looks_of(
    task: Task,
    *,
    baselines: Sequence[Mapping[str, Any]],
    profile: Mapping[str, Any],
    validation: Mapping[str, Any] | None = None,
    test: Mapping[str, Any] | None = None,
    configuration: Mapping[str, Any] | None = None,
    rankings: Sequence[float | None] = (),
) -> Looks:
    """Gather them as a run's ledger has them; `profile` is data.json, `configuration` the champion's, a flat one."""
    train: Mapping[str, Any] = profile["splits"]["train"] if profile else {"labels": {}, "rows": 0}
    return Looks(
        task=task,
        baselines=baselines,
        validation=validation,
        test=test,
        rankings=rankings,
        train_labels=train["labels"],
        train_rows=train["rows"],
        reads_pieces=(configuration or {}).get("tokens", "word") != "word",
    )


def find_signal(looks: Looks) -> Signal:
    """Say whether any model surely predicts the labels better than chance, and if none does, what that tells.

    A model does where the 95 % interval of what it is above chance lies above 0, or where its AUC is more than a ranking
    without information reaches in one of 200 tries, on a split with rows enough. Of the many reports of trials the best counts as
    the best of that many.
    """
    seeing = next(_seeing(looks), None)
    if seeing is not None:
        return Signal(
            answer="signal",
            sentence=f"{seeing} predicts these labels better than chance, so there is something to learn",
            advice=_BY_PIECES if _is_blind(looks) else "search longer, or in a wider space",
        )
    rows = _telling_rows_by_split(looks)
    if rows and min(rows.values()) < FEWEST_ROWS:
        told = ", ".join(f"{count:,} of {split}" for split, count in rows.items())
        return Signal(
            answer="too few rows",
            sentence=f"rows with another answer than the commonest are too few to tell what can be learnt: {told}",
            advice="use folds, larger parts or more rows of the rare labels",
        )
    able = _able(looks)
    if not able:
        return Signal(
            answer="not seen",
            sentence="no model that was tried could see what these inputs hold, so it is not known whether labels can be learnt",
            advice=_BY_PIECES,
        )
    return Signal(
        answer="none found",
        sentence=f"no model that was tried predicts these labels better than chance ({', '.join(able)})",
        advice="look at how the rows were labelled, or bring inputs that tell the labels apart",
    )


def telling_rows(true: Sequence[int], false: Sequence[int], task: Task) -> int:
    """Return how many rows have another answer than the commonest; in multi-label, the sum of that over the labels.

    `true` counts the rows that have each label, `false` those that have not; or the blocks of rows that depend on each other.
    """
    if task == "multilabel":
        return sum(map(min, true, false))
    return sum(true) - max(true, default=0)


def auc_error(true: Sequence[int], false: Sequence[int], task: Task) -> float | None:
    """Return the standard error of a mean AUC over labels by chance; None where no label has rows of both kinds.

    Arguments are as in `telling_rows`. Each label's is that of Mann and Whitney (1947). Labels are taken as independent; the two
    of a binary task are one.
    """
    both = [(m, n) for m, n in zip(true, false, strict=True) if m and n][: 1 if task == "binary" else None]
    if not both:
        return None
    return math.sqrt(sum((m + n + 1) / (12 * m * n) for m, n in both)) / len(both)


def _seeing(looks: Looks) -> Iterator[str]:
    """Name the models that surely predict better than chance."""
    for row in _models(looks.baselines):
        if _is_above_chance(row["validation"], looks.task):
            yield f"on validation {row['name']}"
    for split, measured in (("validation", looks.validation), ("test", looks.test)):
        if measured is not None and _is_above_chance(measured, looks.task):
            yield f"on {split} the champion"
    judged = _validation(looks)
    rankings = [auc for auc in looks.rankings if auc is not None and math.isfinite(auc)]
    if judged is None or not rankings or _telling_rows(judged, looks.task) < FEWEST_TO_SHOW:
        return
    if _is_ranking(max(rankings), judged, looks.task, tries=len(rankings)):
        yield f"on validation a trial, with an AUC of {max(rankings):.3f},"


def _able(looks: Looks) -> list[str]:
    """Name the models whose failure tells something: of words, where the texts share words; others, where they answer."""
    models = [row for row in _models(looks.baselines) if _is_measured(row["validation"])]
    able = [str(row["name"]) for row in models if row.get("seen_share") is None or row["seen_share"] >= LEAST_SEEN]
    measured = looks.validation
    if measured is None or not _is_measured(measured):
        return able
    if able or (looks.reads_pieces and measured["constant_penalty"] < _ANSWERS_ALIKE):
        able.append("the champion")
    return able


def _is_blind(looks: Looks) -> bool:
    """Whether words tell nothing, and nobody has read pieces of them."""
    shares = [row["seen_share"] for row in _models(looks.baselines) if row.get("seen_share") is not None]
    return bool(shares) and max(shares) < LEAST_SEEN and not looks.reads_pieces


def _models(baselines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in baselines if row["kind"] in ("model", "probe")]


def _validation(looks: Looks) -> Mapping[str, Any] | None:
    """Any measures on validation: of each the truth is the same."""
    rows = [row["validation"] for row in looks.baselines if row["validation"].get("labels")]
    return looks.validation or (rows[0] if rows else None)


def _telling_rows_by_split(looks: Looks) -> dict[str, int]:
    found = {}
    if looks.train_labels:
        true = list(looks.train_labels.values())
        found["train"] = telling_rows(true, [looks.train_rows - count for count in true], looks.task)
    for split, measured in (("validation", _validation(looks)), ("test", looks.test)):
        if measured is not None and measured.get("labels"):
            found[split] = _telling_rows(measured, looks.task)
    return found


def _telling_rows(measured: Mapping[str, Any], task: Task) -> int:
    return telling_rows(*_blocks(measured), task)


def _blocks(measured: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """In how many blocks of rows each label is true of a row, and false of one; where that was not recorded, how many rows."""
    labels, rows = measured["labels"], _rows(measured)
    return (
        [int(row.get("true_blocks", row["support"])) for row in labels],
        [int(row.get("false_blocks", rows - row["support"])) for row in labels],
    )


def _rows(measured: Mapping[str, Any]) -> int:
    """How many rows were judged, which measures without intervals do not say."""
    if measured.get("rows") is not None:
        return int(measured["rows"])
    counts = [row["support"] / row["prevalence"] for row in measured["labels"] if row["prevalence"]]
    return round(max(counts, default=0.0))


def _is_measured(measured: Mapping[str, Any]) -> bool:
    return _low(measured) is not None or measured.get("auc") is not None


def _is_above_chance(measured: Mapping[str, Any], task: Task) -> bool:
    if measured.get("labels") and _telling_rows(measured, task) < FEWEST_TO_SHOW:
        return False
    low, auc = _low(measured), measured.get("auc")
    return (low is not None and low > 0) or (auc is not None and _is_ranking(auc, measured, task, tries=1))


def _low(measured: Mapping[str, Any]) -> float | None:
    interval = measured.get("above_chance_ci")
    return None if not interval else interval[0]


def _is_ranking(auc: float, measured: Mapping[str, Any], task: Task, *, tries: int) -> bool:
    """Whether an AUC, the best of so many, is above what rankings without information reach (Bonferroni's bound)."""
    error = auc_error(*_blocks(measured), task) if measured.get("labels") else None
    return error is not None and auc > 0.5 + NormalDist().inv_cdf(1 - _CHANCE / tries) * error
