# Tables and figures: printed values beside the results of their cells.
rule cells:
    input:
        plan.exhibits.metrics_files,


rule exhibits:
    input:
        plan.exhibits.files,


rule shares:
    input:
        specs=plan.exhibits.specs,
        errata=plan.root / "workflow" / "errata" / "tables.yaml",
    output:
        shares="results/shares.json",
        catalogue="results/catalogue.json",
    log:
        "logs/shares.log",
    group:
        plan.group("book")
    localrule: plan.needs_network
    conda:
        "../envs/compute.yml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=30),
    params:
        version=plan.version,
        code=plan.exhibits.code_of_shares,
    shell:
        "ssmpeft shares {input.specs:q} --output {output.shares:q} --catalogue {output.catalogue:q} &> {log:q}"


# The recorded runs of scale real, for their numbers to stand beside those of the scale that is shown.
rule small_models:
    input:
        plan.root / "recorded" / "real.tar.gz",
    output:
        touch("results/recorded/unpacked"),
    log:
        "logs/small_models.log",
    group:
        plan.group("book")
    localrule: plan.needs_network
    conda:
        "../envs/book.yml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=30),
    shell:
        "rm -rf results/recorded && ssmpeft unpack {input:q} --results results/recorded &> {log:q}"


rule exhibit:
    input:
        specs=plan.exhibits.spec,
        shares="results/shares.json",
        metrics=plan.exhibits.metrics,
        recorded=plan.exhibits.recorded,
        small=plan.exhibits.small_models,
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
    localrule: plan.needs_network
    conda:
        "../envs/book.yml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=30),
    params:
        seeds=len(plan.config.seeds),
        small=lambda wildcards, input: "--small-models results/recorded" if input.small else "",
    shell:
        "ssmpeft exhibit {input.specs[0]:q} --scale {wildcards.scale} --seeds {params.seeds}"
        " --shares {input.shares:q} {params.small} --output {output:q} &> {log:q}"


rule errata:
    input:
        specs=plan.exhibits.specs,
        errata=plan.root / "workflow" / "errata" / "tables.yaml",
        shares="results/shares.json",
    output:
        "results/errata.json",
    log:
        "logs/errata.log",
    group:
        plan.group("book")
    localrule: plan.needs_network
    conda:
        "../envs/book.yml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=30),
    shell:
        "ssmpeft errata --shares {input.shares:q} --output {output:q} &> {log:q}"
