# Parameter-efficient fine-tuning of state space models: every table and figure of the paper, from its specs.
#   snakemake --cores all            everything, ending with results/<scale>/html/index.html
#   snakemake --cores all cells      only the runs          snakemake -n   what would be done
import gc
import os
import shutil
import sys
from pathlib import Path

# Planning makes millions of objects, which stay, so looking for garbage among them again and again finds none.
gc.set_threshold(500_000, 50, 1000)

sys.path.insert(0, workflow.basedir)

# Relative, so that results stay fresh where the folder is moved or copied.
ROOT = Path(os.path.relpath(workflow.basedir))

from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from ssmpeft_lib.plan.snakemake.console import failed_cells, report_progress
from ssmpeft_lib.plan.snakemake.resources import raised, visible_gpus
from ssmpeft_lib.plan.snakemake.patches import spare_snakemake
from ssmpeft_lib.plan.snakemake.workflow import WILDCARDS, Workflow

spare_snakemake()
if workflow.is_main_process and Quietness.RULES in (workflow.output_settings.quiet or ()):
    report_progress(logger)


configfile: str(ROOT / "config.yaml")


report: "workflow/report/workflow.rst"


with_conda = "conda" in map(str, workflow.deployment_settings.deployment_method)
if with_conda and shutil.which("conda") is None:
    raise WorkflowError("--use-conda: there is no conda here (conda-forge.org has it); `make book` does without")

# a number of jobs, in place of cores, is what only a cluster is given; which executor runs is not known yet
on_cluster = workflow.resource_settings.nodes is not None

plan = Workflow(config, ROOT, with_conda, on_cluster)
shell.prefix(plan.shell_prefix)
if workflow.is_main_process:
    for words in plan.idle_globs():
        logger.warning(f"config.yaml: {words}")


wildcard_constraints:
    **WILDCARDS,


include: "workflow/rules/models.smk"
include: "workflow/rules/data.smk"


if plan.config.run_cells:

    include: "workflow/rules/search.smk"
    include: "workflow/rules/cells.smk"


include: "workflow/rules/exhibits.smk"
include: "workflow/rules/book.smk"


# Has no output, so that every call ends with what there is, a call with nothing to do as well. Asks for every cell, so
# that one whose result was removed is run again.
rule all:
    default_target: True
    input:
        f"results/{plan.scale}/html/index.html",
        metrics=plan.metrics_files(),
    log:
        f"logs/{plan.scale}/summary.log",
    localrule: True
    conda:
        "workflow/envs/compute.yml"
    params:
        scale=plan.scale,
    shell:
        "SSMPEFT_WARM=0 ssmpeft summary --scale {params.scale} 2>&1 | tee {log:q}"


# Where snakemake runs cells itself, a GPU is for one cell at a time.
if not on_cluster and visible_gpus():
    workflow.register_resource("gpu", len(visible_gpus()))


rule cells:
    input:
        plan.metrics_files(),


rule exhibits:
    input:
        plan.exhibit_files(),


rule book:
    input:
        f"results/{plan.scale}/html/index.html",


rule pdf:
    input:
        f"results/{plan.scale}/book.pdf",


# A cell that fails ends well, so that the others go on; whoever asked for it is told all the same.
onsuccess:
    failed = failed_cells(job.output.metrics for job in workflow.dag.jobs if job.rule.name == "cell")
    if failed:
        raise WorkflowError(failed)
