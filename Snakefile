# Parameter-efficient fine-tuning of state space models: every table and figure of the paper, from its specs.
#   snakemake --cores all            everything, ending with results/<scale>/html/index.html
#   snakemake --cores all cells      only the runs          snakemake -n   what would be done
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))

from ssmpeft_lib.plan.workflow import WILDCARDS, Workflow


configfile: str(ROOT / "config.yaml")


plan = Workflow(config, ROOT, conda="conda" in map(str, workflow.deployment_settings.deployment_method))


wildcard_constraints:
    **WILDCARDS,


include: "workflow/rules/models.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/exhibits.smk"
include: "workflow/rules/book.smk"


rule all:
    input:
        f"results/{plan.scale}/every_cell_ran.txt",
    default_target: True


rule cells:
    input:
        plan.metrics_files(),


rule exhibits:
    input:
        plan.exhibit_files(),


rule book:
    input:
        f"results/{plan.scale}/html/index.html",
