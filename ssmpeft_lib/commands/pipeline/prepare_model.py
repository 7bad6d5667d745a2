"""Make a checkpoint ready: pretrain a small stand-in, take a recorded one, or fetch the paper's from the hub."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ...plan import manifest, paths, registry
from ...plan.atomic import replacing_folder
from ...plan.cell import SCALES
from ...plan.pretraining import steps_of
from .prepare_tokenizer import corpora

CHUNK = 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `prepare-model`."""
    parser.add_argument("scale", choices=SCALES)
    parser.add_argument("checkpoint", help="a model such as mamba-130m; with -pixels, its stand-in for images")
    parser.add_argument("--tokenizer", type=Path, help="its tokenizer.json, for a model of texts")
    parser.add_argument(
        "--data", type=Path, help="the prepared data set that it is pretrained on, where it is none of texts"
    )
    parser.add_argument("--data-dir", type=Path, help="folder of original data; its corpora/ is what is learned from")
    parser.add_argument(
        "--recorded", type=Path, help="folder of a checkpoint of `make real-models`, taken in place of a stand-in"
    )
    parser.add_argument("--steps", type=int, help="of pretraining, in place of the default; 0 leaves random weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="model.json; the weights go beside it")


def run(arguments: argparse.Namespace) -> None:
    """Write the checkpoint, model.json last."""
    import torch

    torch.set_num_threads(arguments.threads)
    model = paths.model_of(arguments.checkpoint)
    if paths.pretrained_on(model):
        from ...stand_ins.pretrain_on_data import pretrain_on_data

        manifest.ensure(arguments.data)
        pretrain_on_data(
            model, arguments.scale, arguments.data, arguments.output.parent, arguments.steps, command=arguments.words
        )
        return
    if arguments.scale == "paper":
        _fetch(model, arguments.output, arguments.words)
        return
    from tokenizers import Tokenizer

    from ...stand_ins import corpus
    from ...stand_ins.pretrain import pretrain

    manifest.ensure(arguments.tokenizer.with_name("manifest.json"))
    if arguments.recorded:
        _take(model, arguments.recorded, arguments.tokenizer, arguments.output, arguments.words)
        return
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    modality = arguments.checkpoint.removeprefix(model).lstrip("-") or "text"
    texts = (
        corpus.documents(folder=corpora(arguments.scale, arguments.data_dir)) if modality == "text" else corpus.pixels()
    )
    pretrain(
        model,
        _encoded(texts, tokenizer),
        vocabulary=tokenizer.get_vocab_size(),
        eos=tokenizer.token_to_id("<|endoftext|>"),
        folder=arguments.output.parent,
        command=arguments.words,
        steps=steps_of(arguments.scale, arguments.checkpoint) if arguments.steps is None else arguments.steps,
    )


def _encoded(texts: Iterable[str], tokenizer) -> Iterator[list[int]]:
    texts = iter(texts)
    while chunk := list(islice(texts, CHUNK)):
        for encoding in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            yield encoding.ids


def _take(model: str, recorded: Path, tokenizer: Path, output: Path, words: list[str]) -> None:
    """Take a checkpoint that was pretrained on text, with its weights in float32, in which they are trained further.

    Raises:
        ValueError: it is of another model, or was trained with another tokenizer.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from ...stand_ins.pretrain import WEIGHTS

    about = json.loads((recorded / "model.json").read_text(encoding="utf-8"))
    if about["model"] != model:
        raise ValueError(f"{recorded} is a checkpoint of {about['model']}, not of {model}")
    if manifest.sha256(recorded / "tokenizer.json") != manifest.sha256(tokenizer):
        raise ValueError(
            f"{recorded} was trained with its own tokenizer.json, which {tokenizer} is not; make it again: "
            f"snakemake --cores all --force {tokenizer}"
        )
    network = AutoModelForCausalLM.from_pretrained(recorded, use_safetensors=True, dtype=torch.float32)
    with replacing_folder(output.with_name(WEIGHTS)) as draft:
        network.save_pretrained(draft)
    kept = {key: about[key] for key in ("model", "parameters", "tokens", "held_out", "eos")}
    manifest.write(output, {**kept, "path": WEIGHTS}, output.with_name(WEIGHTS).iterdir(), words)


def _fetch(model: str, output: Path, words: list[str]) -> None:
    """Fetch from the hub; a checkpoint in the format of state-spaces is converted and lies beside model.json."""
    from transformers import AutoConfig

    from ...models._convert import FILES, convert

    hub = registry.model_facts(model).hub
    # weights as pickles are not fetched, but where there is nothing else: the converter runs no code of theirs
    path = _downloaded(hub, ["*.safetensors", "*.json"])
    if "model_type" not in json.loads((path / "config.json").read_text(encoding="utf-8")):
        original = _downloaded(hub, ["config.json", *FILES])
        path = output.parent.resolve() / "weights"
        shutil.rmtree(path, ignore_errors=True)
        convert(original, path)
    eos = AutoConfig.from_pretrained(path).eos_token_id
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    manifest.write(output, {"model": model, "path": str(path), "eos": eos or 0}, files, words)


def _downloaded(hub: str, patterns: list[str]) -> Path:
    """Folder of a checkpoint in the hub's cache, fetched again where a file is not what its name there says."""
    from huggingface_hub import snapshot_download

    path = Path(snapshot_download(hub, allow_patterns=patterns))
    # the hub keeps large files under the SHA-256 of their contents
    blobs = {file.resolve() for file in path.rglob("*") if file.is_file()}
    if all(manifest.sha256(blob) == blob.name for blob in blobs if len(blob.name) == 64):
        return path
    return Path(snapshot_download(hub, allow_patterns=patterns, force_download=True))
