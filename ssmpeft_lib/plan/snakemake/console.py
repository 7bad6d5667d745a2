"""The console of a Snakemake run: how far it is, how long it still takes, and how the last cell ended."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from .. import paths
from ..cell import Cell
from ..results import FORGET, describe_failure, read_metrics

LAST_LINES = 30
"""How many lines of a failed job's log are shown."""

SECONDS_BETWEEN_LINES = 20.0
"""Where the output is no terminal, a line is written at most this often; less often the longer a run takes."""

STOPPED = "Stopping. What has ended is kept; the same command goes on from there, a long run from its last checkpoint."

BAR_FORMAT = "{percentage:3.0f}% {bar:20} {n}/{total} jobs [{elapsed}, {remaining} left]{postfix}"

REPLACED = {LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS}
"""Events that Snakemake would write three lines about for each job."""


def report_progress(logger: logging.Logger, root: Path = Path("results")) -> None:
    """Let a Snakemake logger write progress in place of three lines for each job.

    Args:
        logger: Snakemake's, whose own handler for the terminal is told to leave these lines out.
        root: the folder of results, where the scores of cells are read.
    """
    console = Console(root)
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(lambda record: not console.stopped and _is_not_replaced(record))
    logger.addHandler(console)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, console.stop)


def failed_cells(metrics: Iterable[str]) -> str:
    """What the cells say that failed, and how to run them again; empty where none did.

    Args:
        metrics: paths of metrics.json.
    """
    found = [read_metrics(Path(path)) for path in metrics]
    lines = [describe_failure(one) for one in found if one["status"] == "failed"]
    return "\n".join([*lines, FORGET]) if lines else ""


class Console(logging.Handler):
    """Writes a bar on a terminal and now and then a line elsewhere; of a job that failed, the end of its log.

    With `quiet: rules`, Snakemake hides which job failed and why.

    Args:
        root: the folder of results.
        stream: where to write; by default standard error.
    """

    def __init__(self, root: Path, stream: TextIO | None = None):
        super().__init__()
        self.root = root
        self.stream = stream or sys.stderr
        self.bar: Any = None
        self.last = ""
        self.stopped = False
        self._cells: dict[int, Cell] = {}
        self._start = self._written = monotonic()

    def stop(self, number: int, frame: Any) -> None:
        """Answer to Ctrl-C: say what that means, and then nothing more of jobs that were stopped."""
        if not self.stopped:
            self.stopped = True
            self.write(STOPPED)
        raise KeyboardInterrupt

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of an event of Snakemake, and write what there is to say."""
        if self.stopped:
            return
        match getattr(record, "event", None):
            case LogEvent.JOB_INFO if record.rule_name == "cell":
                words = record.wildcards
                names = (words[name] for name in ("scale", "model", "method", "dataset"))
                self._cells[record.jobid] = Cell(*names, int(words["seed"]))
            case LogEvent.JOB_FINISHED if record.job_id in self._cells:
                self.last = outcome(self.root, self._cells.pop(record.job_id))
            case LogEvent.PROGRESS:
                self.progress(record.done, record.total)
            # a job that makes no file has said why on the terminal itself
            case LogEvent.JOB_ERROR if record.output:
                self.write(describe_failed_job(record))

    def progress(self, done: int, total: int) -> None:
        """Say that some of all jobs have ended."""
        if self.stream.isatty():
            if self.bar is None:
                # not while the Snakefile is read
                from tqdm import tqdm

                self.bar = tqdm(
                    total=total, initial=done - 1, file=self.stream, dynamic_ncols=True, bar_format=BAR_FORMAT
                )
            self.bar.set_postfix_str(self.last, refresh=False)
            self.bar.update(done - self.bar.n)
            return
        now = monotonic()
        elapsed = now - self._start
        if done < total and now - self._written < max(SECONDS_BETWEEN_LINES, elapsed / 40):
            return
        self._written = now
        left = f", about {_clock(elapsed / done * (total - done))} left" if done < total else ""
        last = f" | {self.last}" if self.last else ""
        self.write(f"[{_clock(elapsed)}] {done} of {total} jobs{left}{last}")

    def write(self, text: str) -> None:
        """Write lines without breaking the bar."""
        if self.bar is None:
            print(text, file=self.stream, flush=True)
        else:
            self.bar.write(text, file=self.stream)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
        super().close()


def outcome(root: Path, cell: Cell) -> str:
    """How a cell ended, in a few words: its name and its score on validation data.

    Args:
        root: the folder of results.
    """
    name = " ".join((cell.model, cell.method, cell.dataset))
    try:
        metrics = read_metrics(root / paths.metrics_file(cell))
    # on a network file system the file may show up later
    except (OSError, ValueError):
        return name
    if metrics["status"] == "failed":
        return f"{name}: failed"
    return f"{name}: {metrics['val']['score']:.1f}" if "val" in metrics else name


def describe_failed_job(record: logging.LogRecord | Any) -> str:
    """The rule that failed, what it should have made, and the end of its log."""
    lines = [f"{record.rule_name} failed: {', '.join(record.output)}"]
    for path in map(Path, record.log):
        said = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        end = "the end of " if len(said) > LAST_LINES else ""
        lines += [f"{end}{path}:", *(f"  {line}" for line in said[-LAST_LINES:])]
    return "\n".join(lines)


def _is_not_replaced(record: logging.LogRecord) -> bool:
    return getattr(record, "event", None) not in REPLACED and record.msg != "Select jobs to execute..."


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
