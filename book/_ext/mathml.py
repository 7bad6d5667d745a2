"""TeX to MathML while the book is built, so that a page needs no script and no network to show an equation."""

from docutils import nodes
from latex2mathml.converter import convert


def inline(writer, node):
    """An equation in a line of text."""
    writer.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise nodes.SkipNode


def display(writer, node):
    """An equation on a line of its own, with its number where it has one."""
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    anchor = f' id="{node["ids"][0]}"' if node.get("ids") else ""
    writer.body.append(f'<div class="math"{anchor}>{convert(node.astext(), display="block")}{number}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
