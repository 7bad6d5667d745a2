# One executed notebook a cell. A cell that fails leaves its notebook and `status: failed`; the rest goes on.
rule template:
    input:
        ROOT / "notebooks" / "cell.md",
    output:
        "results/{scale}/cell.ipynb",
    log:
        "logs/{scale}/template.log",
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.python} -m jupytext --quiet --to ipynb --output {output:q} {input:q} &> {log:q}"


rule cell:
    input:
        notebook="results/{scale}/cell.ipynb",
        checkpoint=plan.checkpoint_of,
        data=plan.data_of,
        learning_rate=plan.learning_rate_of,
    output:
        metrics="results/{scale}/cells/{model}/{method}/{dataset}/seed{seed}/metrics.json",
        notebook="results/{scale}/cells/{model}/{method}/{dataset}/seed{seed}/cell.ipynb",
    log:
        "logs/{scale}/cells/{model}/{method}/{dataset}/seed{seed}.log",
    params:
        overrides=plan.overrides_of,
        version=plan.results_version,
    conda:
        "../envs/compute.yml"
    threads: 1
    shell:
        "{plan.library} run-cell {wildcards.scale}/{wildcards.model}/{wildcards.method}/{wildcards.dataset}/seed{wildcards.seed}"
        " --notebook {input.notebook:q} --overrides {params.overrides:q} --threads {threads}"
        " --learning-rate '{input.learning_rate}'"
        " --output {output.notebook:q} &> {log:q}"
