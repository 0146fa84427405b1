"""The members of a bundle as its files hold them: described in bundle.json, prepared by preparation.json, with their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuner.baselines.linear_model import FlatFeatures
from tuner.bundle.bundle_files import WEIGHTS, BundleFiles, MemberFiles, of_member
from tuner.bundle.bundle_json import LINEAR, LSTM
from tuner.bundle.linear_files import linear_preparation, linear_weights, restore_linear
from tuner.bundle.members import LinearMember, LstmMember, Member
from tuner.data.preparation import Preparation
from tuner.data.sequences import Standardiser
from tuner.data.terms import Terms
from tuner.model.classifier import SequenceClassifier
from tuner.model.weight_shapes import read_shapes
from tuner.model.weights import filled, fitting_model
from tuner.space.configuration import Configuration


def describe_members(members: Sequence[Member]) -> tuple[list[dict[str, Any]], bytes, bytes]:
    """Return the members for bundle.json, and the content of preparation.json and of the weights."""
    preparations = [
        linear_preparation(member.model) if isinstance(member, LinearMember) else member.preparation
        for member in members
    ]
    contents = [preparation.to_bytes() for preparation in preparations]
    distinct = list(dict.fromkeys(contents))
    described = [
        {**_describe(member), "preparation": distinct.index(content)}
        for member, content in zip(members, contents, strict=True)
    ]
    weights = {
        f"{number}.{name}": tensor for number, member in enumerate(members) for name, tensor in _weights(member).items()
    }
    return described, b"[%s]" % b",\n".join(distinct), safetensors.torch.save(weights)


def _describe(member: Member) -> dict[str, Any]:
    if isinstance(member, LinearMember):
        return {"kind": LINEAR, "weight": member.weight, "name": member.name, "always": member.model.always.tolist()}
    configuration = dict(member.configuration)
    return {"kind": LSTM, "weight": member.weight, "trial": member.trial, "configuration": configuration}


def _weights(member: Member) -> dict[str, Tensor]:
    if isinstance(member, LinearMember):
        # copied, because arrays from Ray cannot be written to, which PyTorch warns of
        return {name: torch.tensor(values) for name, values in linear_weights(member.model).items()}
    return weights_of(member.model)


def weights_of(model: SequenceClassifier) -> dict[str, Tensor]:
    """Return a model's parameters by name, as a file can hold them."""
    return {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}


def restore_model(weights: bytes, configuration: Configuration, preparation: Preparation) -> SequenceClassifier:
    """Build the model of a configuration with weights from `save_weights`, ready to predict in float32.

    Raises ValueError if the weights do not fit such a model, or are not finite.
    """
    model = fitting_model(read_shapes(weights), configuration, channels=_channels(preparation))
    return filled(model, safetensors.torch.load(weights))


def load_members(files: BundleFiles) -> Iterator[Member]:
    """Yield the members of a bundle. Before any weights are read, all are known to fit. Raises ValueError."""
    models = []
    for number, member in enumerate(files.members):
        with of_member(number, files.members):
            models.append(_fitting_model(member))
    weights = safetensors.torch.load(files.folder.read(WEIGHTS))
    for number, (member, model) in enumerate(zip(files.members, models, strict=True)):
        with of_member(number, files.members):
            yield _load(member, model, weights, described=files.described)


def _fitting_model(member: MemberFiles) -> SequenceClassifier | None:
    """Return the network of a member without its weights; None for a linear model, whose weights are known to fit."""
    if isinstance(member.preparation, Terms | FlatFeatures):
        return None
    return fitting_model(member.shapes, member.described["configuration"], channels=_channels(member.preparation))


def _load(
    member: MemberFiles,
    model: SequenceClassifier | None,
    weights: Mapping[str, Tensor],
    *,
    described: Mapping[str, Any],
) -> Member:
    weight, own = member.described["weight"], {name: weights[member.prefix + name] for name in member.shapes}
    if isinstance(member.preparation, Terms | FlatFeatures):
        seen: NDArray[np.bool_] = np.array(described["seen"])
        values = {name: tensor.numpy() for name, tensor in own.items()}
        linear = restore_linear(member.described, member.preparation, values, task=described["task"], seen=seen)
        return LinearMember(weight, member.described["name"], linear)
    assert model is not None
    trial, configuration = member.described["trial"], member.described["configuration"]
    return LstmMember(weight, trial, configuration, filled(model, own), member.preparation)


def _channels(preparation: Preparation) -> int | None:
    return len(preparation.mean) if isinstance(preparation, Standardiser) else None
