"""How to repeat the run: command, space, seed, fingerprints, versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from tuner.report.blocks import Block, Code, Facts, PageSection, Paragraph, Table
from tuner.report.material import Material
from tuner.show_value import show_count, show_full_moment


def make_section(material: Material) -> PageSection:
    """Return everything that is needed to run the search again."""
    run, environment = material.run, material.run.environment
    data = environment.get("data", {})
    command = environment.get("command")
    blocks: list[Block] = []
    if command:
        caption = "The command that started the run. It needs the same space file and data."
        blocks.append(Code(text=shlex.join(map(str, command)), caption=caption))
    blocks.append(Facts(items=_facts(environment), is_list=True))
    blocks.append(Code(text=run.space.rstrip("\n"), caption="The space as it ran, with its overrides.", is_folded=True))
    if data.get("fingerprints"):
        rows = tuple((str(source), str(sha)) for source, sha in data["fingerprints"].items())
        caption = "SHA-256 of the data. If yours differs, you are running a different search."
        blocks.append(Table(columns=("source", "sha256"), rows=rows, caption=caption, has_long_texts=True))
    versions = environment.get("versions", {})
    if versions:
        rows = tuple((str(name), str(version)) for name, version in versions.items())
        blocks.append(Table(columns=("package", "version"), rows=rows, caption="Package versions.", is_folded=True))
    blocks.append(
        Paragraph(
            text="With one worker, the same space, seed, data and versions give the same ledger, except for the times. With "
            "several workers, trials can end in a different order. The rungs depend on that order. So does a sampler that "
            "learns.",
            tone="note",
        )
    )
    return PageSection(key="repeat", title="How to repeat it", blocks=blocks)


def show_start(environment: Mapping[str, Any]) -> str | None:
    """Return when a run began, in the time zone of this machine; None if the ledger does not say."""
    with suppress(ValueError):
        return show_full_moment(datetime.fromisoformat(str(environment.get("started_at"))).astimezone())
    return None


def _show_resource(number: float, name: str) -> str:
    """Return resources such as {"cpus": 2} as "2 CPUs"."""
    noun = name.removesuffix("s")
    return show_count(number, noun.upper() if noun in ("cpu", "gpu") else noun)


def _facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    machines, git = environment.get("machines", {}), environment.get("git")
    facts = [
        ("began", show_start(environment)),
        ("seed", environment.get("seed")),
        ("space", environment.get("space")),
        ("platform", environment.get("platform")),
        ("machines", ", ".join(_show_resource(value, name) for name, value in machines.items()) or None),
    ]
    if git:
        facts.append(("revision", f"{git['revision']}{' with changes' if git.get('has_changes') else ''}"))
    return [(name, str(value)) for name, value in facts if value is not None]
