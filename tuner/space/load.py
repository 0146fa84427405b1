"""Load a space by name: return a typed, validated `Space`, or raise a list of all its faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from tuner.errors import Fault, SpaceError, did_you_mean
from tuner.show_value import show_yaml
from tuner.space.assignment import Write, assignment, key_of, set_option
from tuner.space.auto import left_to_search
from tuner.space.configuration import Configuration
from tuner.space.document import (
    AddFault,
    Document,
    Key,
    Place,
    Remedy,
    parse_document,
    read_document,
)
from tuner.space.domain_reading import Setting, read_domains
from tuner.space.domains import Domain, OptionChoice
from tuner.space.file_settings import SettledFiles, settle_files, with_absolute_files
from tuner.space.first_trials import KEY as FIRST
from tuner.space.first_trials import FirstTrials, read_first
from tuner.space.overrides import override, rewrite
from tuner.space.parameters import PARAMETERS
from tuner.space.search_settings import ResourceSettings, ScoreSettings, SearchSettings
from tuner.space.sections import SECTIONS, home_of, read_section, where_known
from tuner.space.settings import TASK_RULES, DataSettings
from tuner.space.task import COLUMN_FIELDS, Inputs, Task
from tuner.space.task_options import options_for_task

TASKS: tuple[Task, ...] = get_args(Task)
KEYS = ("task", *SECTIONS, FIRST, "space")
SHIPPED = "shipped:"
"""Before the name of a space: the one that is shipped with tuner, whatever files there are here."""
_PLACES = (".", "spaces", "search_spaces")


@dataclass(frozen=True, kw_only=True)
class Space:
    """A space as it will run. `text` is the YAML of the file, rewritten if there are overrides.

    `document` knows where each value was written. `is_task_given` says that a person gave the task as an override, so they
    insist on it. `first` are the settings of the first trials, as far as the space gives them. `notes` are sentences for
    people: where files were found, and what the first trials cannot use. `given` is the text as people gave it, before tuner
    fitted it to rows and settled it, with absolute paths; "" if that is not known.
    """

    source: str
    is_shipped: bool
    text: str
    document: Document
    task: Task
    data: DataSettings
    search: SearchSettings
    resources: ResourceSettings
    score: ScoreSettings
    parameters: Mapping[str, Domain]
    first: tuple[Configuration, ...] = ()
    is_task_given: bool = False
    notes: tuple[str, ...] = ()
    given: str = ""

    @property
    def inputs(self) -> Inputs:
        """What a row is: a text or a numeric sequence."""
        return self.data.inputs

    @property
    def text_for_anywhere(self) -> str:
        """The text with absolute paths, so that it means the same in every folder."""
        return with_absolute_files(self.document, self.text)


def load_space(name: str, overrides: Sequence[str] = (), *, found: Sequence[str] = ()) -> Space:
    """Load the space that `name` finds (see `find_space`), with overrides written as "dotted.key=YAML value".

    Relative paths in the file belong to its folder, those of overrides to this folder. `found` are overrides that tuner found
    out; those of the person come after them.

    Raises SpaceError with every fault of the file and of the overrides, in the order of the lines.
    """
    path, is_shipped = find_space(name)
    folder = Path() if is_shipped or not path.is_file() else path.parent  # a pipe has no folder of its own
    document = read_document(path)
    linked = path.resolve().parent if path.is_symlink() and path.is_file() and not is_shipped else None
    loaded = _load(document, (*found, *overrides), is_shipped=is_shipped, folder=folder, linked=linked)
    return replace(loaded, is_task_given="task" in map(key_of, overrides), given=loaded.text_for_anywhere)


def read_space(text: str, overrides: Sequence[str] = ()) -> Space:
    """Read a space from YAML text, such as a ledger's, with overrides. Raises SpaceError like `load_space`."""
    return _load(parse_document(text, "space.yaml"), overrides, is_shipped=False)


def changed(space: Space, assignments: Sequence[str]) -> Space:
    """Return a space with settings that tuner changed. Their places stay those that people know: of what was changed.

    Raises SpaceError like `load_space`.
    """
    made = _load(replace(space.document, text=space.text), assignments, is_shipped=space.is_shipped)
    keys = [tuple(key_of(each).split(".")) for each in assignments]
    places = dict(made.document.places)
    for known in places:
        for key in keys:
            if known[: len(key)] == key:
                places[known] = space.document.place(key)
    document = replace(made.document, places=places)
    return replace(made, source=space.source, document=document, is_task_given=space.is_task_given, given=space.given)


def _load(
    document: Document,
    overrides: Sequence[str],
    *,
    is_shipped: bool,
    folder: Path | None = None,
    linked: Path | None = None,
) -> Space:
    document = _with_names_as_text(override(document, overrides))
    files = SettledFiles(document) if folder is None else settle_files(document, folder, linked=linked)
    document = files.document
    faults = list(document.faults)

    def add_fault(key: Key, what: str, remedy: Remedy) -> None:
        faults.append(document.fault(key, what, remedy))

    sections = _read(document, add_fault)
    first = FirstTrials((), None, ()) if faults else _read_first(document, sections, overrides, add_fault)
    if faults:
        _raise(faults)
    changes = [*overrides, *_names_of_overrides(document), *files.assignments]
    if first.notes:
        document = replace(document, tree={**document.tree, FIRST: first.tree})
        changes.append(assignment(FIRST, first.tree))
    return Space(
        source=document.source,
        is_shipped=is_shipped,
        text=rewrite(document.text, changes) if changes else document.text,
        document=document,
        notes=(*files.notes, *first.notes),
        first=first.settings,
        **sections,
    )


def _read_first(
    document: Document, sections: Mapping[str, Any], overrides: Sequence[str], add_fault: AddFault
) -> FirstTrials:
    """Read the settings of the first trials. If an override changes what a parameter may be, its value here may be excluded."""
    inputs: Inputs = sections["data"].inputs
    keys = [key_of(each).split(".") for each in overrides]
    is_given = any(key[0] == FIRST for key in keys)
    changed = {key[1] for key in keys if key[0] == "space" and len(key) > 1 and not is_given}
    auto = {name.removeprefix("space.") for name in left_to_search(document)}
    return read_first(document.tree.get(FIRST), sections["parameters"], inputs, changed, auto, add_fault)


def _with_names_as_text(document: Document) -> Document:
    """Return the document with the names of columns as text. YAML reads names such as 5 and true as other values."""
    data = document.tree.get("data")
    if not isinstance(data, dict):
        return document
    names = {name: document.as_text(("data", name)) for name in COLUMN_FIELDS if name in data}
    return replace(document, tree={**document.tree, "data": {**data, **names}})


def _names_of_overrides(document: Document) -> list[str]:
    """Return an assignment for each column that a --set names, so that 007 is also written as a text."""
    names = [name for name in COLUMN_FIELDS if name in document.tree["data"]]
    return [
        assignment(f"data.{name}", document.tree["data"][name])
        for name in names
        if document.place(("data", name)).override
    ]


def find_space(name: str) -> tuple[Path, bool]:
    """Return the file that `name` means, and whether it is shipped with tuner.

    If a file has that name, it is meant. Otherwise `NAME`, `NAME.yaml`, `spaces/NAME.yaml` and `search_spaces/NAME.yaml`
    mean the space that is shipped as NAME, and `shipped:NAME` always does. Raises SpaceError if there is neither, or if a
    person's own file in one of these places may be meant as well.
    """
    shipped = shipped_spaces()
    if name.startswith(SHIPPED):
        stem = name.removeprefix(SHIPPED)
        if stem not in shipped:
            raise SpaceError([Fault(name, "no shipped space has that name", did_you_mean(stem, shipped))])
        return shipped[stem], True
    path = Path(name)
    if path.is_file():
        return path, False
    stem = path.name.removesuffix(".yaml").removesuffix(".yml")
    if str(path.parent) in _PLACES and stem in shipped:
        _refuse_ambiguous(name, stem, shipped[stem])
        return shipped[stem], True
    if path.exists():
        return path, False  # a pipe can be read; reading a directory raises the error for it
    what = f"no such file ({path.absolute()}), and no shipped space has that name"
    raise SpaceError([Fault(where=name, what=what, remedy=_near_file(path) or did_you_mean(stem, shipped))])


def _refuse_ambiguous(name: str, stem: str, shipped: Path) -> None:
    """Refuse a name that may mean the shipped space or a person's own file, unless the file is an unchanged copy."""
    own = [path for path in _own_files(stem) if path.read_bytes() != shipped.read_bytes()]
    if own:
        what = f"this may mean {' or '.join(map(str, own))}, or the space that is shipped with tuner"
        raise SpaceError([Fault(name, what, f"write {own[0]}, or {SHIPPED}{stem} for the shipped one")])


def _own_files(stem: str) -> list[Path]:
    """Return the files in the usual places that have the name of a space."""
    paths = [Path(place, stem + suffix) for place in _PLACES for suffix in (".yaml", ".yml")]
    return [path for path in paths if path.is_file()]


def shipped_spaces() -> dict[str, Path]:
    """Return the spaces shipped with tuner, by name. They are in the wheel, or next to the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "search_spaces"
    folder = inside if inside.is_dir() else package.parent / "search_spaces"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _near_file(path: Path) -> str | None:
    """Return a remedy that names the file in one of the usual places, or one with a similar name in the same folder."""
    folder = path.parent
    own = _own_files(path.stem if path.suffix in (".yaml", ".yml") else path.name) if str(folder) == "." else []
    if own:
        return f"did you mean {str(own[0])!r}?"
    names = [file.name for file in folder.iterdir() if file.suffix in (".yaml", ".yml")] if folder.is_dir() else []
    remedy = did_you_mean(path.name, names)
    return remedy if remedy.startswith("did you mean") else None


def _read(document: Document, add_fault: AddFault) -> dict[str, Any]:
    """Return the fields of a Space that the document holds. Pass faults to `add_fault`; a field with faults may be None."""
    tree = document.tree
    for key in tree:
        if key not in KEYS:
            home = home_of(key) if document.place((key,)).override else None
            remedy = f"write {set_option(f'{home}.{key}', tree[key])}" if home else where_known(key, KEYS)
            add_fault((key,), f"unknown key {key!r}", remedy)

    def add_section_fault(key: Key, what: str, remedy: Remedy) -> None:
        add_fault(key, what, _with_options_of_task(remedy, tree))

    sections = {
        name: read_section(model, tree.get(name), (name,), add_section_fault) for name, model in SECTIONS.items()
    }
    task = _read_task(tree, add_fault)
    data = tree.get("data")
    if task is not None and isinstance(data, dict):
        for rule in TASK_RULES:
            broken = rule.check({**data, "task": task})
            if broken is not None:
                add_fault(("data", *[name for name in rule.fields if name in data][:1]), *broken)
    inputs: Inputs = "sequence" if isinstance(data, dict) and data.get("sequence") is not None else "text"
    setting = Setting(task=task, inputs=inputs)
    parameters = read_domains(tree.get("space"), PARAMETERS[inputs], ("space",), add_fault, setting)
    _check_vectors(parameters, add_fault)
    return {"task": task, **sections, "parameters": parameters}


def _with_options_of_task(remedy: Remedy, tree: Mapping[str, Any]) -> Remedy:
    """Add to a remedy that changes the task what the space must change with it, such as a loss for several labels."""
    task = dict(remedy.settings).get(("task",)) if isinstance(remedy, Write) else None
    space, data = tree.get("space"), tree.get("data")
    if task is None or not isinstance(remedy, Write) or not isinstance(space, dict):
        return remedy
    are_sequences = isinstance(data, dict) and data.get("sequence") is not None
    changed = options_for_task(space, task, "sequence" if are_sequences else "text")
    return replace(remedy, settings=(*remedy.settings, *((("space", name), value) for name, value in changed.items())))


def _check_vectors(parameters: Mapping[str, Domain], add_fault: AddFault) -> None:
    """Refuse vectors from a file if texts may be split into something other than words."""
    embedding, tokens = parameters.get("embedding"), parameters.get("tokens")
    if not (isinstance(embedding, OptionChoice) and isinstance(tokens, OptionChoice)):
        return
    others = [name for name, _ in tokens.options if name != "word"]
    if others and "file" in dict(embedding.options):
        what = f"a file has vectors for words, but tokens may be {' or '.join(others)}"
        sentence = "use {}, or {}, which learns vectors from the texts"
        remedy = Write(sentence, (("tokens", "word"), ("embedding", "word2vec")), holder=("space",))
        add_fault(("space", "embedding"), what, remedy)


def _read_task(tree: Mapping[str, Any], add_fault: AddFault) -> Task | None:
    if "task" not in tree:
        add_fault((), "task is missing", f"add task: {' or task: '.join(TASKS)}")
        return None
    for task in TASKS:
        if tree["task"] == task:
            return task
    add_fault(("task",), f"{show_yaml(tree['task'])} is not a task", did_you_mean(str(tree["task"]), TASKS))
    return None


def _raise(faults: Sequence[tuple[Place, Fault]]) -> None:
    raise SpaceError([fault for _, fault in sorted(faults, key=lambda each: each[0])])
