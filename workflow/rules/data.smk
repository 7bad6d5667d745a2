# Data sets: miniatures written here, original files, or the hub's; then token ids, once for all cells that share them.
rule dataset:
    output:
        "results/{scale}/data/{dataset}/source.json",
    log:
        "logs/{scale}/data/{dataset}.log",
    params:
        source=plan.data_source,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} make-data {wildcards.scale} {wildcards.dataset} {params.source} --output {output:q} &> {log:q}"


rule encode:
    input:
        source="results/{scale}/data/{dataset}/source.json",
        tokenizer="results/{scale}/tokenizers/{tokenizer}/tokenizer.json",
    output:
        "results/{scale}/encoded/{tokenizer}/{dataset}/encoded.json",
    log:
        "logs/{scale}/encoded/{tokenizer}/{dataset}.log",
    params:
        splits=plan.splits_of,
        version=plan.results_version,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} encode {wildcards.dataset} --source {input.source:q} --tokenizer {input.tokenizer:q}"
        " --splits {params.splits:q} --output {output:q} &> {log:q}"
