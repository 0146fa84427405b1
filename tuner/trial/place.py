"""Where a trial runs, and which places fail so often that no trial should go there. Pure values and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

_ENOUGH_IN_A_ROW = 3
_CHANCE_LIMIT = 0.0015  # three in a row are enough as long as less than about one start in nine fails elsewhere
_HEALTHY_STARTS = 10  # counted elsewhere with one failure, before anything is known
_HOPELESS_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A node, by the id that Ray gives it, and one of its GPUs, or "" for the whole node."""

    node: str
    gpu: str = ""

    @property
    def whole_node(self) -> Place:
        """The node with all its GPUs."""
        return Place(self.node)


class PlaceHealth:
    """Counts the trials that failed at each place, and those that came to a measurement, one start after the other.

    A failure says nothing against its place if the trial then fails on another node too: the cause is the trial.
    """

    def __init__(self) -> None:
        self._in_a_row: Counter[Place] = Counter()
        self._failed: Counter[Place] = Counter()
        self._measured: Counter[Place] = Counter()
        self._blamed: dict[int, Place] = {}  # by trial
        self._broken_in_a_row = 0

    def measured(self, place: Place, trial: int) -> None:
        """Count a start that came to its first measurement."""
        self._measured[place] += 1
        self._in_a_row[place] = self._in_a_row[place.whole_node] = self._broken_in_a_row = 0
        self._blamed.pop(trial, None)

    def failed(self, place: Place, trial: int, *, is_broken: bool) -> Place | None:
        """Count a start that failed. Return the GPU or the whole node that is to be left out, None if there is no reason.

        With `is_broken` the error says that the device is broken.
        """
        earlier = self._blamed.get(trial)
        if earlier is None:
            self._blamed[trial] = place
            self._broken_in_a_row += is_broken
            self._add(place, 1)
        elif earlier.node != place.node:
            self._blamed.pop(trial)
            self._add(earlier, -1)
            return None
        node = place.whole_node
        if place != node and self._in_a_row[place] >= self._in_a_row[node]:  # its other GPUs work, or are untried
            return place if self._is_too_much(place) else None
        return node if self._is_too_much(node) else None

    def is_hopeless(self, nodes: Collection[str]) -> bool:
        """Return whether the last ten trials failed on broken devices, on each of these nodes, which are all there are."""
        has_failed_everywhere = all(self._in_a_row[Place(node)] >= _ENOUGH_IN_A_ROW for node in nodes)
        return self._broken_in_a_row >= _HOPELESS_IN_A_ROW and has_failed_everywhere

    def _add(self, place: Place, count: int) -> None:
        self._failed[place] += count
        for each in {place, place.whole_node}:
            self._in_a_row[each] = max(0, self._in_a_row[each] + count)

    def _is_too_much(self, place: Place) -> bool:
        """Return whether so many failures in a row would be too much of a coincidence, if the place were like the others."""

        def elsewhere(counts: Counter[Place]) -> int:
            return sum(count for each, count in counts.items() if place not in (each, each.whole_node))

        failed, in_a_row = elsewhere(self._failed), self._in_a_row[place]
        share = (failed + 1) / (failed + elsewhere(self._measured) + _HEALTHY_STARTS)
        return in_a_row >= _ENOUGH_IN_A_ROW and share**in_a_row < _CHANCE_LIMIT
