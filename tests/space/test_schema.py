"""The JSON Schema agrees with the loader, as far as a schema can."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from builders.spaces import load_example
from tuner.space.load import load_space, shipped_spaces
from tuner.space.parameters import PARAMETERS
from tuner.space.schema import json_schema
from tuner.space.task import Inputs

jsonschema = pytest.importorskip("jsonschema", reason="only ray brings jsonschema")
NAMES = sorted(shipped_spaces())
validator = jsonschema.Draft202012Validator(json_schema())


def is_valid(text: str) -> bool:
    return bool(validator.is_valid(YAML(typ="safe", pure=True).load(text)))


def test_the_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_promised_spaces_are_shipped() -> None:
    assert set(NAMES) == {"binary", "collapse", "multiclass", "multilabel", "quick", "sequence", "thorough"}


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_space_is_valid_and_loads(name: str) -> None:
    assert is_valid(shipped_spaces()[name].read_text())
    assert load_space(name).is_shipped


@pytest.mark.parametrize("name", ["binary", "multiclass", "multilabel"])
def test_a_shipped_space_named_after_a_task_has_that_task(name: str) -> None:
    assert load_space(name).task == name


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_space_begins_with_the_command_that_runs_it(name: str) -> None:
    assert f"#     tuner run spaces/{name}.yaml\n" in shipped_spaces()[name].read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_command_in_a_shipped_spaces_header_makes_a_good_space(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    header = shipped_spaces()[name].read_text().partition("\ntask:")[0].replace("\\\n#", "")
    commands = [shlex.split(line.lstrip("# ")) for line in header.splitlines() if line.startswith("#     tuner run")]
    assert commands
    for command in commands:
        assert command[2] == f"spaces/{name}.yaml"
        assert load_example(command).parameters


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (name, parameter)
        for name in NAMES
        for parameter in ("loss_weights", "resampling")
        if (name, parameter)
        != ("multilabel", "loss_weights")  # rare labels are hardly learnt without: docs/REMEDIES.md
    ],
)
def test_a_shipped_space_may_choose_no_remedy_for_imbalance(name: str, parameter: str) -> None:
    domain: Any = load_space(name).parameters[parameter]
    assert "none" in dict(domain.options)


HEAD = "task: binary\ndata: {train: a, label: l}\nsearch: {time: 5m}\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD + "space:\n",
        HEAD + "space: {hidden: 64, dropout: [0.1, 0.2], layers: {choice: [1, 2]}}",
        HEAD + "space: {clipping: [none, {norm: {threshold: {low: 0.1, high: 5, scale: log}}}]}",
        HEAD + "space: {tokens: {word: {lower_case: [true, false]}}}",
        HEAD + "space: {embedding: [random, {file: {path: glove.txt}}, {word2vec: {size: [50, 100]}}]}",
        HEAD + "space: {loss_weights: [none, {explicit: {a: 5, b: {low: 1, high: 9}}}]}",
        HEAD.replace("label: l", "label: l, sequence: s, folds: 5") + "space: {noise: 0.1}",
        HEAD + "first:\n",
        HEAD + "first: {hidden: 64, clipping: norm}\nspace: {hidden: 64}",
        HEAD + "first: [{pooling: max}, {clipping: {norm: {threshold: 1}}}]\nspace: {clipping: [none, norm]}",
        HEAD.replace("5m", "5m, patience: 3"),
        "task: multilabel\ndata: {train: a, label_columns: [a, b], test: t.csv}\nsearch: {trials: 5, time: 90}",
    ],
)
def test_what_loads_is_valid(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    load_space(str(path))
    assert is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "data: {train: a, label: l}\nsearch: {time: 5m}\n",
        HEAD + "spaces: {}",
        HEAD.replace("5m", "5 min"),
        HEAD.replace("label:", "lable:"),
        HEAD + "space: {hiden: 64}",
        HEAD + "space: {hidden: 0}",
        HEAD + "space: {hidden: '64'}",
        HEAD + "space: {hidden: []}",
        HEAD + "space: {hidden: {low: 5}}",
        HEAD + "space: {clipping: {none: {threshold: 1}}}",
        HEAD + "space: {clipping: {norm: , value: }}",
        HEAD + "space: {embedding: file}",
        HEAD + "space: {embedding: {file: {is_tuned: true}}}",
        HEAD + "space: {embedding: {word2vec: {size: {low: 50, high: 100}}}}",
        HEAD + "space: {embedding: 128}",
        HEAD + "space: {loss_weights: explicit}",
        HEAD + "space: {loss_weights: {explicit: {}}}",
        HEAD + "space: {noise: 0.1}",
        HEAD.replace("label: l", "label: l, sequence: s") + "space: {tokens: word}",
        HEAD.replace("label: l", "label: l, folds: 1"),
        HEAD + "first: {hidden: [64, 128]}",
        HEAD + "first: {noise: 0.1}",
        HEAD + "first: {clipping: {norm: {threshold: {low: 1, high: 2}}}}",
        HEAD + "first: [64]",
    ],
)
def test_what_has_a_form_that_the_loader_refuses_is_not_valid(text: str) -> None:
    assert not is_valid(text)


@pytest.mark.parametrize(("inputs", "branch"), [("text", "else"), ("sequence", "then")])
def test_every_parameter_has_a_description_and_a_default(inputs: Inputs, branch: str) -> None:
    properties = json_schema()[branch]["properties"]["space"]["properties"]
    assert list(properties) == list(PARAMETERS[inputs])
    assert all(each["description"] and "default" in each for each in properties.values())


@pytest.mark.parametrize("section", ["data", "search", "resources", "score"])
def test_every_setting_has_a_description(section: str) -> None:
    properties = json_schema()["properties"][section]["properties"]
    assert all(each["description"] for each in properties.values())
