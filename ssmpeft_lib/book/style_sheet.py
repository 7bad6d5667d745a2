"""The book's one style sheet: the hand-written parts of `book/style/`, and the rules of the families of methods."""

from __future__ import annotations

from pathlib import Path

from ..plan import registry


def style_sheet(prose: Path) -> str:
    """Every part in the order of their names; Jupyter Book would link them in the order of the file system.

    Args:
        prose: the folder of hand-written pages, `book/`.
    """
    parts = [path.read_text(encoding="utf-8") for path in sorted((prose / "style").glob("*.css"))]
    return "\n".join([*parts, families()])


def families() -> str:
    """Colours, and for each family its shape beside a name and its slots in the drawing of a block."""
    rules = [_colours("light"), _colours("dark")]
    for name, family in registry.families().items():
        chosen = f".blockbox:has(#show-{name}:checked)"
        rules.append(f".f-{name} {{ --c: var(--{name}); }}")
        rules.append(f"{chosen} .slot {{ --c: var(--{name}); }}")
        rules.append(
            f"{chosen} .acts-{name} > .box {{ stroke: var(--c); stroke-width: 2.2;"
            " fill: color-mix(in srgb, var(--c) 13%, var(--page)); }"
        )
        if family.glyph:
            rules.append(f".f-{name} > i.glyph {{ {family.glyph} }}")
    return "\n".join(rules) + "\n"


def _colours(theme: str) -> str:
    colours = " ".join(f"--{name}: {getattr(family, theme)};" for name, family in registry.families().items())
    # paper is white, whatever the screen shows
    rule = f'html[data-theme="{theme}"] {{ {colours} }}'
    return f"html[data-theme] {{ {colours} }}" if theme == "light" else f"@media not print {{ {rule} }}"
