"""The ledger: every row is read once after any crash, the later row of a trial counts, and the manifest comes last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.ledgers import create, measurement_row, trial_row
from tuner.errors import Fault, LedgerError, StorageError
from tuner.ledger import tables, write_queue
from tuner.ledger.run_directory import list_runs, read_measurements, read_run
from tuner.ledger.run_files import FORMAT
from tuner.ledger.tables import MEASUREMENTS, TRIALS, read_parts, to_parquet
from tuner.storage import Folder


def test_a_new_run_has_its_space_and_its_environment(tmp_path: Path) -> None:
    create(tmp_path / "run")
    run = read_run(tmp_path / "run")
    assert (run.name, run.space, run.environment, run.status) == (
        "run",
        "task: binary\n",
        {"format": FORMAT, "seed": 3},
        "unfinished",
    )
    assert (run.trials, run.baselines, run.champion) == ([], [], {})


def test_an_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    create(tmp_path / "run").release()
    with pytest.raises(LedgerError, match=r"run: there is a run of this name already.*choose another --name"):
        create(tmp_path / "run")


def test_a_folder_that_is_not_empty_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(LedgerError, match="already"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_rows_are_written_by_a_flush_and_not_before(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("trials", trial_row(0))
    assert read_run(tmp_path / "run").trials == []
    ledger.flush()
    assert [row["trial"] for row in read_run(tmp_path / "run").trials] == [0]


def test_a_flush_that_is_not_due_waits(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.flush()
    ledger.add("trials", trial_row(0))
    ledger.flush(is_due=False)
    assert read_run(tmp_path / "run").trials == []


def test_the_later_row_of_a_trial_counts_and_takes_the_place_of_the_first(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    for row in (trial_row(0), trial_row(1), trial_row(0, "stopped")):
        ledger.add("trials", row)
        ledger.flush()
    endings = [(row["trial"], row["ending"]) for row in read_run(tmp_path / "run").trials]
    assert endings == [(0, "stopped"), (1, None)]


def test_measurements_of_a_second_start_are_kept_beside_those_of_the_first(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    for row in (measurement_row(0, 50), measurement_row(0, 50, start=2), measurement_row(0, 50, start=2, score=0.75)):
        ledger.add("reports", row)
    ledger.flush()
    rows = read_measurements(tmp_path / "run").to_pylist()
    assert [(row["start"], row["score"]) for row in rows] == [(1, 0.5), (2, 0.75)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=3), max_size=150))
def test_merging_parts_does_not_change_what_is_read(flushes: list[list[int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_PARTS_BEFORE_MERGE", 3)
        ledger = create(f"{folder}/run")
        expected: dict[int, str] = {}
        for number, trials in enumerate(flushes):
            for trial in trials:
                expected[trial] = str(number)
                ledger.add("trials", trial_row(trial, str(number)))
            ledger.flush()
        unfinished = read_run(f"{folder}/run").trials
        ledger.finish({"status": "finished"})
        finished = read_run(f"{folder}/run").trials
        assert {row["trial"]: row["ending"] for row in unfinished} == expected
        assert list(unfinished) == list(finished)
        assert [row["trial"] for row in finished] == list(expected)


def test_parts_stay_few_however_often_rows_are_flushed(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    for number in range(200):
        ledger.add("reports", measurement_row(0, number))
        ledger.flush()
    assert len(list((tmp_path / "run" / "reports").iterdir())) <= 65
    assert read_measurements(tmp_path / "run")["examples"].to_pylist() == list(range(200))
    ledger.finish({"status": "finished"})
    assert len(list((tmp_path / "run" / "reports").iterdir())) == 1


def test_a_row_is_written_a_few_times_however_long_the_table_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(tables, "_PARTS_BEFORE_MERGE", 4)
    monkeypatch.setattr(tables, "to_parquet", lambda rows: (written.append(len(rows)), to_parquet(rows))[1])
    ledger = create(tmp_path / "run")
    for number in range(64):
        ledger.add("reports", measurement_row(0, number))
        ledger.flush()
    assert sum(written) == 64 * (1 + 3)  # once, and then in parts of 4, 16 and 64 rows


def test_rows_stay_in_order_if_the_parts_of_a_merge_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Folder, name: str) -> None:
        raise StorageError([Fault(name, "cannot be deleted", "wait")])

    monkeypatch.setattr(tables, "_PARTS_BEFORE_MERGE", 3)
    monkeypatch.setattr(write_queue, "RETRY_AFTER_S", 0.0)
    ledger = create(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "delete", fail)
        for ending in (None, None, "failed"):
            ledger.add("trials", trial_row(0, ending))
            ledger.flush()
    for ending in ("stopped", "collapsed", "completed"):
        ledger.add("trials", trial_row(0, ending))
        ledger.settle()
        assert [row["ending"] for row in read_run(tmp_path / "run").trials] == [ending]


@pytest.mark.parametrize("deletions", [0, 1, 2])
def test_after_a_crash_between_a_merge_and_its_deletions_every_row_is_read_once_in_its_place(
    deletions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = create(tmp_path / "run")
    for number, ending in enumerate((None, None, "stopped")):
        ledger.add("trials", trial_row(number % 2, ending))
        ledger.add("reports", measurement_row(number, 10))
        ledger.flush()
    delete, done = Folder.delete, 0

    def crash(folder: Folder, name: str) -> None:
        nonlocal done
        if folder.path.endswith("reports") and done == deletions:
            raise KeyboardInterrupt
        done += folder.path.endswith("reports")
        delete(folder, name)

    monkeypatch.setattr(Folder, "delete", crash)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        ledger.finish({"status": "finished"})
    assert len(list((tmp_path / "run" / "reports").iterdir())) == 4 - deletions
    assert read_measurements(tmp_path / "run")["trial"].to_pylist() == [0, 1, 2]
    run = read_run(tmp_path / "run")
    assert [(row["trial"], row["ending"]) for row in run.trials] == [(0, "stopped"), (1, None)]
    assert run.status == "unfinished"


def test_a_crash_during_a_write_leaves_the_earlier_rows(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("trials", trial_row(0))
    ledger.flush()
    (tmp_path / "run" / "trials" / "part-000002.parquet.12345678.draft").write_bytes(b"PAR1 half")
    assert [row["trial"] for row in read_run(tmp_path / "run").trials] == [0]


def test_the_manifest_has_the_checksum_of_every_file_and_is_written_last(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("trials", trial_row(0, "completed"))
    ledger.write_json("champion", {"trial": 0})
    ledger.folder.write("champion/weights.safetensors", b"numbers")
    ledger.finish({"status": "finished", "seconds": 3.5})
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    files = {path: path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {str(name) for name in files.values()} - {"manifest.json"} == set(manifest["files"])
    for path, name in files.items():
        if str(name) != "manifest.json":
            content = path.read_bytes()
            assert manifest["files"][str(name)] == {
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
    newest = max(files, key=lambda path: path.stat().st_mtime_ns)
    assert newest.name == "manifest.json"
    assert read_run(tmp_path / "run").status == "finished"


def test_an_empty_run_can_be_finished(tmp_path: Path) -> None:
    create(tmp_path / "run").finish({"status": "failed"})
    assert read_run(tmp_path / "run").status == "failed"


@pytest.mark.parametrize("content", [b"", b"garbage", b"PAR1", b"PAR1\x00\x00\x00\x00PAR1"])
def test_a_broken_part_is_named_with_a_remedy(content: bytes, tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    for number in range(2):
        ledger.add("trials", trial_row(number))
        ledger.flush()
    (tmp_path / "run" / "trials" / "part-000002.parquet").write_bytes(content)
    run = read_run(tmp_path / "run")
    assert [row["trial"] for row in run.trials] == [0]
    (fault,) = run.damaged
    assert fault.where.endswith("run/trials/part-000002.parquet")
    assert "restore it from a copy" in fault.remedy


def test_a_truncated_part_is_named(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("trials", trial_row(0))
    ledger.flush()
    part = tmp_path / "run" / "trials" / "part-000001.parquet"
    part.write_bytes(part.read_bytes()[:-200])
    assert [fault.where for fault in read_run(tmp_path / "run").damaged] == [str(part)]


def test_a_part_with_other_columns_is_named(tmp_path: Path) -> None:
    create(tmp_path / "run").folder.write("trials/part-000001.parquet", b"")
    pq.write_table(pa.table({"trial": [1], "colour": ["red"]}), tmp_path / "run" / "trials" / "part-000001.parquet")
    assert len(read_run(tmp_path / "run").damaged) == 1


def test_a_flipped_byte_is_found_or_changes_no_row(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    for number in range(3):
        ledger.add("reports", measurement_row(number, 50))
    ledger.flush()
    part = tmp_path / "run" / "reports" / "part-000001.parquet"
    content, whole = part.read_bytes(), str(read_measurements(tmp_path / "run").to_pylist())
    found = 0
    for place in range(0, len(content), 7):
        part.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        if read_parts(Folder.at(tmp_path / "run"), "reports")[1]:
            found += 1
        else:
            assert str(read_measurements(tmp_path / "run").to_pylist()) == whole, place
    assert found > len(content) / 7 / 4


def test_a_damaged_part_outlives_a_merge_of_the_others(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("trials", trial_row(0))
    ledger.flush()
    (tmp_path / "run" / "trials" / "part-000001.parquet").write_bytes(b"garbage")
    ledger.add("trials", trial_row(1))
    ledger.finish({"status": "finished"})
    run = read_run(tmp_path / "run")
    assert [row["trial"] for row in run.trials] == [1]
    assert len(run.damaged) == 1


@pytest.mark.parametrize("name", ["environment", "champion", "manifest", "baselines"])
def test_broken_json_is_named(name: str, tmp_path: Path) -> None:
    create(tmp_path / "run")
    (tmp_path / "run" / f"{name}.json").write_text('{"half": ')
    with pytest.raises(LedgerError, match=rf"{name}\.json: not valid JSON"):
        read_run(tmp_path / "run")


def test_a_run_without_its_space_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    create(tmp_path / "run")
    (tmp_path / "run" / "space.yaml").unlink()
    with pytest.raises(LedgerError, match=r"space\.yaml"):
        read_run(tmp_path / "run")


def test_a_missing_run_is_an_error_that_suggests_the_nearest_name(tmp_path: Path) -> None:
    create(tmp_path / "tickets")
    with pytest.raises(LedgerError, match=r"there is no run here.*did you mean 'tickets'"):
        read_run(tmp_path / "tikcets")


@pytest.mark.parametrize("nothing", ["empty", "missing", "file.txt", "file.txt/run"])
def test_a_place_without_a_run_is_an_error(nothing: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(LedgerError, match="there is no run here"):
        read_run(tmp_path / nothing)


def test_runs_are_listed_by_name_and_other_folders_are_not(tmp_path: Path) -> None:
    for name in ("b", "a"):
        create(tmp_path / name)
    (tmp_path / "c").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert list_runs(tmp_path) == ["a", "b"]
    assert list_runs(tmp_path / "nowhere") == []


def test_a_ledger_can_be_on_any_file_system(tmp_path: Path) -> None:
    location = f"file://{tmp_path}/runs/run"
    ledger = create(location)
    ledger.add("reports", measurement_row(0, 10))
    ledger.finish({"status": "finished"})
    assert read_measurements(location).to_pylist() == read_measurements(tmp_path / "runs" / "run").to_pylist()
    assert list_runs(f"file://{tmp_path}/runs") == ["run"]


def test_empty_tables_have_their_schemas(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    assert read_measurements(tmp_path / "run").schema == MEASUREMENTS
    ledger.add("trials", trial_row(0))
    ledger.flush()
    assert set(read_run(tmp_path / "run").trials[0]) == set(TRIALS.names)


def test_numbers_that_are_not_finite_are_kept_in_measurements(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("reports", measurement_row(0, 10, score=float("nan")))
    ledger.add("reports", measurement_row(0, 20, score=float("-inf")))
    ledger.flush()
    assert str(read_measurements(tmp_path / "run")["score"].to_pylist()) == "[nan, -inf]"


def test_a_run_of_another_format_is_refused_with_the_version_that_reads_it(tmp_path: Path) -> None:
    create(tmp_path / "run")
    environment = {"format": FORMAT + 1, "versions": {"tuner": "9.9"}}
    (tmp_path / "run" / "environment.json").write_text(json.dumps(environment))
    (tmp_path / "run" / "space.yaml").unlink()  # the format is looked at first
    with pytest.raises(
        LedgerError, match=rf"ledger format {FORMAT + 1}, but this tuner reads {FORMAT}; read it with tuner 9\.9"
    ):
        read_run(tmp_path / "run")


def test_a_run_without_a_recorded_format_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "run")
    (tmp_path / "run" / "environment.json").write_text('{"seed": 3}')
    with pytest.raises(LedgerError, match=rf"ledger format 1, but this tuner reads {FORMAT}"):
        read_run(tmp_path / "run")


def test_the_profile_of_the_data_is_part_of_a_run(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    assert read_run(tmp_path / "run").profile == {}
    ledger.write_json("data", {"task": "binary"})
    assert read_run(tmp_path / "run").profile == {"task": "binary"}


def test_a_trial_that_an_older_tuner_called_interrupted_at_the_end_of_its_budget_is_cut_short(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    for trial, reason in enumerate(
        ("the budget was over before it began", "the budget was over", "the run was interrupted")
    ):
        ledger.add("trials", {**trial_row(trial, "interrupted"), "reason": reason})
    ledger.flush()
    assert [row["ending"] for row in read_run(tmp_path / "run").trials] == ["cut short", "cut short", "interrupted"]


def test_a_run_of_a_version_that_did_not_name_nodes_is_read(tmp_path: Path) -> None:
    ledger = create(tmp_path / "run")
    ledger.add("trials", trial_row(0, "stopped"))
    ledger.finish({"status": "finished"})
    (part,) = (tmp_path / "run" / "trials").iterdir()
    older = pq.read_table(part).drop_columns(["node", "gpu", "lost_nodes"])
    part.write_bytes(to_parquet(older).to_pybytes())
    (row,) = read_run(tmp_path / "run").trials
    assert (row["ending"], row["node"], row["gpu"], row["lost_nodes"]) == ("stopped", None, None, None)


def test_a_run_that_could_not_begin_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StorageError([Fault("run", "cannot be written (No space left on device)", "free some space")])

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", fail)
        with pytest.raises(StorageError, match="No space left"):
            create(tmp_path / "run")
    create(tmp_path / "run").release()
