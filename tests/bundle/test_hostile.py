"""A bundle from a stranger: anything it must not hold is refused, with the reason, before memory is spent on it."""

from __future__ import annotations

import json
import os
import pickle
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.bundle import CONFIGURATION, Spoil, in_json, in_weights, weights_header, write_bundle
from tuner.bundle.model_bundle import load
from tuner.data.preparation import read_preparation
from tuner.data.sequences import Sequences, Standardiser
from tuner.errors import BundleError
from tuner.model.weights import fitting_model

NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture
def saved(tmp_path: Path, configure: Any, make_dataset: Any) -> Path:
    return write_bundle(tmp_path / "bundle", configure(), make_dataset("multilabel"))


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Limit this process to one more gigabyte, so that a test fails if code allocates gigabytes."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def test_the_bundle_that_is_spoilt_here_predicts_when_whole(saved: Path) -> None:
    assert len(load(saved).predict(["alpha beta", ""])) == 2


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.pkl", "extra.py", "weights.pt", ".hidden", "config.yaml", "ü"])
def test_an_extra_file_is_refused_by_name(name: str, saved: Path) -> None:
    (saved / name).write_bytes(pickle.dumps({}))
    with pytest.raises(
        BundleError, match=rf"the folder also holds '{name}', which is not part of a bundle; move it elsewhere"
    ):
        load(saved)


def test_a_folder_in_a_bundle_is_refused_by_name(saved: Path) -> None:
    (saved / "__pycache__").mkdir()
    with pytest.raises(BundleError, match="the folder also holds '__pycache__', which is not part of a bundle"):
        load(saved)


@pytest.mark.parametrize("name", ["bundle.json", "preparation.json", "weights.safetensors"])
@pytest.mark.parametrize("is_absolute", [True, False])
def test_a_link_out_of_the_bundle_is_refused(name: str, is_absolute: bool, saved: Path) -> None:
    (saved / name).rename(saved.parent / name)
    target = saved.parent / name if is_absolute else Path("..") / name
    (saved / name).symlink_to(target)
    with pytest.raises(BundleError, match=rf"{name} is a link to {target}, but a bundle's files must be in its own"):
        load(saved)


@pytest.mark.parametrize("name", ["bundle.json", "preparation.json", "weights.safetensors"])
def test_a_pipe_is_refused_and_not_waited_for(name: str, saved: Path) -> None:
    (saved / name).unlink()
    os.mkfifo(saved / name)
    with pytest.raises(BundleError, match=f"{name} is not a plain file"):
        load(saved)


@pytest.mark.parametrize("name", ["bundle.json", "preparation.json"])
def test_a_description_of_gigabytes_is_refused_unread(name: str, saved: Path, little_memory: None) -> None:
    with (saved / name).open("r+b") as file:
        file.truncate(40 << 30)  # a hole: it takes no room on the disk
    with pytest.raises(BundleError, match=f"{name} has 42,949,672,960 bytes, but no bundle needs more"):
        load(saved)


def test_weights_with_gigabytes_behind_them_are_refused_unread(saved: Path, little_memory: None) -> None:
    with (saved / "weights.safetensors").open("r+b") as file:
        file.truncate(40 << 30)
    with pytest.raises(BundleError, match="but the file has 42,949,672,960"):
        load(saved)


def test_a_bundle_behind_a_link_to_its_folder_loads(saved: Path) -> None:
    (saved.parent / "latest").symlink_to(saved)
    assert load(saved.parent / "latest").labels == load(saved).labels


def test_no_path_that_a_bundle_tells_is_opened(tmp_path: Path, configure: Any, make_dataset: Any) -> None:
    chosen = {"embedding": "file", "embedding.file.path": "/nowhere/../../vectors.vec", "embedding.file.is_tuned": True}
    saved = write_bundle(tmp_path / "bundle", configure(chosen), make_dataset("binary"))
    in_json("bundle.json", "record", "run", to="../../../etc")(saved)
    assert len(load(saved).predict(["alpha beta"])) == 1


# --- weights --------------------------------------------------------------------------------------------------------


def _change_all(kind: Any) -> Any:
    return lambda tensors: tensors.update({name: each.astype(kind) for name, each in tensors.items()})


HUGE = {"0.head.bias": {"dtype": "F32", "shape": [2_500_000_000], "data_offsets": [0, 10**10]}}
WEIGHTS: dict[str, tuple[Spoil, str]] = {
    "one more": (in_weights(lambda each: each.update(x=np.zeros(3, np.float32))), "include 'x'"),
    "one less": (in_weights(lambda each: each.pop("head.weight")), "lack 'head.weight'"),
    "no labels": (in_weights(lambda each: each.pop("head.bias")), "3 labels, but the rest of the bundle has 0"),
    "no table": (in_weights(lambda each: each.pop("embedding.weight")), "tokens, but the rest of the bundle has 0"),
    "other shape": (
        in_weights(lambda each: each.update({"head.weight": np.zeros((3, 5), np.float32)})),
        r"'head.weight' have shape \(3, 5\), but the model needs \(3, 12\)",
    ),
    "no dimension": (in_weights(lambda each: each.update({"head.bias": np.zeros((), np.float32)})), "3 labels"),
    "double": (in_weights(_change_all(np.float64)), "are 'F64', but must be F32"),
    "whole": (in_weights(_change_all(np.int32)), "are 'I32', but must be F32"),
    "half": (in_weights(_change_all(np.float16)), "are 'F16', but must be F32"),
    "nan": (in_weights(lambda each: each["head.bias"].fill(NAN)), "'head.bias' have a value that is not finite"),
    "infinite": (in_weights(lambda each: each["embedding.weight"].fill(INFINITE)), "value that is not finite"),
    "long header": (weights_header(b"{}", length=10 << 30), "cut short, or not a safetensors file"),
    "header without end": (weights_header(b"{}", length=2**64 - 1), "cut short, or not a safetensors file"),
    "huge weights": (weights_header(HUGE), "promises 10,000,000,0.. bytes, but the file has"),
    "overflow": (
        weights_header({"0.head.bias": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        "promises 73,786,976,294,838,206",
    ),
    "a list": (weights_header([]), "header of the weights is incomplete"),
    "numbers": (weights_header({"0.head.bias": 3}), "header of the weights is incomplete"),
    "shapes of texts": (weights_header({"0.head.bias": {"dtype": "F32", "shape": ["a"]}}), "header of the weights"),
    "deep": (weights_header(b"[" * 100_000), "recursion"),
}


@pytest.mark.parametrize("what", WEIGHTS)
def test_weights_that_do_not_fit_are_refused_with_the_reason(what: str, saved: Path, little_memory: None) -> None:
    spoil, message = WEIGHTS[what]
    spoil(saved)
    with pytest.raises(BundleError, match=rf"cannot be read \(.*{message}.*copy it again"):
        load(saved)


# --- bundle.json ----------------------------------------------------------------------------------------------------

WHOLE = {"text": "t", "sequence": None, "label": "l", "labels": None, "label_columns": None}
DESCRIBED: list[tuple[str, Any, str]] = [
    *(("labels", value, "not a list of distinct texts") for value in (None, 3, "abc", {}, [], ["a", "a", "b"])),
    *(("labels", ["a", "b", value], "not a list of distinct texts") for value in (3, None, "", ["c"])),
    ("thresholds", [0.5], "1 thresholds, but the rest of the bundle has 3"),
    *(("thresholds", value, "not a list of finite numbers") for value in (None, 3, "abc", {})),
    *(
        ("thresholds", [0.5, 0.5, value], "not a list of finite")
        for value in ("0.5", NAN, INFINITE, True, [1], 10**400)
    ),
    ("seen", [True], "1 seen, but the rest of the bundle has 3"),
    *(("seen", value, "not a list of true and false") for value in (None, "abc", [1, 1, 1], [[True]] * 3, [False] * 3)),
    *(("task", value, "not a known task") for value in (None, 3, [], {}, "multi", ["multilabel"])),
    ("task", "binary", "3 thresholds, but the rest of the bundle has 1"),
    *(("columns", value, "columns is not an object") for value in (None, 3, "text", [])),
    *(
        ("columns", WHOLE | {"text": value}, "text in bundle.json is not the name of a column")
        for value in (3, "", ["a"])
    ),
    ("columns", WHOLE | {"label": {}}, "label in bundle.json is not the name of a column"),
    *(
        ("columns", WHOLE | {"label": None, "label_columns": value}, "is not the name of a column")
        for value in ("abc", [1], 3)
    ),
    *(
        ("columns", WHOLE | {name: value}, f"{name} in bundle.json is not a name or a list of names")
        for name, value in (("label_names", "ab"), ("label_names", [1]), ("label_form", 3), ("label_separator", ""))
    ),
    *(("record", value, "record is not an object") for value in (None, 3, [])),
    *(("record", {"penalty_weight": value}, "not a finite number of at") for value in (None, "x", NAN, -1, True)),
    ("weights", "/etc/passwd", "has unknown weights"),
    ("weights", "../../weights.safetensors", "has unknown weights"),
]
CONFIGURED: list[tuple[str, Any, str]] = [
    *(("hidden", value, "hidden is .*, but must be a whole number") for value in (-5, 6.5, "x", True, None, 10**400)),
    ("hidden", 4096, r"have shape \(24, 6\), but hidden is 4096"),
    ("embedding.random.size", 4096, "but embedding.random.size is 4096"),
    *(("layers", value, "layers is .*, but must be a whole number") for value in (0, 2000, [1])),
    ("layers", 8, "lack 'layers.1"),
    *(("max_length", value, "max_length is .*, but must be a whole number") for value in (0, -1, 10**30)),
    ("truncation", "middle", "truncation is 'middle', which is not one of its options; known: end, start"),
    ("pooling", "__class__", "pooling is '__class__', which is not one of its options; "),
    ("dropout", 2, "dropout is 2, but must be a number that is at least 0 and below 1"),
    ("layer_norm", "yes", "layer_norm is 'yes', but must be true or false"),
    ("tokens", "bpe", "'tokens.word.lower_case', which does not apply to it"),
    ("embedding.file.path", "/etc/passwd", "'embedding.file.path', which does not apply to it"),
    ("import", "os", "the configuration has 'import', which does not apply to it"),
]


@pytest.mark.parametrize(("key", "value", "message"), DESCRIBED)
def test_a_description_that_is_not_right_is_refused(key: str, value: Any, message: str, saved: Path) -> None:
    in_json("bundle.json", key, to=value)(saved)
    with pytest.raises(BundleError, match=rf"cannot be read \(.*{message}"):
        load(saved)


@pytest.mark.parametrize(("key", "value", "message"), CONFIGURED)
def test_a_configuration_that_no_space_could_draw_is_refused(
    key: str, value: Any, message: str, saved: Path, little_memory: None
) -> None:
    in_json("bundle.json", *CONFIGURATION, key, to=value)(saved)
    with pytest.raises(BundleError, match=rf"cannot be read \(.*{message}"):
        load(saved)


def test_no_model_is_made_that_is_larger_than_its_weights(configure: Any, little_memory: None) -> None:
    shapes = {"head.bias": (2,), "layers.0.directions.0.weight_hh_l0": (1, 256)}
    configuration = configure(inputs="sequence", hidden=256, layers=8)
    with pytest.raises(ValueError, match="the weights lack"):
        fitting_model(shapes, configuration, channels=10_000_000)  # its first layer would have 40 GB


@pytest.mark.parametrize("key", ["max_length", "truncation", "hidden", "pooling"])
def test_a_configuration_without_what_the_model_needs_is_refused(key: str, saved: Path) -> None:
    described = json.loads((saved / "bundle.json").read_text())
    del described["members"][0]["configuration"][key]
    (saved / "bundle.json").write_text(json.dumps(described))
    with pytest.raises(BundleError, match=rf"cannot be read \(.*{key}"):
        load(saved)


def test_weights_of_labels_that_the_space_names_are_known(tmp_path: Path, configure: Any, make_dataset: Any) -> None:
    chosen = {"loss_weights": "explicit", "loss_weights.explicit.a.b": 3.0}
    assert load(write_bundle(tmp_path / "bundle", configure(chosen), make_dataset("multiclass")))
    in_json("bundle.json", *CONFIGURATION, "loss_weights.explicit.c", to=-1)(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"loss_weights\.explicit\.c is -1, but must be a number that is above 0"):
        load(tmp_path / "bundle")


def test_a_key_that_is_there_twice_is_refused(saved: Path) -> None:
    text = (saved / "bundle.json").read_text()
    (saved / "bundle.json").write_text(text.replace('"task"', '"task": "binary", "task"', 1))
    with pytest.raises(BundleError, match="the key 'task' occurs twice"):
        load(saved)


@pytest.mark.parametrize("name", ["bundle.json", "preparation.json"])
@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": ' + "9" * 10_000 + "}", '{"format": ' * 100_000])
def test_json_that_python_cannot_read_is_refused(name: str, content: str, saved: Path) -> None:
    (saved / name).write_text(content)
    with pytest.raises(BundleError, match="cannot be read"):
        load(saved)


# --- preparation.json -----------------------------------------------------------------------------------------------

PREPARED: dict[str, list[tuple[str, Any, str]]] = {
    "word": [
        *(
            ("words", value, "not a list of distinct texts")
            for value in (["a", "a"], ["a", 3], ["a", None], {"a": 1}, 3)
        ),
        ("forms", "exec", "forms is 'exec', but known are"),
        ("forms", [], "the word tokeniser is incomplete"),
        ("lower_case", "no", "neither true nor false"),
        ("left_out", [1], "not a list of distinct texts"),
        ("vocabulary", "../../etc/passwd", "unknown key 'vocabulary'"),
        ("kind", "pickle", "does not describe a standardiser"),
        ("kind", ["word"], "does not describe a standardiser"),
    ],
    "character": [
        ("characters", ["ab"], "entries with several characters"),
        ("model", {"type": "Unigram"}, "unknown key 'model'"),
    ],
    "bpe": [
        ("pieces", ["\ud800", "a"], "surrogates not allowed"),
        ("pieces", "vocab.json", "not a list of distinct texts"),
        ("pieces", ["[UNK]", "a"], "an empty piece, or \\[UNK\\]"),
        ("pieces", ["", "a"], "an empty piece, or \\[UNK\\]"),
        ("merges", "merges.txt", "not enough values|too many values"),
        ("merges", [["a", "zzz"]], "a merge has a piece that is not in the vocabulary"),
        ("merges", [[1, 2]], "a merge has a piece that is not in the vocabulary"),
        ("merges", None, "the bpe tokeniser is incomplete"),
        ("kind", "wordpiece", "preparation.json is for wordpiece, but the configuration is for bpe"),
        ("normalizer", {"type": "Replace", "pattern": {"Regex": "(a+)+$"}}, "unknown key 'normalizer'"),
    ],
}


@pytest.mark.parametrize(
    ("tokens", "key", "value", "message"), [(tokens, *each) for tokens, rows in PREPARED.items() for each in rows]
)
def test_a_tokeniser_that_is_not_right_is_refused(
    tokens: str, key: str, value: Any, message: str, tmp_path: Path, configure: Any, make_dataset: Any
) -> None:
    chosen = {f"tokens.{tokens}.size": 120} if tokens == "bpe" else {}
    saved = write_bundle(tmp_path / "bundle", configure(chosen, tokens=tokens), make_dataset("binary"))
    in_json("preparation.json", 0, key, to=value)(saved)
    with pytest.raises(BundleError, match=rf"cannot be read \(.*({message})"):
        load(saved)


def test_a_file_of_the_tokenizers_library_is_no_preparation(tmp_path: Path, configure: Any, make_dataset: Any) -> None:
    saved = write_bundle(tmp_path / "bundle", configure(), make_dataset("binary"))
    foreign = {"version": "1.0", "model": {"type": "BPE", "vocab": "/etc/passwd", "merges": "/etc/passwd"}}
    (saved / "preparation.json").write_text(json.dumps([foreign]))
    with pytest.raises(BundleError, match="does not describe a standardiser"):
        load(saved)


@pytest.mark.parametrize(
    "change",
    [
        *({"mean": value} for value in (["1", "2"], [True, 1], [NAN, 1], [10**400, 1], [1], [], 3, [[1, 2]])),
        *({"scale": value} for value in ([0, 1], [-1, 1], [INFINITE, 1], None)),
        {"path": "../../x"},
    ],
)
def test_a_standardiser_that_is_not_right_is_refused(
    change: dict[str, Any], tmp_path: Path, configure: Any, make_dataset: Any
) -> None:
    dataset = make_dataset("binary", inputs="sequence")
    saved = write_bundle(tmp_path / "bundle", configure(inputs="sequence"), dataset)
    for key, value in change.items():
        in_json("preparation.json", 0, key, to=value)(saved)
    with pytest.raises(BundleError, match=r"mean and scale (are|need)"):
        load(saved)


def test_a_standardiser_of_extremes_gives_finite_steps() -> None:
    content = json.dumps({"kind": "standardiser", "mean": [1e308, 0.0], "scale": [1e-308, 1e-300]}).encode()
    preparation = read_preparation(content)
    assert isinstance(preparation, Standardiser)
    assert preparation.encode(Sequences.of([[[3e38, 3e38]]])).steps.tolist() == [[-1e6, 1e6]]
