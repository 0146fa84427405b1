"""Evidence from a file of predictions from any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tuner.diagnosis.facts.decisions import decision_facts
from tuner.diagnosis.facts.evidence import Evidence
from tuner.diagnosis.facts.reference import reference
from tuner.diagnosis.readers.predictions import PredictionsFile, read_predictions_file
from tuner.diagnosis.readers.texts import TextFacts, blocks_of, text_facts
from tuner.scoring.evaluation import evaluate
from tuner.scoring.signal import Signal, find_signal, gather_evidence
from tuner.space.text_format import FOUND_OUT, TextFormat


def evidence_of_file(
    uri: str,
    *,
    pred: Sequence[str] = (),
    truth: Sequence[str] = (),
    probability: Sequence[str] = (),
    text: str | None = None,
    train: str | None = None,
    text_format: TextFormat = FOUND_OUT,
) -> Evidence:
    """Read a file of predictions and measure it; see `read_predictions_file` for its columns and for `text_format`.

    With `text`, the column of texts, check the data too, and fit a plain model to see whether there is anything to learn. The
    model is fitted on the file `train` if it is given and has labels. Raises DataError.
    """
    predictions = read_predictions_file(
        uri, pred=pred, truth=truth, probability=probability, text=text, text_format=text_format
    )
    texts = None if text is None else text_facts(predictions, train=train, text=text)
    label_rows = None if texts is None or train is None else texts.data.label_rows
    decisions = decision_facts(
        predictions.decisions,
        predictions.probabilities,
        predictions.truth,
        task=predictions.task,
        labels=predictions.labels,
        blocks=blocks_of(predictions),
        train_rows=label_rows,
    )
    data = None if texts is None else texts.data if train is not None else replace(texts.data, train_rows=None)
    return Evidence(
        subject=uri,
        task=predictions.task,
        decisions=decisions,
        data=data,
        reference=None if texts is None else reference(texts.baselines),
        signal=None if texts is None or not texts.baselines else _signal(predictions, texts),
        missing=_missing(predictions, text, train),
        notes=(*predictions.notes, *(() if texts is None else texts.notes)),
    )


def _signal(predictions: PredictionsFile, texts: TextFacts) -> Signal:
    """Return whether the file's model or a plain one does better than chance."""
    validation = evaluate(
        predictions.decisions,
        None if predictions.probabilities is None else predictions.probabilities.astype(np.float64),
        predictions.truth,
        task=predictions.task,
        labels=predictions.labels,
        seen=np.ones(len(predictions.labels), dtype=bool),
        penalty_weight=1.0,
        blocks=blocks_of(predictions),
        seed=0,
    )
    return find_signal(
        gather_evidence(predictions.task, baselines=texts.baselines, profile=texts.profile, validation=validation)
    )


def _missing(predictions: PredictionsFile, text: str | None, train: str | None) -> tuple[str, ...]:
    """List what is not known, and how to find out."""
    lines = []
    if predictions.probabilities is None:
        lines.append("whether thresholds or flat probabilities are the cause: give the probabilities (--probability)")
    if text is None:
        lines.append(
            "empty rows, copies with other labels, and whether there is any signal: name the column of texts (--text)"
        )
    elif train is None:
        lines.append("unknown words, and how rare labels were in training: give the training file too (--train)")
    lines.append("gradients, learning rate, regularisation and budget: only `tuner run` records them")
    return tuple(lines)
