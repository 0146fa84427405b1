"""Occupy GPUs that are left out, so that no trial gets them, while the other GPUs of their nodes stay in use."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuner.ray_backend.cluster_nodes import here
from tuner.trial.place import Place


class _Holder:
    """Has a part of a GPU and does nothing with it."""

    def gpu(self) -> str:
        return here()["gpu"]


@dataclass
class _Occupation:
    """The actors that have asked for parts of a GPU, by the reference to their answer, and those that have got one."""

    share: float
    asking: dict[Any, Any] = field(default_factory=dict)
    holding: list[Any] = field(default_factory=list)


class BadGpus:
    """Occupies GPUs bit by bit, as the trials that have them end.

    Ray chooses the GPU itself, one with room. So an actor asks for as much as a trial does, is kept if it got a part of the right
    one, and is otherwise ended at once. It never waits long: on a broken GPU trials fail, and what they had is free again.
    """

    def __init__(self) -> None:
        self._occupations: dict[Place, _Occupation] = {}

    def occupy(self, place: Place, share: float) -> None:
        """Begin to occupy a GPU, in parts of the size that a trial has."""
        self._occupations.setdefault(place, _Occupation(min(share, 1.0)))
        self.look()

    def look(self) -> None:
        """Keep what lies on the right GPU, and ask for what is still missing."""
        for place, occupation in self._occupations.items():
            for answer in [each for each in occupation.asking if ray.wait([each], timeout=0)[0]]:
                holder = occupation.asking.pop(answer)
                if _answer(answer) == place.gpu:
                    occupation.holding.append(holder)
                # Otherwise Ray ends the actor, because nobody refers to it any more.
            parts = math.floor(1 / occupation.share + 1e-9)
            for _ in range(parts - len(occupation.holding) - len(occupation.asking)):
                holder = _ask(place.node, occupation.share)
                occupation.asking[holder.gpu.remote()] = holder

    def is_known(self, place: Place) -> bool:
        """Return whether a GPU is occupied, or about to be."""
        return place in self._occupations

    def held(self, place: Place) -> float:
        """Return how much of a GPU is occupied."""
        occupation = self._occupations.get(place)
        return occupation.share * len(occupation.holding) if occupation else 0.0


def _ask(node_id: str, share: float) -> Any:
    strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(num_cpus=0, num_gpus=share, scheduling_strategy=strategy)(_Holder).remote()


def _answer(answer: Any) -> str | None:
    try:
        return str(ray.get(answer))
    except ray.exceptions.RayError:  # the node is gone
        return None
