"""The pipeline on a real SLURM of two nodes: a book comes out, and no fault costs more than the jobs that it hit."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from small_book import CELLS, command, results, snakemake, times

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

IN_A_JOB = 4
HERE = (
    "--cores", "2", "--latency-wait", "20", "--group-components", "prepare=100", f"cells={IN_A_JOB}",
    "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3",
)  # fmt: skip
"""What a test of two small nodes without accounting changes in the profile."""

PATIENCE = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One working directory for all tests here, with a space in its name."""
    return tmp_path_factory.mktemp("on a cluster")


def cell_jobs(cluster, *states: str) -> list[str]:
    return [job for job, purpose in cluster.jobs(*states).items() if "rule_cell" in purpose]


def test_a_small_book_comes_out(cluster, folder):
    done = snakemake(folder, *HERE, profile="slurm", environment=cluster.environment)
    assert done.returncode == 0, done.stdout[-5000:]
    assert f"{CELLS} of {CELLS} cells ran." in done.stdout
    assert str(folder / "results/quick/html/index.html") in done.stdout
    assert (folder / "results/quick/html/index.html").exists()
    # three jobs for ten cells, one for what comes before them and one for the book
    assert len(cell_jobs(cluster)) == -(-CELLS // IN_A_JOB)
    assert len(cluster.jobs()) == len(cell_jobs(cluster)) + 2


def test_faults_cost_no_more_than_the_jobs_they_hit(cluster, folder):
    first_seed, before = times(folder), set(cluster.jobs())
    assert len(first_seed) == CELLS
    seeds = {"quick": 2, "real": 1, "paper": 1}
    again = command(folder, *HERE, profile="slurm", seeds=seeds)
    with open(folder / "killed.log", "w", encoding="utf-8") as log:
        running = subprocess.Popen(again, env=cluster.environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            two = cluster.wait_for(
                lambda: (new := [job for job in cell_jobs(cluster, "RUNNING") if job not in before])[1:] and new,
                "two jobs of cells",
                PATIENCE,
            )
            nodes = {cluster.ask("squeue", "-h", "-j", job, "-o", "%N"): job for job in two}
            cluster.ask("scancel", nodes["n1"])
            cluster.kill_node("n2")
            known = before | set(cluster.jobs())
            failed = cluster.wait_for(lambda: cell_jobs(cluster, "NODE_FAIL"), "the node to be missed", PATIENCE)
            assert failed == [nodes["n2"]] and cell_jobs(cluster, "CANCELLED") == [nodes["n1"]]
            cluster.start_node("n2")
            # both are submitted again, each once
            retried = cluster.wait_for(
                lambda: (new := [job for job in cell_jobs(cluster) if job not in known])[1:] and new,
                "both jobs to be submitted again",
                PATIENCE,
            )
        finally:
            running.send_signal(signal.SIGKILL)
            running.wait()
    # jobs in the queue go on without Snakemake
    cluster.wait_for(lambda: not cluster.jobs("PENDING", "RUNNING", "COMPLETING"), "the queue to be empty", PATIENCE)
    assert {"COMPLETED"} == {cluster.ask("squeue", "-h", "--states", "all", "-j", job, "-o", "%T") for job in retried}
    both_seeds = times(folder)
    assert len(both_seeds) == 2 * CELLS
    assert both_seeds | first_seed == both_seeds

    options = {"profile": "slurm", "environment": cluster.environment, "seeds": seeds}
    locked = snakemake(folder, *HERE, **options)
    assert locked.returncode != 0 and "--unlock" in locked.stdout
    assert snakemake(folder, "--unlock", *HERE, **options).returncode == 0
    finished = snakemake(folder, *HERE, **options)
    assert finished.returncode == 0, finished.stdout[-5000:]
    assert f"{2 * CELLS} of {2 * CELLS} cells ran." in finished.stdout
    assert times(folder) == both_seeds
    assert len(results(folder, "cell.ipynb")) == 2 * CELLS
