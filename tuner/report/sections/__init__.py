"""The sections of the page, one module each.

To add a section, write its module with a function `make_section(material)`, which returns None if there is nothing to show,
and list the module's name in SECTIONS.
"""

from __future__ import annotations

from importlib import import_module

from tuner.report.blocks import PageSection
from tuner.report.material import Material

SECTIONS = (
    "verdict",
    "diagnosis",
    "search",
    "parameters",
    "collapse",
    "selection",
    "labels",
    "data",
    "repeat",
)
"""Names of the modules in the order of the page; each is also the section's anchor."""


def make_sections(material: Material) -> list[PageSection]:
    """Return the sections that have something to show, in the order of the page."""
    sections = (import_module(f"{__name__}.{name}").make_section(material) for name in SECTIONS)
    return [section for section in sections if section is not None]
