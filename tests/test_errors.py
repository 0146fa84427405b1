"""Every fault is one line, complete, in whichever process it was found."""

from __future__ import annotations

import pickle

import pytest

from tuner.errors import DataError, Fault, InputError, MissingFileError, StorageError, did_you_mean

FAULTS = (Fault("a.csv", "there is no row", "add one"), Fault("--out", "no format", "name one"))


@pytest.mark.parametrize("kind", [InputError, DataError, StorageError, MissingFileError])
def test_an_error_from_another_process_keeps_its_faults(kind: type[InputError]) -> None:
    error = pickle.loads(pickle.dumps(kind(FAULTS)))
    assert type(error) is kind
    assert error.faults == FAULTS
    assert str(error) == "a.csv: there is no row; add one\n--out: no format; name one"


def test_a_storage_error_is_also_an_os_error() -> None:
    with pytest.raises(OSError, match="no row"):
        raise StorageError(FAULTS)
    with pytest.raises(FileNotFoundError, match="no row"):
        raise MissingFileError(FAULTS)


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert str(Fault("a\0\x1b[31m\n.csv", "ü 日本", "\u202e")) == "a\\x00\\x1b[31m\\n.csv: ü 日本; \\u202e"


def test_a_very_long_text_is_shown_by_its_beginning_and_end() -> None:
    message = str(Fault("a.csv", f"first{'x' * 1_000_000}last", "mend it"))
    assert len(message) < 3000
    assert "first" in message
    assert "xlast; mend it" in message


def test_an_unknown_word_is_answered_with_the_closest_known_or_all_known() -> None:
    assert did_you_mean("lable", ["label", "text"]) == "did you mean 'label'?"
    assert did_you_mean("zzz", ["label", "text"]) == "known: label, text"
    assert did_you_mean("zzz", []) == "none is known here"


def test_case_and_underscores_do_not_count() -> None:
    assert did_you_mean("SMOTEENN", ["smote", "smote_enn", "smote_tomek"]) == "did you mean 'smote_enn'?"
    assert did_you_mean("max_Epochs", ["maxEpochs", "max_epoch"]) == "did you mean 'maxEpochs'?"
