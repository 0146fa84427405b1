"""JSON with one damaged value."""

from __future__ import annotations

import json
from typing import Any

from builders.fuzz import Generator

ODD: list[Any] = [
    None, True, -1, 0, 1, 0.5, 1e308, float("nan"), float("inf"), 10**400, "", "x", "\ud800", "../../x", "/etc/passwd", [], {},
    [[]], ["a", "a"], {"a": {"b": 1}}, "x" * 100_000, [None] * 1000,
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value within a JSON value; of a list, only the first three items."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def odd_json(content: bytes, random: Generator) -> bytes:
    """Replace one value of a JSON file by an odd one, or remove or add a key."""
    described = json.loads(content)
    paths = places(described)
    path = paths[random.integers(len(paths))]
    odd = ODD[random.integers(len(ODD))]
    if not path:
        return json.dumps(odd).encode()
    place = described
    for key in path[:-1]:
        place = place[key]
    chance = random.random()
    if chance < 0.2 and isinstance(place, dict):
        del place[path[-1]]
    elif chance < 0.3 and isinstance(place, dict):
        place["odd"] = odd
    else:
        place[path[-1]] = odd
    return json.dumps(described).encode()
