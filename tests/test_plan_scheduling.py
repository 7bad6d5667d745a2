"""What spares Snakemake work."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from snakemake.executors.dryrun import Executor
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import Quietness

from ssmpeft_lib.compat.snakemake import remember_parameters, run_again, skip_hidden_jobs, start_one_timer


def test_a_second_timer_waits_for_the_first(monkeypatch):
    # where Snakemake has it under another name, it has to be found anew
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", JobScheduler._schedule_reevalutation)
    start_one_timer(JobScheduler)
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


@pytest.mark.parametrize(("quiet", "told"), [(set(), 1), ({Quietness.PROGRESS}, 1), ({Quietness.RULES}, 0)])
def test_a_dry_run_writes_about_jobs_where_that_is_seen(monkeypatch, quiet, told):
    monkeypatch.setattr(Executor, "printjob", Executor.printjob)
    skip_hidden_jobs(Executor)
    executor = object.__new__(Executor)
    settings = SimpleNamespace(cache=None)
    executor.workflow = SimpleNamespace(
        output_settings=SimpleNamespace(quiet=quiet), workflow_settings=settings, is_main_process=True
    )
    written = []
    job = SimpleNamespace(is_group=lambda: False, log_info=lambda: written.append(1))
    executor.printjob(job)
    assert len(written) == told


def test_parameters_are_looked_up_once_for_each_function():
    looked_up = []
    module = SimpleNamespace(get_function_params=lambda func: looked_up.append(func) or {"wildcards": None})

    class Plan:
        def data_of(self, wildcards): ...

    plan = Plan()
    remember_parameters(module)
    for _ in range(3):
        assert module.get_function_params(plan.data_of) == {"wildcards": None}
    assert looked_up == [plan.data_of]


@pytest.mark.parametrize("patch", [start_one_timer, skip_hidden_jobs, remember_parameters])
@pytest.mark.parametrize("changed", [{}, {"arguments": ("one", "other")}], ids=["gone", "of other arguments"])
def test_what_snakemake_no_longer_has_is_left_alone_and_a_warning_says_so(patch, changed):
    """It is no error: only runs of many jobs take longer."""
    names = {"_schedule_reevalutation", "printjob", "get_function_params"}
    other = type("Other", (), {name: lambda self, one, other: None for name in names} if changed else {})
    before = dict(vars(other))
    with pytest.warns(UserWarning, match=r"snakemake [\d.]+: Other\.\w+ is not what it was .* left as it is"):
        patch(other)
    assert vars(other) == before


def test_files_to_run_again_are_forced_beside_those_that_the_user_names():
    class Graph:
        def __init__(self, workflow, forcefiles=None):
            self.forcefiles = set(forcefiles or ())

    run_again(["a", "b"], Graph)
    assert Graph("workflow").forcefiles == {"a", "b"}
    assert Graph("workflow", forcefiles={"c"}).forcefiles == {"a", "b", "c"}


def test_where_snakemake_takes_no_files_to_run_again_nothing_is_passed_over_in_silence():
    with pytest.raises(RuntimeError, match=r"behind --forcerun: a b$"):
        run_again(["b", "a"], type("Graph", (), {"__init__": lambda self, files: None}))
