"""Write settings so that they mean the same when pasted: as YAML, and as a `--set` in a shell."""

from __future__ import annotations

import json
import shlex
from typing import Any

from tuner.errors import SpaceError
from tuner.space.document import override, parse_document

_EMPTY = parse_document("a: 1", "")


def set_option(key: str, value: Any) -> str:
    """Return `--set key=value`, quoted for the shell and for YAML. `value` is a scalar, a list or a mapping."""
    return f"--set {shlex.quote(assignment(key, value))}"


def assignment(key: str, value: Any) -> str:
    """Return "key=value" as `tuner.space.document.override` reads it."""
    return f"{key}={yaml_value(value)}"


def yaml_value(value: Any, *, is_inside: bool = False) -> str:
    """Return a value on one line of YAML. Texts stay without quotes where YAML reads them as they are."""
    if isinstance(value, dict):
        pairs = (
            f"{yaml_value(str(key), is_inside=True)}: {yaml_value(item, is_inside=True)}" for key, item in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(yaml_value(item, is_inside=True) for item in value) + "]"
    if isinstance(value, str):
        return value if _reads_as_written(value, is_inside=is_inside) else _quoted(value)
    return json.dumps(value)


def _reads_as_written(text: str, *, is_inside: bool) -> bool:
    written = f"[{text}]" if is_inside else text
    try:
        document = override(_EMPTY, [f"a={written}"])
    except SpaceError:
        return False
    wanted: Any = [text] if is_inside else text
    return not document.faults and bool(document.tree["a"] == wanted)


def _quoted(text: str) -> str:
    """Return a text in double quotes. JSON escapes wide characters in two halves, which YAML does not join."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
