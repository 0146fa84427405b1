"""From a space's name to a typed, validated `Space`, or to every fault that stands in the way."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tuner.errors import Fault, SpaceError, did_you_mean
from tuner.show_value import show_yaml as show
from tuner.space.document import Document, Key, Place, Tell, override, read_document, rewrite
from tuner.space.domains import Domain, OptionChoice, Setting, read_domains
from tuner.space.parameters import PARAMETERS
from tuner.space.search_settings import ResourceSettings, ScoreSettings, SearchSettings
from tuner.space.sections import SECTIONS, read_section, where_known
from tuner.space.settings import TASK_RULES, DataSettings, Inputs, Task

TASKS: tuple[Task, ...] = get_args(Task)
KEYS = ("task", *SECTIONS, "space")


@dataclass(frozen=True, kw_only=True)
class Space:
    """A space as it will be run. `text` is its YAML: the file's own, or rewritten with the overrides in it.

    `document` knows where each of its values was written.
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

    @property
    def inputs(self) -> Inputs:
        """What a row is: a text or a numeric sequence."""
        return self.data.inputs


def load_space(name: str, overrides: Sequence[str] = ()) -> Space:
    """Load the space that `name` finds (see `find_space`), with "dotted.key=value" overrides whose values are YAML.

    Raises SpaceError with every fault of the file and of the overrides, in the order of the lines.
    """
    path, is_shipped = find_space(name)
    document = override(read_document(path), overrides)
    faults = list(document.faults)

    def tell(key: Key, what: str, remedy: str) -> None:
        faults.append(document.fault(key, what, remedy))

    sections = _read(document, tell)
    if faults:
        _raise(faults)
    text = rewrite(document.text, overrides) if overrides else document.text
    return Space(source=str(path), is_shipped=is_shipped, text=text, document=document, **sections)


def read_space(text: str, overrides: Sequence[str] = ()) -> Space:
    """Read a space's YAML as a ledger has it, with overrides as `load_space` takes. Raises SpaceError where it cannot be."""
    with tempfile.TemporaryDirectory() as folder:  # the loader reads files; the ledger may lie in an object store
        path = Path(folder, "space.yaml")
        path.write_text(text, encoding="utf-8")
        return load_space(str(path), overrides)


def find_space(name: str) -> tuple[Path, bool]:
    """Return the file that `name` means and whether it is a shipped one.

    A file of that name comes first; otherwise `NAME`, `NAME.yaml`, `spaces/NAME.yaml` and `search_spaces/NAME.yaml`
    mean the space that is shipped under NAME. Raises SpaceError where there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path, False
    shipped = shipped_spaces()
    stem = path.name.removesuffix(".yaml").removesuffix(".yml")
    if str(path.parent) in (".", "spaces", "search_spaces") and stem in shipped:
        return shipped[stem], True
    if path.exists():
        return path, False  # a pipe can be read; a directory cannot, which reading it tells
    what = f"no such file ({path.absolute()}), and no space is shipped under that name"
    raise SpaceError([Fault(where=name, what=what, remedy=_near_file(path) or did_you_mean(stem, shipped))])


def shipped_spaces() -> dict[str, Path]:
    """Return the spaces that come with tuner, by name: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "search_spaces"
    folder = inside if inside.is_dir() else package.parent / "search_spaces"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _near_file(path: Path) -> str | None:
    """Return a remedy naming a file beside the one that is not there, if one has nearly its name."""
    folder = path.parent
    names = [each.name for each in folder.iterdir() if each.suffix in (".yaml", ".yml")] if folder.is_dir() else []
    remedy = did_you_mean(path.name, names)
    return remedy if remedy.startswith("did you mean") else None


def _read(document: Document, tell: Tell) -> dict[str, Any]:
    """Return every field of a Space that the document has; those with faults, which are told, may be None."""
    tree = document.tree
    for key in tree:
        if key not in KEYS:
            tell((key,), f"unknown key {key!r}", where_known(key, KEYS))
    sections = {name: read_section(model, tree.get(name), (name,), tell) for name, model in SECTIONS.items()}
    task = _read_task(tree, tell)
    data = tree.get("data")
    if task is not None and isinstance(data, dict):
        for rule in TASK_RULES:
            broken = rule.check({**data, "task": task})
            if broken is not None:
                tell(("data", *[name for name in rule.fields if name in data][:1]), *broken)
    inputs: Inputs = "sequence" if isinstance(data, dict) and data.get("sequence") is not None else "text"
    setting = Setting(task=task, inputs=inputs)
    parameters = read_domains(tree.get("space"), PARAMETERS[inputs], ("space",), tell, setting)
    _tell_vectors_of_parts(parameters, tell)
    return {"task": task, **sections, "parameters": parameters}


def _tell_vectors_of_parts(parameters: Mapping[str, Domain], tell: Tell) -> None:
    """Refuse vectors from a file, which are of words, where a text may be cut into something else."""
    embedding, tokens = parameters.get("embedding"), parameters.get("tokens")
    if not (isinstance(embedding, OptionChoice) and isinstance(tokens, OptionChoice)):
        return
    others = [name for name, _ in tokens.options if name != "word"]
    if others and "file" in dict(embedding.options):
        what = f"file has vectors of words, but tokens may be {' or '.join(others)}"
        tell(("space", "embedding"), what, "use tokens: word, or embedding: word2vec, which learns them from the texts")


def _read_task(tree: Mapping[str, Any], tell: Tell) -> Task | None:
    if "task" not in tree:
        tell((), "task is missing", f"add task: {' or task: '.join(TASKS)}")
        return None
    for task in TASKS:
        if tree["task"] == task:
            return task
    tell(("task",), f"{show(tree['task'])} is not a task", did_you_mean(str(tree["task"]), TASKS))
    return None


def _raise(faults: Sequence[tuple[Place, Fault]]) -> None:
    raise SpaceError([fault for _, fault in sorted(faults, key=lambda found: found[0])])
