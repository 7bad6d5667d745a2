# Data sets as token ids, once for all cells that share them: a miniature written here, original files, or the hub's.
rule data:
    input:
        tokenizer=plan.data.tokenizer,
    output:
        "results/{scale}/data/{tokenizer}/{dataset}.json",
    log:
        "logs/{scale}/data/{tokenizer}/{dataset}.log",
    benchmark:
        "results/{scale}/benchmarks/data/{tokenizer}-{dataset}.tsv"
    group:
        plan.group("prepare")
    localrule: plan.needs_network
    conda:
        "../envs/compute.yml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=60),
    params:
        source=plan.data.source,
        splits=plan.data.splits,
        tokenizer=plan.data.tokenizer_option,
        version=plan.version,
        code=plan.data.code,
    shell:
        "ssmpeft prepare-data {wildcards.scale} {wildcards.dataset} {params.source} --splits {params.splits:q}"
        " {params.tokenizer} --output {output:q} &> {log:q}"
