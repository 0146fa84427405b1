"""diagnose, show and the report name the same causes of a run and give the same advice, ready to paste."""

from __future__ import annotations

import json
import shlex

import pytest
from click.testing import CliRunner

from builders.runs import write_run
from tuner.cli import tuner
from tuner.diagnosis.causes.advice import advice_lines
from tuner.diagnosis.causes.diagnose import Diagnosis, diagnose
from tuner.diagnosis.readers.run import read_evidence
from tuner.ledger.run_directory import read_run
from tuner.report.blocks import Code, Paragraph
from tuner.report.material import gather
from tuner.report.sections.diagnosis import make_section
from tuner.space.load import read_space


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run whose rows are much longer than what is read of them, and often copies with other labels."""
    location = write_run(tmp_path_factory.mktemp("runs"))
    profile = json.loads((location / "data.json").read_text())
    train = profile["splits"]["train"]
    train["lengths"]["50"] = 2000
    train["conflicting_duplicates"] = round(0.4 * train["rows"])
    (location / "data.json").write_text(json.dumps(profile))
    return str(location)


@pytest.fixture(scope="module")
def diagnosis(run: str) -> Diagnosis:
    found = diagnose(read_evidence(read_run(run)))
    assert {"truncation", "conflicting_duplicates"} <= {cause.name for cause in found.causes}
    return found


@pytest.mark.parametrize("verb", ["diagnose", "show"])
def test_a_verb_prints_the_sentence_and_the_advice_of_every_cause(verb: str, run: str, diagnosis: Diagnosis) -> None:
    printed = CliRunner().invoke(tuner, [verb, run]).stdout
    for cause in diagnosis.causes:
        for line in (cause.sentence, *advice_lines(cause)):
            assert line in printed


def test_the_report_shows_the_sentence_and_the_advice_of_every_cause(run: str, diagnosis: Diagnosis) -> None:
    section = make_section(gather(run))
    assert section is not None
    shown = [block.text.lower() for block in section.blocks if isinstance(block, Paragraph | Code)]
    for cause in diagnosis.causes:
        for line in (cause.sentence, *advice_lines(cause)):
            assert any(line.lower() in text for text in shown)


def test_the_command_repeats_that_of_the_run_with_the_advised_setting(run: str, diagnosis: Diagnosis) -> None:
    cause = next(cause for cause in diagnosis.causes if cause.setting)
    words = shlex.split(cause.command)
    assert words[:3] == ["tuner", "run", "spaces/emotions.yaml"]
    read_space(read_run(run).space, words[4::2])  # raises SpaceError for a setting that is not valid
