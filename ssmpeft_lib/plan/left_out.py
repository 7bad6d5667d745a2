"""Settings of config.yaml that are each valid and together leave no cell to run."""

from __future__ import annotations

from collections.abc import Iterator

from .config import Config, matches
from .exhibit import Exhibit

MOST_NAMES = 5
"""How many tables and figures a message names."""


def messages(config: Config, chosen: list[Exhibit], every: list[Exhibit]) -> Iterator[str]:
    """What to say where `only` names cells that `exhibits` leaves out, and where it leaves none.

    Args:
        chosen: the tables and figures that `exhibits` names.
        every: all that there are.
    """
    cells = config.every_cell(chosen)
    asked = "exhibits: all" if config.exhibits == "all" else f"exhibits: [{', '.join(one.id for one in chosen)}]"
    for glob in config.only:
        if any(matches(glob, cell) for cell in cells):
            continue
        elsewhere = [one.id for one in every if any(matches(glob, cell) for cell in config.every_cell([one]))]
        if elsewhere:
            yield (
                f"only: {glob!r} matches no cell of {asked}, but cells of {_names(elsewhere)}: add one of these to "
                "exhibits, or change the glob"
            )
    if not any(config.wants(cell) for cell in cells):
        yield f"nothing is left to run: {asked} has {len(cells):,} cells, and only: {config.only} leaves out all"


def _names(exhibits: list[str]) -> str:
    more = len(exhibits) - MOST_NAMES
    return ", ".join(exhibits[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
