# Data sets as token ids, once for all cells that share them: a miniature written here, original files, or the hub's.
rule data:
    input:
        tokenizer="results/{scale}/tokenizers/{tokenizer}/tokenizer.json",
    output:
        "results/{scale}/data/{tokenizer}/{dataset}.json",
    log:
        "logs/{scale}/data/{tokenizer}/{dataset}.log",
    params:
        source=plan.data_source,
        splits=plan.splits_of,
        version=plan.results_version,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} prepare-data {wildcards.scale} {wildcards.dataset} {params.source} --splits {params.splits:q}"
        " --tokenizer {input.tokenizer:q} --output {output:q} &> {log:q}"
