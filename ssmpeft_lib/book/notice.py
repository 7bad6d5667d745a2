"""What our own numbers stand for, as every page says that shows one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..plan import paths
from ..plan.cell import Cell
from ..plan.pretraining import steps_of
from .environment import render


@dataclass(frozen=True)
class Notice:
    """What a book's own numbers stand for.

    Attributes:
        scale: `quick`, `real` or `paper`.
        steps: the fewest that a stand-in was pretrained for, where one got less than adapting it needs.
    """

    scale: str
    steps: int | None = None

    @classmethod
    def of(cls, scale: str, results: Path, cells: Iterable[Cell]) -> Notice:
        """The notice of a book, from what its checkpoints say of themselves."""
        short = []
        for checkpoint in {paths.checkpoint_of(scale, cell.model, cell.dataset) for cell in cells}:
            about = Path(results) / paths.checkpoint_folder(scale, checkpoint) / "model.json"
            steps = json.loads(about.read_text(encoding="utf-8")).get("steps") if about.exists() else None
            if steps is not None and steps < (steps_of(scale, checkpoint) or 0):
                short.append(steps)
        return cls(scale, min(short, default=None))

    def html(
        self, kept: dict[str, Any] | None = None, stand_ins: Sequence[str] = (), zeros: tuple[int, int] = (0, 0)
    ) -> str:
        """The notice as a page shows it; empty at scale paper.

        Args:
            kept: what is known of numbers that come from recorded runs instead.
            stand_ins: what stands in for data sets that have no generated miniature.
            zeros: how many of how many scores of the page are zero.
        """
        return render("notice.html", notice=self, kept=kept, stand_ins=stand_ins, zeros=zeros).strip()
