"""The page in a real browser: Debian's chromium, without a window, driven through chromedriver."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.runs import LABELS, write_run
from tuner.analysis.next_steps import next_steps
from tuner.report.material import Material, gather
from tuner.report.page import render

BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="no chromium with chromedriver here; `apt-get install chromium chromium-driver` brings both",
    ),
]

INJECTION = '</script><img src=x onerror="window.injected = 1">'
_DRAWN_S = 60.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install 'tuner[dev]'")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument("--window-size=1280,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Material]:
    """A page about a run whose labels and texts try to inject markup, and the material it was made from."""
    folder = tmp_path_factory.mktemp("report")
    labels = (*LABELS[:-1], INJECTION)
    material = gather(write_run(folder, labels=labels, texts=(INJECTION, "{{ 1 + 1 }}")))
    page = folder / "report.html"
    page.write_text(render(material), encoding="utf-8")
    return page, material


def show(browser: Any, page: Path, *, scheme: str, width: int = 1280, is_fresh: bool = False) -> None:
    """Open a page from disk and wait until every figure is drawn in the scheme; drawing again takes seconds."""
    if not is_fresh and getattr(browser, "shown", None) == (page, scheme, width):
        return
    browser.shown = (page, scheme, width)
    scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme_feature]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(page.as_uri())
    wait_until_drawn(browser, scheme)


def wait_until_drawn(browser: Any, scheme: str) -> None:
    deadline = time.monotonic() + _DRAWN_S
    while browser.execute_script("return document.documentElement.dataset.drawn") != scheme:
        assert time.monotonic() < deadline, f"not drawn in {_DRAWN_S:g} s: {browser.get_log('browser')}"
        browser.execute_async_script("requestAnimationFrame(() => arguments[0]())")


def traces(browser: Any, figure: str) -> list[dict[str, Any]]:
    """Return a figure's traces as Plotly holds them after drawing."""
    script = """
        const plot = document.querySelector(`[data-figure="${arguments[0]}"]`);
        return JSON.stringify(plot._fullData.map((trace) => ({
            name: trace.name, x: [...(trace.x ?? [])], y: [...(trace.y ?? [])], type: trace.type,
            meta: trace.meta ?? null, yaxis: trace.yaxis ?? null, showlegend: trace.showlegend,
        })));
    """
    drawn: list[dict[str, Any]] = json.loads(browser.execute_script(script, figure))
    return drawn


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 768), ("light", 1280)])
def test_a_page_opens_from_disk_without_errors_fits_the_screen_and_uses_no_network(
    browser: Any, made: tuple[Path, Material], scheme: str, width: int
) -> None:
    show(browser, made[0], scheme=scheme, width=width, is_fresh=True)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file://", "data:", "blob:"))] == []
    assert len([url for url in asked if url.startswith("file://")]) <= 1
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert [event for event in events if event["method"] == "Network.loadingFailed"] == []


def rows_of_table(browser: Any, section: str, first_column: str) -> list[dict[str, str]]:
    """Return the rows of the table of a section whose first heading is `first_column`, by heading, as a reader sees them."""
    script = """
        const tables = [...document.querySelectorAll(`#${arguments[0]} table`)];
        document.querySelectorAll("details").forEach((details) => { details.open = true; });
        const heads = (table) => [...table.querySelectorAll("th")].map((cell) => cell.innerText);
        const table = tables.find((each) => heads(each)[0] === arguments[1]);
        return [...table.querySelectorAll("tbody tr")].map((row) =>
            Object.fromEntries([...row.cells].map((cell, place) => [heads(table)[place], cell.innerText])));
    """
    rows: list[dict[str, str]] = browser.execute_script(script, section, first_column)
    return rows


def same(shown: str, value: float | int | str | None) -> bool:
    """Return whether a cell of the page shows a value of the JSON, to three decimals."""
    if value is None:
        return shown == "–"
    return (
        shown == value
        if isinstance(value, str)
        else abs(float(shown.replace("−", "-").replace(",", "")) - value) <= 5.01e-4
    )


def shown_as_json(location: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tuner", "show", str(location), "--format", "json"]
    described: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return described


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_every_cell_of_the_tables_is_the_number_that_show_prints(browser: Any, tmp_path: Path, task: str) -> None:
    location = write_run(tmp_path, task=task, trials=40)
    page = tmp_path / "report.html"
    page.write_text(render(gather(location)), encoding="utf-8")
    show(browser, page, scheme="light")
    described = shown_as_json(location)
    labels = rows_of_table(browser, "labels", "label")
    headings = {"label": "label", "support": "support", "prevalence": "prevalence", "decision rate": "decision_rate"}
    headings |= {"precision": "precision", "recall": "recall", "F1 at threshold": "f1", "AUC": "auc"}
    expected = described["champion"]["test"]["labels"]
    assert len(labels) == len(expected) == len(LABELS)
    for row, facts in zip(labels, expected, strict=True):
        assert [heading for heading, key in headings.items() if not same(row[heading], facts[key])] == []
    board = rows_of_table(browser, "selection", "rank")
    best = [row for row in described["leaderboard"] if row["rank"] <= 20 or row["kind"] != "trial"]
    assert len(board) == len(best) > 20
    headings = {"rank": "rank", "kind": "kind", "name": "name", "score": "score", "macro-F1": "macro_f1"}
    headings |= {"skill": "skill", "epochs": "epochs", "lower bound": "lower"}
    for row, facts in zip(board, best, strict=True):
        assert [heading for heading, key in headings.items() if not same(row[heading], facts.get(key))] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_every_cell_of_the_confusion_matrix_shows_the_count_of_the_ledger(
    browser: Any, tmp_path: Path, width: int
) -> None:
    location = write_run(tmp_path, task="multiclass", trials=20)
    page = tmp_path / "report.html"
    page.write_text(render(gather(location)), encoding="utf-8")
    show(browser, page, scheme="light", width=width)
    script = """
        const texts = document.querySelectorAll("[data-figure=confusion] .heatmap-label text");
        return [...texts].map((text) => {
            const box = text.getBoundingClientRect();
            return [box.top + box.height / 2, box.left + box.width / 2, text.textContent];
        });
    """
    cells = browser.execute_script(script)
    expected = json.loads((location / "champion.json").read_text())["confusion"]
    rows = sorted(cells, key=lambda cell: cell[0])
    count = len(LABELS)
    assert len(rows) == count**2
    by_place = [sorted(rows[count * row : count * (row + 1)], key=lambda cell: cell[1]) for row in range(count)]
    assert [[int(cell[2].replace(",", "")) for cell in row] for row in by_place] == expected


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_every_hover_text_has_all_its_values(browser: Any, tmp_path: Path, task: str) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(gather(write_run(tmp_path, task=task, trials=40))), encoding="utf-8")
    show(browser, page, scheme="light")
    script = """
        const [done] = arguments, texts = [];
        const read = async (plot) => {
            for (const [curveNumber, trace] of plot._fullData.entries()) {
                if (trace.visible !== true) continue;
                await new Promise((go) => setTimeout(go, 70));  // Plotly leaves out what comes to a plot within 50 ms
                const subplot = (trace.xaxis ?? "x") + (trace.yaxis ?? "y");
                const where = trace.type === "heatmap" ? { xval: 1, yval: 0 } : [{ curveNumber, pointNumber: 0 }];
                Plotly.Fx.hover(plot, where, subplot);
                const labels = [...plot.querySelectorAll(".hoverlayer .hovertext")];
                const lines = labels.flatMap((each) => [...each.querySelectorAll("tspan.line")].map((line) => line.textContent));
                const label = lines.join("|") || labels.map((each) => each.textContent).join("|");
                texts.push([plot.dataset.figure, trace.type, trace.name ?? "", label]);
            }
        };
        Promise.all([...document.querySelectorAll(".plot")].map(read)).then(() => done(texts));
    """
    browser.set_script_timeout(_DRAWN_S)
    texts = browser.execute_async_script(script)
    assert {"scatter", "bar", "heatmap"} <= {kind for _, kind, _, label in texts if label}
    assert [row for row in texts if not row[3] or any(gap in row[3] for gap in ("%{", "undefined", "NaN"))] == []
    assert [
        row for row in texts if row[3].startswith("- ") or row[3].startswith("-|")
    ] == []  # a value that is not there
    curves = [label for figure, _, _, label in texts if figure == "precision-recall"]
    assert {label.split("|")[0].removesuffix(" as decided") for label in curves} == set(LABELS)
    matrix = next(label for figure, _, _, label in texts if figure in ("confusion", "cooccurrence"))
    assert re.search(r"\|[\d,]+ rows?, [\d.]+ %", matrix)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_cut_off_without_a_way_to_see_it(browser: Any, tmp_path: Path, width: int) -> None:
    texts = ["a long text of a row " * 20, "https://example.org/" + "x" * 200]
    page = tmp_path / "report.html"
    page.write_text(render(gather(write_run(tmp_path, task="multiclass", trials=40, texts=texts))), encoding="utf-8")
    show(browser, page, scheme="light", width=width)
    script = """
        document.querySelectorAll("details").forEach((details) => { details.open = true; });
        const scrolls = (element) => element.closest(".scroll, pre, nav") !== null;
        const outside = (element) => element.getBoundingClientRect().right > window.innerWidth + 1;
        const found = [...document.querySelectorAll("main *")].filter((each) => outside(each) && !scrolls(each));
        const wrong = [...document.querySelectorAll("#labels table.stacked td")].filter(outside);
        return [...found, ...wrong].map((each) => each.outerHTML.slice(0, 80));
    """
    assert browser.execute_script(script) == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_the_first_screen_has_the_verdict_the_key_numbers_and_what_to_do_next(
    browser: Any, made: tuple[Path, Material]
) -> None:
    show(browser, made[0], scheme="light", width=1280)
    bottom = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom + window.scrollY"
    assert browser.execute_script(bottom, "#verdict .lead") < browser.execute_script(bottom, "#verdict dl") < 800
    assert browser.execute_script(bottom, "#verdict .steps") < 800
    commands = browser.execute_script(
        "return [...document.querySelectorAll('#verdict .steps code')].map((code) => code.textContent)"
    )
    assert commands == [step.command for step in next_steps(made[1].run)]
    show(browser, made[0], scheme="light", width=390)
    first_picture = "return document.querySelector('.plot').getBoundingClientRect().top + window.scrollY"
    assert browser.execute_script(bottom, "#verdict .steps") < browser.execute_script(first_picture)


def test_a_browser_that_cannot_open_the_script_says_so_and_still_shows_the_tables(
    browser: Any, made: tuple[Path, Material]
) -> None:
    browser.shown = None
    added = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream;"}
    )
    browser.get(made[0].as_uri())
    shown = browser.execute_script("return document.querySelector('main').innerText")
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert "The figures need a browser of 2023 or later" in shown
    assert "What to do next" in shown
    assert browser.get_log("browser") == []


def test_labels_and_texts_of_the_data_never_become_markup(browser: Any, made: tuple[Path, Material]) -> None:
    show(browser, made[0], scheme="light")
    assert browser.execute_script("return window.injected ?? null") is None
    assert browser.execute_script("return document.querySelectorAll('main img').length") == 0
    shown = browser.execute_script("return document.querySelector('#labels').textContent")
    assert INJECTION in shown
    ticks = browser.execute_script(
        "return [...document.querySelectorAll('[data-figure=label-counts] .ytick text')].map((t) => t.textContent)"
    )
    assert any(tick.startswith("</script><img") for tick in ticks)


def test_the_learning_curves_are_those_of_the_ledger(browser: Any, made: tuple[Path, Material]) -> None:
    show(browser, made[0], scheme="light")
    drawn = [trace for trace in traces(browser, "curves") if trace["yaxis"] == "y"]
    material = made[1]
    for kind in {trial.kind for trial in material.trials}:
        trials = [trial for trial in material.trials if trial.kind == kind]
        trace = next(each for each in drawn if each["name"] == f"{kind} ({len(trials)})")
        points = sorted((x, y) for x, y in zip(trace["x"], trace["y"], strict=True) if y is not None)
        expected = sorted((p.epochs, p.score) for trial in trials for p in trial.curve if p.score is not None)
        assert len(points) == len(expected)
        assert points == [pytest.approx(pair, rel=1e-5) for pair in expected]


def test_the_figure_of_the_verdict_has_the_champion_and_every_baseline(
    browser: Any, made: tuple[Path, Material]
) -> None:
    show(browser, made[0], scheme="dark")
    champion, baselines = made[1].run.champion, made[1].run.baselines
    validation, test, ahead = traces(browser, "verdict")
    assert len(validation["x"]) == 1 + len(baselines)
    assert test["x"][test["y"].index("champion")] == pytest.approx(champion["test"]["macro_f1"], rel=1e-5)
    expected = sorted(row["champion_ahead"] for row in champion["test_baselines"])
    assert sorted(ahead["x"]) == pytest.approx(expected, rel=1e-5)


def test_parallel_coordinates_have_a_line_for_every_scored_trial(browser: Any, made: tuple[Path, Material]) -> None:
    show(browser, made[0], scheme="light")
    drawn = traces(browser, "coordinates")
    scored = [trial for trial in made[1].searched if trial.score is not None]
    assert sum(trace["meta"]["trials"] for trace in drawn) == len(scored)
    assert sum(trace["x"].count(0) for trace in drawn) == len(scored)
    assert {min(y for y in trace["y"] if y is not None) for trace in drawn} == {
        -0.16
    }  # where a parameter is not in force


def test_every_figure_is_drawn_in_the_colours_of_the_scheme(browser: Any, made: tuple[Path, Material]) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        show(browser, made[0], scheme=scheme)
        paper, ink = browser.execute_script(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        )
        assert paper != ink
        colours[scheme] = (paper, traces_colour(browser))
        undrawn = "return [...document.querySelectorAll('.plot')].filter((p) => !p.querySelector('.main-svg')).length"
        assert browser.execute_script(undrawn) == 0
    assert colours["light"][0] != colours["dark"][0]
    assert colours["light"][1] != colours["dark"][1]


def traces_colour(browser: Any) -> str:
    script = "return document.querySelector('[data-figure=curves]')._fullData[0].line.color"
    return str(browser.execute_script(script))


def test_the_button_switches_the_scheme(browser: Any, made: tuple[Path, Material]) -> None:
    show(browser, made[0], scheme="light")
    browser.execute_script("document.getElementById('theme').click()")
    browser.shown = None
    wait_until_drawn(browser, "dark")
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"


def test_a_page_prints_in_light_colours_and_then_returns_to_its_scheme(
    browser: Any, made: tuple[Path, Material]
) -> None:
    show(browser, made[0], scheme="dark")
    script = """
        window.printed = null;
        window.addEventListener("beforeprint", () => {
            const svg = document.querySelector("[data-figure=verdict] .main-svg");
            window.printed = [document.documentElement.dataset.theme, svg.getAttribute("width")];
        });
    """
    browser.execute_script(script)
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert len(pdf) > 50_000
    assert browser.execute_script("return window.printed") == ["light", "680"]
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
