"""Whether labels can be predicted from inputs: one success refutes the claim, which needs an able model and enough rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from tuner.scoring.evaluation import evaluate
from tuner.scoring.indicator import as_indicator
from tuner.scoring.signal import BY_TEXTS, FEWEST_ROWS, SignalEvidence, auc_error, find_signal, minority_rows


def measured(*, low: float | None = -0.1, auc: float | None = 0.5, rare: int = 100, **more: Any) -> dict[str, Any]:
    rows = 1000
    labels = [{"label": name, "support": n, "prevalence": n / rows} for name, n in (("a", rows - rare), ("b", rare))]
    interval = {} if low is None else {"above_chance_ci": [low, low + 0.2]}
    return {"auc": auc, "constant_penalty": 0.0, "labels": labels, "rows": rows, **interval, **more}


def baseline(*, seen_share: float | None = None, **known: Any) -> dict[str, Any]:
    return {"name": "linear", "kind": "model", "seen_share": seen_share, "validation": measured(**known)}


NOTHING = SignalEvidence(
    task="binary",
    baselines=(baseline(), {"name": "shuffled", "kind": "control", "validation": measured(low=0.2, auc=0.9)}),
    validation=measured(),
    test=measured(),
    rankings=[0.49, 0.52, None, float("nan")],
    train_labels={"a": 2700, "b": 300},
    train_rows=3000,
)


def test_if_every_model_is_at_chance_the_answer_names_the_models() -> None:
    signal = find_signal(NOTHING)
    assert signal.answer == "none found"
    assert "no model we tried predicts these labels better than chance (linear, the champion)" in signal.sentence


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"baselines": (baseline(low=0.01),)}, "linear"),
        ({"baselines": (baseline(auc=0.6),)}, "linear"),
        ({"validation": measured(low=0.01)}, "on validation the champion"),
        ({"test": measured(low=0.01)}, "on test the champion"),
        ({"rankings": [0.5, 0.7]}, "a trial"),
    ],
)
def test_one_model_surely_above_chance_refutes_the_claim(changed: dict[str, Any], name: str) -> None:
    signal = find_signal(replace(NOTHING, **changed))
    assert signal.answer == "signal"
    assert name in signal.sentence


def test_the_best_of_many_measurements_must_be_better_than_a_single_one() -> None:
    one = replace(NOTHING, rankings=[0.585])
    many = replace(NOTHING, rankings=[0.585, *[0.5] * 2000])
    assert [find_signal(each).answer for each in (one, many)] == ["signal", "none found"]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_few_rows_of_the_rare_answer_in_any_split_are_too_few(split: str) -> None:
    few = FEWEST_ROWS - 1
    changed: dict[str, Any] = (
        {"train_labels": {"a": 3000 - few, "b": few}} if split == "train" else {split: measured(rare=few)}
    )
    signal = find_signal(replace(NOTHING, **changed))
    assert signal.answer == "too few rows"
    assert f"{few} in {split}" in signal.sentence


@pytest.mark.parametrize("low", [-0.501, 0.4])
def test_one_perfectly_ranked_positive_row_is_too_few(low: float) -> None:
    perfect = measured(low=low, auc=1.0, rare=1)
    evidence = replace(
        NOTHING, rankings=[1.0], baselines=({**baseline(), "validation": perfect},), validation=perfect, test=perfect
    )
    assert find_signal(evidence).answer == "too few rows"


@pytest.mark.parametrize(
    ("seen_share", "reads_pieces", "penalty", "answer"),
    [
        (0.08, False, 0.0, "not seen"),
        (0.08, True, 0.0, "none found"),
        (0.08, True, 1.0, "not seen"),
        (0.8, False, 1.0, "none found"),
        (None, False, 1.0, "none found"),
    ],
)
def test_no_signal_is_claimed_only_if_a_model_could_see_the_inputs(
    seen_share: float | None, reads_pieces: bool, penalty: float, answer: str
) -> None:
    evidence = replace(
        NOTHING,
        baselines=(baseline(seen_share=seen_share),),
        validation=measured(constant_penalty=penalty),
        reads_pieces=reads_pieces,
    )
    assert find_signal(evidence).answer == answer


def test_without_any_measure_nothing_is_claimed() -> None:
    assert find_signal(SignalEvidence(task="binary")).answer == "not seen"


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        ("binary", {"no": 97, "yes": 3}, 3),
        ("multiclass", {"a": 90, "b": 6, "c": 4}, 10),
        ("multilabel", {"always": 100, "never": 0, "often": 98, "rare": 1}, 3),
    ],
)
def test_minority_rows_are_those_with_another_answer_than_the_commonest(
    task: Any, labels: dict[str, int], expected: int
) -> None:
    true = list(labels.values())
    assert minority_rows(true, [100 - count for count in true], task) == expected


@pytest.mark.parametrize(("task", "supports"), [("binary", [180, 20]), ("multilabel", [20]), ("multilabel", [40, 100])])
def test_the_error_of_an_auc_is_the_spread_of_random_rankings(task: Any, supports: list[int]) -> None:
    generator = np.random.default_rng(0)
    columns = supports[:1] if task == "binary" else supports
    aucs = []
    for _ in range(4000):
        each = [rankdata(generator.random(200))[:n].sum() - n * (n + 1) / 2 for n in columns]
        aucs.append(np.mean([u / (n * (200 - n)) for u, n in zip(each, columns, strict=True)]))
    assert auc_error(supports, [200 - count for count in supports], task) == pytest.approx(np.std(aucs), rel=0.05)


def test_labels_that_are_constant_have_no_ranking() -> None:
    assert auc_error([0, 200], [200, 0], "multilabel") is None


def probe(**known: Any) -> dict[str, Any]:
    return {"name": "characters", "kind": "probe", "seen_share": None, "validation": measured(**known)}


def test_if_only_the_probe_sees_a_signal_the_advice_is_to_read_pieces() -> None:
    signal = find_signal(replace(NOTHING, baselines=(baseline(seen_share=0.08), probe(low=0.3))))
    assert signal.answer == "signal"
    assert "on validation characters predicts these labels better than chance" in signal.sentence
    assert "--set 'space.tokens=[character, bpe]'" in signal.advice


def test_a_probe_counts_as_a_model_that_could_see_the_inputs() -> None:
    signal = find_signal(replace(NOTHING, baselines=(baseline(seen_share=0.08), probe())))
    assert signal.answer == "none found"
    assert "(characters, the champion)" in signal.sentence


def test_a_champion_that_reads_pieces_is_not_advised_to_read_pieces() -> None:
    evidence = replace(NOTHING, baselines=(baseline(seen_share=0.08), probe(low=0.3)), reads_pieces=True)
    assert "tokens" not in find_signal(evidence).advice


def test_groups_ranked_together_by_chance_are_not_a_signal() -> None:
    """60 groups of 10 rows share one label and one output each. Counted as single rows, one in four would pass as a signal."""
    signals = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        groups = np.repeat(np.arange(60), 10)
        truth = as_indicator((generator.random(60) < 0.3).astype(int)[groups], 2)
        positive = generator.random(60)[groups]
        described = evaluate(
            as_indicator((positive > 0.7).astype(int), 2),
            np.column_stack([1 - positive, positive]),
            truth,
            task="binary",
            labels=("no", "yes"),
            seen=np.ones(2, bool),
            penalty_weight=1.0,
            blocks=groups,
            seed=0,
        )
        signals += find_signal(SignalEvidence(task="binary", validation=described)).answer == "signal"
    assert signals <= 2


@pytest.mark.parametrize("low", [0.3, -0.2])
def test_in_a_script_without_spaces_the_advice_is_to_read_characters(low: float) -> None:
    models = (baseline(low=low),)
    advice = find_signal(replace(NOTHING, baselines=models, unit="characters")).advice
    assert advice.endswith("--set space.tokens=character") == (low > 0)
    assert (
        "character" not in find_signal(replace(NOTHING, baselines=models, unit="characters", reads_pieces=True)).advice
    )


def test_lists_of_tokens_are_not_advised_to_be_split() -> None:
    signal = find_signal(replace(NOTHING, baselines=(baseline(seen_share=0.08),), unit="tokens"))
    assert signal.answer == "not seen"
    assert signal.advice == BY_TEXTS


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (
            "tuner resume runs/a --set search.time=9m",
            "search longer with `tuner resume runs/a --set search.time=9m`, or in",
        ),
        ("", "search in a wider space"),
        (None, "search longer, or in a wider space"),
    ],
)
def test_where_there_is_a_signal_the_advice_has_the_command_that_searches_longer(
    command: str | None, advice: str
) -> None:
    evidence = replace(NOTHING, baselines=(baseline(low=0.3),), longer_search=command)
    assert find_signal(evidence).advice.startswith(advice)
