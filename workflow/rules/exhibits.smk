# Tables and figures: printed values beside the results of their cells.
rule shares:
    input:
        specs=[exhibit.path for exhibit in plan.exhibits],
        errata=ROOT / "workflow" / "errata" / "tables.yaml",
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
        specs=plan.specs_of,
        shares="results/shares.json",
        metrics=plan.metrics_of,
        kept=plan.kept_of,
    output:
        "results/{scale}/exhibits/{exhibit}.json",
    log:
        "logs/{scale}/exhibits/{exhibit}.log",
    params:
        seeds=len(plan.config.seeds),
    conda:
        "../envs/book.yml"
    shell:
        "{plan.library} exhibit {input.specs[0]:q} --scale {wildcards.scale} --seeds {params.seeds}"
        " --shares {input.shares:q} --output {output:q} &> {log:q}"


rule errata:
    input:
        specs=plan.specs,
        errata=ROOT / "workflow" / "errata" / "tables.yaml",
        shares="results/shares.json",
    output:
        "results/errata.json",
    log:
        "logs/errata.log",
    conda:
        "../envs/book.yml"
    shell:
        "{plan.library} errata --specs {ROOT:q}/workflow/exhibits --shares {input.shares:q} --output {output:q} &> {log:q}"
