"""Seeded mutations of a small bundle, and of data for a sound one: a message and exit code 2, or predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.bundle import make_bundle
from builders.fuzz import OF_BYTES, count_rows, make_rows, run_checked, write_rows
from builders.odd_json import odd_json
from tuner.bundle.model_bundle import save_bundle
from tuner.storage import Folder

FILES = ["bundle.json", "preparation.json", "weights.safetensors"]
KINDS = {
    "words": ({}, "text", "multilabel"),
    "characters": ({"tokens": "character"}, "text", "binary"),
    "pieces": ({"tokens": "bpe", "tokens.bpe.size": 120}, "text", "multiclass"),
    "sequences": ({}, "sequence", "binary"),
    "committee": ({"tokens": "character"}, "text", "multilabel"),
    "committee for sequences": ({"hidden": 3}, "sequence", "binary"),
}
COMMITTEES = ("committee", "committee for sequences")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, configure: Any, make_dataset: Any) -> dict[str, dict[str, bytes]]:
    """Return the files of one sound bundle of each kind."""
    folder, bundles = tmp_path_factory.mktemp("bundles"), {}
    for kind, (settings, inputs, task) in KINDS.items():
        dataset, configurations = make_dataset(task, inputs=inputs), [configure(settings, inputs=inputs)]
        if kind in COMMITTEES:
            configurations.append(configure(inputs=inputs))
        written = folder / kind
        save_bundle(Folder.at(written), make_bundle(dataset, configurations, has_linear=kind in COMMITTEES))
        bundles[kind] = {name: (written / name).read_bytes() for name in FILES}
    return bundles


def rows_of(inputs: str) -> bytes:
    return write_rows(
        "rows.jsonl", make_rows(np.random.default_rng(0), "sequence" if inputs == "sequence" else "binary")
    )


def write_files(files: dict[str, bytes]) -> None:
    Path("bundle").mkdir()
    for name, content in files.items():
        Path("bundle", name).write_bytes(content)


def predict(call: Any, name: str, *more: str) -> int:
    """Predict, and check for one finite prediction per row that was not skipped."""
    code, out, err = run_checked(call, "predict", "bundle", name, *more)
    if code:
        assert out == ""
        return code
    rows = [json.loads(line, parse_constant=lambda constant: pytest.fail(constant)) for line in out.splitlines()]
    assert len(rows) == count_rows(name, Path(name).read_bytes()) or "left out, as" in err
    return 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_bundle_predicts(kind: str, bundles: Any, call: Any) -> None:
    call("--version")  # changes to the folder of the test
    write_files(bundles[kind])
    Path("rows.jsonl").write_bytes(rows_of(KINDS[kind][1]))
    assert predict(call, "rows.jsonl") == 0


@pytest.mark.parametrize("seed", range(120))
def test_a_spoilt_bundle_is_refused_or_predicts(seed: int, bundles: Any, call: Any) -> None:
    random = np.random.default_rng((seed, 4))
    call("--version")
    kind = list(KINDS)[seed % len(KINDS)]
    files = dict(bundles[kind])
    for _ in range(random.integers(1, 3)):
        name = FILES[random.integers(3)]
        if name.endswith(".json") and random.random() < 0.7:
            try:
                files[name] = odd_json(files[name], random)
            except ValueError:  # an earlier mutation broke the JSON
                continue
        else:
            files[name] = OF_BYTES[random.integers(len(OF_BYTES))](files[name] or b" ", random)
    write_files(files)
    Path("rows.jsonl").write_bytes(rows_of(KINDS[kind][1]))
    predict(call, "rows.jsonl")


@pytest.mark.parametrize("seed", range(60))
def test_spoilt_rows_for_a_bundle_are_refused_or_predicted(seed: int, bundles: Any, call: Any) -> None:
    random = np.random.default_rng((seed, 5))
    call("--version")
    kind = list(KINDS)[seed % len(KINDS)]
    name = ["rows.csv", "rows.jsonl", "rows.parquet"][random.integers(3)]
    write_files(bundles[kind])
    rows = write_rows(name, make_rows(random, "sequence" if KINDS[kind][1] == "sequence" else "binary"))
    Path(name).write_bytes(OF_BYTES[random.integers(len(OF_BYTES))](rows, random))
    predict(call, name, *(["--skip-unusable"] if random.random() < 0.5 else []))
