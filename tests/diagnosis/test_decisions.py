"""Facts about decisions and probabilities."""

from __future__ import annotations

import numpy as np

from tuner.diagnosis.facts.decisions import decision_facts
from tuner.pruners.gate import GateSettings


def test_labels_true_for_every_row_do_not_make_outputs_flat() -> None:
    generator = np.random.default_rng(0)
    truth = np.ones((200, 3), dtype=bool)
    truth[:, 2] = generator.random(200) < 0.4
    probabilities = np.full(truth.shape, 0.999)
    probabilities[:, 2] = np.where(truth[:, 2], 0.9, 0.1)
    facts = decision_facts(
        probabilities >= 0.5,
        probabilities,
        truth,
        task="multilabel",
        labels=("a", "b", "c"),
        blocks=np.arange(200),
    )
    assert facts.logit_spread is not None
    assert facts.logit_spread > GateSettings().low_logit_spread


def test_the_margin_of_an_auc_is_wider_if_rows_come_in_groups() -> None:
    truth = (np.arange(200) % 20 < 5)[:, None]
    alone, grouped = (
        decision_facts(truth, None, truth, task="multilabel", labels=("a",), blocks=blocks).auc_margin
        for blocks in (np.arange(200), np.arange(200) // 5)
    )
    assert grouped > 2 * alone
