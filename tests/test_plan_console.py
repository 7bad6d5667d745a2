"""What a run of Snakemake writes: a line now and then, a bar on a terminal, the end of the log of what failed."""

from __future__ import annotations

import io
import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.snakemake import console

CELL = Cell("quick", "mamba-130m", "lora@out_proj", "dart", 0)
WORDS = {"scale": "quick", "model": "mamba-130m", "method": "lora@out_proj", "dataset": "dart", "seed": "0"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def outcomes(monkeypatch):
    """Results of cells, as if they lay on disk."""
    found = {"status": "ok", "val": {"score": 47.04}}
    monkeypatch.setattr(console, "read_metrics", lambda path: found)
    return found


def events(stream, root, jobs: int):
    """A logger with one console, and as many cells that start and end."""
    logger = logging.getLogger(f"snakemake-{id(stream)}")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    handler = console.Console(root, stream)
    logger.addHandler(handler)
    for job in range(jobs):
        logger.info(None, extra={"event": LogEvent.JOB_INFO, "jobid": job, "rule_name": "cell", "wildcards": WORDS})
    for job in range(jobs):
        logger.info(None, extra={"event": LogEvent.JOB_FINISHED, "job_id": job})
        logger.info(None, extra={"event": LogEvent.PROGRESS, "done": job + 1, "total": jobs})
    return logger, handler


def test_a_run_of_hundreds_of_cells_writes_few_lines_and_the_last_one_says_all_is_done(outcomes, tmp_path, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(console, "monotonic", lambda: 2.0 * next(clock))
    stream = io.StringIO()
    events(stream, tmp_path, 500)
    lines = stream.getvalue().splitlines()
    assert 5 < len(lines) < 100
    assert lines[-1].endswith("500 of 500 jobs | mamba-130m lora@out_proj dart: 47.0")
    assert all("left" in line for line in lines[:-1])


def test_a_long_run_writes_ever_more_seldom(outcomes, tmp_path, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(console, "monotonic", lambda: 600.0 * next(clock))
    stream = io.StringIO()
    events(stream, tmp_path, 5_000)
    assert len(stream.getvalue().splitlines()) < 300


def test_a_terminal_gets_one_bar_with_the_last_cell(outcomes, tmp_path):
    stream = Terminal()
    _, handler = events(stream, tmp_path, 40)
    handler.close()
    last = stream.getvalue().rstrip().split("\r")[-1]
    assert "40/40" in last and "dart: 47.0" in last
    assert "\n" not in stream.getvalue().rstrip()


def test_a_failed_cell_is_named_and_a_missing_result_does_no_harm(outcomes, tmp_path, monkeypatch):
    outcomes["status"] = "failed"
    assert console.outcome(tmp_path, CELL) == "mamba-130m lora@out_proj dart: failed"

    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(console, "read_metrics", missing)
    assert console.outcome(tmp_path, CELL) == "mamba-130m lora@out_proj dart"


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_the_end_of_a_failed_jobs_log_is_shown(outcomes, tmp_path, kind):
    log = tmp_path / "job.log"
    log.write_text("\n".join(f"line {i}" for i in range(100)), encoding="utf-8")
    stream = kind()
    logger, _ = events(stream, tmp_path, 3)
    failure = {"event": LogEvent.JOB_ERROR, "rule_name": "html", "output": ["index.html"], "log": [str(log)]}
    logger.error(None, extra=failure)
    told = stream.getvalue()
    assert "html failed: index.html" in told and f"the end of {log}:" in told
    assert "line 99" in told and "line 69\n" not in told


def test_snakemakes_own_lines_about_each_job_are_left_out():
    logger = logging.getLogger("snakemake-own")
    logger.setLevel(logging.INFO)
    stream = io.StringIO()
    own = logging.StreamHandler(stream)
    own.name = "DefaultStreamHandler"
    logger.addHandler(own)
    console.report_progress(logger)
    logger.info("Select jobs to execute...")
    logger.info("Execute 1 jobs...", extra={"event": LogEvent.JOB_STARTED, "jobs": [1]})
    logger.info("Finished jobid: 426 (Rule: cell)", extra={"event": LogEvent.JOB_FINISHED, "job_id": 426})
    logger.info("Building DAG of jobs...")
    assert stream.getvalue() == "Building DAG of jobs...\n"


def test_after_ctrl_c_one_line_says_what_is_kept_and_nothing_of_stopped_jobs(tmp_path):
    stream = io.StringIO()
    logger, handler = events(stream, tmp_path, 0)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            handler.stop(2, None)
    log = tmp_path / "cell.log"
    log.write_text("Traceback\n", encoding="utf-8")
    failed = {"event": LogEvent.JOB_ERROR, "rule_name": "cell", "output": ["metrics.json"], "log": [str(log)]}
    logger.error(None, extra=failed)
    logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 1, "total": 1})
    assert stream.getvalue() == f"{console.STOPPED}\n"
    assert "same command" in console.STOPPED
