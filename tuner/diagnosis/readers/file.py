"""Evidence of a file of predictions, from anybody's model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tuner.diagnosis.facts.decisions import decision_facts
from tuner.diagnosis.facts.evidence import Evidence
from tuner.diagnosis.facts.reference import reference
from tuner.diagnosis.readers.table import Answers, read_answers
from tuner.diagnosis.readers.texts import TextFacts, blocks_of, text_facts
from tuner.scoring.evaluation import evaluate
from tuner.scoring.signal import Signal, find_signal, gather_evidence


def evidence_of_file(
    uri: str,
    *,
    pred: Sequence[str] = (),
    truth: Sequence[str] = (),
    probability: Sequence[str] = (),
    text: str | None = None,
    train: str | None = None,
) -> Evidence:
    """Read a file of predictions and measure what it tells; see `tuner.diagnosis.readers.table.read_answers` for its columns.

    With `text`, the column of texts, the data are looked at too, and a plain model is fitted to see whether there is
    anything to learn: on the file `train` if that is given and has the labels. Raises DataError.
    """
    answers = read_answers(uri, pred=pred, truth=truth, probability=probability, text=text)
    texts = None if text is None else text_facts(answers, train=train, text=text)
    label_rows = None if texts is None or train is None else texts.data.label_rows
    decisions = decision_facts(
        answers.decisions,
        answers.probabilities,
        answers.truth,
        task=answers.task,
        labels=answers.labels,
        blocks=blocks_of(answers),
        train_rows=label_rows,
    )
    data = None if texts is None else texts.data if train is not None else replace(texts.data, train_rows=None)
    return Evidence(
        subject=uri,
        task=answers.task,
        decisions=decisions,
        data=data,
        reference=None if texts is None else reference(texts.baselines),
        signal=None if texts is None or not texts.baselines else _signal(answers, texts),
        missing=_missing(answers, text, train),
        notes=(*answers.notes, *(() if texts is None else texts.notes)),
    )


def _signal(answers: Answers, texts: TextFacts) -> Signal:
    """Whether the file's model or a plain one is seen to do better than chance."""
    judged = evaluate(
        answers.decisions,
        None if answers.probabilities is None else answers.probabilities.astype(np.float64),
        answers.truth,
        task=answers.task,
        labels=answers.labels,
        seen=np.ones(len(answers.labels), dtype=bool),
        penalty_weight=1.0,
        blocks=blocks_of(answers),
        seed=0,
    )
    return find_signal(
        gather_evidence(answers.task, baselines=texts.baselines, profile=texts.profile, validation=judged)
    )


def _missing(answers: Answers, text: str | None, train: str | None) -> tuple[str, ...]:
    """What cannot be told, and what would tell it."""
    told = []
    if answers.probabilities is None:
        told.append("whether thresholds or flat probabilities are to blame: give the probabilities (--probability)")
    if text is None:
        told.append("empty rows, copies with other labels, and whether there is any signal: give the texts (--text)")
    elif train is None:
        told.append("unknown words, and how rare labels were in training: give the training file too (--train)")
    told.append("gradients, learning rate, regularisation and budget: these need a run of tuner, see `tuner run`")
    return tuple(told)
