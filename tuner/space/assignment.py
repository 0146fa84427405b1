"""Write settings so that they mean the same when pasted: as a line of YAML, as a `--set` and as an option in a shell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from tuner.errors import printable

TYPED_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float")}
"""What YAML reads as something other than text."""

AS_WRITTEN = object()
"""The value of a setting in `Write` that stands for the text of the value at fault, now in quotes."""

_LONGEST_PLAIN = 200  # characters; a longer text gets quotes without a look, as reading could take long


@dataclass(frozen=True)
class Write:
    """A remedy that writes settings. In `sentence`, each {} stands for one of `settings`, and {all} for all, ready to paste.

    The settings are written as lines of a file, or as `--set` if a `--set` is at fault. They are named as children of
    `holder`, or without one as children of the value at fault; "" names that value itself. A tuple is a whole key.
    """

    sentence: str
    settings: tuple[tuple[str | tuple[str, ...], Any], ...]
    holder: tuple[str | int, ...] | None = None

    def fill(self, written: Iterable[str]) -> str:
        """Return the sentence with the settings as they should be written."""
        written = list(written)
        if "{all}" in self.sentence:
            are_options = all(text.startswith("--set ") for text in written)
            return self.sentence.replace("{all}", (" " if are_options else " and ").join(written))
        first, *others = self.sentence.split("{}")
        return first + "".join(text + other for text, other in zip(written, others, strict=True))


def set_options(**settings: Any) -> str:
    """Return a `--set` for each setting of the data section: "--set data.label=null --set data.labels=topics"."""
    return " ".join(set_option(f"data.{name}", value) for name, value in settings.items())


def set_option(key: str, value: Any) -> str:
    """Return `--set key=value`, quoted for the shell and for YAML. `value` is a scalar, a list or a mapping."""
    return f"--set {shlex.quote(assignment(key, value))}"


def assignment(key: str, value: Any) -> str:
    """Return "key=value" as `tuner.space.overrides.override` reads it."""
    return f"{key}={yaml_value(value)}"


def key_of(assignment: str) -> str:
    """Return the key of "key=value", as people may write it."""
    return assignment.partition("=")[0].strip()


def as_words(assignments: Iterable[str]) -> list[str]:
    """Return assignments as words of a command line: ["--set", "search.time=20m"]."""
    return [word for each in assignments for word in ("--set", each)]


def column_option(option: str, value: str | Sequence[str]) -> str:
    """Return an option that names one column, or several: a JSON list if commas cannot separate them."""
    if not isinstance(value, str):
        is_plain = all(name == name.strip() and "," not in name for name in value)
        value = ",".join(value) if is_plain else json.dumps(value, ensure_ascii=False)
    return f"{option} {shell_word(value)}"


def shell_word(text: str) -> str:
    """Return a text as one word of a shell. Characters that a message cannot show are written as $'…' does."""
    if printable(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)).replace("'", "\\'") + "'"


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
    return json.dumps(value).removesuffix(".0")


def _reads_as_written(text: str, *, is_inside: bool) -> bool:
    if len(text) > _LONGEST_PLAIN or printable(text) != text:  # a message would escape characters that nobody sees
        return False
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(f"[{text}]" if is_inside else text)
    except (YAMLError, ValueError):
        return False
    if is_inside:
        items = node.value if isinstance(node, SequenceNode) else []
        node = items[0] if len(items) == 1 else None
    return isinstance(node, ScalarNode) and node.tag not in TYPED_TAGS and bool(node.value == text)


def _quoted(text: str) -> str:
    """Return a text in double quotes. JSON escapes wide characters in two halves, which YAML does not join."""
    return '"' + "".join('\\"' if character == '"' else _escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
