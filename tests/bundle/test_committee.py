"""A bundle of several models predicts their weighted mean, also after it is loaded, and encodes rows as seldom as it can."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.bundle import make_bundle, make_member
from builders.configurations import configure
from builders.datasets import make_dataset
from tuner.baselines.linear import fit_linear
from tuner.baselines.probe import fit_pieces
from tuner.bundle.members import share_preparations
from tuner.bundle.model_bundle import Bundle, load, save_bundle
from tuner.data.token_lists import join_tokens
from tuner.data.tokenisers import WordTokeniser
from tuner.space.task import Task
from tuner.storage import Folder

TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel")
WORDS, SHORT = configure(), configure(max_length=2, hidden=4)
PIECES = configure({"tokens.bpe.size": 120}, tokens="bpe")
FORMAT_3 = Path(__file__).parent / "format-3"
WRITTEN: dict[str, Callable[[str], str]] = {
    "characters": lambda text: "".join(chr(0x4E00 + ord(character) % 0x5000) for character in text),
    "tokens": lambda text: join_tokens(text.split()),
}


def again(bundle: Bundle, folder: Path) -> Bundle:
    save_bundle(Folder.at(folder), bundle)
    return load(folder)


def committee(task: Task = "multilabel") -> Bundle:
    return make_bundle(make_dataset(task), [WORDS, PIECES], has_linear=True)


@pytest.mark.parametrize("task", TASKS)
def test_a_loaded_committee_of_every_kind_of_model_predicts_as_the_saved_one(task: Task, tmp_path: Path) -> None:
    dataset = make_dataset(task)
    saved = make_bundle(dataset, [WORDS, PIECES, SHORT], weights=(3, 1, 2, 4), has_linear=True)
    loaded, texts = again(saved, tmp_path), (*dataset.test.inputs, "", "words unheard")
    expected = saved.predict_proba(texts)
    assert loaded.predict_proba(texts).tolist() == expected.tolist()
    assert [member.weight for member in loaded.members] == [3, 1, 2, 4]
    parts = [replace(saved, members=(member,)).predict_proba(texts) for member in saved.members[:3]]
    parts.append(saved.members[3].probabilities(texts))
    np.testing.assert_allclose(expected, np.average(parts, axis=0, weights=[3, 1, 2, 4]), atol=1e-12)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_committee_for_sequences_survives_too(task: Task, tmp_path: Path) -> None:
    dataset = make_dataset(task, inputs="sequence")
    saved = make_bundle(dataset, [configure(inputs="sequence", hidden=size) for size in (3, 5)], has_linear=True)
    loaded = again(saved, tmp_path)
    rows = [dataset.test.inputs.row(number) for number in range(7)]
    assert loaded.predict_proba(rows).tolist() == saved.predict_proba(rows).tolist()
    kinds = [each["kind"] for each in json.loads((tmp_path / "preparation.json").read_text())]
    assert kinds == ["standardiser", "flattened"]


@settings(max_examples=10)
@given(
    task=st.sampled_from(TASKS),
    kind=st.sampled_from(["words", "characters", "tokens", "sequences"]),
    seed=st.integers(0, 99),
    odd=st.lists(st.text(max_size=20), max_size=5),
)
def test_a_linear_member_decides_after_loading_as_before(
    task: Task, kind: str, seed: int, odd: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    dataset = make_dataset(task, rows=24, seed=seed, inputs="sequence" if kind == "sequences" else "text")
    inputs: Any = dataset.train.inputs
    if kind in WRITTEN:
        inputs = tuple(map(WRITTEN[kind], inputs))
        dataset = replace(dataset, train=replace(dataset.train, inputs=inputs))
    saved = make_bundle(dataset, [configure(inputs=dataset.inputs)], has_linear=True)
    loaded = again(saved, tmp_path_factory.mktemp("linear"))
    rows = inputs if kind == "sequences" else (*inputs, *map(WRITTEN.get(kind, str), odd))
    (before, after) = (each.members[1].probabilities(rows) for each in (saved, loaded))
    assert after.tolist() == before.tolist()


def test_a_label_that_all_or_no_training_rows_have_keeps_its_answer(tmp_path: Path) -> None:
    dataset = make_dataset("multilabel")
    targets = np.array(dataset.train.targets)
    targets[:, 0], targets[:, 2] = 1, 0
    made = replace(dataset, train=replace(dataset.train, targets=targets), seen=np.array([True, True, False]))
    linear = again(make_bundle(made, [WORDS], has_linear=True), tmp_path).members[1]
    probabilities = linear.probabilities(("alpha", "beta"))
    assert (probabilities[:, 0] == 1).all()
    assert (probabilities[:, 2] == 0).all()
    assert ((probabilities[:, 1] > 0) & (probabilities[:, 1] < 1)).all()


def test_members_whose_words_differ_only_in_number_encode_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dataset = make_dataset("binary")
    few, all_words, short, pieces = (
        make_member(WORDS, dataset, tokens=9),
        make_member(WORDS, dataset, seed=1),
        make_member(SHORT, dataset, tokens=12),
        make_member(PIECES, dataset),
    )
    separate = replace(committee("binary"), members=(few, all_words, short, pieces))
    loaded = again(replace(separate, members=share_preparations(separate.members)), tmp_path)
    calls, encode = list[int](), WordTokeniser.encode
    monkeypatch.setattr(WordTokeniser, "encode", lambda self, rows: calls.append(len(self)) or encode(self, rows))
    probabilities = loaded.predict_proba(dataset.test.inputs)
    assert calls == [len(all_words.preparation)]
    assert probabilities.tolist() == separate.predict_proba(dataset.test.inputs).tolist()


def test_a_shared_tokeniser_keeps_only_what_a_member_knows() -> None:
    dataset = make_dataset("binary")
    whole = make_member(WORDS, dataset).preparation
    shared = share_preparations([replace(make_member(WORDS, dataset, tokens=9), preparation=whole)])
    assert [len(member.preparation) for member in shared] == [9]


def test_a_linear_model_with_features_of_its_own_cannot_be_saved(tmp_path: Path) -> None:
    dataset = make_dataset("binary")
    saved = make_bundle(dataset, [WORDS], has_linear=True)
    probe = fit_linear(dataset.train.inputs, dataset.truth("train"), "binary", fit_features=fit_pieces)
    with pytest.raises(TypeError, match="a bundle cannot hold function"):
        save_bundle(
            Folder.at(tmp_path), replace(saved, members=(saved.members[0], replace(saved.members[1], model=probe)))
        )


def test_a_committee_says_how_many_models_it_has() -> None:
    assert " parameters in 3 models (2 LSTMs, 1 linear), " in repr(committee())


def test_a_bundle_of_format_3_predicts_as_when_it_was_written() -> None:
    bundle = load(FORMAT_3)
    expected = [0.4077153883624994, 0.4081558129596836, 0.4046867582531771, 0.40814005043326157]
    texts = ["alpha one", "gamma", "unheard words", ""]
    np.testing.assert_allclose(bundle.predict_proba(texts)[:, 1], expected, atol=1e-7)
    assert [(member.weight, member.trial) for member in bundle.members] == [(1, 3)]


def test_a_bundle_of_format_3_is_written_as_format_4(tmp_path: Path) -> None:
    bundle = load(FORMAT_3)
    assert again(bundle, tmp_path).predict_proba(["alpha"]).tolist() == bundle.predict_proba(["alpha"]).tolist()
    assert json.loads((tmp_path / "bundle.json").read_text())["format"] == 4
