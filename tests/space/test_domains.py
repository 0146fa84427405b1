"""The value of a parameter becomes a domain, or a fault with its line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.spaces import faults, write
from tuner.space.domains import Choice, Conditional, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.load import Space, load_space
from tuner.space.options import Need

HEAD = "task: multilabel\ndata: {train: a.parquet, labels: l}\nsearch: {time: 5m}\n"  # lines 1 to 3


def load(folder: Path, space: str = "", *overrides: str) -> Space:
    """Load HEAD followed by a `space` section of these lines, the first of which is line 5."""
    body = "".join(f"  {line}\n" for line in space.splitlines())
    return load_space(write(folder, f"{HEAD}space:\n{body}"), overrides)


# What a domain becomes


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("hidden: 64", Fixed(64)),
        ("hidden: 1e2", Fixed(100)),
        ("hidden: [64, 128]", Choice((64, 128))),
        ("hidden: {choice: [64, 128]}", Choice((64, 128))),
        ("hidden: {low: 16, high: 64}", IntRange(16, 64)),
        ("hidden: {low: 16, high: 64, scale: log}", IntRange(16, 64, is_log=True)),
        ("hidden: {low: 16, high: 64, step: 16}", IntRange(16, 64, step=16)),
        ("dropout: 0", Fixed(0.0)),
        ("dropout: {low: 0.1, high: 0.7, step: 0.1}", FloatRange(0.1, 0.7, step=0.1)),
        ("learning_rate: {low: 1e-4, high: 1e-2, scale: log}", FloatRange(1e-4, 1e-2, is_log=True)),
        ("clipping: none", OptionChoice((("none", {}),))),
        ("clipping: norm", OptionChoice((("norm", {"threshold": Fixed(1.0)}),))),
        ("clipping: {norm: }", OptionChoice((("norm", {"threshold": Fixed(1.0)}),))),
        (
            "clipping: [none, {norm: {threshold: [1, 5]}}]",
            OptionChoice((("none", {}), ("norm", {"threshold": Choice((1.0, 5.0))}))),
        ),
        (
            "tokens: {choice: [{character: {lower_case: [true, false]}}]}",
            OptionChoice((("character", {"lower_case": Choice((True, False))}),)),
        ),
        (
            "embedding: {file: {path: /glove.txt}}",
            OptionChoice((("file", {"path": Fixed("/glove.txt"), "is_tuned": Fixed(True)}),)),
        ),
        (
            "loss_weights: [none, {explicit: {a: 5, rare label: [2, 4]}}]",
            OptionChoice((("none", {}), ("explicit", {"a": Fixed(5.0), "rare label": Choice((2.0, 4.0))}))),
        ),
    ],
)
def test_each_way_to_write_a_domain_is_read(tmp_path: Path, written: str, domain: object) -> None:
    assert load(tmp_path, written).parameters[written.partition(":")[0]] == domain


def test_an_absent_parameter_keeps_its_default(tmp_path: Path) -> None:
    parameters = load(tmp_path).parameters
    assert parameters["hidden"] == Fixed(128)
    assert parameters["embedding"] == OptionChoice((("random", {"size": Fixed(128), "scale": Fixed(0.1)}),))
    assert parameters["optimiser"] == OptionChoice((("adamw", {"weight_decay": Fixed(0.01)}),))


def test_integers_and_reals_take_the_parameters_type(tmp_path: Path) -> None:
    parameters = load(tmp_path, "hidden: 64.0\ndropout: 0").parameters
    assert [type(each.value) for each in (parameters["hidden"], parameters["dropout"]) if isinstance(each, Fixed)] == [
        int,
        float,
    ]


# Faults of domains


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("hiden: 64", "hiden: unknown parameter 'hiden'; did you mean 'hidden'?"),
        ("seeds: 2", "seeds: unknown parameter 'seeds'; it belongs to search: move it there"),
        ("hidden: '64'", "hidden: '64' in quotes is text, but must be a whole number; write it without quotes"),
        ("hidden: many", "hidden: 'many' is not a whole number; write a whole number"),
        ("hidden: 64.5", "hidden: 64.5 is not a whole number; round it, for example to 64"),
        ("hidden: true", "hidden: true is not a whole number; write a whole number"),
        ("hidden:", "hidden: has no value; write a whole number, or remove the setting"),
        ("hidden: 0", "hidden: 0 is out of bounds; use a number that is at least 1 and at most 4096"),
        ("dropout: 1", "dropout: 1 is out of bounds; use a number that is at least 0 and below 1"),
        (
            f"hidden: {'9' * 5000}",
            "hidden: inf is not a number that can be used; write a whole number of ordinary size",
        ),
        (
            f"learning_rate: 0x{'f' * 5000}",
            "learning_rate: inf is not a number that can be used; write a number of ordinary size",
        ),
        ("dropout: .nan", "dropout: nan is not a number that can be used; write a number of ordinary size"),
        ("hidden: []", "hidden: an empty list has nothing to choose from; list the values, such as [64, 128]"),
        ("hidden: [64, 64]", "hidden[1]: 64 is in the list twice; list each value once"),
        ("hidden: [64, [1]]", "hidden[1]: a list is not a whole number; write a whole number"),
        ("hidden: {choice: 5}", "hidden.choice: 5 is not a list to choose from; list the values, such as [64, 128]"),
        (
            "hidden: {low: 1}",
            "hidden: is a range without high; write {low: …, high: …}, or a list of values, or one value",
        ),
        ("hidden: {low: 9, high: 5}", "hidden.low: low is 9, but high is only 5; swap them"),
        ("hidden: {low: 1, high: 5, hihg: 6}", "hidden.hihg: unknown key 'hihg' beside low; did you mean 'high'?"),
        (
            "learning_rate: {low: 0, high: 1, scale: log}",
            "learning_rate.low: low is 0, but a log scale needs low > 0; use 1e-5, or scale: linear",
        ),
        (
            "hidden: {low: 1, high: 5, scale: lg}",
            "hidden.scale: 'lg' is not a scale; write scale: linear or scale: log",
        ),
        (
            "hidden: {low: 1, high: 9, scale: log, step: 2}",
            "hidden.step: a log scale cannot have steps; remove step, or use scale: linear",
        ),
        (
            "hidden: {low: 16, high: 60, step: 16}",
            "hidden.high: high is 60, but steps of 16 from 16 do not reach it; use high: 48 or 64",
        ),
        (
            "clipping: {norm: {threshold: {low: 1, high: 1e300, step: 1e-9}}}",
            "clipping.norm.threshold.step: step is 1e-09, which gives more than 1,000,000 values; use a larger step",
        ),
        ("clipping: non", "clipping: 'non' is not among the options; did you mean 'none'?"),
        ("clipping: null", "clipping: 'null' is not among the options; known: none, norm, quantile, value"),
        (
            "clipping: []",
            "clipping: an empty list has nothing to choose from; list options: none, norm, value, quantile",
        ),
        (
            "clipping: [norm, {norm: {threshold: 2}}]",
            "clipping[1]: norm is in the list twice; list it once, with choices for its own parameters",
        ),
        (
            "clipping: {norm: , value: }",
            "clipping: one mapping has several options; write a list: [{norm: …}, {value: …}]",
        ),
        (
            "clipping: {norm: {treshold: 2}}",
            "clipping.norm.treshold: unknown parameter 'treshold'; did you mean 'threshold'?",
        ),
        (
            "embedding: {word2vec: {size: {low: 50, high: 100}}}",
            "embedding.word2vec.size: is a range, but the texts must be prepared for each value; "
            "list the values, such as [128, 256]",
        ),
        ("embedding: file", "embedding: file needs its path; write {file: {path: …}} (The path of the file)"),
        (
            "embedding: [random, {file: {is_tuned: true}}]",
            "embedding[1].file: file needs its path; write {file: {path: …}} (The path of the file)",
        ),
        ("embedding: {file: {path: 5}}", 'embedding.file.path: 5 is not text; write it in quotes: "5"'),
        ("embedding: {file: {path: ''}}", "embedding.file.path: is empty; write a name"),
        (
            "embedding: {file: {path: [a, b]}}",
            'embedding.file.path: a list is not text; write one name; if this is one, write it in quotes: "[a, b]"',
        ),
        (
            "loss_weights: [none, explicit]",
            "loss_weights[1]: explicit needs at least one label; write {explicit: {LABEL: 5, OTHER: 1}}, with labels of the data",
        ),
        (
            "loss_weights: {explicit: {rare: 0}}",
            "loss_weights.explicit.rare: 0 is out of bounds; use a number that is above 0 and at most 1000000",
        ),
        (
            "tokens: {word: {lower_case: 'true'}}",
            "tokens.word.lower_case: 'true' is neither true nor false; "
            "write true or false, without quotes; yes and no are text",
        ),
        (
            "layer_norm: yes",
            "layer_norm: 'yes' is neither true nor false; write true or false, without quotes; yes and no are text",
        ),
        (
            "clipping: {norm: 2}",
            "clipping.norm: 2 is not a mapping of parameters; write norm: {threshold: 2}",
        ),
        (
            "resampling: [none, {mlsmote: 20}]",
            "resampling[1].mlsmote: 20 is not a mapping of parameters; write mlsmote: {neighbours: 20}",
        ),
        (
            "clipping: {norm: high}",
            "clipping.norm: 'high' is not a mapping of parameters; write {norm: {threshold: …}}",
        ),
        (
            "resampling: {balanced_batches: 3}",
            "resampling.balanced_batches: 3 is not a mapping of parameters; it has no parameters: write balanced_batches",
        ),
        (
            "resampling: []",
            "resampling: an empty list has nothing to choose from; list options: none, oversample, undersample, "
            "balanced_batches, label_set_oversample, label_set_undersample, ml_ros, ml_rus, mlsmote",
        ),
    ],
)
def test_a_fault_in_a_domain_names_line_key_value_and_remedy(tmp_path: Path, written: str, fault: str) -> None:
    assert faults(tmp_path, f"{HEAD}space:\n  {written}\n") == [f"x.yaml:5: space.{fault}"]


@pytest.mark.parametrize(
    ("layers", "domain"),
    [
        ("2", Fixed(0.5)),
        ("[2, 3]", Fixed(0.5)),
        ("[1, 2]", Conditional(Need(name="layers", least=2), Fixed(0.5))),
        ("{low: 1, high: 4}", Conditional(Need(name="layers", least=2), Fixed(0.5))),
    ],
)
def test_a_parameter_with_a_condition_applies_only_if_it_is_met(tmp_path: Path, layers: str, domain: object) -> None:
    assert load(tmp_path, f"layers: {layers}\nlayer_dropout: 0.5").parameters["layer_dropout"] == domain


def test_a_parameter_that_can_never_apply_is_left_out(tmp_path: Path) -> None:
    assert "layer_dropout" not in load(tmp_path, "layers: 1").parameters


def test_giving_a_parameter_that_can_never_apply_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, f"{HEAD}space:\n  layers: 1\n  layer_dropout: [0.1, 0.5]\n") == [
        "x.yaml:6: space.layer_dropout: has no effect, because layers is never 2 or more; remove it, or allow layers: 2"
    ]


@pytest.mark.parametrize("tokens", ["bpe", "[word, bpe]", "[{word: {forms: stem}}, bpe]"])
def test_vectors_of_words_for_other_tokens_are_a_fault(tmp_path: Path, tokens: str) -> None:
    text = f"{HEAD}space:\n  tokens: {tokens}\n  embedding: [random, {{file: {{path: glove.txt}}}}]\n"
    assert faults(tmp_path, text) == [
        "x.yaml:6: space.embedding: a file has vectors for words, but tokens may be bpe; "
        "use tokens: word, or embedding: word2vec, which learns vectors from the texts"
    ]


@pytest.mark.parametrize(
    ("task", "written", "fault"),
    [
        (
            "multilabel",
            "resampling: [none, {smote: {neighbours: 3}}]",
            "resampling[1]: smote needs one label per row, but task multilabel has several; "
            "use oversample, undersample, balanced_batches, label_set_oversample, label_set_undersample, ml_ros, ml_rus "
            "or mlsmote",
        ),
        (
            "binary",
            "resampling: ml_ros",
            "resampling: ml_ros is for rows with several labels, but task binary has one; "
            "use oversample, undersample or smote",
        ),
        (
            "multiclass",
            "loss: asymmetric",
            "loss: asymmetric is for rows with several labels, but task multiclass has one; use focal",
        ),
    ],
)
def test_an_option_that_the_task_cannot_use_is_a_fault(tmp_path: Path, task: str, written: str, fault: str) -> None:
    label = "labels" if task == "multilabel" else "label"
    text = f"task: {task}\ndata: {{train: a, {label}: l}}\nsearch: {{time: 5m}}\nspace:\n  {written}\n"
    assert faults(tmp_path, text) == [f"x.yaml:5: space.{fault}"]


def test_weights_and_resampling_go_together(tmp_path: Path) -> None:
    parameters = load(tmp_path, "loss_weights: balanced\nresampling: oversample").parameters
    assert parameters["loss_weights"] == OptionChoice((("balanced", {}),))
