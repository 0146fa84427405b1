"""A committee from a stranger: each of its members is checked as a single model is, and so is a linear model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.bundle import Spoil, in_json, in_weights, make_bundle
from builders.configurations import configure
from builders.datasets import make_dataset
from tuner.bundle.model_bundle import load, save_bundle
from tuner.errors import BundleError
from tuner.storage import Folder

LINEAR = 2  # the number of the linear member, and of its preparation


@pytest.fixture(scope="module")
def committees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of a committee for texts and of one for sequences, by what they read."""
    folder = tmp_path_factory.mktemp("committees")
    pieces = configure({"tokens.bpe.size": 120}, tokens="bpe")
    texts = make_bundle(make_dataset("multilabel"), [configure(), pieces], has_linear=True)
    sequences = [configure(inputs="sequence"), configure(inputs="sequence", hidden=4)]
    steps = make_bundle(make_dataset("binary", inputs="sequence"), sequences, has_linear=True)
    for name, bundle in {"text": texts, "sequence": steps}.items():
        save_bundle(Folder.at(folder / name), bundle)
    return {name: folder / name for name in ("text", "sequence")}


def _member(number: int, key: str, value: Any) -> Spoil:
    return in_json("bundle.json", "members", number, key, to=value)


def _prepared(number: int, key: str, value: Any) -> Spoil:
    return in_json("preparation.json", number, key, to=value)


def _linear(change: Any) -> Spoil:
    return in_weights(change, member=LINEAR)


def _without(key: str) -> Any:
    return lambda each: each.pop(key)


TEXT: list[tuple[Spoil, str]] = [
    *(
        (in_json("bundle.json", "members", to=value), "members in bundle.json is not a list of at least one object")
        for value in (None, 3, {}, [], "lstm", [3])
    ),
    (_member(0, "kind", "linear"), r"members\[0\].kind in bundle.json is 'linear', but must be lstm"),
    *(
        (_member(1, "kind", value), r"members\[1\].kind in bundle.json is .*, but must be lstm or linear")
        for value in ("tree", None, ["lstm"], {}, 3)
    ),
    *(
        (_member(1, "weight", value), r"members\[1\].weight in bundle.json is not a whole number above 0")
        for value in (0, -1, 1.5, True, None, "1", 10**30)
    ),
    *((_member(1, "trial", value), r"members\[1\].trial in bundle.json is not") for value in (-1, "x", 1.5, [1])),
    (_member(1, "path", "/etc/passwd"), r"members\[1\] has unknown path"),
    (_member(LINEAR, "configuration", {}), r"members\[2\] has unknown configuration"),
    (_member(LINEAR, "name", ""), r"members\[2\].name in bundle.json is not a name"),
    *(
        (_member(LINEAR, "always", value), r"members\[2\].always in bundle.json is not true or false for each label")
        for value in (None, [], [True], [0, 0, 0], "abc", [[True]] * 3)
    ),
    (_member(LINEAR, "always", [True, False, False]), r"members\[2\]: the weights .* have shape \(3, .*needs \(2, "),
    *(
        (_member(1, "preparation", value), r"members\[1\].preparation in bundle.json is not the number of a")
        for value in (-1, None, "0", True, 0.0)
    ),
    (_member(1, "preparation", 3), r"have the preparations \[0, 2, 3\], but preparation.json holds 3"),
    (_member(1, "preparation", 0), r"have the preparations \[0, 2\], but preparation.json holds 3"),
    (
        in_json("preparation.json", 1, to={"kind": "standardiser", "mean": [0], "scale": [1]}),
        "it reads other rows than",
    ),
    (in_json("preparation.json", 1, to=3), "this does not describe a standardiser"),
    (_member(1, "configuration", 3), r"members\[1\]: the configuration is .*, not an object"),
    (in_json("bundle.json", "members", 1, "configuration", "hidden", to=7), r"members\[1\]: .*but hidden is 7"),
    (in_json("bundle.json", "members", 1, "configuration", "import", to="os"), r"members\[1\]: .*'import'"),
    (in_weights(_without("head.weight"), member=1), r"members\[1\]: the weights lack 'head.weight'"),
    (in_weights(_without("head.bias"), member=1), r"members\[1\]: 3 labels, but the rest of the bundle has 0"),
    (
        in_weights(lambda each: each.update(x=np.zeros(1, np.float32)), member=1),
        r"members\[1\]: the weights include 'x'",
    ),
    (in_weights(lambda each: each.update(x=np.zeros(1, np.float32)), member=7), "'7.x', which belongs to no member"),
    (in_weights(lambda each: each["head.bias"].fill(np.nan), member=1), r"members\[1\]: .*that is not finite"),
    (lambda folder: (folder / "preparation.json").write_text("{}"), "preparation.json is not a list"),
    *((_linear(lambda each, name=name: each[name].fill(np.inf)), "is not finite") for name in ("idf", "coefficients")),
    *((_linear(_without(name)), f"the weights lack '{name}'") for name in ("idf", "intercepts", "coefficients")),
    (_linear(lambda each: each.update(code=np.zeros(1, np.float32))), r"members\[2\]: the weights include 'code'"),
    (_linear(lambda each: each.update(idf=each["idf"][1:])), r"members\[2\]: the weights 'idf' have shape"),
    (_linear(lambda each: each.update(coefficients=each["coefficients"][1:])), "'coefficients' have shape"),
    (_linear(lambda each: each.update(idf=each["idf"].astype(np.float64))), "are 'F64', but must be F32"),
    (_prepared(LINEAR, "rule", "eval"), "the rule of terms is 'eval', but known are words, characters, tokens"),
    (_prepared(LINEAR, "rule", ["words"]), "the rule of terms is"),
    (_prepared(LINEAR, "pattern", "(a+)+$"), "unknown key 'pattern'"),
    (_prepared(LINEAR, "kind", "flattened"), "unknown key 'rule'|unknown key 'terms'"),
    *(
        (_prepared(LINEAR, "terms", value), "not a list of distinct texts|there are no terms|have shape")
        for value in (None, [], ["a", "a"], ["a", 3], "abc", {"a": 1}, ["a"])
    ),
]
SEQUENCE: list[tuple[Spoil, str]] = [
    (_member(LINEAR, "always", [False, True]), "the task is not multilabel"),
    (in_json("bundle.json", "seen", to=[True, False]), "tells fewer than two labels apart"),
    *((_prepared(1, "steps", value), "steps is .*, but must be a whole number") for value in (0, -1, 1.5, True, "9")),
    *((_prepared(1, "steps", value), "'coefficients' have shape") for value in (1, 10**12)),
    *(
        (_prepared(1, "length_spread", value), "the mean and spread of lengths")
        for value in (0, -1, float("nan"), None)
    ),
    (_prepared(1, "length_mean", float("inf")), "the mean and spread of lengths"),
    (_prepared(1, "standardiser", None), "does not describe a standardiser"),
    (_prepared(1, "standardiser", {"kind": "standardiser", "mean": [0], "scale": [0]}), "need one number per channel"),
    (_member(1, "preparation", 1), r"members\[1\]: its preparation is not that of a model of kind lstm"),
    (_member(LINEAR, "preparation", 0), r"have the preparations \[0\], but preparation.json holds 2"),
]


@pytest.mark.parametrize("reads", ["text", "sequence"])
def test_the_committee_that_is_spoilt_here_loads_when_whole(reads: str, committees: dict[str, Path]) -> None:
    assert len(load(committees[reads]).members) == 3


@pytest.mark.parametrize(
    ("reads", "spoil", "message"), [*(("text", *each) for each in TEXT), *(("sequence", *each) for each in SEQUENCE)]
)
def test_a_committee_that_is_not_right_is_refused_with_the_reason(
    reads: str, spoil: Spoil, message: str, committees: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(committees[reads], tmp_path / "bundle")
    spoil(folder)
    with pytest.raises(BundleError, match=rf"cannot be read \(.*({message})"):
        load(folder)
