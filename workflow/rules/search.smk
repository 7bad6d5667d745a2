# The learning-rate search: each rate in a process of its own, or some side by side in one. The seeds of a cell share it.
rule search_rates:
    input:
        checkpoint=plan.checkpoint_of,
        data=plan.data_of,
    output:
        "results/{scale}/search/{model}/{method}/{dataset}/rates/{rates}.json",
    log:
        "logs/{scale}/search/{model}/{method}/{dataset}/{rates}.log",
    group:
        plan.group("cells")
    conda:
        "../envs/compute.yml"
    threads: plan.needs.threads(workflow.cores)
    resources:
        mem_mb=plan.needs.memory_mb,
        runtime=plan.needs.minutes,
        gpu=plan.needs.gpus,
    params:
        overrides=plan.overrides_of_search,
        to_the_end=plan.to_the_end,
        version=plan.results_version,
    shell:
        "ssmpeft search-rates {wildcards.scale}/{wildcards.model}/{wildcards.method}/{wildcards.dataset}"
        " {wildcards.rates} {params.to_the_end} --overrides {params.overrides:q} --threads {threads}"
        " --output {output:q} &> {log:q}"


rule learning_rate:
    input:
        plan.rates_of,
    output:
        "results/{scale}/search/{model}/{method}/{dataset}/learning_rate.json",
    log:
        "logs/{scale}/search/{model}/{method}/{dataset}/learning_rate.log",
    group:
        plan.group("cells")
    localrule: plan.online
    conda:
        "../envs/compute.yml"
    shell:
        "ssmpeft choose-rate {input:q} --output {output:q} &> {log:q}"
