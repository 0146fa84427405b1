"""Files, ledgers and every verb in an object store whose address has a query, as S3 on this machine has."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

import tuner
from builders.configurations import configure
from builders.distillable import write_distillable_run, write_rows
from builders.fixtures import Call
from builders.ledgers import measurement_row, trial_row
from faults.object_store import BUCKET, ObjectStore, no_fault, object_store
from tuner.cli.search import say_how_to_resume
from tuner.data.table_writer import open_table
from tuner.errors import Fault, LedgerError, SearchFailed, StorageError
from tuner.ledger import write_queue
from tuner.ledger.lock import LOCK
from tuner.ledger.run_directory import Ledger, read_measurements, read_run
from tuner.search.trial_log import TrialLog
from tuner.storage import Folder, join
from tuner.trial.ending import Ending
from tuner.trial.order import Order
from tuner.trial.record import TrialRecord


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as server:
        yield server


@pytest.fixture
def store(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The server without faults and without requests so far. No other process can be at the same lease."""
    monkeypatch.setattr("tuner.ledger.lock._SETTLE_S", 0.0)
    server.fault = no_fault
    server.requests.clear()
    return server


@pytest.fixture(scope="module")
def finished(server: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The location of a finished run in the store, and a local folder with its rows.csv and others in new.csv."""
    folder, location = tmp_path_factory.mktemp("rows"), server.location("runs/first")
    write_distillable_run(folder, location=location)
    write_rows(folder / "new.csv", rows=20, seed=9)
    Folder.at(server.location("data")).write("new.csv", (folder / "new.csv").read_bytes())
    return location, folder


def create(store: ObjectStore, name: str) -> Ledger:
    ledger = Ledger.create(store.location(f"runs/{name}"), space="task: binary\n", environment={"seed": 3})
    store.requests.clear()
    return ledger


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_write_is_one_request_and_makes_no_folders(store: ObjectStore) -> None:
    folder = Folder.at(store.location("files/one"))
    folder.write("deep/er/name", b"content")
    assert store.requests == [("PUT", f"/{BUCKET}/files/one/deep/er/name")]
    assert folder.read("deep/er/name") == b"content"
    assert (folder.names(), folder.all_files()) == (["deep"], ["deep/er/name"])
    assert folder.below("deep").is_folder()


def test_deleting_a_file_that_is_not_there_is_one_request(store: ObjectStore) -> None:
    Folder.at(store.location("files/none")).delete("name")
    assert [method for method, _ in store.requests] == ["HEAD"]


def test_a_missing_bucket_is_created_if_the_address_allows_it(store: ObjectStore) -> None:
    location = store.location("runs").replace(BUCKET, "another")
    with pytest.raises(StorageError, match=r"s3://another/runs: .*enable the allow_bucket_creation option"):
        Folder.at(location).check_writable()
    Folder.at(f"{location}&allow_bucket_creation=true").check_writable()
    assert Folder.at(location).names() == []


def test_places_with_one_query_share_their_connections(store: ObjectStore) -> None:
    assert Folder.at(store.location("a")).files is Folder.at(store.location("b")).files


def test_a_slow_answer_is_read_whole(store: ObjectStore) -> None:
    folder = Folder.at(store.location("files/slow"))
    folder.write("name", b"content" * 100)
    store.fault = lambda method, path: "slow"
    assert folder.read("name") == b"content" * 100


def test_an_error_in_between_is_not_seen(store: ObjectStore) -> None:
    answers = iter(["500", "500"])
    store.fault = lambda method, path: next(answers, None)
    folder = Folder.at(store.location("files/between"))
    folder.write("name", b"content")
    assert folder.read("name") == b"content"


@pytest.mark.slow  # the client tries again for six seconds
@pytest.mark.parametrize("fault", ["500", "cut"])
def test_a_store_that_keeps_failing_is_one_error_and_leaves_nothing_half_read_or_written(
    store: ObjectStore, fault: str
) -> None:
    folder = Folder.at(store.location(f"files/{fault}"))
    folder.write("name", b"old" * 100)
    store.fault = lambda method, path: fault if method == ("PUT" if fault == "500" else "GET") else None
    act = partial(folder.write, "name", bytes(12_000_000)) if fault == "500" else partial(folder.read, "name")
    what = rf"s3://{BUCKET}/files/{fault}/name: cannot be (read|written) \(.+\); check the address, the network and"
    with pytest.raises(StorageError, match=what):
        act()
    store.fault = no_fault
    assert folder.read("name") == b"old" * 100


def test_a_table_that_fails_half_way_leaves_no_file(store: ObjectStore) -> None:
    def interrupt() -> None:
        with open_table(store.location("files/table.csv")) as write:
            write(pa.table({"a": [1, 2]}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        interrupt()
    with open_table(store.location("files/whole.csv")) as write:
        write(pa.table({"a": [1, 2]}))
    folder = Folder.at(store.location("files"))
    assert "table.csv" not in folder.names()
    assert folder.read("whole.csv").split() == [b'"a"', b"1", b"2"]


# --- ledgers --------------------------------------------------------------------------------------------------------


def test_a_flush_is_a_request_for_each_table_however_many_came_before(store: ObjectStore) -> None:
    ledger = create(store, "flushed")
    for number in range(5):
        store.requests.clear()
        ledger.add("trials", trial_row(number))
        ledger.add("reports", measurement_row(number, 10))
        ledger.flush(is_awaited=True)
        assert [method for method, _ in store.requests] == ["PUT", "PUT"]
    assert read_measurements(ledger.location)["trial"].to_pylist() == list(range(5))
    assert ledger.folder.below("reports").names() == ["part-000001.parquet"]
    ledger.finish({"status": "finished"})
    assert [row["trial"] for row in read_run(ledger.location).trials] == list(range(5))


def test_a_part_that_is_full_is_followed_by_another(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.ledger.tables._ROWS_OF_A_PART", 2)
    ledger = create(store, "parts")
    for number in range(5):
        ledger.add("reports", measurement_row(0, number))
        ledger.settle()
    assert len(ledger.folder.below("reports").names()) == 3
    assert read_measurements(ledger.location)["examples"].to_pylist() == list(range(5))
    ledger.finish({"status": "finished"})
    assert read_measurements(ledger.location)["examples"].to_pylist() == list(range(5))


def test_a_file_is_deleted_after_the_rows_that_make_it_unneeded(store: ObjectStore) -> None:
    ledger = create(store, "deleted")
    ledger.folder.write("checkpoints/trial-0.safetensors", b"x")
    store.requests.clear()
    ledger.discard("checkpoints/trial-0.safetensors")
    ledger.add("trials", trial_row(0, "completed"))
    ledger.settle()
    assert [method for method, _ in store.requests][:3] == ["PUT", "HEAD", "DELETE"]
    ledger.release()


def test_rows_of_a_store_that_was_away_are_written_once_when_it_is_back(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "RETRY_AFTER_S", 0.0)
    ledger = create(store, "away")
    with monkeypatch.context() as broken:
        broken.setattr(Folder, "write", be_away)
        ledger.add("reports", measurement_row(0, 1))
        with pytest.raises(StorageError, match="is away"):
            ledger.settle()
        ledger.add("reports", measurement_row(0, 2))
    ledger.settle()
    assert read_measurements(ledger.location)["examples"].to_pylist() == [1, 2]
    ledger.release()


def be_away(*_: object) -> None:
    raise StorageError([Fault("s3://bucket", "is away", "wait")])


def test_how_a_trial_ended_is_in_the_store_before_another_trial_is_handed_out(store: ObjectStore) -> None:
    log = TrialLog(create(store, "handed-out"), clock=lambda: 0.0)
    store.delay_s = 0.02
    order = log.add(TrialRecord(Order(0, "search", configure(), seed=0)))
    log.start(order)
    log.end(order, Ending.COMPLETED, "")
    log.add(TrialRecord(Order(1, "search", configure(), seed=0)))
    store.delay_s = 0.0
    assert [(row["trial"], row["ending"]) for row in read_run(store.location("runs/handed-out")).trials] == [
        (0, "completed")
    ]


def test_a_search_that_its_store_ended_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "exists", be_away)
    monkeypatch.setattr(Folder, "read", be_away)
    what = r"the store is away\nfinished work is kept: .*`tuner resume 's3://b/runs/first\?region=x'`"
    with pytest.raises(SearchFailed, match=what), say_how_to_resume("s3://b/runs/first?region=x", None):
        raise SearchFailed("the store is away")


def test_a_part_that_is_replaced_while_it_is_read_is_no_damage(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = create(store, "replaced")
    ledger.add("reports", measurement_row(0, 1))
    ledger.settle()
    read, torn = Folder.read, iter([True])
    monkeypatch.setattr(Folder, "read", lambda *given: read(*given)[:-20] if next(torn, False) else read(*given))
    assert read_measurements(ledger.location)["examples"].to_pylist() == [1]
    ledger.release()


def test_a_store_that_does_not_answer_is_no_damage_to_a_part(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = create(store, "silent")
    ledger.add("reports", measurement_row(0, 1))
    ledger.finish({"status": "interrupted"})
    monkeypatch.setattr(Folder, "read", be_away)
    with pytest.raises(StorageError, match="is away"):
        read_measurements(ledger.location)


def test_a_run_whose_process_was_killed_says_when_it_can_be_resumed(store: ObjectStore) -> None:
    ledger = create(store, "killed")
    with pytest.raises(LedgerError, match=r"if that process was killed, try again in (60|59|58) s; otherwise wait"):
        Ledger.reopen(ledger.location)
    ledger.release()


def test_a_run_that_was_removed_is_not_written_to_any_more(store: ObjectStore) -> None:
    ledger = create(store, "removed")
    ledger.folder.delete(LOCK)
    ledger._lock._renewed_at -= 60
    with pytest.raises(LedgerError, match="another process has taken this run's directory over, or it was removed"):
        ledger.settle()


# --- verbs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "RUN"),
        ("show", "RUN/"),
        ("show", "first", "--runs", "RUNS"),
        ("ls", "--runs", "RUNS"),
        ("report", "RUN"),
        ("report", "RUN", "--out", "OUT.html"),
        ("verify", "RUN"),
        ("resume", "RUN"),
        ("predict", "RUN", "DATA"),
        ("predict", "first", "new.csv", "--runs", "RUNS", "--out", "OUT.parquet"),
        ("evaluate", "RUN", "rows.csv"),
        ("diagnose", "RUN"),
        ("compare", "RUN", "RUN/champion", "--data", "rows.csv"),
    ],
    ids=" ".join,
)
def test_every_verb_reads_a_run_in_a_store(
    arguments: tuple[str, ...], finished: tuple[str, Path], store: ObjectStore, call: Call, tmp_path: Path
) -> None:
    location, folder = finished
    for name in ("rows.csv", "new.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    places = {
        "RUN": location,
        "RUN/": join(location, ""),
        "RUN/champion": join(location, "champion"),
        "RUNS": store.location("runs"),
        "DATA": store.location("data/new.csv"),
        "OUT.html": store.location("out/page.html"),
        "OUT.parquet": store.location("out/predicted.parquet"),
    }
    code, out, err = call(*(places.get(word, word) for word in arguments))
    assert code == 0, err
    assert out or arguments[0] == "verify" or "--out" in arguments
    if "--out" in arguments:
        assert Folder.at(places[arguments[-1]]).exists()


def test_a_bundle_in_a_store_is_loaded(finished: tuple[str, Path]) -> None:
    assert tuner.load(finished[0]).labels == ("a", "b", "c")


def test_a_distilled_model_is_written_beside_the_champion(
    finished: tuple[str, Path], store: ObjectStore, call: Call
) -> None:
    location, folder = finished
    code, out, err = call("distil", location, "--epochs", "1", "--set", f"data.train={folder / 'rows.csv'}")
    assert code == 0, err
    assert join(location, "distilled") in out
    Folder.at(location).delete("distilled/weights.safetensors")
    code, out, err = call("verify", location, "--format", "json")
    assert code == 1
    assert shlex.quote(location) in out.replace('\\"', '"')
    Folder.at(location).delete_folder("distilled")
    Folder.at(location).delete("distilled.json")


def test_advice_about_a_run_can_be_pasted(finished: tuple[str, Path], call: Call) -> None:
    location = finished[0]
    code, _, err = call("resume", location)
    assert code == 0
    commands = [line.strip() for line in err.splitlines() if line.startswith("    tuner ") and "runs/first" in line]
    assert len(commands) >= 3
    assert all(location in shlex.split(command) for command in commands)


def test_a_name_that_is_not_there_is_answered_with_the_nearest(
    finished: tuple[str, Path], store: ObjectStore, call: Call
) -> None:
    for verb in ("show", "evaluate"):
        code, _, err = call(verb, store.location("runs/frist"), *(["rows.csv"] if verb == "evaluate" else []))
        assert code == 2
        assert "did you mean 'first'" in err
    code, _, err = call("predict", finished[0], store.location("data/nwe.csv"))
    assert code == 2
    assert "did you mean 'new.csv'" in err
