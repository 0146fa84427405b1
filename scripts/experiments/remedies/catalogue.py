"""Every remedy that tuner offers: one change each to a base configuration, written as in a space file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Tree = Mapping[str, Any]

BASE = "the base itself"
AGAIN = "the base with other seeds"
RAREST = "<the rarest label>"  # placeholder in a change for a label that only the data can name
VECTORS = "<the file of vectors>"  # placeholder in a change for the file that --vectors names


@dataclass(frozen=True)
class Remedy:
    """One change to the base. `name` is the same on every set, so that it can be one line of the table."""

    group: str
    name: str
    change: Tree


def remedies_for(inputs: str, base: Tree) -> list[Remedy]:
    """Return every remedy for inputs "text" or "sequence", given a complete or partial base in the form of a space file.

    This includes remedies that the base already has, and those that make no sense for the task, which a space refuses.
    """
    remedies = [*(_TEXT if inputs == "text" else _SEQUENCE), *_ARCHITECTURE, *_LOSS, *_resampling(), *_OPTIMISATION]
    remedies += _learning_rates(float(base.get("learning_rate", 0.002)))
    return sorted(remedies, key=lambda remedy: GROUPS.index(remedy.group))


def describe(change: Tree) -> str:
    """Describe a change in words: {"resampling": {"smote": {"ratio": 0.5}}} is "resampling: smote (ratio 0.5)"."""
    return ", ".join(f"{name}: {_describe_value(value)}" for name, value in change.items())


def _describe_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, Mapping):
        return str(value)
    ((option, parameters),) = value.items()
    listed = ", ".join(f"{name} {_describe_value(each)}" for name, each in (parameters or {}).items())
    return f"{option} ({listed})" if listed else str(option)


GROUPS = (
    "Text preparation",
    "Embeddings",
    "Architecture",
    "Regularisation",
    "Augmentation",
    "Loss",
    "Loss weights",
    "Resampling, in place of loss weights",
    "Resampling beside loss weights: a double correction",
    "Optimisation",
)
(
    _PREPARATION,
    _EMBEDDINGS,
    _NETWORK,
    _REGULARISATION,
    _AUGMENTATION,
    _LOSSES,
    _WEIGHTS,
    _RESAMPLING,
    _DOUBLE,
    _TRAINING,
) = GROUPS


def _each(group: str, *changes: Tree) -> list[Remedy]:
    return [Remedy(group, describe(change), change) for change in changes]


def _values(group: str, name: str, *values: Any) -> list[Remedy]:
    return _each(group, *({name: value} for value in values))


def _word(**parameters: Any) -> Tree:
    return {"tokens": {"word": parameters}}


_TEXT = [
    *_each(
        _PREPARATION,
        _word(lower_case=False),
        _word(punctuation=False),
        _word(stop_words=False),
        _word(forms="stem"),
        _word(forms="lemma"),
        _word(vocabulary=2000),
        _word(min_count=1),
        _word(min_count=2),
        _word(min_count=5),
        {"tokens": {"bpe": {"size": 2000}}},
        {"tokens": {"bpe": {"size": 8000}}},
        {"tokens": {"wordpiece": {"size": 2000}}},
        {"tokens": {"wordpiece": {"size": 8000}}},
        {"tokens": "character", "max_length": 200},
        {"max_length": 8},
        {"max_length": 8, "truncation": "start"},
        {"max_length": 16},
    ),
    *_each(
        _EMBEDDINGS,
        *({"embedding": {"random": {"size": size}}} for size in (32, 64, 128, 300)),
        *({"embedding": {"random": {"scale": scale}}} for scale in (0.03, 0.1, 0.3, 1.0)),
        {"embedding": {"word2vec": {"size": 128}}},
        {"embedding": {"word2vec": {"size": 128, "is_tuned": False}}},
        {"embedding": {"word2vec": {"size": 300}}},
        {"embedding": {"word2vec": {"size": 300, "is_tuned": False}}},
    ),
    Remedy(_EMBEDDINGS, "embedding: file", {"embedding": {"file": {"path": VECTORS}}}),
    Remedy(_EMBEDDINGS, "embedding: file (is_tuned no)", {"embedding": {"file": {"path": VECTORS, "is_tuned": False}}}),
    *_values(_REGULARISATION, "embedding_dropout", 0.0, 0.15, 0.3, 0.5),
    *_each(_REGULARISATION, {"embedding_dropout": 0.3, "variational_dropout": True}),
    *_values(_AUGMENTATION, "token_dropout", 0.05, 0.15),
    *_values(_AUGMENTATION, "token_swap", 0.05, 0.15),
    *_values(_AUGMENTATION, "token_replacement", 0.05, 0.15),
]

_SEQUENCE = [
    *_each(_PREPARATION, {"max_length": 8}, {"max_length": 8, "truncation": "start"}, {"max_length": 16}),
    *_values(_AUGMENTATION, "noise", 0.1, 0.3),
    *_values(_AUGMENTATION, "scaling", 0.1, 0.3),
    *_values(_AUGMENTATION, "smoothing", 0.25, 0.5),
    *_values(_AUGMENTATION, "time_masking", 0.2, 0.4),
]

_ARCHITECTURE = [
    *_each(
        _NETWORK,
        {"cell": "gru"},
        {"cell": {"lstm": {"forget_bias": 1.0}}},
        {"initialisation": "xavier_orthogonal"},
        {"initialisation": "xavier_orthogonal", "cell": {"lstm": {"forget_bias": 1.0}}},
        *({"hidden": hidden} for hidden in (32, 64, 128, 256)),
        *({"layers": layers} for layers in (1, 2, 3, 4)),
        {"directions": 1},
        *({"pooling": pooling} for pooling in ("last", "mean", "max", "concatenation", "attention")),
        {"pooling": {"self_attention": {"heads": 1}}},
        {"pooling": {"self_attention": {"heads": 4}}},
        {"layer_norm": True},
    ),
    *_values(_REGULARISATION, "dropout", 0.0, 0.3, 0.5, 0.7),
    *_each(
        _REGULARISATION,
        {"layers": 2, "layer_dropout": 0.0},
        {"layers": 2, "layer_dropout": 0.5},
        {"layers": 2, "variational_dropout": True},
        {"weight_dropout": 0.2},
        {"weight_dropout": 0.5},
        {"l1": 1e-6},
        {"l1": 1e-5},
        *({"optimiser": {"adamw": {"weight_decay": decay}}} for decay in (0.0, 0.01, 0.1, 1.0)),
        {"averaging": {"ema": {"decay": 0.9}}},
        {"averaging": {"ema": {"decay": 0.998}}},
        {"averaging": {"swa": {"start": 0.5}}},
    ),
    *_values(_AUGMENTATION, "mixup", 0.2, 1.0),
]

_LOSS = [
    *_each(
        _LOSSES,
        {"loss": {"cross_entropy": {"label_smoothing": 0.05}}},
        {"loss": {"cross_entropy": {"label_smoothing": 0.1}}},
        {"loss": {"focal": {"gamma": 1.0}}},
        {"loss": {"focal": {"gamma": 2.0}}},
        {"loss": "asymmetric"},
        {"loss": {"asymmetric": {"gamma_negative": 2.0, "margin": 0.0}}},
        {"soft_f1": 0.25},
        {"soft_f1": 0.75},
        {"logit_adjustment": 0.5},
        {"logit_adjustment": 1.0},
        {"loss_weights": "none", "logit_adjustment": 1.0},
        {"loss_weights": "none", "loss": {"cross_entropy": {"label_smoothing": 0.05}}},
    ),
    *_each(
        _WEIGHTS,
        *({"loss_weights": weights} for weights in ("none", "root", "balanced")),
        {"loss_weights": {"effective_number": {"beta": 0.99}}},
        {"loss_weights": {"effective_number": {"beta": 0.999}}},
    ),
    Remedy(_WEIGHTS, "loss_weights: explicit, 3 for the rarest label", {"loss_weights": {"explicit": {RAREST: 3.0}}}),
]

_RULES: tuple[str | Tree, ...] = (
    {"oversample": {"ratio": 0.5}},
    {"oversample": {"ratio": 1.0}},
    {"undersample": {"ratio": 0.5}},
    {"undersample": {"ratio": 1.0}},
    "balanced_batches",
    {"fixed_number": {"rows": 100}},
    {"fixed_number": {"rows": 500}},
    *({"near_miss": {"version": version}} for version in (1, 2, 3)),
    "tomek_links",
    "edited_nearest_neighbours",
    *({rule: {"ratio": 0.5}} for rule in ("smote", "borderline_smote", "adasyn", "smote_enn", "smote_tomek")),
    {"smote": {"ratio": 1.0}},
    {"label_set_oversample": {"ratio": 0.25}},
    "label_set_undersample",
    "ml_ros",
    "ml_rus",
    "mlsmote",
    {"mlsmote": {"neighbours": 1}},
)


def _resampling() -> list[Remedy]:
    in_place = [
        Remedy(_RESAMPLING, describe({"resampling": rule}), {"resampling": rule, "loss_weights": "none"})
        for rule in _RULES
    ]
    beside: list[str | Tree] = [{"oversample": {"ratio": 0.5}}, "balanced_batches"]
    return [*in_place, *_each(_DOUBLE, *({"resampling": rule, "loss_weights": "balanced"} for rule in beside))]


_OPTIMISATION = [
    *_each(
        _TRAINING,
        *({"optimiser": optimiser} for optimiser in ("adam", "adamw", "nadam")),
        *(
            {"schedule": schedule}
            for schedule in ("constant", "warm_up", "linear", "step", "cosine", "one_cycle", "plateau")
        ),
        {"schedule": {"cosine": {"warm_up": 0.1}}},
        {"clipping": "none"},
        *({"clipping": {"norm": {"threshold": threshold}}} for threshold in (0.25, 1.0, 5.0)),
        {"clipping": {"value": {"threshold": 0.1}}},
        {"clipping": {"quantile": {"quantile": 0.1}}},
        {"clipping": {"quantile": {"quantile": 0.5}}},
        *({"batch_size": rows} for rows in (16, 32, 64, 128, 256)),
        {"accumulation": 4},
        {"precision": "float32"},
        {"precision": "bfloat16"},
    ),
]


def _learning_rates(rate: float) -> list[Remedy]:
    """Return rates named by their ratio to the base's rate, so that one line of the table fits every set."""
    words_of = {1 / 10: "a tenth of the base's", 1 / 3: "a third of the base's", 3.0: "three times the base's"}
    words_of[10.0] = "ten times the base's"
    remedies = [
        Remedy(_TRAINING, f"learning_rate: {words}", {"learning_rate": float(f"{factor * rate:.3g}")})
        for factor, words in words_of.items()
    ]
    # Plain descent needs far larger steps than Adam's, RMSprop somewhat smaller ones.
    for factor, optimiser, words in (
        (30, "sgd", "rate 30 times the base's"),
        (100, "sgd", "rate 100 times the base's"),
        (0.5, {"rmsprop": {"momentum": 0.0}}, "rate half the base's"),
    ):
        change = {"optimiser": optimiser, "learning_rate": min(float(f"{factor * rate:.3g}"), 10.0)}
        remedies.append(Remedy(_TRAINING, f"{describe({'optimiser': optimiser})}, {words}", change))
    return remedies
