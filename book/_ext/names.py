"""Names of methods and cells break behind a comma, an @, a + or a /, where a line is full, and never inside a word."""

import re

CODE = re.compile(r"(<code\b[^>]*>)(.*?)(</code>)", re.DOTALL)
PLACES = re.compile(r"(?<=[\w\]])([,@+/])(?=[\w\[])")


def offer_breaks(app, pagename, templatename, context, doctree):
    """Say in a page's code where it may break."""
    if "body" in context:
        context["body"] = CODE.sub(lambda code: code[1] + _with_breaks(code[2]) + code[3], context["body"])


def _with_breaks(markup):
    """Markup with places to break in its text, none inside of a tag."""
    pieces = re.split(r"(<[^>]+>)", markup)
    return "".join(piece if index % 2 else PLACES.sub(r"\1<wbr>", piece) for index, piece in enumerate(pieces))


def setup(app):
    app.connect("html-page-context", offer_breaks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
