"""One contract for every option that a space can name: its builder is there, and it trains for every task it is for."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tuner.data.trial_data import TrialData, prepare
from tuner.errors import SpaceError
from tuner.imbalance.loss import cross_entropy
from tuner.imbalance.training_pass import Pass, TrainingRows, one_stratum
from tuner.model.pooling import Pooling, is_real
from tuner.samplers.base import make_sampler
from tuner.samplers.random import RandomSampler
from tuner.space.build import builder_of, declared_options
from tuner.space.configuration import Configuration, check_configuration
from tuner.space.describe import describe_settings
from tuner.space.domains import Domain
from tuner.space.load import read_space
from tuner.space.options import Option, Options, integer, positive, real, share
from tuner.space.parameters import PARAMETERS
from tuner.space.schema import json_schema
from tuner.space.search_settings import ALGORITHMS
from tuner.training.clipping import clip_by_norm
from tuner.training.schedules import Schedule
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

OTHER_OPTIONS = {"embedding", "truncation", "precision"}  # words that are read where they are used, without a builder
WITH_OPTIONS = {
    name for each in PARAMETERS.values() for name, parameter in each.items() if isinstance(parameter, Options)
}
REGISTRIES = sorted(WITH_OPTIONS - OTHER_OPTIONS)
TASKS = ("binary", "multiclass", "multilabel")
NEW_NUMBERS: Mapping[str, Mapping[str, float | bool]] = {
    "text": {"token_dropout": 0.2, "token_swap": 0.2, "token_replacement": 0.2, "embedding_dropout": 0.2},
    "sequence": {"noise": 0.2, "scaling": 0.2, "smoothing": 0.5, "time_masking": 0.3},
    "both": {
        "mixup": 0.4,
        "soft_f1": 0.5,
        "logit_adjustment": 1.0,
        "l1": 1e-4,
        "accumulation": 3,
        "layer_norm": True,
        "variational_dropout": True,
        "weight_dropout": 0.3,
        "dropout": 0.5,
        "layers": 2,
        "directions": 1,
    },
}
SETTINGS = TrialSettings(max_epochs=2, reports_per_epoch=1, penalty_weight=1.0)


ENTRIES = [(name, entry) for name in REGISTRIES for entry in declared_options(name)]
CASES = [
    pytest.param(name, entry, task, inputs, id=f"{name}-{entry}-{task}-{inputs}")
    for name, entry in ENTRIES
    for inputs in ("text", "sequence")
    if not (name == "tokens" and inputs == "sequence")
    for task in declared_options(name)[entry].tasks
]
NUMBERS = [
    pytest.param(name, value, inputs, id=f"{name}-{inputs}")
    for kind, numbers in NEW_NUMBERS.items()
    for inputs in ("text", "sequence")
    if kind in (inputs, "both")
    for name, value in numbers.items()
]


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_an_entry_takes_by_keyword_what_its_option_has_of_its_own(name: str, entry: str) -> None:
    option = declared_options(name)[entry]
    taken = inspect.signature(builder_of(name, entry)).parameters.values()
    if option.each is not None:
        assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
        return
    # Each trial cuts the vocabulary for itself, see tuner.data.preparation.
    only_cut = {"vocabulary", "min_count"} if name == "tokens" else set()
    own = {parameter.name for parameter in taken if parameter.kind is parameter.KEYWORD_ONLY}
    assert own == set(option.parameters) - only_cut


def test_every_option_names_a_builder_but_those_that_are_only_words() -> None:
    without = {name for name in WITH_OPTIONS for each in declared_options(name).values() if not each.builder}
    assert without == OTHER_OPTIONS


@pytest.mark.parametrize(("name", "entry", "task", "inputs"), CASES)
def test_an_entry_trains_to_finite_numbers_and_the_same_twice_but_not_with_another_seed(
    name: str, entry: str, task: str, inputs: str, configure: Any, make_dataset: Any, prepare_for: Any
) -> None:
    small = {"tokens.bpe.size": 120, "tokens.wordpiece.size": 120, "resampling.fixed_number.rows": 20}
    own = {key: value for key, value in small.items() if key.startswith(f"{name}.{entry}.")}
    configuration = configure(own, inputs=inputs, **{name: entry})
    check(configuration, prepare_for(make_dataset(task, inputs=inputs), configuration))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("name", "value", "inputs"), NUMBERS)
def test_a_number_trains_to_finite_numbers_and_the_same_twice_but_not_with_another_seed(
    name: str, value: float, inputs: str, task: str, configure: Any, make_dataset: Any, prepare_for: Any
) -> None:
    configuration = configure(inputs=inputs, **{name: value})
    check(configuration, prepare_for(make_dataset(task, inputs=inputs), configuration))


@pytest.mark.parametrize("is_tuned", [True, False])
def test_trained_vectors_train_further_only_if_they_are_tuned(
    is_tuned: bool, configure: Any, make_dataset: Any, prepare_for: Any
) -> None:
    configuration = configure({"embedding.word2vec.is_tuned": is_tuned}, embedding="word2vec")
    data = prepare_for(make_dataset("multilabel"), configuration)
    trial = Trial(configuration, data, SETTINGS, seed=5)
    before = trial.model.embedding.weight.detach().clone()
    measurement = trial.next_measurement()
    assert measurement.vocabulary_found == 1.0
    assert torch.equal(trial.model.embedding.weight.detach(), before) is not is_tuned


def check(configuration: Configuration, data: TrialData) -> None:
    """Train twice with one seed and once with another. Check that a trial does not change its data."""
    untouched = pickle.dumps(data)
    first, again, other = (train(configuration, data, seed) for seed in (5, 5, 6))
    assert [key for key in first if not torch.equal(first[key], again[key])] == []
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert pickle.dumps(data) == untouched


def train(configuration: Configuration, data: TrialData, seed: int) -> dict[str, torch.Tensor]:
    """Train for an epoch, and return the weights."""
    trial = Trial(configuration, data, replace(SETTINGS), seed=seed)
    before = {key: value.clone() for key, value in trial.model.state_dict().items()}
    measurement = trial.next_measurement()
    assert measurement.diverged_at_step is None
    assert 0 < measurement.gradient_norm < np.inf
    after = {key: value.clone() for key, value in trial.model.state_dict().items()}
    assert all(torch.isfinite(value).all() for value in after.values())
    assert [key for key in after if torch.equal(before[key], after[key])] == []  # each part of the model learns
    return after


# --- adding an option: a function or class, and one declaration -------------------------------------------------------


class LargestSteps(Pooling):
    """The mean of the `k` largest values of each feature."""

    def __init__(self, features: int, directions: int, *, k: int) -> None:
        super().__init__(features, directions)
        self.k = k

    def forward(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        real = is_real(outputs, lengths).unsqueeze(-1)
        largest = outputs.masked_fill(~real, -1.0).topk(min(self.k, outputs.shape[1]), dim=1)
        return largest.values.mean(1)


def biased_gru(inputs: int, hidden: int, initialise: Any, *, bias: float) -> nn.RNNBase:
    cell = nn.GRU(inputs, hidden, batch_first=True)
    initialise(cell)
    with torch.no_grad():
        cell.get_parameter("bias_ih_l0").add_(bias)
    return cell


def scaled_weights(*, scale: float) -> Any:
    @torch.no_grad()
    def initialise(cell: nn.RNNBase) -> None:
        for parameter in cell.parameters():
            parameter.mul_(scale)

    return initialise


def powered_loss(*, power: float) -> Any:
    return lambda logits, targets, weights: cross_entropy()(logits, targets, weights) ** power


def powered_rarity(*, power: float) -> Any:
    return lambda counts: (counts.rows / np.maximum(counts.counts, 1)) ** power


def first_rows(*, share: float) -> Any:
    return lambda data, _generator: one_stratum(np.arange(round(share * len(data))))


def near_the_middle(*, share: float) -> Any:
    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        assert data.vectors is not None
        distances = np.linalg.norm(data.vectors - data.vectors.mean(0), axis=1)
        return one_stratum(distances.argsort()[: round(share * len(data))])

    return draw


def clip_softly(*, limit: float) -> Any:
    return clip_by_norm(threshold=2 * limit)


def slow_sgd(*, slowness: float) -> Any:
    return lambda parameters, learning_rate: torch.optim.SGD(parameters, lr=learning_rate / slowness)


def powered_schedule(*, power: float) -> Schedule:
    class Powered(Schedule):
        def factor(self, spent: float) -> float:
            return (1 - spent) ** power

    return Powered()


def late_average(*, after: float) -> Any:
    return lambda _steps, _updates, spent, _between: 0.5 if spent >= after else 0.0


def characters_again(texts: Any, *, letters: int) -> Any:
    """Tokenise by characters; the parameter only has to arrive."""
    tokeniser = builder_of("tokens", "character")(texts, lower_case=letters > 3)
    assert letters == 4
    return tokeniser


class Repeated:
    """Proposes the same configuration forever."""

    def __init__(self, parameters: Mapping[str, Domain], *, seed: int) -> None:
        self._configuration = RandomSampler(parameters, seed=seed).ask(0)

    def ask(self, _index: int, _attempt: int = 0) -> Configuration:
        return self._configuration

    def tell(self, *_: Any, **__: Any) -> None:
        pass

    replay = tell


HERE = __name__
NEW_OPTIONS = {
    "pooling": (LargestSteps, {"k": integer(3, 1, 9, "Steps to average.")}, {}),
    "cell": (biased_gru, {"bias": real(0.5, "What to add.")}, {}),
    "initialisation": (scaled_weights, {"scale": real(0.5, "What to multiply with.")}, {}),
    "loss": (powered_loss, {"power": real(2.0, "The power.")}, {}),
    "loss_weights": (powered_rarity, {"power": real(0.3, "The power.")}, {}),
    "resampling": (first_rows, {"share": share(0.5, "Share to read.")}, {}),
    "resampling on vectors": (near_the_middle, {"share": share(0.5, "Share to read.")}, {"needs_vectors": True}),
    "clipping": (clip_softly, {"limit": positive(0.5, "The limit.")}, {}),
    "optimiser": (slow_sgd, {"slowness": positive(2.0, "What to divide by.")}, {}),
    "schedule": (powered_schedule, {"power": positive(2.0, "The power.")}, {}),
    "averaging": (late_average, {"after": share(0.1, "Share of the budget.")}, {}),
    "tokens": (characters_again, {"letters": integer(4, 1, 9, "Letters of a word.", is_listed=True)}, {}),
}
"""For each registry: what is added, its own parameters, and what else its declaration says."""

SPACE = """
task: multilabel
data: {train: rows.csv, labels: labels}
search: {trials: 1, algorithm: random}
space: {hidden: 5, batch_size: 16, embedding: {random: {size: 6}}, tokens: {word: {min_count: 1}}, NAME: {added: {OWN: [VALUE]}}}
"""


def test_every_registry_has_an_entry_added_here() -> None:
    assert {name.partition(" ")[0] for name in NEW_OPTIONS} == set(REGISTRIES)


@pytest.mark.parametrize("added", NEW_OPTIONS)
def test_an_option_is_added_by_a_builder_and_one_declaration(
    added: str, monkeypatch: pytest.MonkeyPatch, make_dataset: Any
) -> None:
    name = added.partition(" ")[0]
    builder, parameters, more = NEW_OPTIONS[added]
    declared = Option(builder=f"{HERE}:{builder.__name__}", summary="What is new.", parameters=parameters, **more)
    monkeypatch.setitem(declared_options(name), "added", declared)  # type: ignore[arg-type]
    ((own, number),) = parameters.items()
    text = SPACE.replace(", tokens: {word: {min_count: 1}}", "") if name == "tokens" else SPACE
    text = text.replace("NAME", name).replace("OWN", own).replace("VALUE", f"{number.default:g}")
    space = read_space(text)
    configuration = make_sampler(space).ask(0)
    check_configuration(configuration, "text")
    assert (configuration[name], configuration[f"{name}.added.{own}"]) == ("added", number.default)
    rows = [row["setting"] for row in describe_settings()]
    assert rows[rows.index(f"space.{name}.added") + 1] == f"space.{name}.added.{own}"
    assert own in json_schema()["$defs"][f"text.{name}"]["anyOf"][1]["properties"]["added"]["properties"]
    with pytest.raises(SpaceError, match=r"out of bounds"):
        read_space(text, [f"space.{name}.added.{own}=-1"])
    train(configuration, prepare(make_dataset("multilabel"), space.parameters), seed=5)


def test_a_sampler_is_added_by_a_class_and_one_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALGORITHMS, "added", f"{HERE}:Repeated")  # type: ignore[arg-type]
    space = read_space(
        SPACE.replace("algorithm: random", "algorithm: added").replace(
            "NAME: {added: {OWN: [VALUE]}}", "layers: [1, 2, 3]"
        )
    )
    sampler = make_sampler(space)
    asked = [sampler.ask(index) for index in range(4)]
    assert {each["layers"] for each in asked[:3]} == {1, 2, 3}  # none is tried twice before all are tried
    assert asked[3] == asked[0]
    check_configuration(asked[0], "text")
    assert json_schema()["properties"]["search"]["properties"]["algorithm"]["enum"] == list(ALGORITHMS)
