"""A space may leave settings to the search as auto; until they are settled, numbers stand in that keep the rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.spaces import faults, write
from tuner.space.auto import OF_SEARCH, are_gpus_left_to_search, least_reports, left_to_search, report_before
from tuner.space.load import load_space
from tuner.space.search_settings import SearchSettings

HEAD = "task: multilabel\ndata: {train: a.parquet, labels: l, text: t}\n"


def test_a_space_says_which_settings_it_leaves_to_the_search(tmp_path: Path) -> None:
    text = f"{HEAD}search: {{time: 5m, max_epochs: auto, seeds: 2}}\nspace: {{batch_size: auto}}\n"
    space = load_space(write(tmp_path, text), ["search.finalists=auto"])
    assert left_to_search(space.document) == {"search.max_epochs", "search.finalists", "space.batch_size"}


@given(
    max_epochs=st.one_of(st.just("auto"), st.sampled_from([0.5, 1.0, 3.0, 40.0])),
    grace_epochs=st.one_of(st.just("auto"), st.sampled_from([0.25, 0.5, 7.0, 12.0])),
    reports=st.one_of(st.just("auto"), st.sampled_from([4, 20])),
)
def test_what_stands_in_for_auto_keeps_the_rules(max_epochs: object, grace_epochs: object, reports: object) -> None:
    written = {"max_epochs": max_epochs, "grace_epochs": grace_epochs, "reports_per_epoch": reports}
    fixed = {name: value for name, value in written.items() if value != "auto"}
    if "max_epochs" in fixed and "grace_epochs" in fixed and max_epochs < grace_epochs:  # type: ignore[operator]
        return  # the person's own fault
    settings = SearchSettings.model_validate({"time": "5m", **written})
    assert {name: getattr(settings, name) for name in fixed} == fixed


def test_auto_stands_for_a_whole_value_only(tmp_path: Path) -> None:
    text = f"{HEAD}search: {{time: 5m, trials: auto}}\nspace: {{batch_size: [32, auto], hidden: auto}}\n"
    named = {fault.split(": ")[1] for fault in faults(tmp_path, text)}
    assert named == {"search.trials", "space.batch_size[1]", "space.hidden"}


def test_a_word_that_is_no_number_gets_auto_as_a_remedy(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, f"{HEAD}search: {{time: 5m, max_epochs: automatic}}\n")
    assert fault.endswith("'automatic' is not a number; write a number, or auto")


@pytest.mark.parametrize(
    ("resources", "is_left"),
    [
        ("", True),
        ("resources: null", True),
        ("resources: {cpus: 2}", True),
        ("resources: {gpus: auto}", True),
        ("resources: {gpus: 0}", False),
        ("resources: {gpus: 0.5}", False),
    ],
)
def test_the_share_of_a_gpu_is_left_to_the_search_unless_it_is_given(
    resources: str, is_left: bool, tmp_path: Path
) -> None:
    space = load_space(write(tmp_path, f"{HEAD}search: {{time: 5m}}\n{resources}\n"))
    assert are_gpus_left_to_search(space.document) is is_left
    assert not is_left or space.resources.gpus == 0


@pytest.mark.parametrize(
    ("gpus", "fault"),
    [
        ("many", "resources.gpus: 'many' is not a number; write a number, or auto"),
        (
            "2",
            "resources.gpus: gpus is 2, but a trial uses one GPU or a share of one, so the others would stay idle; use "
            "gpus: 1: trials run side by side on all GPUs",
        ),
        ("-1", "resources.gpus: -1 is out of bounds; use a number that is at least 0"),
    ],
)
def test_a_share_that_no_trial_can_use_is_refused(gpus: str, fault: str, tmp_path: Path) -> None:
    (message,) = faults(tmp_path, f"{HEAD}search: {{time: 5m}}\nresources: {{gpus: {gpus}}}\n")
    assert message.endswith(fault)


def test_the_default_of_a_setting_is_not_auto() -> None:
    defaults = {name: SearchSettings.model_fields[name].default for name in OF_SEARCH}
    assert defaults == {"max_epochs": 10, "grace_epochs": 1, "reports_per_epoch": 2, "finalists": 3, "seeds": 3}


@pytest.mark.parametrize(("epochs", "reports", "at"), [(1.3, 2, 1.0), (0.1, 2, 0.5), (1 / 3, 3, 1 / 3)])
def test_a_rung_is_at_the_last_report_before_it(epochs: float, reports: int, at: float) -> None:
    assert report_before(epochs, reports_per_epoch=reports) == pytest.approx(at)


@pytest.mark.parametrize(("epochs", "reports"), [(3.0, 2), (0.2, 5), (0.75, 4), (1 / 3, 3)])
def test_the_fewest_reports_that_include_a_point_are_found(epochs: float, reports: int) -> None:
    assert least_reports(epochs) == reports
