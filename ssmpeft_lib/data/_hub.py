"""Data sets from the Hugging Face hub, also those whose loading script `datasets` no longer runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def load(repository: str, config: str | None = None, mirror: str | None = None) -> dict[str, Iterable[dict[str, Any]]]:
    """Every split of a hub data set, as rows.

    A data set that consists of a loading script is read from the Parquet files that the hub made of it, and where
    there are none, from a copy.

    Args:
        repository: owner and name.
        config: the part of it.
        mirror: owner and name of a copy.
    Raises:
        LookupError: the data set cannot be reached; says how to do without the hub.
    """
    import datasets

    parquet = f"hf://datasets/{repository}@~parquet/{config or 'default'}/{{}}/*.parquet"
    files = {split: parquet.format(split) for split in ("train", "validation", "test")}
    attempts = [
        lambda: datasets.load_dataset(repository, config),
        lambda: datasets.load_dataset("parquet", data_files=files),
    ]
    if mirror:
        attempts.append(lambda: datasets.load_dataset(mirror))
    failures = []
    for attempt in attempts:
        try:
            return attempt()
        # The hub, its client and the network fail in many ways; all of them are told below.
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")
    raise LookupError(
        f"data set {repository!r} cannot be loaded from the hub; put the original files into a folder and set "
        f"data_dir to it. What was tried: {'; '.join(failures)}"
    )
