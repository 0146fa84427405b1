"""What the name of a file says: its format, and how it is compressed."""

from __future__ import annotations

from tuner.data.formats.content import python_line, with_extension
from tuner.errors import DataError, data_error
from tuner.storage import extension, name_of

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ts": "ts",
    ".arff": "arff",
}
CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
EXTENSIONS = (
    "known are .parquet, .csv and .jsonl (also .tsv, .ndjson, .json, .arrow, .feather, and .ts and .arff for series), "
    "and each of them with .gz, .zst or .bz2 after it"
)

_SHEETS = {".xlsx": "openpyxl", ".xlsm": "openpyxl", ".xls": "xlrd", ".ods": "odfpy"}
_ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar")


def known_format(uri: str) -> str | None:
    """Return the format that a name says, None if it says none that is read."""
    return FORMATS.get(_inner_extension(uri))


def codec_of(uri: str) -> str | None:
    """Return how the name says that a file is compressed, as pyarrow calls it, or None."""
    return CODECS.get(extension(uri))


def format_of(uri: str) -> str:
    """Return the format that the name says. Raises DataError with what to do about another."""
    kind = _inner_extension(uri)
    if kind in FORMATS:
        return FORMATS[kind]
    raise _unknown_format(uri, kind)


def _inner_extension(uri: str) -> str:
    """Return the extension in lower case, without that of the compression: .csv for rows.csv.gz."""
    kind = extension(uri)
    return extension(name_of(uri)[: -len(kind)]) if kind in CODECS else kind


def _unknown_format(uri: str, kind: str) -> DataError:
    if kind in _SHEETS:
        code = "import pandas; pandas.read_excel({}).to_csv({}, index=False)"
        line = python_line(code, uri, with_extension(uri, ".csv"))
        return data_error(
            uri,
            "this is a spreadsheet, which is not read",
            f"save it as CSV, or run {line} (it needs {_SHEETS[kind]}: pip install {_SHEETS[kind]})",
        )
    if kind in _ARCHIVES:
        return data_error(uri, "this is an archive of files", "unpack it, and name the file or the folder in it")
    if kind == ".orc":
        code = "import pyarrow.orc as o, pyarrow.parquet as p; p.write_table(o.read_table({}), {})"
        return data_error(uri, "the format ORC is not read", python_line(code, uri, with_extension(uri, ".parquet")))
    what = f"the extension {kind!r} names no format" if kind else "the name has no extension"
    return data_error(uri, f"{what}, so its format is unknown", EXTENSIONS)
