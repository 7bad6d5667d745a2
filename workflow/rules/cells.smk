# One executed notebook a cell. A cell that fails leaves its notebook and `status: failed`; the rest goes on.
rule template:
    input:
        plan.root / "notebooks" / "cell.md",
    output:
        "results/{scale}/cell.ipynb",
    log:
        "logs/{scale}/template.log",
    group:
        plan.group("prepare")
    localrule: plan.needs_network
    conda:
        "../envs/compute.yml"
    shell:
        "python -m jupytext --quiet --to ipynb --output {output:q} {input:q} &> {log:q}"


rule cell:
    input:
        notebook="results/{scale}/cell.ipynb",
        checkpoint=plan.cells.checkpoint,
        data=plan.cells.data,
        learning_rate=plan.cells.learning_rate,
    output:
        metrics="results/{scale}/cells/{model}/{method}/{dataset}/seed{seed}/metrics.json",
        notebook="results/{scale}/cells/{model}/{method}/{dataset}/seed{seed}/cell.ipynb",
    log:
        "logs/{scale}/cells/{model}/{method}/{dataset}/seed{seed}.log",
    group:
        plan.group("cells")
    conda:
        "../envs/compute.yml"
    threads: plan.cells.threads(workflow.cores)
    resources:
        **plan.cells.resources,
    params:
        overrides=plan.cells.overrides,
        version=plan.version,
    shell:
        "ssmpeft run-cell {wildcards.scale}/{wildcards.model}/{wildcards.method}/{wildcards.dataset}/seed{wildcards.seed}"
        " --notebook {input.notebook:q} --overrides {params.overrides:q} --threads {threads}"
        " --learning-rate '{input.learning_rate}'"
        " --output {output.notebook:q} &> {log:q}"
