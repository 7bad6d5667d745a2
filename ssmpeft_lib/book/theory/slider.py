"""An explorable figure: a prefix of length M against an initial state. Plain HTML, SVG and a few lines of script.

Everything is computed here and embedded in the page, so that neither a kernel nor a network is needed. Without script
the figure shows M = H, and the table below it shows every M.
"""

from __future__ import annotations

import numpy as np
from IPython.display import HTML

from ...theory.prefix import prefix_of_initial_state
from ...theory.systems import System, largest
from ..environment import render
from ..errata_view import number

WIDTH, HEIGHT, MARGIN = 640, 260, 34


def prefix_slider(system: System, target_state: np.ndarray, seq_len: int = 12, most: int = 8) -> HTML:
    """The figure for one channel and the state that every prefix, from length 0 to `most`, tries to reach."""
    H, silence = len(system.A), np.zeros(seq_len)
    wanted = system.run(silence, target_state)[0]
    curves, numbers = [], []
    for length in range(most + 1):
        reached = system.run(prefix_of_initial_state(system, target_state, length))[1] if length else np.zeros(H)
        curves.append(system.run(silence, reached)[0])
        numbers.append((largest(curves[-1] - wanted), largest(reached - target_state)))
    low, high = min(c.min() for c in [wanted, *curves]), max(c.max() for c in [wanted, *curves])

    def y(values: np.ndarray) -> list[float]:
        return np.round(10 + (high - values) / (high - low) * (HEIGHT - 40), 1).tolist()

    x = np.linspace(MARGIN + 10, WIDTH - 14, seq_len).round(1).tolist()
    frames = [{"y": y(c), "outputs": number(a), "states": number(b)} for c, (a, b) in zip(curves, numbers, strict=True)]
    places = list(zip(x, y(wanted), strict=True))
    rows = [(str(length), frame["outputs"], frame["states"]) for length, frame in enumerate(frames)]
    values = {"frames": frames, "start": H, "wanted": places, "rows": rows, "zero": y(np.zeros(1))[0]}
    return HTML(render("prefix_slider.html", width=WIDTH, height=HEIGHT, margin=MARGIN, **values))
