"""An explorable figure: a prefix of length M against an initial state. Plain HTML, SVG and a few lines of script.

Everything is computed here and embedded in the page, so that neither a kernel nor a network is needed. Without script
the figure shows M = H, and the table below it shows every M.
"""

from __future__ import annotations

import json

import numpy as np
from IPython.display import HTML

from ...theory.prefix import prefix_of_initial_state
from ...theory.systems import System, largest
from .page import number

WIDTH, HEIGHT, MARGIN = 640, 260, 34

TEMPLATE = """
<figure class="plot" id="prefix-slider">
<p><label for="prefix-length">Length of the prefix, M = <output id="prefix-length-value">{H}</output></label>
<input id="prefix-length" type="range" min="0" max="{most}" value="{H}" step="1" disabled
style="width:100%; accent-color:var(--ink, auto)"></p>
<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="prefix-slider-title">
<title id="prefix-slider-title">Outputs after the best prefix of length M (dots) against the outputs that the initial
state gives (line)</title>
<line x1="{margin}" x2="{width}" y1="{zero}" y2="{zero}" stroke="var(--rule, #8886)"/>
<polyline points="{line}" fill="none" stroke="var(--ink-3, currentColor)" stroke-width="1.5"/>
<g fill="var(--ink, currentColor)">{dots}</g>
<g font-size="13" fill="var(--ink-2, currentColor)" text-anchor="middle">{ticks}</g>
</svg>
<p aria-live="polite">The outputs differ by at most <output id="prefix-slider-outputs">{outputs}</output>,
the states by at most <output id="prefix-slider-states">{states}</output>.</p>
<details><summary>All lengths as a table</summary>{table}</details>
</figure>
<script>
(() => {{
  const data = {data};
  const find = id => document.getElementById(id);
  const dots = document.querySelectorAll("#prefix-slider circle"), input = find("prefix-length");
  input.disabled = false;
  input.addEventListener("input", () => {{
    const now = data[input.value];
    dots.forEach((dot, n) => dot.setAttribute("cy", now.y[n]));
    find("prefix-length-value").value = input.value;
    find("prefix-slider-outputs").innerHTML = now.outputs;
    find("prefix-slider-states").innerHTML = now.states;
  }});
}})();
</script>
"""


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
    rows = "".join(
        f"<tr><th scope=row>{m}</th><td>{number(a)}</td><td>{number(b)}</td></tr>" for m, (a, b) in enumerate(numbers)
    )
    return HTML(
        TEMPLATE.format(
            H=H,
            most=most,
            width=WIDTH,
            height=HEIGHT,
            margin=MARGIN,
            zero=y(np.zeros(1))[0],
            line=" ".join(f"{a},{b}" for a, b in zip(x, y(wanted), strict=True)),
            dots="".join(f'<circle cx="{a}" cy="{b}" r="4.5"/>' for a, b in zip(x, y(curves[H]), strict=True)),
            ticks="".join(f'<text x="{a}" y="{HEIGHT - 6}">{n}</text>' for n, a in enumerate(x, start=1)),
            outputs=number(numbers[H][0]),
            states=number(numbers[H][1]),
            table=f"<table class=plain><thead><tr><th>M<th>outputs<th>states</tr></thead><tbody>{rows}</tbody></table>",
            data=json.dumps(
                [
                    {"y": y(c), "outputs": number(a), "states": number(b)}
                    for c, (a, b) in zip(curves, numbers, strict=True)
                ]
            ),
        )
    )
