"""The one timer of Snakemake's scheduler."""

from __future__ import annotations

import threading
import time

from snakemake.scheduling.job_scheduler import JobScheduler

from ssmpeft_lib.plan.scheduling import one_timer


def test_a_second_timer_waits_for_the_first(monkeypatch):
    # where Snakemake has it under another name, it has to be found anew
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", JobScheduler._schedule_reevalutation)
    one_timer(JobScheduler)
    scheduler = object.__new__(JobScheduler)
    scheduler._open_jobs = threading.Semaphore(0)
    for _ in range(3):
        before = threading.active_count()
        for _ in range(50):
            scheduler._schedule_reevalutation(0.05)
        assert threading.active_count() == before + 1
        assert scheduler._open_jobs.acquire(timeout=5)
        # the look that follows asks for the next one at once
        time.sleep(0.01)
    assert not scheduler._open_jobs.acquire(timeout=0.2)
