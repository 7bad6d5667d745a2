"""Judging many answers in SQL at once: worker processes, and what happens to one that does not come back."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from queue import Empty, SimpleQueue

from .worker import READY

QUESTIONS_A_WORKER = 128
"""Another worker takes as long to start as one takes for some hundred questions."""

PACKAGE_PARENT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Limits:
    """What one query may take.

    Attributes:
        seconds: CPU time.
        max_rows: rows of its result.
        megabytes: memory of the process that runs it.
        patience: wall-clock seconds for each database after which a worker that does not answer is killed.
    """

    seconds: float = 10.0
    max_rows: int = 500_000
    megabytes: int = 2048
    patience: float = 60.0


@dataclass(frozen=True)
class Question:
    """An answer to be judged.

    Attributes:
        predicted: the answer, untrusted.
        gold: the reference.
        databases: files to run both on; the answer must be right on all of them.
        mode: `result` compares results as bags, `upstream` as the authors' code does.
        same_column: for `upstream`, columns that a foreign key joins.
    """

    predicted: str
    gold: str
    databases: tuple[str, ...]
    mode: str = "result"
    same_column: dict[str, str] = field(default_factory=dict)


def judge_all(questions: Sequence[Question], limits: Limits | None = None, workers: int | None = None) -> list[str]:
    """For each question why its answer is wrong; empty where it is right.

    Raises:
        FileNotFoundError: a database is missing.
        ValueError: a reference does not run.
    """
    missing = next((path for q in questions for path in q.databases if not Path(path).is_file()), None)
    if missing:
        raise FileNotFoundError(
            f"{missing}: this database is not there, and answers cannot be judged without it; "
            "a split such as dev_with_database has only questions that can be"
        )
    limits = limits or Limits()
    reasons = [""] * len(questions)
    # One database after the other: a worker keeps the last one open.
    by_database: dict[tuple[str, ...], list[int]] = {}
    for i, question in enumerate(questions):
        by_database.setdefault(question.databases, []).append(i)
    waiting: SimpleQueue = SimpleQueue()
    for batch in sorted(by_database.values(), key=len, reverse=True):
        waiting.put(batch)

    def work() -> None:
        with Worker(limits) as worker, suppress(Empty):
            while True:
                for i in waiting.get_nowait():
                    reasons[i] = worker.judge(questions[i])

    useful = min(len(os.sched_getaffinity(0)), ceil(len(questions) / QUESTIONS_A_WORKER), 8)
    workers = min(workers or useful, len(by_database))
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()
    return reasons


class Worker:
    """A worker process; started on first use, and again after it had to be killed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def judge(self, question: Question) -> str:
        """Why an answer is wrong; empty if it is right.

        Raises:
            ValueError: the reference does not run.
            RuntimeError: no worker can be started.
        """
        process = self._process or self._start()
        try:
            process.stdin.write(json.dumps(vars(question)).encode() + b"\n")
            process.stdin.flush()
            line = self._answer(process, self._limits.patience * len(question.databases))
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            ended = process.poll() is not None
            self._stop()
            return "the process that ran it died" if ended else "no answer in time"
        reply = json.loads(line)
        if reply["error"]:
            raise ValueError(reply["error"])
        return reply["reason"]

    def _start(self) -> subprocess.Popen:
        code = f"import sys; sys.path.insert(0, {str(PACKAGE_PARENT)!r}); "
        code += "from ssmpeft_lib.spider.worker import main; main()"
        settings = {name: getattr(self._limits, name) for name in ("seconds", "max_rows", "megabytes")}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        # Without this, a worker that cannot start would make every answer wrong.
        if self._process.stdout.readline().decode().strip() != READY:
            self._stop()
            raise RuntimeError(
                f"the process that runs SQL does not start; to see why: {sys.executable} -I -S -c {code!r}"
            )
        return self._process

    def _answer(self, process: subprocess.Popen, seconds: float) -> bytes:
        """A line of the worker's, or what there is of it when it ends or the time is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(seconds) else b""

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
