# Parameter-efficient fine-tuning of state space models: every table and figure of the paper, from its specs.
#   snakemake --cores all      everything      snakemake --cores all cells      only the runs      snakemake -n      a plan
import sys

sys.path.insert(0, workflow.basedir)

from ssmpeft_lib.plan.snakemake.prepare import prepare, raise_failed_cells
from ssmpeft_lib.plan.snakemake.resources import scaled_by_attempt

plan = prepare(workflow)


report: "workflow/report/workflow.rst"


include: "workflow/rules/models.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/exhibits.smk"
include: "workflow/rules/book.smk"


# Has no output, so that every call ends with what there is. Asks for every cell: a removed result is made again.
rule all:
    default_target: True
    input:
        f"results/{plan.scale}/html/index.html",
        metrics=plan.exhibits.metrics_files,
    log:
        f"logs/{plan.scale}/summary.log",
    localrule: True
    conda:
        "workflow/envs/compute.yml"
    shell:
        f"SSMPEFT_WARM=0 ssmpeft summary --scale {plan.scale} 2>&1 | tee {{log:q}}"


onsuccess:
    raise_failed_cells(workflow.dag.jobs)
