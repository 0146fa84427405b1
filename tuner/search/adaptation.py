"""Fit a space to its rows: leave out choices that cannot work on them, and read scripts without spaces by characters.

Each change is a list of assignments as `--set` takes them, with a note for people. The changed space is what runs and what the
ledger records. So a resumed run reads the changed space, which needs no change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.data.dataset import Dataset
from tuner.data.prepared_settings import options_of
from tuner.data.scripts import FEW, MOST, find_scripts
from tuner.data.sequences import Sequences
from tuner.data.token_lists import are_token_lists
from tuner.errors import Fault, SpaceError
from tuner.imbalance.feasibility import resampling_faults
from tuner.show_value import show_share
from tuner.space.assignment import assignment, set_option, yaml_value
from tuner.space.document import dotted
from tuner.space.domains import Fixed, OptionChoice, ends
from tuner.space.load import Space, changed

_PIECES: Mapping[str, Any] = {"bpe": {"size": [4000, 8000]}}
_LONGEST = 512  # characters: a model reads one after the other, so each costs time
_FOR_TEXTS = ("lower_case", "punctuation", "stop_words", "forms")  # parameters of words that do not apply to tokens


@dataclass(frozen=True)
class Change:
    """Assignments "key=value" that fit a space to its rows, possibly none, and the note that says why."""

    assignments: tuple[str, ...]
    note: str


def adapt(space: Space, dataset: Dataset) -> list[Change]:
    """Return what a space has to change for these rows. Raises SpaceError if a fixed choice cannot work on them."""
    faults = resampling_faults(
        space.parameters, dataset.train.targets, space.task, dataset.labels, "space", folds=dataset.folds
    )
    return [*_change_tokens(space, dataset), *leave_out(space, faults, dataset)]


def apply(space: Space, changes: Sequence[Change]) -> Space:
    """Return the space with these changes."""
    assignments = [assignment for change in changes for assignment in change.assignments]
    return changed(space, assignments) if assignments else space


# --- resampling -----------------------------------------------------------------------------------------------------


def leave_out(space: Space, faults: Sequence[Fault], dataset: Dataset) -> list[Change]:
    """Leave out the choices of `resampling` that have one of these faults, such as "space.resampling.smote".

    Raises SpaceError if no choice is left, and for faults of other parameters.
    """
    names = [fault.where.removeprefix("space.resampling.") for fault in faults]
    items = _written(space, "resampling")
    kept = [item for item in items if _name_of(item) not in names]
    others = [fault for fault in faults if not fault.where.startswith("space.resampling.")]
    if others or (faults and not kept):
        raise SpaceError([_placed(space, fault) for fault in (faults if not kept else others)])
    if not faults:
        return []
    notes = []
    for name, fault in zip(names, faults, strict=True):
        note = f"space.resampling: {name} is left out, because {fault.what}"
        neighbours = _fewer_neighbours(space, name, dataset)
        if neighbours is not None:
            note += f"; to search it too, {set_option(_key_of(space, name, 'neighbours'), neighbours)}"
        notes.append(note)
    value = kept if len(kept) > 1 else kept[0]
    return [Change((assignment("space.resampling", value),), notes[0]), *(Change((), note) for note in notes[1:])]


def _fewer_neighbours(space: Space, name: str, dataset: Dataset) -> int | None:
    """Return the largest number of neighbours with which a resampling works, None if their number is not what is wrong."""
    domains = dict(options_of(space.parameters["resampling"]))[name]

    def works(neighbours: int) -> bool:
        parameters = {"resampling": OptionChoice(((name, {**domains, "neighbours": Fixed(neighbours)}),))}
        train = dataset.train.targets
        return not resampling_faults(parameters, train, space.task, dataset.labels, "", folds=dataset.folds)

    most = int(ends(domains["neighbours"])[1]) if "neighbours" in domains else 0
    return None if works(most) else next(filter(works, range(most - 1, 0, -1)), None)


def _placed(space: Space, fault: Fault) -> Fault:
    """Add to the fault of an option, such as "space.resampling.smote", the line or the --set that asks for it."""
    *parameter, name = fault.where.split(".")
    key = space.document.option(tuple(parameter), name)
    place = space.document.place((*key, "neighbours"))  # nearly always the setting that asks for too much
    return Fault(place.text, f"{dotted(key)}: {fault.what}", fault.remedy)


# --- tokens ---------------------------------------------------------------------------------------------------------


def _change_tokens(space: Space, dataset: Dataset) -> list[Change]:
    inputs = dataset.train.inputs
    if isinstance(inputs, Sequences):
        return []
    return _keep_tokens(space) if are_token_lists(inputs) else [*_read_characters(space, inputs), *_keep_words(space)]


def _keep_tokens(space: Space) -> list[Change]:
    """Leave out tokenisers and parameters that are for texts only, because the rows are lists of tokens."""
    items = _written(space, "tokens") or ["word"]
    words = next((item for item in items if _name_of(item) == "word"), None)
    others = [_name_of(item) for item in items if _name_of(item) != "word"]
    why = f"the rows of column {space.data.text!r} are lists of tokens, which stay as they are"
    if words is None:
        place = space.document.place(("space", "tokens"))
        what = f"space.tokens: {' and '.join(others)} cannot work, because {why}"
        raise SpaceError([Fault(place.text, what, f"use {set_option('space.tokens', 'word')}")])
    body: Mapping[str, Any] = (words["word"] or {}) if isinstance(words, dict) else {}
    unused = [*others, *(name for name in body if name in _FOR_TEXTS)]
    if not unused:
        return []
    kept = {name: value for name, value in body.items() if name not in _FOR_TEXTS}
    left_out = f"{', '.join(unused)} {'is' if len(unused) == 1 else 'are'} left out"
    value = {"word": kept} if kept else "word"
    return [Change((assignment("space.tokens", value),), f"space.tokens: {left_out}, because {why}")]


def _keep_words(space: Space) -> list[Change]:
    """Read words as they are written if a shipped space has stems and a file has the vectors: it has none for stems."""
    key = "space.tokens.word.forms"
    words = dict(options_of(space.parameters["tokens"])).get("word", {})
    has_stems = "forms" in words and "stem" in dict(options_of(words["forms"]))
    has_file = any(_name_of(item) == "file" for item in _written(space, "embedding"))
    if not (has_stems and has_file and space.is_shipped) or _is_overridden(space, "tokens"):
        return []
    note = f"{key} is as_written, because a file of vectors has words, and few stems; for both, "
    return [Change((assignment(key, "as_written"),), note + set_option(key, ["as_written", "stem"]))]


def _read_characters(space: Space, texts: Sequence[str]) -> list[Change]:
    """Read characters and pieces in place of words if most texts have no spaces and the space is shipped; or say how to."""
    scripts = find_scripts(texts)
    items = _written(space, "tokens") or ["word"]
    others = [item for item in items if _name_of(item) != "word"]
    if scripts.rows < FEW or len(others) == len(items):
        return []
    what = (
        f"{show_share(scripts.rows)} of the training texts are in a script without spaces ({scripts.names}), where a "
        "word is a whole clause"
    )
    has_file = any(_name_of(item) == "file" for item in _written(space, "embedding"))
    length = _length_in_characters(space, texts)
    if scripts.rows > MOST and space.is_shipped and not has_file and not _is_overridden(space, "tokens"):
        tokens = ["character", *(others or [_PIECES])]
        settings = {"space.tokens": tokens, **length}
        shown = " and ".join(f"{key}={yaml_value(value)}" for key, value in settings.items())
        note = f"{what}, so the search uses {shown}; for words, {set_option('space.tokens', 'word')}"
        return [Change(tuple(assignment(key, value) for key, value in settings.items()), note)]
    if others:
        return []
    settings = {"space.tokens": "character", **length} if scripts.rows > MOST else {"space.tokens": ["word", "bpe"]}
    if has_file:
        settings["space.embedding"] = "random"  # a file has vectors of words only
    by = "characters" if scripts.rows > MOST else "pieces of words too"
    options = " ".join(set_option(key, value) for key, value in settings.items())
    return [Change((), f"{what}; to read {by}, {options}")]


def _length_in_characters(space: Space, texts: Sequence[str]) -> dict[str, int]:
    """Return the `max_length` for characters: what 95 % of texts need, at most 512. Empty if the space reads that many."""
    if _is_overridden(space, "max_length"):
        return {}
    needed = min(int(np.percentile([len(text) for text in texts], 95, method="inverted_cdf")), _LONGEST)
    return {"space.max_length": needed} if needed > ends(space.parameters["max_length"])[1] else {}


# --- what a space says ----------------------------------------------------------------------------------------------


def _written(space: Space, parameter: str) -> list[Any]:
    """Return the options of a parameter as the space writes them; none if it does not name the parameter."""
    raw = (space.document.tree.get("space") or {}).get(parameter)
    raw = raw["choice"] if isinstance(raw, dict) and "choice" in raw else raw
    return raw if isinstance(raw, list) else [] if raw is None else [raw]


def _name_of(item: Any) -> str:
    return str(next(iter(item)) if isinstance(item, dict) else item)


def _key_of(space: Space, option: str, parameter: str) -> str:
    """Return the key of an option's parameter, as `--set` takes it."""
    key = space.document.option(("space", "resampling"), option)
    return ".".join(part for part in (*key, parameter) if isinstance(part, str))


def _is_overridden(space: Space, parameter: str) -> bool:
    """Return whether a `--set` gives the parameter, so it is the person's own choice."""
    places = space.document.places
    return any(place.override for key, place in places.items() if key[:2] == ("space", parameter))
