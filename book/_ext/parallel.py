"""Let Sphinx read pages on all cores, in spite of an extension that numbers chapters: this book numbers none."""


def declare(app, config):
    """Say what sphinx_multitoc_numbering does not."""
    extension = app.extensions.get("sphinx_multitoc_numbering")
    if extension is not None:
        extension.parallel_read_safe = True


def setup(app):
    app.connect("config-inited", declare)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
