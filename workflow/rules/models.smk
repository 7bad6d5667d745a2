# Tokenizers and checkpoints: small stand-ins made here, or the hub's.
rule tokenizer:
    output:
        "results/{scale}/tokenizers/{tokenizer}/tokenizer.json",
    log:
        "logs/{scale}/tokenizers/{tokenizer}.log",
    params:
        source=plan.data_source,
        given=plan.tokenizer_source,
        version=plan.results_version,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} prepare-tokenizer {wildcards.scale} {wildcards.tokenizer} {params.source} {params.given}"
        " --output {output:q} &> {log:q}"


rule checkpoint:
    input:
        tokenizer=plan.tokenizer_of_checkpoint,
        data=plan.data_of_checkpoint,
    output:
        "results/{scale}/models/{checkpoint}/model.json",
    log:
        "logs/{scale}/models/{checkpoint}.log",
    params:
        source=plan.data_source,
        tokenizer=lambda wildcards, input: plan.option("tokenizer", input.tokenizer),
        data=lambda wildcards, input: plan.option("data", input.data),
        version=plan.results_version,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} prepare-model {wildcards.scale} {wildcards.checkpoint} {params.source}"
        " {params.tokenizer} {params.data} --output {output:q} &> {log:q}"
