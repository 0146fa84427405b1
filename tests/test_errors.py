"""Faults are told whole, in one line each, wherever they were found."""

from __future__ import annotations

import pickle

import pytest

from tuner.errors import DataError, Fault, InputError, MissingFileError, StorageError, did_you_mean

FAULTS = (Fault("a.csv", "there is no row", "add one"), Fault("--out", "no format", "name one"))


@pytest.mark.parametrize("kind", [InputError, DataError, StorageError, MissingFileError])
def test_an_error_of_another_process_keeps_its_faults(kind: type[InputError]) -> None:
    error = pickle.loads(pickle.dumps(kind(FAULTS)))
    assert type(error) is kind
    assert error.faults == FAULTS
    assert str(error) == "a.csv: there is no row; add one\n--out: no format; name one"


def test_storage_that_fails_is_an_error_of_the_system_too() -> None:
    with pytest.raises(OSError, match="no row"):
        raise StorageError(FAULTS)
    with pytest.raises(FileNotFoundError, match="no row"):
        raise MissingFileError(FAULTS)


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert str(Fault("a\0\x1b[31m\n.csv", "ü 日本", "\u202e")) == "a\\x00\\x1b[31m\\n.csv: ü 日本; \\u202e"


def test_what_is_very_long_is_told_by_its_beginning_and_end() -> None:
    told = str(Fault("a.csv", f"first{'x' * 1_000_000}last", "mend it"))
    assert len(told) < 3000
    assert "first" in told
    assert "xlast; mend it" in told


def test_of_unknown_words_the_nearest_or_all_known_are_told() -> None:
    assert did_you_mean("lable", ["label", "text"]) == "did you mean 'label'?"
    assert did_you_mean("zzz", ["label", "text"]) == "known: label, text"
    assert did_you_mean("zzz", []) == "none is known here"


def test_case_and_underscores_make_no_word_farther() -> None:
    assert did_you_mean("SMOTEENN", ["smote", "smote_enn", "smote_tomek"]) == "did you mean 'smote_enn'?"
    assert did_you_mean("max_Epochs", ["maxEpochs", "max_epoch"]) == "did you mean 'maxEpochs'?"
