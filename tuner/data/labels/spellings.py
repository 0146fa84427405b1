"""Spellings of one label: names that differ only in case, in outer spaces, in Unicode form, or as 1.0 and 1 do."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tuner.data.labels.boolean_words import PAIRS
from tuner.data.name_lists import list_names, number_of_rows

_CASE = "upper and lower case"
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")
_JOINERS = "\u200c\u200d"  # they cannot be seen at the ends of a name, but matter inside it
_WHOLE = re.compile(r"(-?\d+)\.0*")
_NUMBERED = re.compile(r"(?:label_)?\d+")  # LABEL_0 is what Hugging Face calls a class without a name
_TRUTH = {word: truth for pair in PAIRS for word, truth in zip(pair, ("false", "true"), strict=True)}
_LETTERS = frozenset("nyft")  # a letter alone may stand for anything


@dataclass(frozen=True)
class JoinedNames:
    """`names` maps every spelling to the name of its label. `groups` lists the spellings that became one, with their rows."""

    names: Mapping[str, str]
    groups: tuple[Mapping[str, int], ...]

    def notes(self, *, setting: str | None = None) -> list[str]:
        """Say what was joined. `setting` keeps names apart that differ in case; None: there is no such setting."""
        alike: dict[str, list[str]] = defaultdict(list)
        for group in self.groups:
            name = self.names[next(iter(group))]
            rows = [f"{spelling!r} ({number_of_rows(count)})" for spelling, count in group.items()]
            alike[_difference([*group, name])].append(f"{' and '.join(rows)} as {name!r}")
        notes = [
            f"labels that differ only in {difference} are read as one: {list_names(joined)}"
            for difference, joined in alike.items()
        ]
        are_apart = setting is not None and _CASE in alike
        return [f"{note}; to keep them apart: {setting}" if are_apart and _CASE in note else note for note in notes]


def _difference(names: Sequence[str]) -> str:
    """Say in what the spellings of one label differ."""
    if len(set(map(_with_case, names))) == 1:
        return "spaces, Unicode form or characters that cannot be seen"
    if len(set(map(_without_case, names))) == 1:
        return _CASE
    return "how a number, a truth value or a class without a name is written"


def join_to_known(
    counts: Counter[str], known: Collection[str], *, keeps_case: bool = False, is_single: bool = True
) -> JoinedNames:
    """Join the names of other rows, with the rows of each, to the labels that a model knows."""
    return join_spellings([Counter(), counts], keeps_case=keeps_case, is_single=is_single, known=known)


def join_spellings(
    counts: Sequence[Counter[str]], *, keeps_case: bool = False, is_single: bool = True, known: Collection[str] = ()
) -> JoinedNames:
    """Join the spellings of a label in several files. `counts` has the rows of each name, those of train first.

    A label gets its most frequent spelling in train. `known` are labels of a model: they keep their spelling, and are never
    joined. With `is_single`, a row has one label: then yes and true are one label too, if all names are words of this kind.
    """
    total = sum(counts, Counter())
    for name in known:
        total.setdefault(name, 0)
    keys = {name: name_key(name, keeps_case=keeps_case) for name in total}
    if all(map(_NUMBERED.fullmatch, keys.values())):
        keys = {name: key.removeprefix("label_") for name, key in keys.items()}
    preferred = set(total)
    if is_single and _are_truths(set(keys.values())):
        rows = Counter({pair: sum(counts[0][name] for name in total if keys[name] in pair) for pair in PAIRS})
        way = max(PAIRS, key=rows.__getitem__)  # both labels get names of one way, such as yes and no
        preferred = {name for name in total if keys[name] in way}
        keys = {name: _TRUTH[key] for name, key in keys.items()}
    spellings: dict[str, list[str]] = defaultdict(list)
    for name, key in keys.items():
        spellings[key].append(name)
    are_whole = all(re.fullmatch(r"-?\d+(?:\.0*)?", name.strip()) for name in total)
    names: dict[str, str] = {}
    groups = []
    for key, group in spellings.items():
        fixed = [name for name in group if name in known]
        if len(fixed) > 1:
            names |= {name: name if name in known else clean_name(name) for name in group}
            continue
        order = sorted(group, key=lambda name: (name not in preferred, -counts[0][name], -total[name], name))
        chosen = fixed[0] if fixed else key if are_whole else clean_name(order[0])
        names |= dict.fromkeys(group, chosen)
        counted = {name: total[name] for name in order if total[name]}
        if len(counted) > 1 or (fixed and counted and chosen not in counted):
            groups.append(counted)
    return JoinedNames(names, tuple(groups))


def clean_name(name: str) -> str:
    """Return a name in Unicode's composed form, without outer spaces and characters that cannot be seen.

    A name of nothing else stays as it is.
    """
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", name)).strip().strip(_JOINERS).strip() or name


def _with_case(name: str) -> str:
    return unicodedata.normalize("NFKC", clean_name(name))


def _without_case(name: str) -> str:
    return unicodedata.normalize("NFKC", clean_name(name).casefold())


def name_key(name: str, *, keeps_case: bool) -> str:
    """Return what all spellings of a name have in common."""
    cleaned = _with_case(name) if keeps_case else _without_case(name)
    whole = _WHOLE.fullmatch(cleaned)
    return whole[1] if whole else cleaned


def _are_truths(keys: Collection[str]) -> bool:
    """Return whether all keys are words for true and false, in several ways. One way must have both of its words."""
    if not all(key in _TRUTH for key in keys):
        return False
    used = [pair for pair in PAIRS if set(pair) & set(keys)]
    whole = [pair for pair in used if set(pair) <= set(keys)]
    return len(used) > 1 and bool(whole) and all(pair in whole or not set(pair) & _LETTERS for pair in used)
