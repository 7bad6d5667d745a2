# Parameter-efficient fine-tuning of state space models: every table and figure of the paper, from its specs.
#   snakemake --cores all            everything, ending with results/<scale>/html/index.html
#   snakemake --cores all cells      only the runs          snakemake -n   what would be done
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))

from ssmpeft_lib.plan.resources import gpus_here, raised
from ssmpeft_lib.plan.workflow import WILDCARDS, Workflow


configfile: str(ROOT / "config.yaml")


deployment = map(str, workflow.deployment_settings.deployment_method)
plan = Workflow(config, ROOT, conda="conda" in deployment)
shell.prefix(plan.shell_prefix)


wildcard_constraints:
    **WILDCARDS,


include: "workflow/rules/models.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/exhibits.smk"
include: "workflow/rules/book.smk"


rule all:
    default_target: True
    input:
        plan.verdict_file,


# Where snakemake runs cells itself, a GPU is for one cell at a time.
if workflow.local_exec and gpus_here():
    workflow.register_resource("gpu", gpus_here())


onsuccess:
    print(plan.verdict())


rule cells:
    input:
        plan.metrics_files(),


rule exhibits:
    input:
        plan.exhibit_files(),


rule book:
    input:
        f"results/{plan.scale}/html/index.html",
