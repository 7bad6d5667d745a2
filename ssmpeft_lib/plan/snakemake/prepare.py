"""The one call of the Snakefile: what has to be settled before rules are read, and the plan that they ask."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.shell import shell

from ...compat.snakemake import patch_snakemake, run_again
from ..reading import read_yaml
from .console import failed_cells, report_progress
from .resources import visible_gpus
from .workflow import WILDCARDS, Workflow


def prepare(workflow: Any) -> Workflow:
    """Read config.yaml and make Snakemake ready for runs of tens of thousands of cells.

    Args:
        workflow: Snakemake's own object, which every Snakefile sees under that name.
    Raises:
        ValueError: something in config.yaml is wrong; names file, key or line, value and what is allowed.
        WorkflowError: conda is asked for, and there is none.
    """
    # planning makes millions of objects, which stay, so looking for garbage among them again and again finds none
    gc.set_threshold(500_000, 50, 1000)
    patch_snakemake()
    if workflow.is_main_process and Quietness.RULES in (workflow.output_settings.quiet or ()):
        report_progress(logger)
    # relative, so that results stay fresh where the folder is moved or copied
    root = Path(os.path.relpath(workflow.basedir))
    # Snakemake names neither line nor column of what is no YAML
    read_yaml(root / "config.yaml")
    workflow.configfile(str(root / "config.yaml"))
    # a number of jobs, in place of cores, is what only a cluster is given; which executor runs is not known yet
    on_cluster = workflow.resource_settings.nodes is not None
    workflow.global_wildcard_constraints(**WILDCARDS)
    plan = Workflow(workflow.config, root, _with_conda(workflow), on_cluster)
    shell.prefix(plan.shell_prefix)
    if not on_cluster and visible_gpus():
        # where Snakemake runs cells itself, a GPU is for one cell at a time
        workflow.register_resource("gpu", len(visible_gpus()))
    if workflow.is_main_process:
        for message in [*plan.exhibits.unmatched_globs(), *plan.exhibits.left_out()]:
            logger.warning(f"config.yaml: {message}")
        if message := plan.exhibits.other_code_message():
            logger.warning(message)
        if plan.config.other_code == "rerun" and plan.config.run_cells:
            # it cannot be imported before the rest of Snakemake
            from snakemake.dag import DAG

            run_again(plan.exhibits.of_other_code, DAG)
    return plan


def raise_failed_cells(jobs: Any) -> None:
    """End a run that went well with the cells that failed: each ended well, so that the others went on.

    Args:
        jobs: those of Snakemake's plan.
    Raises:
        WorkflowError: cells failed; says which and why, and how to run them again.
    """
    failed = failed_cells(job.output.metrics for job in jobs if job.rule.name == "cell")
    if failed:
        raise WorkflowError(failed)


def _with_conda(workflow: Any) -> bool:
    asked = "conda" in map(str, workflow.deployment_settings.deployment_method)
    if asked and shutil.which("conda") is None:
        raise WorkflowError("--use-conda: there is no conda here (conda-forge.org has it); `make book` does without")
    return asked
