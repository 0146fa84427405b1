"""Messages for an unknown parameter or option: where it belongs, its name in tuner, or why tuner does not have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tuner.errors import did_you_mean, letters_of
from tuner.space.assignment import Write
from tuner.space.document import Key, Remedy, dotted
from tuner.space.options import Number, Option, Options, Parameter
from tuner.space.parameters import PARAMETERS
from tuner.space.sections import SECTIONS, where_known
from tuner.space.task import Inputs, Task

_LOGITS = ("every loss works on logits, and probabilities are computed from logits afterwards", "remove it")
_PADDING = ("padding is never read, with any cell and pooling", "remove it")

# Names from other libraries and papers, each with the fault and the remedy.
_FOREIGN: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("activation", "output_activation", "final_activation", "sigmoid", "softmax"), _LOGITS),
    **dict.fromkeys(("padding", "pad", "pack", "packing", "packed", "mask", "masking", "mask_zero"), _PADDING),
    **{
        name: ("has another name here", f"write {remedy}")
        for names, remedy in (
            (("lr", "eta"), "learning_rate: …"),
            (("bidirectional",), "directions: 2"),
            (("units", "hidden_size", "hidden_dim", "hidden_units", "lstm_units", "rnn_units"), "hidden: …"),
            (("num_layers", "n_layers", "depth"), "layers: …"),
            (("model", "rnn", "rnn_type"), "cell: lstm, or cell: gru"),
            (("embedding_size", "embedding_dim", "embed_dim", "emb_dim"), "embedding: {random: {size: …}}"),
            (("embedding_scale",), "embedding: {random: {scale: …}}"),
            (("vocab", "vocab_size", "max_words", "num_words", "max_features"), "tokens: {word: {vocabulary: …}}"),
            (("stemming", "stemmer", "lemmatize", "lemmatization"), "tokens: {word: {forms: stem}}, or forms: lemma"),
            (("recurrent_dropout",), "weight_dropout: …, or variational_dropout: true"),
            (("spatial_dropout",), "embedding_dropout: … with variational_dropout: true"),
            (("return_sequences", "attention", "pool"), "pooling: …, for example pooling: attention"),
            (("class_weight", "class_weights", "sample_weight", "pos_weight", "weights"), "loss_weights: …"),
            (("sampler", "sampling", "imbalance"), "resampling: …"),
            (
                ("gradient_clipping", "grad_clip", "clipnorm", "clipvalue", "max_norm"),
                "clipping: {norm: {threshold: …}}",
            ),
            (("gradient_accumulation", "accumulation_steps"), "accumulation: …"),
            (("warmup", "warmup_steps"), "schedule: {linear: {warm_up: …}}, a share of the budget"),
            (("lr_schedule", "lr_scheduler", "scheduler"), "schedule: …"),
            (("init", "initializer", "kernel_initializer", "recurrent_initializer"), "initialisation: …"),
            (("criterion", "loss_fn", "loss_function"), "loss: …"),
            (("max_len", "maxlen", "sequence_length"), "max_length: …"),
            (("epochs", "num_epochs", "n_epochs"), "max_epochs in the section search"),
            (("early_stopping",), "patience in the section search"),
            (("cv", "kfold", "k_folds", "n_splits"), "folds in the section data"),
        )
        for name in names
    },
}

# The same for names of options, by their letters.
_FOREIGN_OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("bce", "ce", "bcewithlogits", "bcewithlogitsloss", "binarycrossentropy", "categoricalcrossentropy"),
        "cross_entropy",
    ),
    "asl": "asymmetric",
    **dict.fromkeys(("bilstm", "blstm"), "lstm, with directions: 2"),
    **dict.fromkeys(("bigru",), "gru, with directions: 2"),
    **dict.fromkeys(("glove", "fasttext", "pretrained"), "{file: {path: …}}"),
    **dict.fromkeys(("sqrt", "squareroot"), "root"),
    **dict.fromkeys(("inverse", "inversefrequency"), "balanced"),
    **dict.fromkeys(("ros", "randomoversampler"), "oversample"),
    **dict.fromkeys(("rus", "randomundersampler"), "undersample"),
    "enn": "edited_nearest_neighbours",
}

# Samplers of imbalanced-learn that tuner lacks, by their letters, with the most similar one that it has.
_NOT_HERE: Mapping[str, str] = {
    "allknn": "edited_nearest_neighbours",
    "clustercentroids": "undersample",
    "condensednearestneighbour": "near_miss",
    "instancehardnessthreshold": "edited_nearest_neighbours",
    "kmeanssmote": "smote",
    "neighbourhoodcleaningrule": "edited_nearest_neighbours",
    "onesidedselection": "tomek_links",
    "repeatededitednearestneighbours": "edited_nearest_neighbours",
    "smoten": "smote",
    "smotenc": "smote",
    "svmsmote": "borderline_smote",
}


def unknown_parameter(name: str, known: Mapping[str, Parameter], key: Key, inputs: Inputs) -> tuple[str, str]:
    """Return the fault and the remedy for an unknown parameter in the mapping at `key`."""
    is_top = len(key) == 1
    if is_top and any(name in parameters for parameters in PARAMETERS.values()):
        return _of_other_inputs(name, inputs)
    if name in _FOREIGN:
        what, remedy = _FOREIGN[name]
        return f"{name!r} {what}" if what.startswith("has ") else f"no parameter {name!r}: {what}", remedy
    holder = "space" if is_top else str(key[-1])
    owners = list(_owners(name, PARAMETERS[inputs], ("space",)))
    if owners:
        remedy = _at_home(owners, name)
        is_setting = is_top and any(name in model.model_fields for model in SECTIONS.values())
        also = f"; otherwise, {where_known(name, known)}" if is_setting else ""
        return f"{holder} has no parameter {name!r}", remedy + also
    parent = next(_parents(name, PARAMETERS[inputs], ("space",)), None) if is_top else None
    if parent is not None:
        return (
            f"{name!r} is not a parameter, but an option of {parent[-1]}",
            f"write {_nested(parent[:-1], parent[-1], name)}",
        )
    if is_top:
        return f"unknown parameter {name!r}", where_known(name, known)
    return f"unknown parameter {name!r}", did_you_mean(
        name, known
    ) if known else f"{holder} has no parameters: remove it"


def unknown_option(name: str, at: Key, holder: str, known: Sequence[str], inputs: Inputs) -> tuple[str, Remedy]:
    """Return the fault and the remedy for an option that `holder`, whose value is at `at`, does not have.

    `known` lists the options that the task may use.
    """
    letters = letters_of(name)
    own_name = _FOREIGN_OPTIONS.get(letters, "")
    if own_name in known:
        return f"{name!r} is not among the options", Write("write {}", (("", own_name),), at)
    if own_name.strip("{").replace(":", ",").partition(",")[0] in known:
        return f"{name!r} is not among the options", f"write {own_name}"
    if holder == "resampling" and letters in _NOT_HERE:
        nearest = _NOT_HERE[letters]
        remedy = f"use {nearest}, which is the most similar" if nearest in known else f"choose from {', '.join(known)}"
        return f"{name!r} is not available", remedy
    owners = list(_owners(name, PARAMETERS[inputs], ("space",)))
    if owners:
        return f"{name!r} is not an option of {holder}, but a parameter", _at_home(owners, name)
    return f"{name!r} is not among the options", did_you_mean(name, known)


def for_task(options: Mapping[str, Option], task: Task | None) -> list[str]:
    """Return the names of the options that a task may use; of all options if the task is unknown."""
    return [name for name, option in options.items() if task is None or task in option.tasks]


def not_an_option(shown: str, name: str, parameter: Options, task: Task | None) -> tuple[str, str]:
    """Return the fault and the remedy for a number, or a range of numbers, in place of an option's name."""
    numbers = [
        f"{name}: {{{option}: {{{number}: …}}}}"
        for option in for_task(parameter.options, task)
        for number, each in parameter.options[option].parameters.items()
        if isinstance(each, Number)
    ]
    options = f"choose from {', '.join(for_task(parameter.options, task))}"
    remedy = f"write {numbers[0]}, or {options}" if numbers else options
    return f"{shown} is given, but {name} takes the name of an option", remedy


def _of_other_inputs(name: str, inputs: Inputs) -> tuple[str, str]:
    if inputs == "sequence":
        return f"{name!r} is for texts, but the data are numeric sequences", "remove it"
    remedy = "remove it, or name the column of sequences with data: {sequence: COLUMN}"
    return f"{name!r} is for numeric sequences, but the data are texts", remedy


def _owners(name: str, parameters: Mapping[str, Parameter], key: Key) -> Iterator[Key]:
    """Yield the key of everything that has a parameter of that name: the space itself, or an option at any depth."""
    if name in parameters:
        yield key
    for parent, parameter in parameters.items():
        if isinstance(parameter, Options):
            for option, body in parameter.options.items():
                yield from _owners(name, body.parameters, (*key, parent, option))


def _at_home(owners: Sequence[Key], name: str) -> str:
    """Return a remedy for a parameter in the wrong place, from the keys of its owners."""
    if len(owners) == 1:
        return f"write {_nested(owners[0], name)}"
    return f"it belongs to {' and '.join(map(dotted, owners))}"


def _parents(option: str, parameters: Mapping[str, Parameter], key: Key) -> Iterator[Key]:
    """Yield the key of every parameter, at any depth, that has an option of that name."""
    for name, parameter in parameters.items():
        if isinstance(parameter, Options):
            if option in parameter.options:
                yield (*key, name)
            for each, body in parameter.options.items():
                yield from _parents(option, body.parameters, (*key, name, each))


def _nested(owner: Key, name: str | int, value: str = "…") -> str:
    """Return how a parameter is written: "tokens: {word: {vocabulary: …}}" for the owner (space, tokens, word)."""
    parts = [*owner[1:], name]
    return f"{': {'.join(map(str, parts))}: {value}{'}' * (len(parts) - 1)}"
