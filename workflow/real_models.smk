# The small models of scale real, pretrained on a folder of text. Hours; stop it at any time and give the command again.
#   make real-models TEXT=DIR                       all of them, one after the other
#   make real-models TEXT=DIR MODELS=mamba-130m     one
#   make real-models TEXT=DIR TOKENS=1e6            a trial, of fewer tokens than the models' own numbers
import sys
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))

from ssmpeft_lib.plan import registry

TURNS = {
    name: registry.model_facts(name).real.turn
    for name in registry.entries("models")
    if registry.model_facts(name).real
}
KNOWN = sorted(TURNS, key=TURNS.get)
MODELS = str(config.get("models") or "").split() or KNOWN
OUT = "results/real-models"

if unknown := set(MODELS) - set(KNOWN):
    raise WorkflowError(f"MODELS: {', '.join(unknown)}: not among those of scale real, {', '.join(KNOWN)}")
if not config.get("text"):
    raise WorkflowError("no text: make real-models TEXT=DIR, a folder of .txt or .txt.xz files")

# a shard has one thread; memory is kept between operations, as giving it back and asking again takes longer than they do
shell.prefix("export OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592; ")
COMMAND = f"{sys.executable} -m ssmpeft_lib"
TEXT = str(Path(config["text"]).expanduser())
RUN = f"{{model}} --encoded {OUT}/text --state {OUT}/state/{{model}}"
if config.get("tokens"):
    RUN += f" --tokens {float(config['tokens'])}"


rule all:
    default_target: True
    input:
        expand(f"{OUT}/checkpoints/{{model}}/model.json", model=MODELS),


rule encoded_text:
    output:
        expand(f"{OUT}/text/{{file}}", file=["tokenizer.json", "held_out.npz", "training.npz"]),
    shell:
        "{COMMAND} encode-text {TEXT:q} --output {OUT}/text"


rule ngrams:
    input:
        rules.encoded_text.output,
    output:
        f"{OUT}/ngrams.json",
    shell:
        "{COMMAND} score-ngrams --encoded {OUT}/text --output {output}"


# the state is no output: Snakemake would remove it where a run was stopped
for model in KNOWN:

    rule:
        name:
            f"pretrained_{model}"
        input:
            rules.encoded_text.output,
        output:
            touch(f"{OUT}/state/{model}/finished"),
        threads: 2
        priority: -TURNS[model]
        params:
            run=RUN.format(model=model),
        shell:
            "{COMMAND} pretrain-on-text {params.run}"


rule checkpoint:
    input:
        f"{OUT}/state/{{model}}/finished",
        text=rules.encoded_text.output,
        ngrams=rules.ngrams.output,
    output:
        f"{OUT}/checkpoints/{{model}}/model.json",
    params:
        run=lambda wildcards: RUN.format(model=wildcards.model),
    shell:
        "{COMMAND} write-checkpoint {params.run} --ngrams {input.ngrams} --text {TEXT:q} --output {output}"
