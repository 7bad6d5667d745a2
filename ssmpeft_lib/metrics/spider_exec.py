"""Execution accuracy on Spider, over all questions and by hardness level (Sec. 4, App. B).

Answers are untrusted: they run in processes of their own, on copies of the databases in memory (`spider/worker.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data._task import Example
from ..spider.execution import Limits, Question, judge_all
from ..spider.levels import LEVELS
from ._scoring import scorer

VARIANTS = {
    "exec_single": "same result on the one database that Spider ships: rows as a bag, in order where the reference has "
    "ORDER BY; columns in any order; DISTINCT not asked for",
    "exec_suite": "as exec_single, on every database in the folder of the question's (test-suite accuracy)",
    "upstream": "the authors' rule: answer and reference in lower case, literals too; the answer must be in Spider's "
    "grammar; selected columns are compared by name, in the order of the rows",
}

GROUPS = (*LEVELS, "unknown")


def applies(variant: str, examples: Sequence[Example]) -> bool:
    """Whether there is anything to run a variant on: a suite is more than one database in a folder."""
    folders = {Path(example.info["database"]).parent for example in examples}
    return variant != "exec_suite" or any(len(list(folder.glob("*.sqlite"))) > 1 for folder in folders)


def statistics(
    predictions: Sequence[str], examples: Sequence[Example], variant: str = "exec_single", labels: Sequence[str] = ()
) -> np.ndarray:
    """Count right answers and answers of each level, [examples, 10]."""
    reasons = judge(predictions, examples, variant)
    table = np.zeros((len(examples), 2 * len(GROUPS)))
    level = np.array([GROUPS.index(example.info["hardness"]) for example in examples])
    table[np.arange(len(examples)), 2 * level] = [not reason for reason in reasons]
    table[np.arange(len(examples)), 2 * level + 1] = 1
    return table


def reduce(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Execution accuracy in percent: of all questions, and of each level."""
    right, asked = sums[..., ::2], sums[..., 1::2]
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = {f"exec_{level}": 100 * right[..., i] / asked[..., i] for i, level in enumerate(LEVELS)}
        return {"exec_all": 100 * right.sum(-1) / asked.sum(-1), **levels}


def describe(variant: str) -> str:
    """What the variant computes, and what a query may take."""
    import sqlite3

    limits = Limits()
    return f"{VARIANTS[variant]}; SQLite {sqlite3.sqlite_version}, at most {limits.seconds:g} s of CPU time a query"


def judge(predictions: Sequence[str], examples: Sequence[Example], variant: str = "exec_single") -> list[str]:
    """Say for each answer why it is wrong; empty where it is right.

    Raises:
        FileNotFoundError: a question's database is missing.
    """
    questions = [
        Question(
            prediction,
            example.references[0],
            _databases(example, variant),
            "upstream" if variant == "upstream" else "result",
            example.info["same_column"],
        )
        for prediction, example in zip(predictions, examples, strict=True)
    ]
    return judge_all(questions)


def _databases(example: Example, variant: str) -> tuple[str, ...]:
    own = example.info["database"]
    if variant != "exec_suite":
        return (own,)
    return tuple(str(path) for path in sorted(Path(own).parent.glob("*.sqlite"))) or (own,)


score = scorer(statistics, reduce, VARIANTS)
