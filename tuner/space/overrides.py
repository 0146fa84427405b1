"""Overrides: change the values of a document, or of the text of a space, by assignments such as "search.time=60s"."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ruamel.yaml import YAML

from tuner.errors import SpaceError
from tuner.space.assignment import set_option
from tuner.space.colons import NO_SPACE, with_spaces
from tuner.space.document import MAX_BYTES, MAX_DEPTH, Document, Key, Place, dotted, parse, position, raise_fault

_WITH_COLON = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)\s*:\s*(\S.*)")  # search.time: 10m, as in a file


def override(document: Document, assignments: Sequence[str]) -> Document:
    """Return the document with each "dotted.key=value" applied. An assignment that cannot be applied becomes a fault."""
    for number, assignment in enumerate(assignments, start=1):
        place = Place(number, 0, _abbreviate(f"--set {assignment}"))
        try:
            document = _override_one(document, assignment, place)
        except SpaceError as error:
            faults = tuple((place, replace(fault, where=place.text)) for fault in error.faults)
            document = replace(document, faults=document.faults + faults)
    return document


def rewrite(text: str, assignments: Sequence[str]) -> str:
    """Apply assignments that `override` accepted to the YAML text. Comments and order stay as they are."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = MAX_BYTES
    yaml.indent(mapping=2, sequence=4, offset=2)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)  # a column may have a long number for a name
    try:
        return _rewrite(yaml, text, assignments)
    finally:
        sys.set_int_max_str_digits(limit)


def _rewrite(yaml: YAML, text: str, assignments: Sequence[str]) -> str:
    tree = yaml.load(text)
    for assignment in assignments:
        key, value = _split_assignment(assignment)
        _assign(tree, key, parse(value, assignment, place=lambda line: Place(0, line, "")).tree)
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue()


def _override_one(document: Document, assignment: str, place: Place) -> Document:
    key, value_text = _split_assignment(assignment)
    value = _parse_value(key, value_text, place)
    tree = _copy(document.tree)
    path = _assign(tree, key, value.tree)
    unchanged = {known: at for known, at in document.places.items() if known[: len(path)] != path}
    assigned = {path[:end]: place for end in range(1, len(path) + 1)}  # the value, and parents that were absent
    kept = {known: text for known, text in document.written.items() if known[: len(path)] != path}
    written = kept | {(*path, *below): text for below, text in value.written.items()}
    return replace(
        document, tree=tree, places=assigned | unchanged, written=written, faults=document.faults + value.faults
    )


def _parse_value(key: Sequence[str], text: str, place: Place) -> Document:
    """Parse the value of a --set. Text that is not YAML, or only a comment, is refused with the way to quote it."""
    quoted = set_option(".".join(key), text)
    spaced = _spaced(text, place)
    if spaced is not None:
        written = shlex.quote(f"{dotted(tuple(key))}={spaced}")
        raise_fault(text, f"{dotted(tuple(key))}: {NO_SPACE}", f"put a space after the colon: --set {written}")
    if text.lstrip().startswith("#"):
        raise_fault(text, f"{dotted(tuple(key))}: # begins a comment, so there is no value", f"quote it: {quoted}")
    try:
        return parse(text, place.text, place=lambda _: place)
    except SpaceError as error:
        fault = error.faults[0]
        raise SpaceError([replace(fault, remedy=f"{fault.remedy}; or, if it is a text, quote it: {quoted}")]) from None


def _spaced(text: str, place: Place) -> str | None:
    """Return the value of a --set with a space after each colon, if it can be read so and not, or not as meant, without."""
    spaced = with_spaces(text)
    if spaced == text:
        return None
    try:
        if parse(spaced, place.text, place=lambda _: place).faults:
            return None
    except SpaceError:
        return None
    try:
        return spaced if parse(text, place.text, place=lambda _: place).faults else None
    except SpaceError:
        return spaced


def _split_assignment(assignment: str) -> tuple[tuple[str, ...], str]:
    name, equals, value = assignment.partition("=")
    remedy = "write --set KEY=VALUE, such as --set search.time=60s"
    if not equals:
        colon = _WITH_COLON.fullmatch(assignment)
        raise_fault(
            assignment, "has no '='", f"write --set {shlex.quote('='.join(colon.groups()))}" if colon else remedy
        )
    key = tuple(part.strip() for part in name.split("."))
    if not all(key):
        raise_fault(assignment, f"{name!r} is not a dotted key", remedy)
    if len(key) > MAX_DEPTH:
        raise_fault(
            assignment, f"the key has {len(key):,} parts, but a space is at most {MAX_DEPTH} levels deep", remedy
        )
    return key, value


def _assign(tree: Any, key: tuple[str, ...], value: Any) -> Key:
    """Set the value at a dotted key in `tree`, adding absent parents. Return the key with its list positions.

    In a list of options, a part of the key names the option: space.optimiser.sgd.momentum means the momentum in
    [adam, {sgd: {momentum: 0.9}}]. Raises SpaceError if the list has no such option.
    """
    path: Key = ()
    node = tree
    for part, following in zip(key, (*key[1:], None), strict=True):
        if isinstance(node, list):
            index = position(node, part, path)
            if not isinstance(node[index], dict):
                node[index] = {part: None}
            path, node = (*path, index), node[index]
        path = (*path, part)
        if following is None:
            node[part] = value
        else:
            if not isinstance(node.get(part), dict | list):
                # A name becomes a mapping, so that norm can become {norm: …}. Any other scalar is replaced.
                node[part] = {}
            node = node[part]
    return path


def _copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _copy(value) for name, value in tree.items()}
    return [_copy(item) for item in tree] if isinstance(tree, list) else tree


def _abbreviate(text: str, length: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
