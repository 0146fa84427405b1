"""Read .ts, the text format of the UCR and UEA archives: a series in each line, its channels separated by colons.

The table has the columns `sequence` (lists of steps) and, if the file has labels, `label`.
"""

from __future__ import annotations

import pyarrow as pa

from tuner.data.formats.content import Choose
from tuner.data.formats.series import Steps, read_steps, to_lists
from tuner.errors import data_error

_LABEL_TAGS = ("@classlabel", "@targetlabel")


def read_ts(uri: str, file: pa.NativeFile, choose: Choose) -> pa.Table:
    """Read every line of data as one series. Raises DataError with the first faulty line."""
    lines = file.read().decode().splitlines()
    start, has_label, labels = _read_header(uri, lines)
    chosen = choose(["sequence", "label"] if has_label else ["sequence"])
    series: list[Steps] = []
    names: list[str] = []
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.startswith("#"):
            continue
        *channels, last = line.strip().split(":")
        if not has_label:
            channels.append(last)
        elif not channels:
            raise data_error(f"{uri}:{number}", "the line has no colon", "end each line with a colon and a label")
        elif labels and last.strip() not in labels:
            what = f"the line ends in {last.strip()[:40]!r}, which @classLabel does not list"
            raise data_error(f"{uri}:{number}", what, "end each line with a colon and one of its labels")
        series.append(read_steps(f"{uri}:{number}", channels))
        names.append(last.strip())
    if not series:
        raise data_error(uri, "there is no line after @data", "give a file with rows")
    table = pa.table({"sequence": to_lists(series), **({"label": names} if has_label else {})})
    return table if chosen is None else table.select(chosen)


def _read_header(uri: str, lines: list[str]) -> tuple[int, bool, set[str]]:
    """Return the number of lines up to @data, whether the lines after it end in a label, and the labels if they are listed."""
    has_label, labels = False, set[str]()
    for number, line in enumerate(lines, start=1):
        words = line.split()
        tag = words[0].lower() if words else "#"
        if tag == "@data":
            return number, has_label, labels
        if tag == "@timestamps" and words[1:2] and words[1].lower() == "true":
            what = "its values have timestamps (@timeStamps true), which are not read"
            raise data_error(
                f"{uri}:{number}", what, "write it with a column of lists, or with data.sequence_id and data.order"
            )
        if tag in _LABEL_TAGS:
            has_label = words[1:2] != [] and words[1].lower() == "true"
            labels = set(words[2:]) if has_label else set()
        elif not tag.startswith(("@", "#")):
            raise data_error(f"{uri}:{number}", "there is data before a line @data", "begin the data with a line @data")
    raise data_error(uri, "there is no line @data", "begin the data with a line @data, after the header")
