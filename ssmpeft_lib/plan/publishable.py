"""What of a cell's files may be passed on: answers and labels always, texts where the data set's licence allows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from . import registry
from .paths import METRICS

QUOTES = "quotes"
"""Tag of the cells of `notebooks/cell.md` that show texts of the data set."""

LEFT_OUT = "The texts of this data set are left out: no licence was found that lets them be passed on.\n"


def publishable(name: str, content: bytes, dataset: str) -> bytes:
    """Return a file of a cell without the texts of a data set that may not be passed on.

    What may be is said by `recordable` in the facts of the data set: `texts`, all; `labels`, the answers of the model
    and the labels that they are compared with; and where nothing is said, only the answers of the model.

    Args:
        name: of the file: metrics.json, predictions.jsonl or cell.ipynb.
        content: what lies there.
        dataset: name of the cell's data set.
    """
    allowed = registry.dataset_facts(dataset).recordable
    if allowed == "texts" or name == METRICS:
        return content
    if name == "predictions.jsonl":
        return _without(("input",) if allowed == "labels" else ("input", "references"), content)
    return _without_quotes(content)


def _without(names: Sequence[str], content: bytes) -> bytes:
    # no other end of a line: a text may have one within
    rows = [json.loads(line) for line in content.decode().split("\n") if line]
    kept = [{key: value for key, value in row.items() if key not in names} for row in rows]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept).encode()


def _without_quotes(content: bytes) -> bytes:
    """An executed notebook in which the cells that show texts say why they do not; an error may quote one as well."""
    notebook: dict[str, Any] = json.loads(content)
    for cell in notebook["cells"]:
        outputs = cell.get("outputs", [])
        failed = any(output["output_type"] == "error" for output in outputs)
        if outputs and (failed or QUOTES in cell["metadata"].get("tags", [])):
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": LEFT_OUT}]
    return (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode()
