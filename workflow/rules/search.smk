# The learning-rate search: each rate in a process of its own, or some side by side in one. The seeds of a cell share it.
rule search_rates:
    input:
        checkpoint=plan.cells.checkpoint,
        data=plan.cells.data,
    output:
        "results/{scale}/search/{model}/{method}/{dataset}/rates/{rates}.json",
    log:
        "logs/{scale}/search/{model}/{method}/{dataset}/{rates}.log",
    group:
        plan.group("cells")
    conda:
        "../envs/compute.yml"
    threads: plan.cells.threads(workflow.cores)
    resources:
        **plan.search.resources,
    params:
        overrides=plan.cells.overrides,
        to_the_end=plan.search.to_the_end,
        version=plan.version,
    shell:
        "ssmpeft search-rates {wildcards.scale}/{wildcards.model}/{wildcards.method}/{wildcards.dataset}"
        " {wildcards.rates} {params.to_the_end} --overrides {params.overrides:q} --threads {threads}"
        " --output {output:q} &> {log:q}"


rule learning_rate:
    input:
        plan.search.rates,
    output:
        "results/{scale}/search/{model}/{method}/{dataset}/learning_rate.json",
    log:
        "logs/{scale}/search/{model}/{method}/{dataset}/learning_rate.log",
    group:
        plan.group("cells")
    localrule: plan.needs_network
    conda:
        "../envs/compute.yml"
    shell:
        "ssmpeft choose-rate {input:q} --output {output:q} &> {log:q}"
