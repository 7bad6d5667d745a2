"""Show a data set: its source, its sizes and lengths beside those of the original (Table 6), and three examples.

Without --data-dir and --hub the generated miniature is shown. Lengths are counted in characters, and in tokens where a
tokenizer is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from ..plan import registry

SHOWN = 3
WIDTH = 600
"""Characters of an example that are shown; the middle of a longer one is left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `data`."""
    parser.add_argument("dataset", help="for example glue-rte")
    parser.add_argument("--data-dir", type=Path, help="folder of original data, one folder a data set")
    parser.add_argument("--hub", action="store_true", help="read from the Hugging Face hub")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json to count tokens with")
    parser.add_argument("--splits", default="{}", help='official splits to use instead, such as {"train": "dev"}')


def run(arguments: argparse.Namespace) -> None:
    """Print what there is."""
    from ..data import _source as sources

    if arguments.tokenizer and not arguments.tokenizer.is_file():
        raise ValueError(f"--tokenizer {arguments.tokenizer} is no file; give a tokenizer.json")
    scale = "real" if arguments.data_dir else "paper" if arguments.hub else "quick"
    with TemporaryDirectory() as scratch:
        source = sources.find(arguments.dataset, scale, arguments.data_dir, Path(scratch))
        for line in _described(source, sources.parse_splits(arguments.splits), arguments.tokenizer, Path(scratch)):
            print(line)


def _described(source, override: Mapping[str, str | None], tokenizer: Path | None, scratch: Path) -> Iterator[str]:
    from ..data import _source as sources

    splits = source.read()
    where = source.folder if source.kind == "files" else ""
    yield f"{source.dataset}: {source.words} {where}".rstrip()
    yield "official splits: " + ", ".join(f"{name} {len(examples):,}" for name, examples in splits.items())
    roles = sources.assign_roles(source.dataset, splits, override)
    taken = sources.describe_roles(source.dataset, override)
    facts = registry.dataset_facts(source.dataset)
    sizes, lengths = {role: len(examples) for role, examples in roles.items()}, _characters(roles)
    if tokenizer:
        from ..data._encode import prepare

        prepared = prepare(source.dataset, source, tokenizer, scratch / "encoded", override)
        sizes = prepared.description["sizes"]
        lengths = {role: f"{split.lengths.max(initial=0):,} tokens" for role, split in prepared.splits.items()}
    for role, size in sizes.items():
        yield f"  {role:5} {size:>8,}  (original: {facts.sizes[role]:,})  longest {lengths[role]}  from {taken[role]}"
    if tokenizer:
        found, printed = prepared.description["max_seq_len"], facts.max_seq_len
        yield f"longest input plus longest label of train: {found:,} tokens (original: {printed:,})"
    yield from _examples(source.dataset, [example for example in roles["train"][:SHOWN] if example.input])


def _characters(roles) -> dict[str, str]:
    longest = {
        role: max((len(e.input) + len(e.label) for e in examples), default=0) for role, examples in roles.items()
    }
    return {role: f"{length:,} characters" for role, length in longest.items()}


def _examples(name: str, examples) -> Iterator[str]:
    from ..data import dataset

    instruction = dataset(name).task(name).instruction
    for number, example in enumerate(examples, 1):
        yield f"example {number}: {_shortened(instruction + example.input)!r} -> {_shortened(example.label)!r}"


def _shortened(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH // 2]} ... {text[-WIDTH // 2 :]}"
