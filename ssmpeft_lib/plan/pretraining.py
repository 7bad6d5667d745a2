"""How long stand-ins are pretrained where the configuration does not say."""

from __future__ import annotations

from . import paths, registry

STEPS = 1500
"""Optimiser steps, where a model's facts do not say otherwise (`pretraining_steps`). Tasks that compare two sentences
need more than this; those that generate text hardly gain by more."""

ON_DATA = {"quick": 63, "real": 300}
"""Of a network that is pretrained on the data that it is adapted to: three epochs of digits at scale quick, which leave
something to learn in adapting. At scale paper epochs are counted."""


def steps_of(scale: str, checkpoint: str) -> int | None:
    """Optimiser steps of a checkpoint's pretraining; None where another unit counts."""
    model = paths.model_of(checkpoint)
    if paths.pretrained_on(model):
        return ON_DATA.get(scale)
    # a model's own number is that of its stand-in for texts
    own = registry.model_facts(model).pretraining_steps if checkpoint == model else None
    return STEPS if own is None else own
