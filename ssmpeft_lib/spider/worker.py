"""The process that runs untrusted SQL: requests come in as lines of JSON, verdicts go out as lines of JSON.

What keeps it contained: a copy of the database in memory (the file is opened read-only and closed again), an
authorizer that lets nothing but reading through, SQLite's own limits, a bound on the CPU time and the rows of a query,
and the operating system's limits on memory and on the size of files. Whoever started it kills it when it does not
answer.
"""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from .compare import same_result
from .grammar import Schema, parse, selected
from .tokens import first_statement, remove_comments, remove_distinct

READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}

MEGABYTE = 2**20
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 * MEGABYTE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}


READY = "ready"
"""First line of a worker that has started."""


class Refused(Exception):
    """A query did not run to its end; the message says why."""


class Database:
    """A copy of a database in memory, for reading."""

    def __init__(self, path: str, seconds: float, max_rows: int) -> None:
        self.seconds, self.max_rows = seconds, max_rows
        self._deadline = 0.0
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as original:
            original.backup(self._connection)
        self.schema = _schema(self._connection)
        if not self.schema:
            raise ValueError("the database holds no table; unpack Spider's zip again")
        self._connection.text_factory = lambda text: text.decode(errors="ignore")
        self._connection.execute("PRAGMA temp_store = memory")
        self._connection.execute("PRAGMA query_only = on")
        for limit, value in LIMITS.items():
            self._connection.setlimit(limit, value)
        self._connection.set_progress_handler(lambda: time.process_time() > self._deadline, 10_000)
        self._connection.set_authorizer(_authorize)

    def run(self, sql: str) -> list[tuple]:
        """Rows of one query.

        Raises:
            Refused: it is no query, fails, or goes over a limit.
        """
        self._deadline = time.process_time() + self.seconds
        try:
            cursor = self._connection.execute(sql)
            if cursor.description is None:
                raise Refused("not a query")
            rows = cursor.fetchmany(self.max_rows + 1)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
            raise Refused(f"{type(error).__name__}: {error}") from None
        if len(rows) > self.max_rows:
            raise Refused(f"more than {self.max_rows:,} rows")
        return rows

    def close(self) -> None:
        """Free the memory."""
        self._connection.close()


def _authorize(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    allowed = action in READING and (action != sqlite3.SQLITE_FUNCTION or second.lower() not in FORBIDDEN_FUNCTIONS)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _schema(connection: sqlite3.Connection) -> Schema:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {table: connection.execute("SELECT name FROM pragma_table_info(?)", (table,)) for table in tables}
    return {table.lower(): [name.lower() for (name,) in names] for table, names in columns.items()}


def judge(database: Database, request: dict) -> str:
    """Empty when the answer is right on a database, else why it is not.

    Raises:
        ValueError: the reference itself does not run.
    """
    mode, gold, predicted = request["mode"], request["gold"], request["predicted"]
    if mode == "upstream":
        gold, predicted = gold.lower(), predicted.lower()
    else:
        gold, predicted = _official_form(gold), _official_form(predicted)
    # first: in an empty or another database nothing runs, which is no fault of the answer
    try:
        reference = database.run(gold)
    except Refused as reason:
        raise ValueError(f"the reference does not run ({reason}): {gold}") from None
    try:
        answer = database.run(predicted)
    except Refused as reason:
        return str(reason)
    if mode == "upstream":
        return _upstream(database.schema, gold, predicted, reference, answer, request["same_column"])
    same = same_result(reference, answer, ordered="order by" in gold.lower())
    return "" if same else "another result"


def _official_form(sql: str) -> str:
    """What the official execution accuracy runs: one statement, without DISTINCT, and `> =` as `>=`."""
    sql = first_statement(remove_distinct(remove_comments(sql)))
    return sql.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=")


def _upstream(schema: Schema, gold: str, predicted: str, reference: list, answer: list, same: dict) -> str:
    """The authors' rule: the columns that the select lists name are compared one by one, in the order of the rows."""
    columns = []
    for who, sql, rows in (("the answer", predicted, answer), ("the reference", gold, reference)):
        try:
            columns.append(
                {name: [row[i] for row in rows] for i, name in enumerate(selected(parse(sql, schema), same))}
            )
        except ValueError as error:
            return f"{who} is outside Spider's grammar: {error}"
        except IndexError:
            return f"{who} has fewer columns than its select list"
    return "" if columns[0] == columns[1] else "another result"


class Judge:
    """Answers requests; keeps the last database open, for the next request is likely to be about it too."""

    def __init__(self, seconds: float, max_rows: int) -> None:
        self.seconds, self.max_rows = seconds, max_rows
        self._path, self._database = "", None

    def answer(self, request: dict) -> dict:
        """A verdict (`reason`, empty when right) or what is wrong with the question itself (`error`)."""
        for path in request["databases"]:
            try:
                self._open(path)
                reason = self._within_time(request)
            except (ValueError, sqlite3.Error, MemoryError) as error:
                return {"reason": "", "error": f"{Path(path).name}: {error or 'does not fit into memory'}"}
            if reason:
                return {"reason": reason, "error": None}
        return {"reason": "", "error": None}

    def _open(self, path: str) -> None:
        if path != self._path:
            if self._database:
                self._database.close()
            self._path, self._database = "", None
            self._database = Database(path, self.seconds, self.max_rows)
            self._path = path

    def _within_time(self, request: dict) -> str:
        # A single step of SQLite can run for long without asking the progress handler; this ends the process.
        signal.setitimer(signal.ITIMER_PROF, 3 * self.seconds)
        try:
            return judge(self._database, request)
        except (MemoryError, RecursionError) as error:
            return f"too large to judge ({type(error).__name__})"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """Answer requests until there are no more."""
    settings = json.loads(sys.argv[1])
    bound = settings["megabytes"] * MEGABYTE
    for limit, value in {resource.RLIMIT_AS: bound, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}.items():
        resource.setrlimit(limit, (value, value))
    court = Judge(settings["seconds"], settings["max_rows"])
    print(READY, flush=True)
    for line in sys.stdin:
        print(json.dumps(court.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
