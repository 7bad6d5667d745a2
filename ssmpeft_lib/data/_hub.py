"""Data sets from the Hugging Face hub, also those whose loading script `datasets` no longer runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def load(repository: str, config: str | None = None) -> dict[str, Iterable[dict[str, Any]]]:
    """Every split of a hub data set, as rows.

    Data sets that consist of a loading script are read from the Parquet files that the hub made of them.

    Raises:
        LookupError: the data set cannot be reached; says how to do without the hub.
    """
    import datasets

    try:
        return datasets.load_dataset(repository, config)
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
    except (ConnectionError, OSError, datasets.exceptions.DatasetNotFoundError) as error:
        raise unreachable(repository, error) from None
    pattern = f"hf://datasets/{repository}@~parquet/{config or 'default'}/{{split}}/*.parquet"
    splits = ("train", "validation", "test")
    try:
        return datasets.load_dataset("parquet", data_files={name: pattern.format(split=name) for name in splits})
    except (ConnectionError, OSError) as error:
        raise unreachable(repository, error) from None


def unreachable(repository: str, error: Exception) -> LookupError:
    """What to say when the hub does not give a data set."""
    return LookupError(
        f"data set {repository!r} cannot be loaded from the hub ({type(error).__name__}: {error}); "
        "put the original files into a folder and set data_dir to it"
    )
