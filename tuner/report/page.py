"""One self-contained HTML page about a run, from its ledger alone.

Plotly draws the figures. The page holds the part of its script that it needs, compressed (see `scripts/plotly`). Each figure is
JSON. The content security policy of the page forbids any network access.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

from tuner import __version__
from tuner.report.blocks import PageSection, Plot
from tuner.report.material import Material
from tuner.report.sections import make_sections
from tuner.report.sections.repeat import show_start
from tuner.show_value import show_count, show_full_moment


def render(material: Material) -> str:
    """Return the page of a run as HTML."""
    return render_page(
        title=material.run.name,
        subtitle=_subtitle(material),
        sections=make_sections(material),
        made_at=show_full_moment(datetime.now().astimezone()),
    )


def render_page(*, title: str, subtitle: str, sections: Sequence[PageSection], made_at: str) -> str:
    """Return a page with the given sections. Escapes all texts; the JSON of the figures cannot end its script element."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_asset("page.html"))
    return template.render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        made_at=made_at,
        version=__version__,
        style=_asset("page.css"),
        script=_asset("page.js"),
        plotly=_plotly(),
        figures=_script_json({plot.key: _figure(plot) for plot in _plots(sections)}),
    )


def _plots(sections: Sequence[PageSection]) -> Iterator[Plot]:
    return (block for section in sections for block in section.blocks if isinstance(block, Plot))


def _figure(plot: Plot) -> dict[str, Any]:
    return {"data": plot.data, "layout": plot.layout, "height": plot.height, "narrow": plot.narrow}


def _script_json(value: Any) -> str:
    """Return JSON for a script element: no text in it can close the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return files("tuner.report").joinpath("assets", name).read_text(encoding="utf-8")


def _plotly() -> str:
    """Return the compressed script in letters."""
    return b64encode(files("tuner.report").joinpath("assets", "plotly.min.js.gz").read_bytes()).decode()


def _subtitle(material: Material) -> str:
    run = material.run
    began = show_start(run.environment)
    parts = [
        material.task,
        show_count(len(material.labels), "label") if material.labels else "",
        f"began {began}" if began else "",
    ]
    return " · ".join(part for part in parts if part)
