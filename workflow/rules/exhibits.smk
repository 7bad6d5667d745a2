# Tables and figures: printed values beside the results of their cells.
rule shares:
    input:
        specs=[exhibit.path for exhibit in plan.exhibits],
    output:
        "results/shares.json",
    log:
        "logs/shares.log",
    params:
        version=plan.results_version,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} shares {input.specs:q} --output {output:q} &> {log:q}"


rule exhibit:
    input:
        spec=ROOT / "workflow" / "exhibits" / "{exhibit}.yaml",
        shares="results/shares.json",
        metrics=plan.metrics_of,
    output:
        "results/{scale}/exhibits/{exhibit}.json",
    log:
        "logs/{scale}/exhibits/{exhibit}.log",
    params:
        seeds=len(plan.config.seeds),
    conda:
        "../envs/book.yml"
    shell:
        "{plan.library} exhibit {input.spec:q} --scale {wildcards.scale} --seeds {params.seeds}"
        " --shares {input.shares:q} --output {output:q} &> {log:q}"
