# Tables and figures: printed values beside the results of their cells.
rule shares:
    input:
        specs=plan.specs,
        errata=ROOT / "workflow" / "errata" / "tables.yaml",
    output:
        shares="results/shares.json",
        catalogue="results/catalogue.json",
    log:
        "logs/shares.log",
    group:
        plan.group("book")
    localrule: plan.online
    conda:
        "../envs/compute.yml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(30),
    params:
        version=plan.results_version,
    shell:
        "ssmpeft shares {input.specs:q} --output {output.shares:q} --catalogue {output.catalogue:q} &> {log:q}"


rule exhibit:
    input:
        specs=plan.specs_of,
        shares="results/shares.json",
        metrics=plan.metrics_of,
        kept=plan.kept_of,
    output:
        report(
            "results/{scale}/exhibits/{exhibit}.json",
            caption="../report/exhibit.rst",
            category="Tables and figures",
            labels={"exhibit": "{exhibit}", "scale": "{scale}"},
        ),
    log:
        "logs/{scale}/exhibits/{exhibit}.log",
    group:
        plan.group("book")
    localrule: plan.online
    conda:
        "../envs/book.yml"
    resources:
        mem_mb=raised(1000),
        runtime=raised(30),
    params:
        seeds=len(plan.config.seeds),
    shell:
        "ssmpeft exhibit {input.specs[0]:q} --scale {wildcards.scale} --seeds {params.seeds}"
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
    group:
        plan.group("book")
    localrule: plan.online
    conda:
        "../envs/book.yml"
    resources:
        mem_mb=raised(1000),
        runtime=raised(30),
    shell:
        "ssmpeft errata --shares {input.shares:q} --output {output:q} &> {log:q}"
