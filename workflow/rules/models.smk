# Tokenizers and checkpoints: small stand-ins made here, or the hub's.
rule tokenizer:
    output:
        "results/{scale}/tokenizers/{tokenizer}/tokenizer.json",
    log:
        "logs/{scale}/tokenizers/{tokenizer}.log",
    params:
        source=plan.tokenizer_source,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} make-tokenizer {wildcards.scale} {wildcards.tokenizer} {params.source} --output {output:q} &> {log:q}"


rule checkpoint:
    input:
        tokenizer=plan.tokenizer_of_checkpoint,
    output:
        "results/{scale}/models/{checkpoint}/model.json",
    log:
        "logs/{scale}/models/{checkpoint}.log",
    params:
        text=plan.pretraining_text,
        version=plan.results_version,
    conda:
        "../envs/compute.yml"
    shell:
        "{plan.library} make-checkpoint {wildcards.scale} {wildcards.checkpoint} {params.text}"
        " --tokenizer {input.tokenizer:q} --output {output:q} &> {log:q}"
