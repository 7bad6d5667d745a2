"""One timer for Snakemake's scheduler.

Snakemake 9 starts a timer whenever it looks for jobs to run, so that it looks again a second later, and it looks
whenever a job ends: after ten thousand jobs it has ten thousand threads, each of which has it look at all ready jobs
once a second. One that is pending does for all.
"""

from __future__ import annotations

import threading


def one_timer(scheduler: type) -> None:
    """Let a scheduler have one pending look at most; it does not keep the program from ending."""

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

    # the name is Snakemake's
    scheduler._schedule_reevalutation = schedule
