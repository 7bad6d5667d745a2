"""The families of methods: a name, a colour and a shape each, by which every table, chart and drawing tells them apart.

A method's class names its family. One that is not here stands as `FAMILIES` in the method's own file, a dict of dicts
with the fields of `Family`; `registry.families()` has all. The style sheet's rules on families and the marks in
drawings come from here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """How a family is shown.

    Attributes:
        label: what it is called.
        light, dark: its colour on a light and on a dark page; those of the first five stay distinct under
            simulated colour blindness.
        mark: its shape in drawings, as SVG around the origin.
        glyph: the same shape beside a name, as the declarations of CSS that turn a disc into it.
    """

    label: str
    light: str
    dark: str
    mark: str
    glyph: str = ""


FAMILIES = {
    "prompt": Family(
        *("Prompt-based", "#a3247f", "#f08cc8", '<path d="M0-5L5.2 4H-5.2Z"/>'),
        "width: 0.76em; height: 0.68em; border-radius: 0; clip-path: polygon(50% 0, 100% 100%, 0 100%);",
    ),
    "bias": Family(
        *("BitFit", "#0b7a5e", "#4cc9a4", '<path d="M0-5.4L5.4 0L0 5.4L-5.4 0Z"/>'),
        "width: 0.78em; height: 0.78em; border-radius: 0; clip-path: polygon(50% 0, 100% 50%, 50% 100%, 0 50%);",
    ),
    "lora": Family("LoRA", "#1c62b7", "#6fa8f7", '<circle r="4.5"/>'),
    "sdlora": Family(
        *("SDLoRA", "#b84300", "#ff9466", '<rect x="-4.2" y="-4.2" width="8.4" height="8.4" rx=".8"/>'),
        "border-radius: 1px;",
    ),
    "full": Family(
        *("Full", "#2b3139", "#d5dae1", '<circle r="4" class="ring"/>'),
        "background: none; border: 2px solid var(--c); width: 0.68em; height: 0.68em;",
    ),
    "frozen": Family(
        *("Pretrained", "#6b7280", "#98a0ac", '<path d="M-5 0H5" class="dash"/>'),
        "width: 0.76em; height: 2px; border-radius: 0; align-self: center;",
    ),
}
"""The paper's families, by the name that methods give, in the order in which pages list them."""
