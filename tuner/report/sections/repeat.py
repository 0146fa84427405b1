"""How to repeat the run: command, space, seed, fingerprints, versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from tuner.report.blocks import Block, Code, Facts, Section, Table, Text
from tuner.report.material import Material


def repeat_section(material: Material) -> Section:
    """Return all that is needed to run the search again."""
    run, environment = material.run, material.run.environment
    data = environment.get("data", {})
    command = environment.get("command")
    blocks: list[Block] = []
    if command:
        told = "The command as it was given; it needs the same space and data to be there."
        blocks.append(Code(text=shlex.join(map(str, command)), caption=told))
    blocks.append(Facts(items=_facts(environment), is_list=True))
    blocks.append(
        Code(text=run.space.rstrip("\n"), caption="The space as it was run, overrides included.", is_folded=True)
    )
    if data.get("fingerprints"):
        rows = tuple((str(source), str(sha)) for source, sha in data["fingerprints"].items())
        told = "SHA-256 of the data: with other fingerprints it is another search."
        blocks.append(Table(columns=("source", "sha256"), rows=rows, caption=told))
    versions = environment.get("versions", {})
    if versions:
        rows = tuple((str(name), str(version)) for name, version in versions.items())
        blocks.append(Table(columns=("package", "version"), rows=rows, caption="Versions.", is_folded=True))
    blocks.append(
        Text(
            text="With one worker at a time the same space, seed, data and versions give the same ledger, time columns aside. "
            "With several workers trials end in another order, which a sampler that learns and the rungs depend on.",
            tone="note",
        )
    )
    return Section(key="repeat", title="How to repeat it", blocks=blocks)


def _facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    machines, git = environment.get("machines", {}), environment.get("git")
    facts = [
        ("began", environment.get("started_at")),
        ("seed", environment.get("seed")),
        ("space", environment.get("space")),
        ("platform", environment.get("platform")),
        ("machines", ", ".join(f"{value:g} {name}" for name, value in machines.items()) or None),
    ]
    if git:
        facts.append(("revision", f"{git['revision']}{' with changes' if git.get('has_changes') else ''}"))
    return [(name, str(value)) for name, value in facts if value is not None]
