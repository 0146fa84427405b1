"""Estimates of the memory that a search needs, from made-up sizes and small files."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.load import load_data
from tuner.data.trial_data import prepare
from tuner.errors import DataError
from tuner.search.memory_estimate import (
    DataSize,
    estimate_memory,
    memory_fault,
    refuse_large_data,
    refuse_large_files,
    size_of_data,
    size_of_files,
)
from tuner.space.load import Space, load_space

GB = 10**9
MILLION = DataSize(inputs="text", rows=1_000_000, length=140, tokens=20, settings=1, array_bytes=90e6)
SPACE = """
task: multilabel
data: {{train: {data}, text: text, labels: labels, group: null, {more}}}
search: {{trials: 2, max_epochs: 2, grace_epochs: 1}}
resources: {{concurrent: 1}}
space: {{tokens: {tokens}}}
"""
WORDS = "{word: {min_count: 1}}"


def refuse(size: DataSize, available: int | None, *, slots: int = 2, has_folds: bool = False) -> None:
    """Raise if an estimate exceeds the available memory at all, without the margin for overestimates."""
    if available is not None:
        fault = memory_fault(size, available, slots=slots, where="rows.parquet", has_folds=has_folds)
        if fault is not None:
            raise DataError([fault])


def test_a_million_short_texts_need_what_was_measured():
    """scripts/bench memory: the driver took 1.5 to 1.8 GB, the baselines' worker 2.3, a trial's worker 0.5."""
    need = estimate_memory(MILLION)
    assert need.reading == pytest.approx(1.8e9, rel=0.35)
    assert need.baselines == pytest.approx(2.35e9, rel=0.25)
    assert need.worker == pytest.approx(0.47e9, rel=0.25)


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_every_part_grows_with_rows_and_workers_share_the_arrays(inputs):
    small, large = (
        estimate_memory(replace(MILLION, inputs=inputs).scaled(1000)),
        estimate_memory(replace(MILLION, inputs=inputs)),
    )
    for part in ("reading", "driver", "worker", "baselines", "shared"):
        assert getattr(large, part) > getattr(small, part)
    assert large.most(3) - large.most(2) == pytest.approx(large.worker)
    more_settings = estimate_memory(replace(MILLION, inputs=inputs, settings=4, array_bytes=4 * MILLION.array_bytes))
    assert more_settings.worker == large.worker


def test_data_that_fit_pass_and_so_does_unknown_memory():
    refuse(MILLION, 16 * GB)
    refuse(MILLION, None)


def test_few_rows_pass_on_a_machine_that_is_too_small_for_ray_itself():
    refuse(MILLION.scaled(1000), GB)


def test_the_message_lists_the_parts_of_the_estimate_and_every_remedy():
    size = replace(MILLION.scaled(12_000_000), settings=4)
    with pytest.raises(DataError, match=r"12,000,000 rows need about \d\d\.\d GB with 8 workers") as refused:
        refuse(size, 50 * GB, slots=8, has_folds=True)
    (fault,) = refused.value.faults
    assert fault.where == "rows.parquet"
    assert "this machine has 50.0 GB free" in fault.what
    for part in ("driver", "shared", "each worker", "baselines"):
        assert part in fault.what
    for way in ("--set resources.concurrent=", "4 ways to prepare", "--set data.folds=null --set data.validation=0.15"):
        assert way in fault.remedy


def test_the_rows_and_the_workers_that_the_message_suggests_fit():
    size = MILLION.scaled(12_000_000)
    with pytest.raises(DataError, match=r"resources\.concurrent") as refused:
        refuse(size, 42 * GB, slots=8)
    remedy = refused.value.faults[0].remedy
    fewer = int(remedy.split("resources.concurrent=")[1].split(",")[0])
    refuse(size, 42 * GB, slots=fewer)
    rows = int(remedy.split("about ")[1].split(" rows")[0].replace(",", ""))
    refuse(size.scaled(rows), 42 * GB, slots=8)
    with pytest.raises(DataError, match="rows need"):
        refuse(size.scaled(round(1.2 * rows)), 42 * GB, slots=8)


def test_on_a_cluster_only_the_driver_counts():
    refuse(MILLION, 4 * GB, slots=0)
    with pytest.raises(DataError, match=r"need about 5\.\d GB with 2 workers"):
        refuse(MILLION, 4 * GB, slots=2)
    with pytest.raises(DataError, match=r"need about \d+\.\d GB \(reading"):
        refuse(MILLION.scaled(5_000_000), 4 * GB, slots=0)


# --- sizes of files and data ------------------------------------------------------------------------------------------


def make_space(folder: Path, name: str, *, more: str = "validation: 0.2", tokens: str = WORDS) -> Space:
    rows = pa.table(
        {
            "text": [f"word{i % 50} and word{i % 7} of row {i}" for i in range(600)],
            "labels": [["a"] if i % 3 else ["b"] for i in range(600)],
        }
    )
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(rows, path)
    else:
        path.write_text("".join(f'{{"text": "{row["text"]}", "labels": ["a"]}}\n' for row in rows.to_pylist()))
    space = folder / "space.yaml"
    space.write_text(SPACE.format(data=path, more=more, tokens=tokens))
    return load_space(str(space))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_rows_and_their_length_are_estimated_without_reading_the_file(name, tmp_path):
    size = size_of_files(make_space(tmp_path, name))
    assert size is not None
    assert size.rows == 600
    assert 15 < size.length < 80
    assert size.settings == 1


def test_folds_and_preparations_multiply_the_arrays(tmp_path):
    one = size_of_files(make_space(tmp_path, "rows.parquet"))
    folds = size_of_files(make_space(tmp_path, "rows.parquet", more="validation: null, folds: 4"))
    both = size_of_files(make_space(tmp_path, "rows.parquet", tokens=f"[{WORDS}, {{character: {{}}}}]"))
    assert one is not None
    assert folds is not None
    assert both is not None
    assert folds.array_bytes == pytest.approx(5 * one.array_bytes)
    assert both.settings == 2
    assert both.array_bytes > 2 * one.array_bytes


def test_a_missing_or_damaged_file_is_left_to_the_reader(tmp_path):
    space = make_space(tmp_path, "rows.parquet")
    path = tmp_path / "rows.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert size_of_files(space) is None
    path.unlink()
    assert size_of_files(space) is None
    refuse_large_files(space, 0, is_local=True)


def test_the_number_of_series_is_unknown_where_a_row_is_a_step(tmp_path):
    pq.write_table(pa.table({"id": [1, 1], "x": [1, 2]}), tmp_path / "rows.parquet")
    data = f"{{train: {tmp_path / 'rows.parquet'}, sequence: x, sequence_id: id, label: y}}"
    (tmp_path / "space.yaml").write_text(f"task: binary\ndata: {data}\nsearch: {{trials: 2, max_epochs: 2}}\n")
    assert size_of_files(load_space(str(tmp_path / "space.yaml"))) is None


def test_files_that_are_too_large_are_refused_before_they_are_read(tmp_path):
    with pytest.raises(DataError, match=r"600 rows need about .* with 1 worker \("):
        refuse_large_files(make_space(tmp_path, "rows.parquet"), 1000, is_local=True)


def test_prepared_arrays_count_with_their_real_size(tmp_path):
    space = make_space(tmp_path, "rows.parquet")
    dataset = load_data(space.data, space.task, seed=0)
    data = prepare(dataset, space.parameters)
    size = size_of_data(dataset, data)
    ((part,),) = data.prepared.values()
    arrays = (part.train.steps, part.train.offsets, part.validation.steps, part.validation.offsets)
    assert size.rows == 600
    assert size.array_bytes == sum(values.nbytes for values in arrays)
    assert size.tokens == 6
    with pytest.raises(DataError, match="600 rows need"):
        refuse_large_data(space, dataset, data, 1000, slots=1, say=print)


def test_within_the_margin_of_error_there_is_only_a_warning(tmp_path, capsys):
    space = make_space(tmp_path, "rows.parquet")
    dataset = load_data(space.data, space.task, seed=0)
    data = prepare(dataset, space.parameters)
    size = size_of_data(dataset, data)
    needs_bytes = round(estimate_memory(size).most(1) - estimate_memory(size.scaled(0)).most(1))
    refuse_large_data(space, dataset, data, 3 * needs_bytes, slots=1, say=print)
    assert capsys.readouterr().out == ""
    refuse_large_data(space, dataset, data, round(1.7 * needs_bytes), slots=1, say=print)
    assert "warning: rows.parquet" in capsys.readouterr().out.replace(str(tmp_path) + "/", "")
    with pytest.raises(DataError, match="600 rows need"):
        refuse_large_data(space, dataset, data, needs_bytes, slots=1, say=print)


def test_the_parts_of_a_folder_are_added_up_and_compressed_files_are_unpacked(tmp_path):
    content = b"text,labels\n" + b"some words of a text,x\n" * 999
    parts = {"parts/a.csv": content, "parts/b.csv.gz": gzip.compress(content)}
    (tmp_path / "parts").mkdir()
    for name, written in parts.items():
        (tmp_path / name).write_bytes(written)
    rows = {}
    for name in ("parts", *parts):
        space = tmp_path / "space.yaml"
        space.write_text(SPACE.format(data=tmp_path / name, tokens=WORDS, more="validation: 0.2"))
        rows[name] = size_of_files(load_space(str(space))).rows
    assert rows == {"parts": 2000, "parts/a.csv": 1000, "parts/b.csv.gz": 1000}
