"""Rows of tables and lists: TSV, CSV, JSON, JSON lines and Parquet, each row a dict."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._files import File


class Row(dict[str, Any]):
    """Fields by the names of their columns.

    Attributes:
        place: where the row stands in its file, as an editor counts, such as `line 17`.
    """

    __slots__ = ("place",)

    def __init__(self, fields: Mapping[str, Any], place: str) -> None:
        super().__init__(fields)
        self.place = place


def place_of(row: Mapping[str, Any], number: int) -> str:
    """Where a row stands; rows of the hub are counted, from 1."""
    return row.place if isinstance(row, Row) else f"row {number}"


# a dialogue may be longer than the reader's default of 131,072 characters
csv.field_size_limit(2**31 - 1)


def read_rows(file: File, columns: Sequence[str] = ()) -> list[Row]:
    """All rows of a file, by the ending of its name.

    Args:
        file: what to read.
        columns: names of the columns of a tab-separated file, for when its header line is missing.
    Raises:
        ValueError: the file is not what its name says, names the line; or it has no row.
    """
    if file.shards:
        return [Row(row, f"{row.place} of {shard.name}") for shard in file.shards for row in read_rows(shard, columns)]
    rows = _rows(file, columns)
    if not rows:
        raise ValueError(f"{file}: there is no row in this file; get it again")
    return rows


def _rows(file: File, columns: Sequence[str]) -> list[Row]:
    if file.suffix in (".tsv", ".txt"):
        return _tsv(file, columns)
    if file.suffix == ".jsonl":
        return _json_lines(file)
    if file.suffix == ".json":
        return _json(file)
    if file.suffix == ".csv":
        return _csv(file)
    if file.suffix == ".parquet":
        return _parquet(file)
    raise ValueError(
        f"{file}: cannot read {file.suffix or 'a file without an ending'} (tsv, csv, json, jsonl, parquet)"
    )


def _csv(file: File) -> list[Row]:
    reader = csv.DictReader(io.StringIO(file.text(), newline=""))
    try:
        return [Row(row, f"line {reader.line_num}") for row in reader]
    except csv.Error as error:
        raise ValueError(f"{file}: not valid CSV at line {reader.line_num} ({error}); get it again") from None


def _parquet(file: File) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows = pyarrow.parquet.read_table(io.BytesIO(file.read())).to_pylist()
        return [Row(row, f"row {number}") for number, row in enumerate(rows, 1)]
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).partition("<Buffer>")[0].strip()
        raise ValueError(f"{file}: not a whole Parquet file ({reason}); get it again") from None


def _tsv(file: File, columns: Sequence[str]) -> list[Row]:
    """Fields between tabs, lines between newlines, and no quoting: GLUE's text is full of single double quotes."""
    lines = [line.removesuffix("\r") for line in file.text().split("\n")]
    first, start = lines[0].split("\t"), 1
    if not columns or set(first) & set(columns):
        columns, lines, start = first, lines[1:], 2
    elif len(first) != len(columns):
        raise ValueError(
            f"{file}: the first line has {len(first)} fields and is no header line; "
            f"without a header there must be {len(columns)}: {', '.join(columns)}"
        )
    return [
        Row(dict(zip(columns, line.split("\t"), strict=False)), f"line {number}")
        for number, line in enumerate(lines, start)
        if line
    ]


def _json(file: File) -> list[Row]:
    text = file.text()
    try:
        loaded = json.loads(text)
    except json.JSONDecodeError as error:
        # JSON lines are often called .json.
        if error.msg == "Extra data":
            return _json_lines(file)
        raise ValueError(f"{file}: not valid JSON at line {error.lineno} ({error.msg}); get the file again") from None
    except RecursionError:
        raise ValueError(f"{file}: nested too deeply; this is no file of a data set") from None
    if not isinstance(loaded, list):
        raise ValueError(f"{file}: holds a {type(loaded).__name__}, needs a list of objects")
    return _objects(file, {f"entry {number}": row for number, row in enumerate(loaded, 1)})


def _json_lines(file: File) -> list[Row]:
    rows = {}
    for number, line in enumerate(file.text().split("\n"), 1):
        if line.strip():
            try:
                rows[f"line {number}"] = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{file}: line {number} is not valid JSON ({error.msg}); get it again") from None
            except RecursionError:
                raise ValueError(f"{file}: line {number} is nested too deeply") from None
    return _objects(file, rows)


def _objects(file: File, rows: Mapping[str, Any]) -> list[Row]:
    """Check what was read, by its places."""
    for place, row in rows.items():
        if not isinstance(row, dict):
            raise ValueError(f"{file}: {place} is a {type(row).__name__}, needs an object")
    return [Row(row, place) for place, row in rows.items()]
