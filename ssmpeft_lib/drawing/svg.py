"""SVG as text. Colours, fonts and the shapes' meaning are the page's: a mark's class names its method's family."""

from __future__ import annotations

from html import escape

from ..plan.registry import families


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """An element. Attributes are escaped; `class_` stands for class, other underscores for hyphens.

    `content` is markup already; text goes through `text`.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(content: str, x: float, y: float, **attributes: str | float) -> str:
    """A line of text, escaped."""
    return element("text", escape(content), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return path(f"M{_short(x1)} {_short(y1)}L{_short(x2)} {_short(y2)}", class_)


def path(d: str, class_: str) -> str:
    """A path that is drawn as a line; its colour is the text's where no style sheet says otherwise."""
    return element("path", d=d, class_=class_, fill="none", stroke="currentColor")


def mark(family: str, x: float, y: float, title: str = "", href: str = "") -> str:
    """A family's mark, with a title on pointing and a link where one is given."""
    inner = (f"<title>{escape(title)}</title>" if title else "") + families()[family].mark
    drawn = element("g", inner, class_=f"glyph f-{family}", transform=f"translate({_short(x)} {_short(y)})")
    return element("a", drawn, href=href, aria_label=title) if href else drawn


def drawing(width: float, height: float, label: str, content: str, class_: str = "") -> str:
    """The whole picture, with a label for those who do not see it."""
    return element(
        "svg",
        content,
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        width=width,
        height=height,
        # what a viewer without the book's style sheet shows, such as a notebook
        fill="currentColor",
        font_family="sans-serif",
        font_size=13,
        # an image has no links for who does not see it
        role="group" if "<a " in content else "img",
        aria_label=label,
        class_=class_,
    )


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
