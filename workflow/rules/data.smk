# Data sets as token ids, once for all cells that share them: a miniature written here, original files, or the hub's.
rule data:
    input:
        tokenizer=plan.tokenizer_of_data,
    output:
        "results/{scale}/data/{tokenizer}/{dataset}.json",
    log:
        "logs/{scale}/data/{tokenizer}/{dataset}.log",
    benchmark:
        "results/{scale}/benchmarks/data/{tokenizer}-{dataset}.tsv"
    group:
        plan.group("prepare")
    localrule: plan.online
    conda:
        "../envs/compute.yml"
    resources:
        mem_mb=raised(4000),
        runtime=raised(60),
    params:
        source=plan.data_source,
        splits=plan.splits_of,
        tokenizer=lambda wildcards, input: plan.option("tokenizer", input.tokenizer[:1]),
        version=plan.results_version,
    shell:
        "ssmpeft prepare-data {wildcards.scale} {wildcards.dataset} {params.source} --splits {params.splits:q}"
        " {params.tokenizer} --output {output:q} &> {log:q}"
