"""Execution accuracy: what counts as the same, the variants, and answers that attack whoever runs them."""

import hashlib
import itertools
import random
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from official_files import SINGERS, write_spider, write_spider_database
from reference import shared

from ssmpeft_lib.data import spider
from ssmpeft_lib.metrics import score_all, spider_exec
from ssmpeft_lib.spider import execution
from ssmpeft_lib.spider.compare import same_result
from ssmpeft_lib.spider.execution import Limits, Question, judge_all


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_spider(tmp_path_factory.mktemp("spider"))


@pytest.fixture(scope="module")
def database(folder) -> str:
    return str(folder / "database" / "concerts" / "concerts.sqlite")


@pytest.fixture(scope="module")
def examples(folder):
    return spider.read_files("spider", folder)["dev"]


def reasons(database, predictions, gold="SELECT Name FROM singer", mode="result", **limits):
    questions = [Question(predicted, gold, (database,), mode) for predicted in predictions]
    return judge_all(questions, Limits(**limits))


def is_right(database, predicted, gold="SELECT Name FROM singer", mode="result"):
    return reasons(database, [predicted], gold, mode) == [""]


# What counts as the same result


@pytest.mark.parametrize(
    "predicted, gold, right",
    [
        ("select name from singer order by age", "SELECT Name FROM singer", True),
        ("select name from singer order by age", "SELECT Name FROM singer ORDER BY Age DESC", False),
        ("select age ,  name from singer", "SELECT Name ,  Age FROM singer", True),
        ("select age from singer", "SELECT Name FROM singer", False),
        ("select name ,  age from singer", "SELECT Name FROM singer", False),
        ("select name from singer limit 3", "SELECT Name FROM singer", False),
        ("select distinct name from singer", "SELECT Name FROM singer", True),
        ("select name from singer", "SELECT DISTINCT Name FROM singer", True),
        ("select name from singer where name = 'bob'", "SELECT Name FROM singer WHERE Name = 'Bob'", False),
        ("select name from singer where name = 'distinct'", "SELECT Name FROM singer WHERE Name = ''", True),
        ("select name from singer where age > = 30", "SELECT Name FROM singer WHERE Age >= 30", True),
        ("select 3", "SELECT count(*) FROM Concert", True),
        ("select 3.0", "SELECT count(*) FROM Concert", True),
        ("select '3'", "SELECT count(*) FROM Concert", False),
        ("select name from singer;", "SELECT Name FROM singer", True),
        ("select name from singer; drop table singer", "SELECT Name FROM singer", True),
        ("select age from concert where 0", "SELECT Name FROM singer WHERE 0", False),
        ("select concert_id from concert where 0", "SELECT Name FROM singer WHERE 0", True),
        ("", "SELECT Name FROM singer WHERE 0", False),
        ("-- nothing", "SELECT Name FROM singer WHERE 0", False),
    ],
)
def test_same_result_on_one_database(database, predicted, gold, right):
    assert is_right(database, predicted, gold) == right


def brute_force(gold, predicted, ordered):
    if len(gold) != len(predicted):
        return False
    if not gold:
        return True
    permuted = ([tuple(row[i] for row in [row] for i in order) for row in predicted] for order in orders(predicted))
    bag = list if ordered else Counter
    return len(gold[0]) == len(predicted[0]) and any(bag(rows) == bag(gold) for rows in permuted)


def orders(rows):
    return itertools.permutations(range(len(rows[0])))


def test_columns_in_any_order_agrees_with_trying_all_orders():
    rng = random.Random(0)
    seen = Counter()
    for _ in range(3000):
        width, height = rng.randrange(1, 5), rng.randrange(0, 5)
        gold = [tuple(rng.choice([1, 1.0, "1", None, 2]) for _ in range(width)) for _ in range(height)]
        order = rng.sample(range(width), width)
        predicted = [tuple(row[i] for i in order) for row in rng.sample(gold, height)]
        if height and rng.random() < 0.5:
            row, column = rng.randrange(height), rng.randrange(width)
            predicted[row] = (*predicted[row][:column], rng.choice([1, 2, None]), *predicted[row][column + 1 :])
        for ordered in (False, True):
            expected = brute_force(gold, predicted, ordered)
            seen[expected] += 1
            assert same_result(gold, predicted, ordered) == expected, (gold, predicted, ordered)
    assert min(seen.values()) > 1000


def test_suite_needs_every_database_right(tmp_path):
    folder = write_spider(tmp_path)
    examples = spider.read_files("spider", folder)["dev"]
    task = spider.task("spider")
    answers = ["select 4", *(example.label for example in examples[1:])]
    assert "exec_suite" not in score_all(task, answers, examples)
    write_spider_database(folder / "database" / "concerts" / "concerts_fuzzed.sqlite", SINGERS[:2])
    found = score_all(task, answers, examples)
    assert found["exec_all"] == 100
    assert found["exec_suite"]["exec_all"] == 80 and found["exec_suite"]["exec_easy"] < 100


# The authors' way


@pytest.mark.parametrize(
    "predicted, gold, single, upstream",
    [
        # Lower-cased literals find nothing on either side, and nothing equals nothing.
        ("select name from singer where name = 'Eve'", "SELECT Name FROM singer WHERE Name = 'Bob'", False, True),
        # It runs and is right, but Spider's grammar knows no `=` without spaces around it.
        ("select name from singer where age=30", "SELECT Name FROM singer WHERE Age = 30", True, False),
        # Rows in another order.
        ("select name from singer order by age", "SELECT Name FROM singer", True, False),
        # Only columns that the select list names are looked at: of `*`, the first.
        (
            "select * from singer",
            "SELECT * FROM Concert AS T1 JOIN singer AS T2 ON T1.Concert_ID  =  T2.Singer_ID",
            False,
            False,
        ),
        ("select * from concert", "SELECT * FROM singer WHERE Singer_ID  <  4", False, True),
        # A reference that Spider's grammar does not know has no right answer.
        ("select name from singer where 1", "SELECT Name FROM singer WHERE 1", True, False),
        # Aggregates of one column share a name, and the last one counts.
        ("select min(age) ,  max(age) from singer", "SELECT avg(Age) ,  max(Age) FROM singer", False, True),
        # Columns that a foreign key joins are the same column.
        ("select singer_id from concert limit 1", "SELECT Singer_ID FROM singer LIMIT 1", True, True),
        ("select t2.age from singer as t1", "SELECT Age FROM singer", False, False),
    ],
)
def test_upstream_differs_from_exec_single(database, examples, predicted, gold, single, upstream):
    same = examples[0].info["same_column"]
    assert is_right(database, predicted, gold) == single
    assert (judge_all([Question(predicted, gold, (database,), "upstream", same)]) == [""]) == upstream


def test_real_questions_answered_right_and_wrong():
    examples = spider.read_files("spider", shared("data/spider"))["dev_with_database"]
    found = score_all(spider.task("spider"), [example.references[0] for example in examples], examples)
    assert found["exec_all"] == found["upstream"]["exec_all"] == found["score"] == 100
    shifted = [examples[(i + 50) % len(examples)].references[0] for i in range(len(examples))]
    assert score_all(spider.task("spider"), shifted, examples, intervals=False)["exec_all"] < 10


def test_recorded_verdicts_of_the_official_script_on_real_questions():
    """Answers made from the references; how many are right was recorded from the test-suite script and the authors'."""
    examples = spider.read_files("spider", shared("data/spider"))["dev_with_database"]
    by_database = {}
    for example in examples:
        by_database.setdefault(example.info["db_id"], []).append(example.references[0])
    answers = []
    for example in examples:
        others = by_database[example.info["db_id"]]
        answers.append(others[(others.index(example.references[0]) + 2) % len(others)])
    right = {
        variant: sum(not reason for reason in spider_exec.judge(answers, examples, variant))
        for variant in ("exec_single", "upstream")
    }
    assert right == {"exec_single": 37, "upstream": 41}


def test_levels_are_averaged_apart(examples):
    answers = [example.label for example in examples]
    answers[0] = "select 1"
    found = spider_exec.score(answers, examples)
    levels = Counter(example.info["hardness"] for example in examples)
    assert found["exec_all"] == 80
    assert found["exec_easy"] == pytest.approx(100 * (levels["easy"] - 1) / levels["easy"])
    assert set(found) == {"exec_all", *(f"exec_{level}" for level in levels)}


# Attacks

SLOW = {
    "endless recursion": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "endless rows": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t",
    "cross join": "SELECT count(*) FROM " + ", ".join(f"sqlite_master s{i}, singer a{i}" for i in range(10)),
    "growing text": "WITH RECURSIVE t(x) AS (SELECT 'ab' UNION ALL SELECT x || x FROM t) SELECT max(length(x)) FROM t",
    "growing table": "WITH RECURSIVE t(x) AS (SELECT zeroblob(1000000) UNION ALL SELECT randomblob(1000000) FROM t) "
    "SELECT x FROM t ORDER BY x",
    "slow pattern": f"SELECT '{'a' * 5000}b' LIKE '{'%a' * 490}c' FROM " + ", ".join(f"singer a{i}" for i in range(8)),
    "large blob": "SELECT hex(zeroblob(1000000000))",
    "large text": "SELECT printf('%.*c', 2000000000, 'x')",
    "many groups": "SELECT group_concat(x) FROM (WITH RECURSIVE t(x) AS "
    "(SELECT hex(randomblob(100000)) UNION ALL SELECT hex(randomblob(100000)) FROM t) SELECT x FROM t)",
}

FORBIDDEN = {
    "attach": "ATTACH DATABASE '/tmp/ssmpeft_evil.sqlite' AS evil",
    "attach itself": "ATTACH DATABASE '{database}' AS other",
    "drop": "DROP TABLE singer",
    "insert": "INSERT INTO singer VALUES (9, 'x', 1)",
    "insert returning": "INSERT INTO singer VALUES (9, 'x', 1) RETURNING Name",
    "update": "UPDATE singer SET Name = 'x'",
    "delete": "DELETE FROM singer",
    "create": "CREATE TABLE t (x)",
    "create temporary": "CREATE TEMP TABLE t (x)",
    "vacuum into": "VACUUM INTO '/tmp/ssmpeft_evil.sqlite'",
    "vacuum": "VACUUM",
    "pragma": "PRAGMA writable_schema = on",
    "pragma query_only": "PRAGMA query_only = off",
    "pragma as table": "SELECT name FROM pragma_database_list",
    "pragma limits": "PRAGMA hard_heap_limit = 0",
    "begin": "BEGIN EXCLUSIVE",
    "load extension": "SELECT load_extension('/tmp/evil.so')",
    "read a file": "SELECT readfile('/etc/passwd')",
    "write a file": "SELECT writefile('/tmp/ssmpeft_evil', 'x')",
    "tokenizer pointer": "SELECT fts3_tokenizer('simple')",
    "virtual table": "CREATE VIRTUAL TABLE t USING fts4(x)",
    "detach": "DETACH DATABASE main",
    "reindex": "REINDEX",
    "analyze": "ANALYZE",
}

ODD = {
    "deep expression": "SELECT " + "(" * 20000 + "1" + ")" * 20000,
    "deep negation": "SELECT " + "-" * 50000 + "1",
    "long sum": "SELECT " + "1 + " * 20000 + "1",
    "long text": "SELECT '" + "x" * 500_000 + "'",
    "nested selects": "SELECT * FROM (" * 500 + "singer" + ")" * 500,
    "many columns": "SELECT " + ", ".join(["1"] * 5000),
    "many unions": " UNION ".join(["SELECT 1"] * 5000),
    "null character": "SELECT Name\x00 FROM singer",
    "lone surrogate": "SELECT '\ud800' FROM singer",
    "line breaks": "SELECT Name\nFROM\r\nsinger",
    "only quotes": "'" * 9999,
}


def digest(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", SLOW)
def test_what_takes_too_much_is_wrong_within_the_limits(folder, database, name):
    before = digest(folder)
    start = time.monotonic()
    (reason,) = reasons(database, [SLOW[name]], seconds=0.5, max_rows=10_000, megabytes=512, patience=10)
    assert reason and reason != "another result"
    assert time.monotonic() - start < 30
    assert digest(folder) == before


@pytest.mark.parametrize("name", FORBIDDEN)
def test_nothing_but_reading_is_allowed(folder, database, name):
    before = digest(folder)
    found = reasons(database, [FORBIDDEN[name].format(database=database), "SELECT Name FROM singer"])
    assert found[0] and found[0] != "another result"
    assert found[1] == ""
    assert digest(folder) == before
    assert not list(Path("/tmp").glob("ssmpeft_evil*"))


@pytest.mark.parametrize("name", ODD)
def test_odd_text_is_judged(database, name):
    for mode in ("result", "upstream"):
        found = reasons(database, [ODD[name], "SELECT Name FROM singer"], mode=mode, seconds=2)
        assert found[1] == ""
        assert bool(found[0]) == (name != "line breaks")


def test_ten_thousand_malformed_strings(folder, database):
    rng = random.Random(0)
    words = [
        "select",
        "from",
        "where",
        "(",
        ")",
        "'",
        '"',
        "*",
        ",",
        "singer",
        "name",
        "0",
        ";",
        "--",
        "/*",
        "\x00",
        "é",
    ]
    words += [
        "join",
        "group by",
        "limit",
        "union",
        "like",
        "%",
        "not",
        "in",
        "[",
        "]",
        "`",
        "?",
        ":x",
        "@y",
        "$z",
        "||",
    ]
    texts = [" ".join(rng.choices(words, k=rng.randrange(12))) for _ in range(5000)]
    texts += ["".join(chr(rng.randrange(1, 0x2FF)) for _ in range(rng.randrange(40))) for _ in range(5000)]
    before = digest(folder)
    start = time.monotonic()
    gold = "SELECT Name FROM singer WHERE Age = 41 ORDER BY Singer_ID"
    for mode in ("result", "upstream"):
        found = reasons(database, texts, gold, mode)
        assert all(found)
    assert time.monotonic() - start < 60
    assert digest(folder) == before


def test_a_killed_worker_is_replaced(database):
    """A worker that does not answer is killed; the questions after it are judged by the next one."""
    slow = SLOW["endless recursion"]
    found = reasons(database, ["SELECT Name FROM singer", slow, "SELECT Name FROM singer"], seconds=60, patience=3)
    assert found == ["", "no answer in time", ""]


def test_a_worker_that_dies_is_replaced(database):
    found = reasons(database, [SLOW["growing table"], "SELECT Name FROM singer"], megabytes=256, seconds=5)
    assert found[0] and not found[1]


def test_a_worker_that_cannot_start_is_an_error(database, monkeypatch, tmp_path):
    monkeypatch.setattr(execution, "PACKAGE_PARENT", tmp_path)
    with pytest.raises(RuntimeError, match="does not start; to see why"):
        reasons(database, ["SELECT Name FROM singer"])


def test_a_database_that_does_not_fit_is_an_error(tmp_path):
    path = write_spider_database(tmp_path / "large.sqlite", [(i, "x" * 100_000, i) for i in range(200)])
    with pytest.raises(ValueError, match="large.sqlite: "):
        reasons(str(path), ["SELECT Name FROM singer"], megabytes=1)


def test_file_with_odd_name_and_journal_mode(tmp_path):
    if sys.getfilesystemencoding() != "utf-8":
        pytest.skip("the names of files are not UTF-8 in this locale")
    path = write_spider_database(tmp_path / "a ?#%20é" / "x.sqlite")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = wal")
    connection.close()
    before = digest(tmp_path)
    assert is_right(str(path), "select name from singer")
    assert digest(tmp_path) == before


def test_reference_that_does_not_run_is_an_error(database):
    with pytest.raises(ValueError, match="concerts.sqlite: the reference does not run .*no such table: nowhere"):
        reasons(database, ["select 1"], gold="SELECT * FROM nowhere")


def test_missing_and_damaged_databases_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.sqlite: this database is not there"):
        reasons(str(tmp_path / "none.sqlite"), ["select 1"])
    (tmp_path / "bad.sqlite").write_text("this is not a database, however long it may be", encoding="utf-8")
    with pytest.raises(ValueError, match="bad.sqlite: file is not a database"):
        reasons(str(tmp_path / "bad.sqlite"), ["select 1"])


@pytest.mark.parametrize(
    "answer",
    [
        "/* note; */ SELECT name FROM singer",
        "SELECT name -- of all; 'who\nFROM singer",
        "SELECT name FROM singer /* not closed",
        "SELECT name FROM singer -- it's all",
    ],
)
def test_comments_are_passed_over(database, answer):
    assert is_right(database, answer)
    assert not is_right(database, "SELECT '/* no comment */' FROM singer")


@pytest.mark.parametrize("tables", ["", "CREATE TABLE other (a)"])
def test_an_empty_or_another_database_is_an_error_and_no_wrong_answer(tmp_path, tables):
    path = tmp_path / "concerts.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.executescript(tables)
    for answer in ("SELECT Name FROM singer", "nonsense"):
        with pytest.raises(ValueError, match="concerts.sqlite: .*(holds no table|reference does not run)"):
            reasons(str(path), [answer])
