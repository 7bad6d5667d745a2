"""What spares Snakemake work that grows with the number of jobs. The names that are replaced are Snakemake's."""

from __future__ import annotations

import threading
from functools import lru_cache
from types import ModuleType
from typing import Any

import snakemake.common
import snakemake.executors.dryrun
import snakemake.rules
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import Quietness


def spare_snakemake() -> None:
    """Apply all of this module to the Snakemake that runs."""
    one_timer(JobScheduler)
    skip_hidden_jobs(snakemake.executors.dryrun.Executor)
    remember_parameters(snakemake.common, snakemake.rules)


def remember_parameters(*modules: ModuleType) -> None:
    """Let the modules of Snakemake that ask what an input function takes ask once for each function.

    They ask for every input function and resource of every job, and finding out costs more than the call.
    """
    for module in modules:
        module.get_function_params = lru_cache(maxsize=256)(module.get_function_params)


def skip_hidden_jobs(dry_run: type) -> None:
    """Let a dry run put no message about a job together where `quiet: rules` hides it."""
    tell = dry_run.printjob

    def printjob(self, job: Any) -> None:
        if Quietness.RULES not in (self.workflow.output_settings.quiet or ()):
            tell(self, job)

    dry_run.printjob = printjob


def one_timer(scheduler: type) -> None:
    """Let a scheduler have one pending look at most; it does not keep the program from ending.

    Snakemake 9 starts a timer whenever it looks for jobs to run, so that it looks again a second later, and it looks
    whenever a job ends: after ten thousand jobs it has ten thousand threads, each of which has it look at all ready
    jobs once a second. One that is pending does for all.
    """

    def schedule(self, delay: float) -> None:
        if getattr(self, "_look_is_pending", False):
            return
        self._look_is_pending = True

        def look() -> None:
            # first, for the look itself asks for the next one
            self._look_is_pending = False
            self._open_jobs.release()

        timer = threading.Timer(delay, look)
        timer.daemon = True
        timer.start()

    scheduler._schedule_reevalutation = schedule
