"""The members of committees as models: rebuilt from their stored weights, and what they answer for rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline
from tuner.bundle.member_files import restore_model
from tuner.bundle.members import LinearMember, LstmMember, Member, share_preparations
from tuner.data.dataset import Dataset, RowInputs
from tuner.data.encoded import Encoded
from tuner.data.preparation import Preparation, PreparationSetting, fit_preparation, preparation_setting
from tuner.data.tokenisers import Tokeniser
from tuner.data.trial_data import input_source
from tuner.ledger.run_directory import Ledger, weights_name
from tuner.scoring.committee import mean_probabilities
from tuner.search.committee_choice import Chosen


class MemberModels:
    """Members rebuilt as models. Those whose rows can be encoded alike share a preparation."""

    def __init__(self, members: Sequence[Chosen], dataset: Dataset, ledger: Ledger) -> None:
        self._ledger, self._inputs_for = ledger, input_source(dataset)
        self._preparations: dict[PreparationSetting, Preparation] = {}
        built = share_preparations([self._build(each) for each in members])
        self._members = {each.key: member for each, member in zip(members, built, strict=True)}

    def of(self, chosen: Chosen) -> Member:
        """Return the model of a member, with its weight."""
        return replace(self._members[chosen.key], weight=chosen.weight)

    def _build(self, chosen: Chosen) -> Member:
        if isinstance(chosen.model, Baseline):
            assert chosen.model.model is not None
            return LinearMember(chosen.weight, chosen.model.name, chosen.model.model)
        order = chosen.model.trial.order
        setting = preparation_setting(order.configuration)
        if setting not in self._preparations:
            self._preparations[setting] = fit_preparation(setting, self._inputs_for(setting)[0])
        preparation = self._preparations[setting]
        weights = self._ledger.folder.read(weights_name(order.index))
        network = restore_model(weights, order.configuration, preparation)
        if isinstance(preparation, Tokeniser) and network.embedding is not None:
            preparation = preparation.cut(network.embedding.num_embeddings)
        return LstmMember(chosen.weight, order.index, order.configuration, network, preparation)


class Answers:
    """What members answer for the rows of one split. Each member reads them once, however many committees it is in."""

    def __init__(self, models: MemberModels, inputs: RowInputs, dataset: Dataset) -> None:
        self._models, self._inputs, self._dataset = models, inputs, dataset
        self._encoded: dict[int, tuple[Encoded, float]] = {}  # and the seconds, by preparation
        self._answers: dict[int | str, tuple[NDArray[np.float64], float]] = {}

    def mean(self, members: Sequence[Chosen]) -> NDArray[np.float64]:
        """Return the mean probabilities of members, (rows, labels), as their bundle computes them."""
        return mean_probabilities((each.weight, self._of(each)[0]) for each in members)

    def seconds_per_1000_rows(self, members: Sequence[Chosen]) -> float:
        """Return how long a prediction by these members takes, as it took for these rows."""
        built = [self._models.of(each) for each in members]
        preparations = {id(each.preparation) for each in built if isinstance(each, LstmMember)}
        seconds = sum(self._of(each)[1] for each in members) + sum(self._encoded[each][1] for each in preparations)
        return 1000 * seconds / len(self._inputs)

    def _of(self, chosen: Chosen) -> tuple[NDArray[np.float64], float]:
        if chosen.key not in self._answers:
            member = self._models.of(chosen)
            encoded = self._encode(member.preparation) if isinstance(member, LstmMember) else None
            begun = time.perf_counter()
            if isinstance(member, LinearMember):
                probabilities = member.probabilities(self._inputs)
            else:
                assert encoded is not None
                probabilities = member.probabilities(encoded, self._dataset.task, seen=self._dataset.seen)
            self._answers[chosen.key] = probabilities, time.perf_counter() - begun
        return self._answers[chosen.key]

    def _encode(self, preparation: Preparation) -> Encoded:
        if id(preparation) not in self._encoded:
            begun = time.perf_counter()
            encoded = preparation.encode(self._inputs)
            self._encoded[id(preparation)] = encoded, time.perf_counter() - begun
        return self._encoded[id(preparation)][0]
