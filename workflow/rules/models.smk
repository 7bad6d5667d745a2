# Tokenizers and checkpoints: small stand-ins made here, or the hub's.
rule tokenizer:
    output:
        tokenizer="results/{scale}/tokenizers/{tokenizer}/tokenizer.json",
        manifest="results/{scale}/tokenizers/{tokenizer}/manifest.json",
    log:
        "logs/{scale}/tokenizers/{tokenizer}.log",
    benchmark:
        "results/{scale}/benchmarks/tokenizer/{tokenizer}.tsv"
    group:
        plan.group("prepare")
    localrule: plan.online
    conda:
        "../envs/compute.yml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(30),
    params:
        source=plan.data_source,
        given=plan.tokenizer_source,
        version=plan.results_version,
    shell:
        "ssmpeft prepare-tokenizer {wildcards.scale} {wildcards.tokenizer} {params.source} {params.given}"
        " --output {output.tokenizer:q} &> {log:q}"


rule checkpoint:
    input:
        tokenizer=plan.tokenizer_of_checkpoint,
        data=plan.data_of_checkpoint,
    output:
        "results/{scale}/models/{checkpoint}/model.json",
    log:
        "logs/{scale}/models/{checkpoint}.log",
    benchmark:
        "results/{scale}/benchmarks/checkpoint/{checkpoint}.tsv"
    # long, and many cells wait for it
    priority: 1
    group:
        plan.group("prepare")
    localrule: plan.online
    conda:
        "../envs/compute.yml"
    resources:
        mem_mb=raised(3000),
        runtime=raised(60),
    params:
        source=plan.data_source,
        steps=plan.pretraining,
        recorded=plan.recorded_checkpoint,
        tokenizer=lambda wildcards, input: plan.option("tokenizer", input.tokenizer[:1]),
        data=lambda wildcards, input: plan.option("data", input.data),
        version=plan.results_version,
    shell:
        "ssmpeft prepare-model {wildcards.scale} {wildcards.checkpoint} {params.source}"
        " {params.steps} {params.recorded} {params.tokenizer} {params.data} --output {output:q} &> {log:q}"
