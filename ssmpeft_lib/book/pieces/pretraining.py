"""What was measured while the models of scale real were pretrained, from `model.json` of each recorded checkpoint."""

from __future__ import annotations

import json
from typing import Any

from ...drawing import charts
from ...drawing.numbers import fixed
from ...plan.registry import PACKAGE
from ..documents import Book
from ..environment import render
from ..page import raw

RECORDED = PACKAGE.parent / "recorded" / "checkpoints"


def myst(book: Book, page: str) -> str:
    """Return a table of all models, and for each its losses and what it writes; nothing where none is finished."""
    models = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDED.glob("*/model.json"))]
    if not models:
        return ""
    shown = sorted((_model(about) for about in models), key=lambda model: model["parameters"])
    return raw(render("pretraining.html", models=shown))


def _model(about: dict[str, Any]) -> dict[str, Any]:
    bits, ngrams = about["held_out"]["bits_per_byte"], about["ngrams"]["bits_per_byte"]
    speed = about["speed"]
    return about | {
        "bits": fixed(bits, 3),
        "ngram_bits": fixed(ngrams, 3),
        "fewer": fixed(100 * (1 - bits / ngrams), 1),
        "of_floor": fixed(100 * speed["training"] / speed["products_alone"], 0),
        "charts": list(_charts(about)),
    }


def _charts(about: dict[str, Any]):
    """Losses over steps, those of a model that has learned a while: the first would flatten the rest."""
    history = about["history"]
    for key, title in (("loss", "training loss"), ("held_out_loss", "held-out loss")):
        known = [entry for entry in history if key in entry]
        later = known[len(known) // 20 :]
        if len(later) > 1:
            steps, values = [entry["step"] for entry in later], [entry[key] for entry in later]
            label = f"{about['model']}: {title} goes from {values[0]:.2f} to {values[-1]:.2f} nats a token."
            yield charts.curve(steps, values, f"{title}, nats a token", label)
