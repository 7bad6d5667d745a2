"""Drop the scripts that Jupyter Book adds for running code in the page: they are fetched from elsewhere."""


def drop_thebe(app, pagename, templatename, context, doctree):
    """Take thebe out of a page's scripts."""
    scripts = context.get("script_files", [])
    scripts[:] = [
        script for script in scripts if "thebe" not in f"{script} {getattr(script, 'attributes', '')}".lower()
    ]


def setup(app):
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
