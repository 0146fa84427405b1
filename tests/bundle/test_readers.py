"""Every reader of bundle.json refuses another format, or damage, with the same message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builders.bundle import Spoil, in_json, write_bundle
from builders.fixtures import Call

VERBS = {
    "predict": ("predict", "bundle", "rows.csv"),
    "evaluate": ("evaluate", "bundle", "rows.csv"),
    "diagnose": ("diagnose", "bundle"),
    "compare": ("compare", "bundle", "bundle", "--data", "rows.csv"),
}
ANOTHER = "bundle format 99, but this tuner reads 3 and 4; load it with the version of tuner that wrote it"


def _write(text: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "bundle.json").write_text(text)

    return spoil


def _link(folder: Path) -> None:
    (folder / "bundle.json").rename(folder.parent / "elsewhere.json")
    (folder / "bundle.json").symlink_to(folder.parent / "elsewhere.json")


SPOILT = {
    "another format": (in_json("bundle.json", "format", to=99), ANOTHER),
    "no format": (_write("{}"), "bundle.json is not an object with a format"),
    "no JSON": (_write("{"), "the bundle cannot be read (bundle.json is not valid JSON: "),
    "a key twice": (_write('{"format": 4, "format": 4}'), "the key 'format' occurs twice"),
    "no labels": (in_json("bundle.json", "labels", to=[]), "labels in bundle.json is not a list of distinct texts"),
    "a strange record": (in_json("bundle.json", "record", "code", to="x"), "record has unknown code"),
    "a link": (_link, "bundle.json is a link to "),
}


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("verb", VERBS)
def test_every_reader_refuses_it_with_the_same_message(
    verb: str, spoilt: str, call: Call, configure: Any, make_dataset: Any, tmp_path: Path
) -> None:
    spoil, message = SPOILT[spoilt]
    spoil(write_bundle(tmp_path / "bundle", configure(), make_dataset("multilabel")))
    (tmp_path / "rows.csv").write_text("text,labels\nalpha,a\n")
    code, _, err = call(*VERBS[verb])
    assert code == 2
    assert message in err
