"""Make a data set ready: find or generate its files, cut its splits, and write its token ids once for all cells."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...plan import manifest
from ...plan.cell import SCALES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `prepare-data`."""
    parser.add_argument("scale", choices=SCALES)
    parser.add_argument("dataset", help="for example glue-rte")
    parser.add_argument("--data-dir", type=Path, help="folder of original data, one folder a data set")
    parser.add_argument("--splits", default="{}", help="official splits to use for train, val, test, as JSON")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json, for texts")
    parser.add_argument(
        "--output", type=Path, required=True, help="describes the token ids, which go into a folder beside it"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the token ids and what describes them."""
    from ...data import _source as sources
    from ...data._encode import prepare

    if arguments.tokenizer:
        manifest.ensure(arguments.tokenizer.with_name("manifest.json"))
    source = sources.find(
        arguments.dataset, arguments.scale, arguments.data_dir, arguments.output.parent / "miniatures"
    )
    splits, folder = sources.parse_splits(arguments.splits), arguments.output.with_suffix("")
    prepared = prepare(arguments.dataset, source, arguments.tokenizer, folder, splits)
    document = {"dataset": arguments.dataset, **prepared.description}
    # answers are scored with the databases; original ones are the user's
    databases = source.folder.rglob("*.sqlite") if source.kind == "miniature" else ()
    manifest.write(arguments.output, document, [*prepared.folder.iterdir(), *databases], arguments.words)
