"""A space file as plain data. Every value knows its place: a line of the file, or a `--set`.

YAML is only data here: one document of mappings, lists and scalars (YAML 1.2), without tags, aliases or repeated keys, and
limited in size and depth. So a hostile or mistaken file only leads to a message. It cannot run code or fill the memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tuner.errors import Fault, SpaceError
from tuner.space.assignment import AS_WRITTEN, TYPED_TAGS, Write, set_option, yaml_value
from tuner.space.colons import NO_SPACE, split_stuck, with_spaces

MAX_BYTES = 200_000  # the largest shipped space has 6,000; a megabyte on one line took seconds
MAX_DEPTH = 32
MAX_EVENTS = 5_000  # keys, values and brackets; the largest shipped space has 600, and 90,000 keys took a minute
_MAX_OPEN = 200  # brackets in comments and texts count too, even if nothing closes them

Key: TypeAlias = tuple[str | int, ...]
Remedy: TypeAlias = str | Write
AddFault: TypeAlias = Callable[[Key, str, Remedy], None]  # (key, fault, remedy)


@dataclass(frozen=True, order=True)
class Place:
    """Where a value was written. Places sort by line, with overrides last."""

    override: int  # 0: the file; otherwise which --set
    line: int
    text: str


@dataclass(frozen=True)
class Document:
    """Plain data (`tree`) with the place of every key and item, and the faults found while reading.

    `written` holds every value on one line as it was written, such as 007 for the number 7.
    """

    source: str
    text: str
    tree: Any
    places: Mapping[Key, Place]
    written: Mapping[Key, str]
    faults: tuple[tuple[Place, Fault], ...] = ()

    def place(self, key: Key) -> Place:
        """Return where `key` was written. For an absent key, return where its closest parent was written."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, Place(0, 0, self.source))

    def option(self, key: Key, name: str) -> Key:
        """Return the key of an option that the parameter at `key` has, on its own or in a list."""
        raw = self.tree
        for part in key:
            raw = raw[part]
        if isinstance(raw, dict) and "choice" in raw:
            key, raw = (*key, "choice"), raw["choice"]
        return (*key, position(raw, name, key), name) if isinstance(raw, list) else (*key, name)

    def as_text(self, key: Key) -> Any:
        """Return the value at `key`, with each number and boolean in it as the text that was written."""
        value = self.tree
        for part in key:
            value = value[part]
        if isinstance(value, list):
            return [self.as_text((*key, index)) for index in range(len(value))]
        return self.written[key] if isinstance(value, int | float) else value

    def fault(self, key: Key, what: str, remedy: Remedy) -> tuple[Place, Fault]:
        """Return a fault in the value at `key`, with its place. A remedy that writes settings suits that place."""
        place = self.place(key)
        name = dotted(key)
        if isinstance(remedy, Write):
            holder = key if remedy.holder is None else remedy.holder
            remedy = remedy.fill(self._write(place, holder, *setting) for setting in remedy.settings)
        return place, Fault(where=place.text, what=f"{name}: {what}" if name else what, remedy=remedy)

    def _write(self, place: Place, holder: Key, name: str | tuple[str, ...], value: Any) -> str:
        """Return a setting as a line of a file, or as a --set if `place` is one. A list's item can only be a value."""
        key = name if isinstance(name, tuple) else (*holder, name) if name else holder
        value = self.written.get(key, "…") if value is AS_WRITTEN else value
        if place.override and isinstance(key[-1], str):
            return set_option(".".join(part for part in key if isinstance(part, str)), value)
        return f"{key[-1]}: {yaml_value(value)}" if name else yaml_value(value)


def dotted(key: Key) -> str:
    """Return a key as people write it: "space.clipping[1].norm" for ("space", "clipping", 1, "norm")."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def read_document(path: Path) -> Document:
    """Read a YAML file. Raises SpaceError as `parse_document` does, and if the file cannot be read, is too large or not UTF-8."""
    return parse_document(read_text(path), str(path))


def parse_document(text: str, source: str) -> Document:
    """Read YAML text; messages name `source` as the file it comes from.

    Raises SpaceError if the text holds no mapping: not YAML, empty, a list, a single value. Repeated keys become faults of
    the document, which are reported together with all others.
    """
    if len(text) > MAX_BYTES:
        raise_fault(source, f"is larger than {MAX_BYTES:,} bytes", "is this a settings file, and not data?")
    document = parse(text, source, place=lambda line: Place(0, line, f"{source}:{line}"))
    if document.tree is None:
        raise_fault(source, "the file is empty", "write a space, or copy a shipped one with `tuner init`")
    if not isinstance(document.tree, dict):
        kind = "a list" if isinstance(document.tree, list) else "a single value"
        raise_fault(
            source, f"the top level is {kind}, but must be keys with values", "begin with task: …, data: …, search: …"
        )
    return document


def read_text(path: Path) -> str:
    """Return the text of a YAML file. Raises SpaceError if it cannot be read, is too large or is not UTF-8."""
    source = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise_fault(source, "is a directory, not a file", "name a YAML file in it")
    except OSError as error:
        raise_fault(source, f"cannot be read: {error.strerror or error}", "name a YAML file that can be read")
    if len(content) > MAX_BYTES:
        raise_fault(source, f"is larger than {MAX_BYTES:,} bytes", "is this a settings file, and not data?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise_fault(f"{source}:{line}", f"byte {content[error.start]:#04x} is not UTF-8 text", "save the file as UTF-8")


def raise_fault(where: str, what: str, remedy: str) -> NoReturn:
    """Raise SpaceError with one fault."""
    raise SpaceError([Fault(where=where, what=what, remedy=remedy)]) from None


def position(options: list[Any], name: str, path: Key) -> int:
    """Return the place of an option in the list at `path`. Raises SpaceError if it is not there."""
    for index, option in enumerate(options):
        if option == name or (isinstance(option, dict) and name in option):
            return index
    what = f"{dotted(path)} is a list without the option {name!r}"
    raise_fault(dotted(path), what, f"set the whole list: --set '{dotted(path)}=[…]'")


def parse(text: str, source: str, place: Callable[[int], Place]) -> Document:
    """Parse YAML text, which may hold a single value. `place` maps a line number, from 1, to its place."""
    yaml = YAML(typ="safe", pure=True)
    _check_brackets(text, place)
    try:
        _check_events(yaml.parse(text), place)
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse_syntax(text, mark.line if mark else 0, error, place)
    except YAMLError as error:
        raise_fault(source, f"cannot be read as YAML: {str(error).splitlines()[0]}", "remove what is not text")
    reader = _Reader(yaml, text, place)
    tree = None if root is None else reader.read(root, ())
    return Document(source, text, tree, reader.places, reader.written, tuple(reader.faults))


def _check_brackets(text: str, place: Callable[[int], Place]) -> None:
    """Refuse text with too many open brackets. The parser's time grows with the square of their number."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if bracket[0] in "[{" else -1))
        if depth > _MAX_OPEN:
            where = place(text.count("\n", 0, bracket.start()) + 1).text
            raise_fault(where, f"more than {_MAX_OPEN} brackets and braces are open", "close them, or nest less deeply")


def _check_events(events: Any, place: Callable[[int], Place]) -> None:
    depth = 0
    event: Event
    for number, event in enumerate(events):
        where = place(event.start_mark.line + 1).text
        if number >= MAX_EVENTS:
            raise_fault(
                where, f"more than {MAX_EVENTS:,} keys, values and brackets", "is this a settings file, and not data?"
            )
        if isinstance(event, AliasEvent):
            raise_fault(where, f"*{event.anchor} is an alias, which tuner does not read", "write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown = str(tag).replace("tag:yaml.org,2002:", "!!")
            raise_fault(where, f"{shown} is a tag, which tuner does not read", "remove it: YAML is read as plain data")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise_fault(where, f"nested more than {MAX_DEPTH} levels deep", "is a bracket or brace left open?")


def _refuse_syntax(text: str, line: int, error: MarkedYAMLError, place: Callable[[int], Place]) -> NoReturn:
    """Refuse text that is not YAML. Name tabs as indentation, the usual cause, more clearly than the parser does."""
    if r"'\t'" in (error.problem or ""):
        others = len(re.findall(r"^ *\t", text, flags=re.MULTILINE)) - 1
        also = f" (and {others} more)" if others > 0 else ""
        raise_fault(place(line + 1).text, f"a tab indents this line{also}, but YAML allows only spaces", "use spaces")
    if "single document" in (error.context or ""):
        raise_fault(place(line + 1).text, "a second document begins with ---", "keep one document in a file")
    problem = ", ".join(filter(None, (error.context, error.problem)))
    remedy = "check the indentation, the colons, and that brackets and quotes are closed"
    lines = text.splitlines()
    if line < len(lines) and with_spaces(lines[line]) != lines[line]:
        remedy = f"put a space after each colon; {remedy}"
    raise_fault(place(line + 1).text, f"cannot be read as YAML: {problem}", remedy)


class _Reader:
    """Turns nodes into plain data. Records the place and the text of each value, and a fault for each repeated key."""

    def __init__(self, yaml: YAML, text: str, place: Callable[[int], Place]) -> None:
        self.places: dict[Key, Place] = {}
        self.written: dict[Key, str] = {}
        self.faults: list[tuple[Place, Fault]] = []
        self._construct = yaml.constructor.construct_object
        self._text = text
        self._place = place

    def read(self, node: Node, key: Key) -> Any:
        # The mapping has already recorded the line of the key, which says more than the line of its value.
        self.places.setdefault(key, self._at(node))
        if node.start_mark.line == node.end_mark.line:
            self.written[key] = self._text[node.start_mark.index : node.end_mark.index]
        if isinstance(node, MappingNode):
            return self._read_mapping(node, key)
        if isinstance(node, SequenceNode):
            return [self.read(item, (*key, index)) for index, item in enumerate(node.value)]
        return self._read_scalar(node)

    def _at(self, node: Node) -> Place:
        return self._place(node.start_mark.line + 1)

    def _read_mapping(self, node: MappingNode, key: Key) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, ScalarNode):
                self._fault(name_node, key, "a key is a list or a mapping", "make it a word")
                continue
            name = str(name_node.value)
            stuck = split_stuck(name) if name_node.style is None and _is_absent(value_node) else None
            if stuck is not None:
                name = stuck[0]
                self._fault(name_node, (*key, name), NO_SPACE, "put a space after the colon: {}: {}".format(*stuck))
                value_node = _scalar_after(name_node, stuck[1])
            child = (*key, name)
            if name in mapping:
                first = self.places[child].text
                self._fault(name_node, child, f"the key appears twice, first at {first}", "keep one of the two")
                continue
            self.places[child] = self._at(name_node)
            mapping[name] = self.read(value_node, child)
        return mapping

    def _read_scalar(self, node: Node) -> Any:
        if node.tag not in TYPED_TAGS:
            return str(node.value)  # dates, for example, stay as they are written
        # A whole number too large for a float reads as infinity, which every setting refuses by its own rule.
        try:
            value = self._construct(node, deep=True)
        except ValueError:  # Python refuses numbers with thousands of digits; short ones like -_ are text
            return math.inf if len(node.value) > 1000 else str(node.value)
        return math.inf if isinstance(value, int) and value.bit_length() > 1000 else value

    def _fault(self, node: Node, key: Key, what: str, remedy: str) -> None:
        place = self._at(node)
        self.faults.append((place, Fault(where=place.text, what=f"{dotted(key)}: {what}", remedy=remedy)))


def _is_absent(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "" and node.style is None


def _scalar_after(key: ScalarNode, value: str) -> ScalarNode:
    """Return the value in a key without a space after its colon, at the place of the key."""
    tag = YAML(typ="safe", pure=True).resolver.resolve(ScalarNode, value, (True, False))
    return ScalarNode(tag, value, start_mark=key.start_mark, end_mark=key.end_mark)
