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
    localrule: plan.needs_network
    conda:
        "../envs/compute.yml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=30),
    params:
        source=plan.data.source,
        given=plan.models.given_tokenizer,
        version=plan.version,
    shell:
        "ssmpeft prepare-tokenizer {wildcards.scale} {wildcards.tokenizer} {params.source} {params.given}"
        " --output {output.tokenizer:q} &> {log:q}"


rule checkpoint:
    input:
        tokenizer=plan.models.tokenizer,
        data=plan.models.data,
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
    localrule: plan.needs_network
    conda:
        "../envs/compute.yml"
    resources:
        **scaled_by_attempt(mem_mb=3000, runtime=60),
    params:
        source=plan.data.source,
        steps=plan.models.steps,
        recorded=plan.models.recorded,
        tokenizer=plan.models.tokenizer_option,
        data=plan.models.data_option,
        version=plan.version,
    shell:
        "ssmpeft prepare-model {wildcards.scale} {wildcards.checkpoint} {params.source}"
        " {params.steps} {params.recorded} {params.tokenizer} {params.data} --output {output:q} &> {log:q}"
