"""The page of a run: its contents, what it says is missing, and that its numbers are those of the ledger."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.runs import LABELS, SPACE, write_run
from tuner.analysis.trials import thin
from tuner.ledger.run_directory import Ledger
from tuner.report.blocks import PageSection, Paragraph, Plot, Table, sentence
from tuner.report.figures import text
from tuner.report.material import Material, gather
from tuner.report.page import render, render_page
from tuner.report.precision_recall import MOST_POINTS, precision_recall, probabilities_and_truth
from tuner.report.sections import SECTIONS, make_sections
from tuner.report.sections.search import MOST_CURVES, best_so_far, on_two_scales, rungs_of
from tuner.show_value import show_on_page


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return gather(write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def sections(material: Material) -> dict[str, PageSection]:
    return {section.key: section for section in make_sections(material)}


def plots(sections: dict[str, PageSection]) -> dict[str, Plot]:
    return {block.key: block for section in sections.values() for block in section.blocks if isinstance(block, Plot)}


def page_of(sections: list[PageSection]) -> str:
    return render_page(title="t", subtitle="s", sections=sections, made_at="now")


class Texts(HTMLParser):
    """The texts of a page outside scripts and styles, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self._open = tag
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open not in ("script", "style"):
            self.texts.append(data)


def test_a_finished_run_has_every_section_and_nothing_missing(
    material: Material, sections: dict[str, PageSection]
) -> None:
    assert material.missing == []
    assert list(sections) == [
        "verdict", "diagnosis", "search", "parameters", "collapse", "selection", "labels", "data", "repeat",
    ]  # fmt: skip


def test_every_section_module_is_listed_and_makes_the_section_of_its_name(
    sections: dict[str, PageSection],
) -> None:
    folder = Path(__file__).parents[2] / "tuner/report/sections"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(SECTIONS)
    assert tuple(sections) == SECTIONS


def test_every_figure_is_one_that_plotly_knows(sections: dict[str, PageSection]) -> None:
    from plotly.graph_objects import Figure

    for plot in plots(sections).values():
        plain = json.loads(re.sub(r'"var\(--[\w-]+\)"', '"#123456"', json.dumps([plot.data, plot.layout, plot.narrow])))
        data, layout, narrow = plain
        Figure(data=data, layout=layout)
        Figure(layout=narrow)
        assert plot.label


def test_every_colour_that_figures_name_is_in_both_schemes(sections: dict[str, PageSection]) -> None:
    named = set(re.findall(r"var\((--[\w-]+)\)", json.dumps([[p.data, p.layout] for p in plots(sections).values()])))
    style = (Path(__file__).parents[2] / "tuner/report/assets/page.css").read_text()
    light, dark = (
        re.search(rf"{start} \{{(.*?)\}}", style, re.S) for start in (":root", r':root\[data-theme="dark"\]')
    )
    for scheme in (light, dark):
        assert scheme is not None
        assert named <= set(re.findall(r"(--[\w-]+):", scheme[1]))


def test_the_verdict_is_one_sentence_with_the_ledgers_numbers(
    material: Material, sections: dict[str, PageSection]
) -> None:
    champion = material.run.champion
    lead = sections["verdict"].lead
    low, high = champion["test"]["macro_f1_ci"]
    assert lead.startswith("The champion beats the constant rules and every baseline on the test split")
    assert f"macro-F1 is {champion['test']['macro_f1']:.3f} ({low:.3f} to {high:.3f})" in lead
    assert "tfidf + logistic regression" in lead
    assert lead.count(". ") == 0


def test_a_control_is_named_as_one_and_is_not_a_rival(sections: dict[str, PageSection]) -> None:
    validation = plots(sections)["verdict"].data[0]
    assert [row for row in validation["y"] if "shuffled labels" in row] == [
        row for row in validation["y"] if "(control)" in row
    ]
    assert "shuffled labels" not in sections["verdict"].lead


def test_label_rows_are_those_of_the_ledger(material: Material, sections: dict[str, PageSection]) -> None:
    champion = material.run.champion
    table = next(block for block in sections["labels"].blocks if isinstance(block, Table))
    column = {name: [row[place] for row in table.rows] for place, name in enumerate(table.columns)}
    expected = champion["test"]["labels"]
    assert column["label"] == list(LABELS)
    assert column["F1 at threshold"] == [show_on_page(row["f1"]) for row in expected]
    assert column["F1 at 0.5"] == [show_on_page(row["f1"]) for row in champion["labels_at_half"]]
    assert column["threshold"] == [show_on_page(value) for value in champion["thresholds"]]
    assert column["average precision"] == [show_on_page(row["average_precision"]) for row in expected]


def test_selection_shows_the_alternatives_and_what_each_member_adds(sections: dict[str, PageSection]) -> None:
    alternatives, members = [block for block in sections["selection"].blocks if isinstance(block, Table)][1:3]
    assert [row[0] for row in alternatives.rows] == ["single", "committee", "blend (chosen)"]
    assert "no basis for a choice" in alternatives.caption
    assert members.columns == ("member", "weight", "score alone", "adds")


def test_selection_compares_after_equal_training_and_does_not_mention_bias(sections: dict[str, PageSection]) -> None:
    (paragraph,) = [block.text for block in sections["selection"].blocks if isinstance(block, Paragraph)]
    assert (
        "After 3 epochs, its search trial had scored 0.500; the same settings with other seeds scored 0.480, 0.460"
        in paragraph
    )
    assert "nine in ten further runs: 0.410 to 0.530" in paragraph
    assert "bias" not in paragraph


def test_rungs_are_where_the_space_puts_them(material: Material, sections: dict[str, PageSection]) -> None:
    assert rungs_of(material) == (1.0, 3.0)
    assert [shape["x0"] for shape in plots(sections)["curves"].layout["shapes"]] == [1.0, 3.0]


def test_the_best_so_far_rises_and_ends_at_the_best_trial(material: Material) -> None:
    steps = best_so_far(material.trials)
    scores = [score for _, score, _ in steps]
    fit = [t for t in material.searched if t.ending not in ("collapsed", "diverged") and t.score is not None]
    assert scores == sorted(scores)
    assert scores[-1] == max(trial.score or 0 for trial in fit)


def test_low_scores_have_their_own_scale() -> None:
    traces, axes = on_two_scales([{"name": "a", "y": [0.5, None, 0.4]}, {"name": "b", "y": [-0.9, 0.3]}])
    assert [(trace["name"], trace.get("yaxis")) for trace in traces] == [("a", None), ("b", None), ("b", "y2")]
    assert axes["yaxis"]["range"][0] < 0.3 < 0.5 < axes["yaxis"]["range"][1]
    assert axes["yaxis2"]["range"][0] < -0.9


@pytest.mark.parametrize(
    ("cut", "sentences"),
    [
        ({"has_champion": False, "is_finished": False}, ["The run is unfinished", "There is no champion"]),
        (
            {"has_champion": False, "has_baselines": False},
            ["The run failed: no trial has a score.", "The baselines"],
        ),
        ({"has_profile": False}, ["no profile of the data"]),
        ({"trials": 0, "has_champion": False, "has_baselines": False, "is_finished": False}, ["No trial has begun."]),
    ],
)
def test_a_run_that_was_cut_off_gives_a_page_that_says_what_is_missing(
    tmp_path: Path, cut: dict[str, Any], sentences: list[str]
) -> None:
    material = gather(write_run(tmp_path, **cut))
    page = " ".join(Texts(page_of(make_sections(material))).texts)
    assert [expected for expected in sentences if expected not in page] == []
    assert "How to repeat it" in page


@pytest.mark.parametrize("name", ["predictions/test.parquet", "predictions/validation.parquet", "manifest.json"])
def test_a_page_can_be_made_without_one_of_the_files(tmp_path: Path, name: str) -> None:
    location = write_run(tmp_path, trials=20)
    (location / name).unlink()
    assert "verdict" in {section.key for section in make_sections(gather(location))}


def test_a_space_that_this_version_cannot_read_is_reported_and_the_rest_is_shown(tmp_path: Path) -> None:
    location = write_run(tmp_path, trials=20)
    (location / "space.yaml").write_text("task: multilabel\nunknown: 1\n")
    material = gather(location)
    assert "This version of tuner cannot read the space" in material.missing[0]
    assert {"search", "collapse"} <= {section.key for section in make_sections(material)}


@pytest.mark.parametrize("task", ["multiclass", "binary"])
def test_a_task_with_one_label_per_row_has_the_confusion_matrix_of_the_ledger(tmp_path: Path, task: str) -> None:
    labels = LABELS if task == "multiclass" else LABELS[:2]
    material = gather(write_run(tmp_path, trials=20, task=task, labels=labels))
    drawn = plots({section.key: section for section in make_sections(material)})
    shown = [[int(cell.replace(",", "")) for cell in row] for row in drawn["confusion"].data[0]["text"]]
    assert shown == material.run.champion["confusion"]
    assert "cooccurrence" not in drawn


@pytest.mark.slow
def test_the_figures_of_a_thousand_trials_stay_small_and_say_so(tmp_path: Path) -> None:
    made = make_sections(gather(write_run(tmp_path, trials=1200)))
    drawn = plots({section.key: section for section in made})
    assert f"Showing {MOST_CURVES} of 1,204 trials; left out: 954 evenly" in drawn["curves"].caption
    assert "Based on 400 of 1,204 trials; left out: 800 evenly" in drawn["importance"].caption
    assert len(json.dumps([[plot.data, plot.layout] for plot in drawn.values()])) < 600_000


def test_no_label_or_text_can_end_the_script_or_begin_an_element(tmp_path: Path) -> None:
    injection = "</script><img src=x onerror=alert(1)>"
    location = write_run(tmp_path, trials=20, labels=(*LABELS[:-1], injection), texts=(f"<!--<script>{injection}",))
    page = page_of(make_sections(gather(location)))
    read = Texts(page)
    assert "img" not in read.tags
    assert read.tags.count("script") == 3  # the figures, Plotly and the script of the page
    assert any(injection in text for text in read.texts)
    figures = page.split('id="figures">')[1].split("</script>")[0]
    assert not set("<>&") & set(figures)
    assert "label-counts" in json.loads(figures)


def test_a_page_loads_nothing_from_outside(material: Material, sections: dict[str, PageSection]) -> None:
    page = page_of(list(sections.values()))
    assert re.findall(r"""(?:src|href)=["']?(?!#)[^"' >]+""", page) == []
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_script_that_draws_is_the_one_that_scripts_plotly_makes() -> None:
    root = Path(__file__).parents[2]
    script = gzip.decompress((root / "tuner/report/assets/plotly.min.js.gz").read_bytes())
    recipe = (root / "scripts/plotly").read_text()
    assert f"checksum={hashlib.sha256(script).hexdigest()}\n" in recipe
    version = re.search(r"^plotly=(.*)$", recipe, re.M)
    assert version is not None
    assert f"plotly.js v{version[1]}".encode() in script[:200]
    licences = (root / "tuner/report/assets/plotly.LICENSES.txt").read_text()
    assert f"== plotly.js {version[1]}, MIT ==" in licences


@pytest.mark.parametrize("trials", [20, pytest.param(1200, marks=pytest.mark.slow)])
def test_a_page_has_at_most_a_megabyte_and_a_half(tmp_path: Path, trials: int) -> None:
    labels = [f"a label with a long name, number {number}" for number in range(60)]
    page = render(gather(write_run(tmp_path, trials=trials, labels=labels, texts=["a long text " * 20] * 30)))
    assert len(page.encode()) < 1_500_000


def test_every_picture_of_trials_counts_those_of_the_whole_run(
    material: Material, sections: dict[str, PageSection]
) -> None:
    drawn = plots(sections)
    slices = [key for key in drawn if key.startswith("slice-")]
    assert slices
    for key in ("curves", "over-time", "spent", "importance", "coordinates", "collapse", *slices):
        assert re.search(r"all 94 trials\.|of 94 trials; left out: .*\d+ ", drawn[key].caption), key
    assert "Showing all 4 runs of finalists." in drawn["finalists"].caption
    fewer = drawn["slice-clipping.norm.threshold"]
    dots = sum(len(trace["x"]) for trace in fewer.data if trace["name"] != "mean")
    assert f"Showing {dots} of 94 trials; left out: {90 - dots} that do not use it, 4 from finalists." in fewer.caption


def test_scores_below_minus_one_do_not_squeeze_the_axis_and_are_counted(tmp_path: Path) -> None:
    location = write_run(tmp_path, trials=90)
    for table in ("trials", "reports"):
        for part in (location / table).glob("*.parquet"):
            rows = pq.read_table(part)
            scores = [None if s is None else s * 3 if s < 0 else s for s in rows["score"].to_pylist()]
            place = rows.schema.get_field_index("score")
            pq.write_table(rows.set_column(place, rows.schema.field("score"), pa.array(scores, pa.float64())), part)
    material = gather(location)
    low = sum(t.score < -1 for t in material.searched if t.score is not None)
    assert low > 3
    drawn = plots({section.key: section for section in make_sections(material)})
    for key in ("curves", "over-time"):
        assert -1.2 < drawn[key].layout["yaxis2"]["range"][0] < -1
    assert f"The axis ends at −1; {low} of 94 scores lie below." in drawn["over-time"].caption
    assert f"{low} scores below −1 are drawn at −1." in drawn["coordinates"].caption
    assert all(plot.layout["yaxis"]["range"][0] > -1.3 for key, plot in drawn.items() if key.startswith("slice-"))


def test_the_bound_of_an_uncertain_mean_does_not_squeeze_the_axis(tmp_path: Path) -> None:
    location = write_run(tmp_path, trials=20)
    champion = json.loads((location / "champion.json").read_text())
    champion["finalists"][1]["lower"] = -7.0
    (location / "champion.json").write_text(json.dumps(champion))
    drawn = plots({section.key: section for section in make_sections(gather(location))})
    assert -1.3 < drawn["finalists"].layout["xaxis"]["range"][0] < -1
    assert "The axis ends at −1; 1 of" in drawn["finalists"].caption


def test_long_names_that_begin_alike_keep_their_own_rows(tmp_path: Path) -> None:
    labels = [f"a very long name of a label, of which this is number {number}" for number in range(4)]
    for task in ("multilabel", "multiclass"):
        (tmp_path / task).mkdir()
        made = make_sections(gather(write_run(tmp_path / task, trials=20, task=task, labels=labels)))
        drawn = plots({section.key: section for section in made})
        assert len(set(drawn["label-counts"].data[0]["y"])) == 4
        assert len(set(drawn["confusion" if task == "multiclass" else "cooccurrence"].data[0]["x"])) == 4


def test_few_trials_have_no_slices_and_the_page_says_why(tmp_path: Path) -> None:
    made = {section.key: section for section in make_sections(gather(write_run(tmp_path, trials=9)))}
    assert not any(key.startswith("slice-") for key in plots(made))
    texts = " ".join(block.text for block in made["parameters"].blocks if isinstance(block, Paragraph))
    assert "fewer than two of their settings have 5 trials with a score" in texts
    assert "learning rate" in texts


def test_one_trial_is_said_to_be_too_few_to_compare(tmp_path: Path) -> None:
    made = {
        section.key: section for section in make_sections(gather(write_run(tmp_path, trials=1, has_champion=False)))
    }
    (paragraph,) = made["parameters"].blocks
    assert isinstance(paragraph, Paragraph)
    assert paragraph.text == "Only 1 trial has a score, so no settings can be compared."


def test_a_text_in_a_figure_is_shown_literally() -> None:
    assert text("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"
    assert text("abcdef", longest=4) == "abc…"


@pytest.mark.parametrize("count", [1, 7, 50, 51, 1000])
def test_thinned_items_keep_the_first_and_the_last(count: int) -> None:
    kept = thin(range(count), 50)
    assert len(kept) == min(count, 50)
    assert (kept[0], kept[-1]) == (0, count - 1)
    assert kept == sorted(set(kept))


def test_precision_and_recall_have_few_points_and_the_average_precision_of_all(material: Material) -> None:
    read = probabilities_and_truth(material.predictions["test"], "champion", len(LABELS))
    assert read is not None
    by_name = {row["label"]: row for row in material.run.champion["test"]["labels"]}
    for curve in precision_recall(*read):
        row = by_name[LABELS[curve.label]]
        assert len(curve.recall) <= 2 * MOST_POINTS + 2
        assert curve.recall[-1] == 1
        assert (np.diff(curve.recall) >= 0).all()
        assert curve.average_precision == pytest.approx(row["average_precision"], abs=1e-6)


def test_precision_and_recall_pass_through_the_champions_decisions(material: Material) -> None:
    read = probabilities_and_truth(material.predictions["test"], "champion", len(LABELS))
    assert read is not None
    first = precision_recall(*read)[0]
    row = material.run.champion["test"]["labels"][0]
    near = np.hypot(first.recall - row["recall"], first.precision - row["precision"]).min()
    assert near < 0.02


def test_a_rule_without_probabilities_has_no_curve(material: Material) -> None:
    assert probabilities_and_truth(material.predictions["test"], "most frequent", len(LABELS)) is None


def test_repeated_measurements_of_a_trial_whose_worker_died_count_once(tmp_path: Path) -> None:
    location = tmp_path / "run"
    ledger = Ledger.create(location, space=SPACE.format(task="binary", column="label: label"), environment={})
    for start, epochs in ((1, 1.0), (1, 2.0), (1, 3.0), (2, 3.0), (2, 4.0)):
        row = {"trial": 0, "start": start, "epochs": epochs, "examples": int(100 * epochs), "reported_s": epochs}
        ledger.add("reports", {**row, "score": start / 10})
    ledger.add("trials", {"trial": 0, "phase": "search", "configuration": "{}", "score": 0.2, "epochs": 4.0})
    ledger.flush()
    curve = gather(location).trials[0].curve
    assert [(point.epochs, point.score) for point in curve] == [(1.0, 0.1), (2.0, 0.1), (3.0, 0.2), (4.0, 0.2)]


def test_the_baseline_in_the_verdict_is_not_a_constant_rule(tmp_path: Path) -> None:
    location = write_run(tmp_path, trials=20)
    champion = json.loads((location / "champion.json").read_text())
    next(row for row in champion["test_baselines"] if row["name"] == "most frequent")["macro_f1"] = 0.99
    (location / "champion.json").write_text(json.dumps(champion))
    lead = next(iter(make_sections(gather(location)))).lead
    assert "the best baseline (tfidf + logistic regression)" in lead


def test_a_sentence_keeps_the_name_of_a_file_and_a_setting_as_they_are_written() -> None:
    assert sentence("rows.csv: 3 rows are empty") == "rows.csv: 3 rows are empty."
    assert sentence("read it as one: --set data.label_separator=none").endswith(
        "Read it as one: --set data.label_separator=none"
    )
    assert sentence("read pieces: --set 'space.tokens=[character, bpe]'")[-1] == "'"
    assert sentence("train longer") == "Train longer."


def test_times_and_machines_are_shown_as_people_say_them(material: Material) -> None:
    page = render(material)
    assert "began 21 Nov 2026, " in page
    assert "2 CPUs, 0 GPUs, 1 node<" in page
    assert "T09:30:00+00:00" not in page
