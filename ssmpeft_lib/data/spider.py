"""Spider (Yu et al., 2018): questions about databases, answered in SQL (Sec. 4, App. B, Table 6).

The instruction and the way a schema is written out are those of the authors' code, its odd backslash included. Unlike
there, labels keep the case of literals: lower-cased, many of them no longer find what the question asks for.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..spider.grammar import Schema, parse
from ..spider.levels import hardness
from ..spider.tokens import lower_keywords
from . import _hub
from ._files import Folder
from ._rows import Row, place_of, read_rows
from ._task import Example, Splits, Task
from ._text import separated

DATASETS = {
    "spider": {
        "train": 5543, "val": 1375, "test": 1034, "max_seq_len": 1412, "epochs": 10, "batch_size": 4,
        "folder": "spider", "splits": {"train": "train", "val": None, "test": "dev"},
        "miniature_recipe": {"steps": 200, "batch_size": 8},
    },
}  # fmt: skip

SQLITE = b"SQLite format 3\0"
"""What every database begins with."""

SPLITS = {
    "train": ("train_spider", "train-*"),
    "train_others": ("train_others",),
    "dev": ("dev", "validation-*"),
    "test": ("test",),
}
"""Official splits with the names of their files: the distribution's, and the hub's."""


def task(name: str) -> Task:
    """How Spider is asked and scored. Examples of more than 1536 tokens are not trained on (App. B)."""
    return Task(
        instruction=separated("Create a sql request for the following question and schema:\n"),
        labels=(),
        metrics=("spider_exec",),
        headline="exec_all",
        drop_longer_than=1536,
    )


def read_files(name: str, folder: Path) -> Splits:
    """The official splits that lie in a folder, with `tables.json` and the databases.

    Where some databases are missing, there are also splits such as `dev_with_database`, of the questions that can be
    scored.

    Raises:
        ValueError: a file is damaged or a question asks for an unknown database; names the file and the entry.
        LookupError: there are questions and no `tables.json`.
    """
    here = Folder(folder)
    splits: Splits = {}
    for split, stems in SPLITS.items():
        file = here.find(*(f"{stem}.{ending}" for stem in stems for ending in ("json", "jsonl", "parquet")))
        if file is not None:
            kind = "test_" if split == "test" else ""
            splits |= _split(split, read_rows(file), str(file), _databases(here, kind))
    return splits


def read_hub(name: str, folder: Path | None = None) -> Splits:
    """The official questions from the hub, with `tables.json` and the databases of a folder: the hub has neither.

    Raises:
        LookupError: there is no such folder, or the hub cannot be reached.
    """
    if folder is None:
        raise LookupError(
            "Spider's tables.json and databases are not on the hub: unpack its zip (yale-lily.github.io/spider) and "
            "set data_dir to the folder that holds spider/"
        )
    databases = _databases(Folder(folder), "")
    splits: Splits = {}
    for split, rows in _hub.load("xlangai/spider").items():
        official = "dev" if split == "validation" else split
        splits |= _split(official, rows, f"xlangai/spider {split}", databases)
    return splits


def check_scorable(role: str, examples: Sequence[Example]) -> None:
    """Raise a LookupError when a question has no database to score an answer with, or a ValueError when it is none."""
    paths = {Path(example.info["database"]): None for example in examples}
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise LookupError(
            f"spider: {len(missing)} of the {len(paths)} databases that {role} is scored with are not there, first "
            f"{missing[0]}; unpack Spider's zip with its folder database/ beside tables.json"
            + ("" if len(missing) == len(paths) else f", or take the split that has {role}'s name and _with_database")
        )
    for path in paths:
        with path.open("rb") as file:
            if file.read(len(SQLITE)) != SQLITE:
                raise ValueError(f"{path}: this is no SQLite database (damaged, or empty); unpack Spider's zip again")


def write_miniature(name: str, folder: Path, seed: int) -> None:
    """Write a small generated stand-in in the original's format."""
    from ..miniature import spider

    spider.write(name, folder, seed)


@dataclass(frozen=True)
class _Database:
    """What is told about a database, and where it is.

    Attributes:
        path: of the SQLite file.
        written: its schema as the model reads it.
        schema: its schema as Spider's grammar needs it.
        same_column: for each column that foreign keys join to others, the one that stands for all of them.
    """

    path: Path
    written: str
    schema: Schema
    same_column: dict[str, str]


def _databases(here: Folder, kind: str) -> dict[str, _Database]:
    file = here.find(f"{kind}tables.json")
    if file is None:
        raise LookupError(f"{here.path}: there is no {kind}tables.json, which describes the databases")
    # The databases lie beside the file that describes them.
    root = file.path.parent / f"{kind}database"
    found = {}
    for number, entry in enumerate(read_rows(file), 1):
        try:
            found[entry["db_id"]] = _database(entry, root)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            problem = f"{type(error).__name__}: {error}"
            raise ValueError(f"{file}: {place_of(entry, number)} does not describe a database ({problem})") from None
    return found


def _database(entry: dict[str, Any], root: Path) -> _Database:
    name, tables = entry["db_id"], entry["table_names_original"]
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(f"{name!r} is no name: letters, digits, _ and - are allowed")
    columns = [(tables[table] if table >= 0 else "", column) for table, column in entry["column_names_original"]]
    schema = {table.lower(): [column.lower() for owner, column in columns if owner == table] for table in tables}
    written = " | ".join(_written(number, entry) for number in range(len(tables)))
    return _Database(root / name / f"{name}.sqlite", written, schema, _same_columns(columns, entry["foreign_keys"]))


def _written(number: int, entry: dict[str, Any]) -> str:
    """A table as the model reads it: `name: column type ,  ... ,  foreign: column from table ,  primary: column`."""
    tables, columns = entry["table_names_original"], entry["column_names_original"]
    own = [i for i, (table, _) in enumerate(columns) if table == number]
    foreign = [columns[there] for here, there in entry["foreign_keys"] if here in own]
    parts = [
        *(f"{columns[i][1]} {entry['column_types'][i]}" for i in own),
        "foreign: " + " , ".join(f"{column} from {tables[table]}" for table, column in foreign),
        "primary: " + " , ".join(columns[key][1] for key in entry["primary_keys"] if key in own),
    ]
    return f"{tables[number]}: " + " ,  ".join(parts).lower()


def _same_columns(columns: list[tuple[str, str]], keys: Iterable[tuple[int, int]]) -> dict[str, str]:
    """Columns joined by foreign keys, in sets; the first of each set stands for it."""
    sets: list[set[int]] = []
    for pair in keys:
        known = next((group for group in sets if group & set(pair)), None)
        if known is None:
            sets.append(known := set())
        known.update(pair)
    names = [f"{table}.{column}".lower() for table, column in columns]
    return {names[i]: names[min(group)] for group in sets for i in sorted(group)}


def _split(split: str, rows: Iterable[Row], where: str, databases: dict[str, _Database]) -> Splits:
    examples = []
    for number, row in enumerate(rows, 1):
        missing = [key for key in ("question", "query", "db_id") if not isinstance(row.get(key), str)]
        if missing:
            raise ValueError(f"{where}: {place_of(row, number)} has no {missing[0]}; it has {', '.join(map(str, row))}")
        if row["db_id"] not in databases:
            place = place_of(row, number)
            raise ValueError(f"{where}: {place} asks the database {row['db_id']!r}, which tables.json has not")
        examples.append(_example(row, databases[row["db_id"]]))
    there = {path for path in {example.info["database"] for example in examples} if Path(path).is_file()}
    scorable = [example for example in examples if example.info["database"] in there]
    if len(scorable) in (0, len(examples)):
        return {split: examples}
    some = f"{split}_with_database"
    warnings.warn(
        f"{where}: {len(examples) - len(scorable)} of {len(examples)} questions have no database to score answers "
        f"with; the split {some} leaves them out",
        stacklevel=2,
    )
    return {split: examples, some: scorable}


def _example(row: Row, database: _Database) -> Example:
    query = row["query"].strip()
    try:
        level = hardness(parse(query, database.schema))
    except ValueError:
        level = "unknown"
    info = {
        "db_id": row["db_id"],
        "database": str(database.path.absolute()),
        "hardness": level,
        "same_column": database.same_column,
    }
    text = separated(f"Question: {row['question']}\\Schema: {database.written}\n")
    return Example(text, lower_keywords(query), (query,), info)
