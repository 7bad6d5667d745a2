"""What is replaced inside Snakemake: three functions, so that a run's own work does not grow with its number of jobs.

None of the three changes which jobs run or what they make; `run_again` does, where it is asked to. Each name is looked
at first; where a version of Snakemake has it otherwise, a warning says so and Snakemake's own function stays, which
costs time in runs of thousands of jobs.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import snakemake.common
import snakemake.executors.dryrun
import snakemake.rules
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import Quietness

from .window import warn_changed

TRIED = "9.27"


def patch_snakemake() -> None:
    """Replace what this module replaces in the Snakemake that runs."""
    start_one_timer(JobScheduler)
    skip_hidden_jobs(snakemake.executors.dryrun.Executor)
    for module in (snakemake.common, snakemake.rules):
        remember_parameters(module)


def run_again(files: Iterable[str], graph: type) -> None:
    """Let the jobs that make some files run whatever there is, where a run asks for them: `--forcerun` asks for them.

    Args:
        graph: Snakemake's graph of jobs.
    Raises:
        RuntimeError: this Snakemake has its graph otherwise; says what to do in place of it.
    """
    files, begin = frozenset(files), graph.__init__
    if "forcefiles" not in inspect.signature(begin).parameters:
        raise RuntimeError(
            f"Snakemake {TRIED} could be told to run results of other code again, and this version cannot; name them "
            f"behind --forcerun: {' '.join(sorted(files))}"
        )

    def __init__(self, *given: Any, forcefiles: Iterable[str] | None = None, **named: Any) -> None:
        begin(self, *given, forcefiles={*(forcefiles or ()), *files}, **named)

    graph.__init__ = __init__


def start_one_timer(scheduler: type) -> None:
    """Let a scheduler have one pending look at most; it does not keep the program from ending.

    Snakemake 9 starts a timer whenever it looks for jobs to run, so that it looks again a second later, and it looks
    whenever a job ends: after ten thousand jobs it has ten thousand threads, each of which has it look at all ready
    jobs once a second. One that is pending does for all.
    """
    if not _takes(scheduler, "_schedule_reevalutation", "delay", uses="_open_jobs"):
        return

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


def skip_hidden_jobs(dry_run: type) -> None:
    """Let a dry run put no message about a job together where `quiet: rules` hides it."""
    if not _takes(dry_run, "printjob", "job"):
        return
    tell = dry_run.printjob

    def printjob(self, job: Any) -> None:
        if Quietness.RULES not in (self.workflow.output_settings.quiet or ()):
            tell(self, job)

    dry_run.printjob = printjob


def remember_parameters(module: Any) -> None:
    """Let a module of Snakemake that asks what an input function takes ask once for each function.

    It asks for every input function and resource of every job, and finding out costs more than the call.
    """
    if _takes(module, "get_function_params", None):
        module.get_function_params = lru_cache(maxsize=256)(module.get_function_params)


def _takes(owner: Any, name: str, argument: str | None, uses: str = "") -> bool:
    """Whether a function of Snakemake is as it was when it was tried; warns where it is not.

    Args:
        owner: its class or module.
        argument: the one that it takes, beside `self`; None for one of any name.
        uses: an attribute that it has to mention.
    """
    function: Callable | None = getattr(owner, name, None)
    if function is not None:
        arguments = [one for one in inspect.signature(function).parameters if one != "self"]
        known = len(arguments) == 1 and argument in (None, *arguments)
        if known and (not uses or uses in inspect.getsource(function)):
            return True
    warn_changed(
        "snakemake", f"{owner.__name__}.{name}", TRIED, "it is left as it is, and runs of many jobs take longer"
    )
    return False
