"""What a terminal is told of jobs and cells that failed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from .results import FORGET, describe_failure, read_metrics

LAST_LINES = 30
"""Of a failed job's log."""


class FailedJobs(logging.StreamHandler):
    """Writes to the terminal which job failed and the end of its log: with `quiet: rules`, Snakemake hides both."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Only what says that a job failed; one that makes no file has said why on the terminal itself."""
        return getattr(record, "event", None) == LogEvent.JOB_ERROR and bool(record.output)

    def format(self, record: logging.LogRecord) -> str:
        """The rule, what it should have made, and its log from the end."""
        lines = [f"{record.rule_name} failed: {', '.join(record.output)}"]
        for path in map(Path, record.log):
            said = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
            end = "the end of " if len(said) > LAST_LINES else ""
            lines += [f"{end}{path}:", *(f"  {line}" for line in said[-LAST_LINES:])]
        return "\n".join(lines)


def failed_cells(metrics: Iterable[str]) -> str:
    """What the cells say that failed, and how to run them again; empty where none did.

    Args:
        metrics: paths of metrics.json.
    """
    found = [read_metrics(Path(path)) for path in metrics]
    lines = [describe_failure(one) for one in found if one["status"] == "failed"]
    return "\n".join([*lines, FORGET]) if lines else ""
