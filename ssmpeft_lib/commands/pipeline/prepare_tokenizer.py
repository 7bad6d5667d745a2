"""Make a tokenizer.json ready: train the stand-ins' small one, copy a given one, or fetch a model's from the hub."""

from __future__ import annotations

import argparse
import shutil
from itertools import chain, islice
from pathlib import Path

from ...plan import manifest, paths
from ...plan.atomic import replacing
from ...plan.cell import SCALES

DOCUMENTS = 12_000
"""How many documents the stand-ins' tokenizer learns from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `prepare-tokenizer`."""
    parser.add_argument("scale", choices=SCALES)
    parser.add_argument("name", help="stand-in, or owner--name of a repository on the hub")
    parser.add_argument("--given", type=Path, help="a tokenizer.json to use for the stand-ins (scale real)")
    parser.add_argument("--data-dir", type=Path, help="folder of original data; its corpora/ is what is learned from")
    parser.add_argument("--output", type=Path, required=True, help="tokenizer.json; manifest.json goes beside it")


def run(arguments: argparse.Namespace) -> None:
    """Write the tokenizer, and its checksum beside it."""
    with replacing(arguments.output) as draft:
        if arguments.scale == "paper":
            from huggingface_hub import hf_hub_download

            shutil.copyfile(hf_hub_download(paths.tokenizer_on_hub(arguments.name), "tokenizer.json"), draft)
        elif arguments.given:
            shutil.copyfile(arguments.given, draft)
        else:
            _train(corpora(arguments.scale, arguments.data_dir), draft)
    manifest.write(
        arguments.output.with_name("manifest.json"), {"tokenizer": arguments.name}, [arguments.output], arguments.words
    )


def corpora(scale: str, data_dir: Path | None) -> Path | None:
    """Folder of text to pretrain on, if the data folder has one; None for the generated text."""
    folder = data_dir / "corpora" if data_dir and scale == "real" else None
    return folder if folder is not None and any(folder.rglob("*.txt")) else None


def _train(folder: Path | None, path: Path) -> None:
    from ...data import dataset
    from ...plan import registry
    from ...stand_ins import corpus, tokenizer

    instructions = {dataset(name).task(name).instruction for name in registry.entries("data")}
    inputs = chain.from_iterable(map(corpus.training_inputs, corpus.WRITTEN_OUT))
    texts = chain(islice(corpus.documents(folder=folder), DOCUMENTS), inputs)
    tokenizer.save(tokenizer.train(texts, sorted(instructions)), path)
