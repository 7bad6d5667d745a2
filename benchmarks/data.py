"""Time what preparing and scoring data costs, on real DART and Spider, beside the plain way in the same run.

    python benchmarks/data.py --data-dir DIR --tokenizer tokenizer.json --output recorded/data.json

Prints a table and writes it as JSON with the machine's description. Peers: one call of the tokenizer a text, as the
authors' code does; `evaluate`'s recipe for METEOR (nltk, text by text); queries run one after the other in this
process on connections opened for each, as Spider's scripts do, with no sandbox. Runs alternate; medians of seconds by
the clock and of CPU seconds, child processes included. Ratios are of CPU seconds, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import dart, spider
from ssmpeft_lib.data._task import Example
from ssmpeft_lib.metrics import bleu, meteor, spider_exec
from ssmpeft_lib.plan import manifest
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.spider.compare import same_result
from ssmpeft_lib.training.provenance import cpu_name

DEV_QUESTIONS = 1034
"""As many as Spider's development set has."""


def main() -> None:
    """Run every comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with dart/ and spider/")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    about = machine()
    rows = [
        *encoding(arguments, "dart", {"train": "dev", "val": None}),
        *encoding(arguments, "spider", {}),
        *scoring(arguments),
        *execution(arguments),
    ]
    for row in rows:
        print("{what:<52} {seconds:>8.3f} s {cpu:>8.3f} CPU-s {per_second:>10,.0f}/s   {peer}".format(**row))
    if arguments.output:
        write_json(arguments.output, about | {"repeats": arguments.repeats, "rows": rows})


def encoding(arguments: argparse.Namespace, dataset: str, splits: dict) -> list[dict]:
    """Reading, tokenising and writing; loading again; and the tokenizer called text by text."""
    source = sources.find(dataset, "real", arguments.data_dir)

    def prepare() -> int:
        with tempfile.TemporaryDirectory() as cache:
            return count(encode.prepare(dataset, source, arguments.tokenizer, Path(cache, "encoded"), splits))

    def one_by_one() -> int:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
        roles = sources.assign_roles(dataset, source.read(), splits)
        texts = [text for examples in roles.values() for e in examples for text in (e.input, e.label)]
        return len([tokenizer.encode(text).ids for text in texts]) // 2

    with tempfile.TemporaryDirectory() as cache:
        output = Path(cache, f"{dataset}.json")
        prepared = encode.prepare(dataset, source, arguments.tokenizer, output.with_suffix(""), splits)
        manifest.write(output, {"dataset": dataset, **prepared.description}, prepared.folder.iterdir())

        def load() -> int:
            return count(encode.load_prepared(output))

        times = alternate(arguments.repeats, prepare, one_by_one, load)
    return [
        row(f"{dataset}: read, tokenise, write", times[0], "text by text", times[1]),
        row(f"{dataset}: load what was prepared", times[2]),
    ]


def count(prepared: encode.Prepared) -> int:
    return sum(map(len, prepared.splits.values()))


def scoring(arguments: argparse.Namespace) -> list[dict]:
    """BLEU and METEOR of DART's test set, on answers made by cutting and shuffling references."""
    examples = dart.read_files("dart", sources.find("dart", "real", arguments.data_dir).folder)["test"]
    answers = made_answers(examples)

    def ours_meteor() -> int:
        # Words kept from the run before would make it look faster than it is.
        meteor._tokenizer.cache_clear()
        meteor.score(answers, examples)
        return len(examples)

    def plain_meteor() -> int:
        from nltk.translate.meteor_score import meteor_score

        tokens, wordnet = meteor._tokenizer()[0].__wrapped__, meteor._wordnet() or NoWordNet()
        for answer, example in zip(answers, examples, strict=True):
            meteor_score([tokens(text) for text in example.references], tokens(answer), wordnet=wordnet)
        return len(examples)

    def ours_bleu() -> int:
        bleu.score(answers, examples, "sacrebleu")
        return len(examples)

    def plain_bleu() -> int:
        import sacrebleu

        most = max(len(example.references) for example in examples)
        columns = [[dict(enumerate(e.references)).get(k) for e in examples] for k in range(most)]
        sacrebleu.BLEU().corpus_score(answers, columns)
        return len(examples)

    # Once to load nltk and its data.
    meteor.score(answers[:1], examples[:1])
    times = alternate(arguments.repeats, ours_meteor, plain_meteor, ours_bleu, plain_bleu)
    return [
        row("dart test: METEOR", times[0], "nltk, text by text", times[1]),
        row("dart test: BLEU with statistics for the bootstrap", times[2], "sacrebleu", times[3]),
    ]


class NoWordNet:
    """Where nltk has no WordNet."""

    def synsets(self, word: str) -> list:
        return []


def made_answers(examples: list[Example]) -> list[str]:
    rng = random.Random(0)
    answers = []
    for example in examples:
        words = example.references[-1].split()
        if rng.random() < 0.5:
            rng.shuffle(words)
        answers.append(" ".join(words[: rng.randrange(len(words) + 1)]))
    return answers


def execution(arguments: argparse.Namespace) -> list[dict]:
    """Judging as many answers as Spider's development set has: right ones, ones of another question, broken ones."""
    splits = spider.read_files("spider", sources.find("spider", "real", arguments.data_dir).folder)
    known = {name.removesuffix("_with_database"): examples for name, examples in splits.items()}
    examples = (known["dev"] + known["train"])[:DEV_QUESTIONS]
    queries: dict[str, list[str]] = {}
    for example in examples:
        queries.setdefault(example.info["db_id"], []).append(example.references[0])
    rng = random.Random(0)
    answers = [
        (example.label, rng.choice(queries[example.info["db_id"]]), example.label[: rng.randrange(len(example.label))])[
            i % 3
        ]
        for i, example in enumerate(examples)
    ]

    def sandboxed() -> int:
        return len(spider_exec.judge(answers, examples))

    def plain() -> int:
        return sum(1 for answer, example in zip(answers, examples, strict=True) if judged(answer, example) is not None)

    times = alternate(arguments.repeats, sandboxed, plain)
    return [row(f"spider: {len(examples)} answers, sandboxed", times[0], "in this process, no sandbox", times[1])]


def judged(answer: str, example: Example) -> bool:
    results = []
    for query in (answer, example.references[0]):
        connection = sqlite3.connect(f"file:{example.info['database']}?mode=ro", uri=True)
        try:
            results.append(connection.execute(query).fetchall())
        except sqlite3.Error:
            results.append(None)
        finally:
            connection.close()
    return results[0] is not None and same_result(results[1], results[0], "order by" in example.references[0].lower())


@dataclass(frozen=True)
class Timing:
    """Medians over the runs of a function, and how many records it worked on."""

    seconds: float
    cpu: float
    records: int


def alternate(repeats: int, *functions: Callable[[], int]) -> list[Timing]:
    """Time functions that take turns; each returns how many records it worked on."""
    runs: list[list[tuple[float, float, int]]] = [[] for _ in functions]
    for _ in range(repeats):
        for i, function in enumerate(functions):
            start, before = time.perf_counter(), sum(os.times()[:4])
            records = function()
            runs[i].append((time.perf_counter() - start, sum(os.times()[:4]) - before, records))
    return [Timing(*map(statistics.median, zip(*taken, strict=True))) for taken in runs]


def row(what: str, ours: Timing, peer: str = "", peers: Timing | None = None) -> dict:
    """A line of the table."""
    ratio = f"{peers.cpu / max(ours.cpu, 0.01):.2f} x as fast as {peer}" if peers else ""
    seconds, cpu = round(ours.seconds, 4), round(ours.cpu, 4)
    return {
        **{"what": what, "seconds": seconds, "cpu": cpu, "records": ours.records},
        **{"per_second": round(ours.records / ours.seconds), "peer": ratio},
    }


def machine() -> dict:
    """What is measured on, and what else ran there before."""
    return {
        "machine": cpu_name(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "tokenizer_threads": os.environ.get("TOKENIZERS_PARALLELISM", "all cores"),
    }


if __name__ == "__main__":
    main()
