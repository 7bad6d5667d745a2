"""Words that lead to a page as a whole: what `{index}` names on a page is found first, and the page once.

Sphinx gives each entry an anchor of its own, so that a page that is found by an entry and by its text is listed twice.
"""

from sphinx import addnodes
from sphinx.transforms import SphinxTransform


class WholePage(SphinxTransform):
    """Let every index entry of a page stand for the page, as its main place."""

    # before the entries are collected
    default_priority = 800

    def apply(self, **kwargs):
        """Take the anchors from the entries."""
        for node in self.document.findall(addnodes.index):
            node["entries"] = [(kind, value, "", "main", key) for kind, value, _, _, key in node["entries"]]


def setup(app):
    app.add_transform(WholePage)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
