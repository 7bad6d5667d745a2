"""What other programs read about a page: title, description and picture for links, and how to cite the book."""

from html import escape
from pathlib import Path

import yaml

CARD = "_static/card.png"
LONGEST = 200


def describe(app, pagename, templatename, context, doctree):
    """Add meta elements to a page."""
    title = context.get("title") or app.config.html_title
    found = {
        "og:title": title,
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "twitter:card": "summary_large_image",
    }
    text = description(doctree)
    if text:
        found |= {"og:description": text, "description": text}
    base = app.config.html_baseurl
    if base:
        found |= {"og:url": f"{base}{pagename}.html", "og:image": f"{base}{CARD}"}
    if pagename == app.config.root_doc:
        found |= citation(Path(app.srcdir) / "CITATION.cff")
    context["metatags"] = context.get("metatags", "") + "".join(_element(name, value) for name, value in found.items())


def description(doctree):
    """The first sentence or two of a page."""
    if doctree is None:
        return ""
    for paragraph in doctree.findall(lambda node: node.tagname == "paragraph"):
        text = " ".join(paragraph.astext().split())
        if len(text) > 40:
            return text if len(text) <= LONGEST else text[: text.rfind(" ", 0, LONGEST)] + " …"
    return ""


def citation(path):
    """The names that reference managers look for, from CITATION.cff."""
    if not path.exists():
        return {}
    cited = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"citation_title": cited["title"], "citation_publication_date": str(cited.get("date-released", ""))}


def _element(name, value):
    key = "property" if name.startswith("og:") else "name"
    return f'\n<meta {key}="{escape(name)}" content="{escape(value)}">'


def setup(app):
    app.connect("html-page-context", describe)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
