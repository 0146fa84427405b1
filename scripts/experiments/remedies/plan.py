"""The trainings of the experiment, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments.material import ExperimentData
from experiments.remedies.catalogue import BASE, Remedy, remedies_for
from experiments.remedies.training import RemedyJob
from experiments.spaces import in_force, make_space, only_configuration

BASE_TRAININGS = 3  # remedies are compared with their mean, so that one lucky base does not affect all results


def orders_for(
    materials: Mapping[str, ExperimentData],
    *,
    seeds: int,
    epochs: float | None,
    limit_rows: int | None,
    vectors: str | None,
) -> Iterator[RemedyJob]:
    """Yield every training, seed by seed and the sets by turns, so that an early stop leaves complete seeds."""
    remedies = {name: _remedies(material) for name, material in materials.items()}
    bases = {name: _base_hash(material) for name, material in materials.items()}
    for seed in range(seeds):
        for number in range(max(len(each) for each in remedies.values())):
            for name, material in materials.items():
                if number < len(remedies[name]):
                    remedy, replica = remedies[name][number]
                    yield RemedyJob(
                        material=material,
                        remedy=remedy,
                        seed=seed,
                        replica=replica,
                        epochs=material.epochs if epochs is None else epochs,
                        limit_rows=limit_rows,
                        vectors=vectors,
                        base=bases[name],
                    )


def _remedies(material: ExperimentData) -> list[tuple[Remedy, int]]:
    """Return each remedy with its replica number, the base first."""
    base = Remedy("", BASE, {})
    again = [(base, replica) for replica in range(BASE_TRAININGS)]
    return again + [(remedy, 0) for remedy in remedies_for(material.inputs, material.base)]


def _base_hash(material: ExperimentData) -> str:
    from tuner.space.configuration import configuration_hash

    space = make_space(material.task, material.data, in_force(material.base, material.inputs))
    return configuration_hash(only_configuration(space))
