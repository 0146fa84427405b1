"""Settle `resources.gpus: auto`: none without GPUs, otherwise the share that lets the most trials through, by a measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tuner.data.trial_data import TrialData
from tuner.ray_backend.gpu_probes import ProbeError, find_facts, probes_on, share
from tuner.ray_backend.start import Machines
from tuner.search.gpu_packing import (
    GpuMeasurement,
    Packing,
    choose_packing,
    counts_to_try,
    is_worth_more,
    most_for_cores,
    most_for_memory,
    note_on_idle_cpus,
)
from tuner.search.trial_cost import CostGuess, sample_configurations
from tuner.space.assignment import assignment
from tuner.space.auto import GPUS, are_gpus_left_to_search
from tuner.space.configuration import Configuration
from tuner.space.load import Space, changed
from tuner.training.device import device_of
from tuner.trial.order import TrialSettings

_TRAIN_S = 1.5  # with each number of trials
_WORTH_MEASURING_S = 600.0  # a shorter search would spend too much of its time


def settle_gpus(
    space: Space, data: TrialData, machines: Machines, say: Callable[[str], None]
) -> tuple[Space, Packing | None]:
    """Return the space with a number in the place of `resources.gpus: auto`, and how it was found; None if nobody looked."""
    if not are_gpus_left_to_search(space.document) or not machines.gpus:
        return space, None
    say("trying how many trials can share a GPU")
    most = most_for_cores(machines.nodes, space.resources)
    packing = pack(space, data, most=most)
    say(packing.sentence)
    note = note_on_idle_cpus(packing, machines.nodes)
    if note is not None:
        say(f"note: {note}")
    return changed(space, [assignment(f"resources.{GPUS}", packing.gpus)]), packing


def pack(space: Space, data: TrialData, *, most: int, device: str = device_of(1)) -> Packing:
    """Measure on one GPU how many trials should share it, where the cores are enough for `most`."""
    settings = TrialSettings(
        max_epochs=space.search.max_epochs,
        reports_per_epoch=space.search.reports_per_epoch,
        penalty_weight=space.score.penalty_weight,
        threads=space.resources.cpus,
        device=device,
    )
    middle, largest = typical_configurations(space, data)
    shared, cpus = share(data), space.resources.cpus
    has_gpu = device == device_of(1)
    try:
        facts = find_facts(largest, shared, settings, cpus=cpus, gpus=float(has_gpu))
    except ProbeError as error:
        return choose_packing(GpuMeasurement(problem=str(error)), most=most)
    if facts.problem:
        return Packing(trials=0, why=facts.problem, measured=GpuMeasurement(problem=facts.problem))
    measured = GpuMeasurement(gpu=facts.name, memory_bytes=facts.memory_bytes, need_bytes=facts.need_bytes)
    counts = counts_to_try(min(most, most_for_memory(facts.memory_bytes, facts.need_bytes)))
    if counts[-1] == 1 or (space.search.seconds or _WORTH_MEASURING_S) < _WORTH_MEASURING_S:
        return choose_packing(measured, most=most)
    rates: dict[int, float] = {}
    gpus = float(has_gpu) / counts[-1]
    settings = replace(settings, gpu_share=1 / counts[-1])
    try:
        with probes_on(facts, counts[-1], middle, shared, settings, cpus=cpus, gpus=gpus) as measure:
            for count in counts:
                rates[count] = measure(count, _TRAIN_S)
                if not is_worth_more(rates):
                    break
    except ProbeError as error:
        measured = replace(measured, problem=str(error))
    return choose_packing(replace(measured, rates=rates), most=most)


def typical_configurations(space: Space, data: TrialData) -> tuple[Configuration, Configuration]:
    """Return two of the configurations that a search may draw: one of middling cost, and the one whose batches are largest."""
    sampled = sample_configurations(space)
    guess = CostGuess(configurations=sampled, data=data)
    by_cost = sorted(sampled, key=lambda each: guess.of(each).example_s)
    largest = max(sampled, key=lambda each: guess.of(each).example_s * int(each["batch_size"]))
    return by_cost[len(by_cost) // 2], largest
